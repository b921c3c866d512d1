"""One logged prediction taken apart, for a terminal."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from accord import terminal
from accord.bundle.bundle import Bundle, constant_beside
from accord.monitoring.explain import Explanation, Values
from accord.paths import Paths
from accord.serving import bento
from accord.sql.rows import with_columns_of_parts

N_SHOWN = 5
"""Contributions of a target, unless all are asked for."""
NAMES = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|\b[A-Za-z_]\w*\b(?!\s*\()""")
"""Texts, quoted names, and names that call no function."""


def as_text(explanation: Explanation, paths: Paths, every: bool = False) -> terminal.Lines:
    """The explanation for a terminal, with every contribution or the largest ones."""
    logged = explanation.logged
    lines = [
        f"Prediction  {logged.prediction_id}",
        f"made        {logged.at:%Y-%m-%d %H:%M:%S.%f} UTC, in {logged.latency_us / 1000:.3g} ms",
        f"model       {logged.model}{f' in {explanation.found[0]}' if explanation.found else ''}",
        *([f"key         {logged.key}"] if logged.key is not None else []),
        f"outcome     {_outcome(explanation)}",
        *([f"received    {logged.outcome_at:%Y-%m-%d %H:%M:%S} UTC"] if logged.outcome_at else []),
        f"warnings    {'; '.join(logged.warnings) or 'none'}",
        *_section("Row", _row(explanation)),
        *_section("Predictions", _predictions(explanation)),
        *_contributions(explanation, every),
        *_section("Policy", _policy(explanation)),
        *_section("Made by", _provenance(explanation, paths)),
    ]
    if explanation.problem:
        lines += ["", explanation.problem]
    if explanation.differences:
        lines += ["", f"WARNING: recomputed, it comes out otherwise: {'; '.join(explanation.differences)}"]
    return terminal.lines(lines)


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", title, *(f"  {line}" for line in lines)]


def _outcome(explanation: Explanation) -> str:
    known = explanation.logged.outcome
    return ", ".join(f"{name} {_plain(value)}" for name, value in known.items()) or "not known yet"


def _row(explanation: Explanation) -> list[str]:
    row = explanation.logged.row
    if explanation.found is None:
        return _table({name: _plain(value) for name, value in row.items() if value is not None})
    _, bundle = explanation.found
    shown = {}
    for name, column in {**bundle.columns, **bundle.context}.items():
        value = row.get(name)
        if name in bundle.context and value is None:
            continue
        if column.pii == "drop":
            shown[name] = "not logged"
        else:
            kind = "(hashed)" if column.pii == "hash" else column.unit or ""
            shown[name] = f"{_plain(value)} {kind if value is not None else ''}".rstrip()
    return _table(shown)


def _predictions(explanation: Explanation) -> list[str]:
    units = {} if explanation.found is None else _units(explanation.found[1])
    shown = {
        name: f"{_plain(value)} {units.get(name, '')}".rstrip()
        for name, value in explanation.logged.predicted.items()
        if value is not None or name in units
    }
    if explanation.found is not None:
        shown |= {
            name: f"{likeliest or 'missing'}, the likeliest class"
            for name, (likeliest, _) in _likeliest(explanation.found[1], explanation.logged.predicted).items()
        }
    if explanation.recomputed is None:
        return _table(shown)
    return [
        *_table(shown),
        f"recomputed: {'OTHER BITS, see below' if explanation.differences else 'same bits'}",
    ]


def _units(bundle: Bundle) -> dict[str, str]:
    """The unit of each column of predictions."""
    return {
        column: bundle.targets[name].unit or ""
        for name, target in bundle.predicted.items()
        for column in target.columns
    }


def _likeliest(bundle: Bundle, predictions: Values) -> dict[str, tuple[str | None, str | None]]:
    """For each target that has classes the likeliest of them, and its column."""
    found = {}
    for name, target in bundle.predicted.items():
        if target.task.classes and predictions.keys() >= {*target.columns}:
            likeliest = target.likeliest(predictions)
            column = None if likeliest is None else target.columns[target.task.classes.index(likeliest)]
            found[name] = (likeliest, column)
    return found


def _contributions(explanation: Explanation, every: bool) -> list[str]:
    if explanation.found is None or explanation.recomputed is None:
        return []
    lines = []
    answer, targets = explanation.recomputed.answer, explanation.found[1].predicted.values()
    called = constant_beside([feature.name for feature in explanation.found[1].transform.features])
    losses = {column: target.loss for target in targets for column in target.raw_columns}
    first = {column for _, column in _likeliest(explanation.found[1], answer).values()}
    in_order = [
        column
        for target in targets
        for column in sorted(target.raw_columns, key=lambda name: name not in first)
    ]
    for name in in_order:
        parts = explanation.recomputed.contributions[name]
        constant = next(part for part in parts if part.feature == called)
        features = [part for part in parts if part is not constant]
        shown = features if every else features[:N_SHOWN]
        said = [(constant.amount, "constant")]
        said += [(part.amount, f"{part.feature} = {_plain(part.value)}") for part in shown]
        if rest := features[len(shown) :]:
            said.append((sum(part.amount for part in rest), f"{len(rest)} more features; see --all"))
        scale = losses[name].scale
        of_scale = (
            f"{scale}, which is {_plain(answer[name])}" if scale and name in answer else scale or "in all"
        )
        said.append((sum(part.amount for part in parts), of_scale))
        lines += _section(f"What adds up to {name}", [f"{amount:+10.4f}  {what}" for amount, what in said])
    return lines


def _policy(explanation: Explanation) -> list[str]:
    logged = explanation.logged
    if explanation.found is None:
        return [f"score {_plain(logged.score)}, action {_plain(logged.action)}"]
    policy = explanation.found[1].policy
    if policy is None:
        return ["none: predictions are delivered, and nothing is decided"]
    score = {"score": logged.score}
    values = {**explanation.logged.row, **explanation.logged.predicted, **policy.weights, **score}
    weights = ", ".join(f"{name} {_plain(value)}" for name, value in policy.weights.items())
    return _table(
        {
            "weights": weights + (", of which some were set while the service ran" if logged.weights else ""),
            "score": policy.score,
            "": f"= {with_values(policy.score, values)}",
            " ": f"= {_plain(logged.score)}",
            "acts if": f"{policy.action}, here {with_values(policy.action, values)}",
            "acted": _plain(logged.action) + _chance(explanation),
        }
    )


def _chance(explanation: Explanation) -> str:
    """How the action came about where actions are explored."""
    probability = explanation.logged.probability
    if probability is None:
        return ""
    told = f", an action that had probability {_plain(probability)}"
    again = explanation.recomputed
    if again is not None and again.answer["action"] != explanation.logged.action:
        return f"{told}: explored, the policy alone would have said {_plain(again.answer['action'])}"
    return told


def with_values(sql: str, values: Values) -> str:
    """The expression with values in the place of names.

    >>> with_values("(1 - w) * fee + greatest(delay, 0) * (dest = 'delay')", {"w": 0.3, "fee": 12.0, "delay": -4.5, "dest": None})
    "(1 - 0.3) * 12 + greatest((-4.5), 0) * (NULL = 'delay')"
    """

    def value(found: re.Match[str]) -> str:
        name = found[0].strip('"')
        if found[0].startswith("'") or name not in values:
            return found[0]
        given = values[name]
        if given is None:
            return "NULL"
        if isinstance(given, str):
            return "'{}'".format(given.replace("'", "''"))
        text = _plain(given)
        return f"({text})" if text.startswith("-") else text

    return NAMES.sub(value, with_columns_of_parts(sql))


def _provenance(explanation: Explanation, paths: Paths) -> list[str]:
    shown = {"config": explanation.logged.config}
    if explanation.logged.code:
        shown["service"] = f"{explanation.logged.code}, the code that answered"
    if explanation.found is not None:
        manifest = explanation.found[1].manifest
        versions = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())
        data = manifest["data"]
        shown |= {
            "data": f"{data['name']} {data['sha256'][:16]}",
            "code": manifest["code_sha256"][:16],
            "versions": versions,
        }
    about = bento.folder(f"accord:{explanation.logged.model}", paths) / "bento.yaml"
    if about.is_file():
        labels = yaml.load(about.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)["labels"]
        shown["commit"] = f"{labels['git_commit']}, of the Bento built at {labels['built_at']}"
    return _table(shown)


def _table(values: Mapping[str, str]) -> list[str]:
    return terminal.columns(values.items())


def _plain(value: Any) -> str:
    """A value as people write it.

    >>> [_plain(value) for value in (None, True, 12.0, 0.1234567, "CLT")]
    ['missing', 'true', '12', '0.123457', 'CLT']
    """
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)
