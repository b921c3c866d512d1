"""Explain: one prediction of the traffic log, from what it was made, by what and why."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from accord import bundle as bundles
from accord import paths, releases, terminal
from accord.bundle import Bundle
from accord.config.schema import Traffic
from accord.errors import AccordError
from accord.expressions import TYPES, with_derived
from accord.files import read_json
from accord.serving import packaging
from accord.serving.requests import Decoder, InvalidRowError
from accord.traffic import outcomes, reading, typed

N_SHOWN = 5
"""Contributions of a target, unless all are asked for."""
SCALES = {"log": "log-odds", "poisson": "log", "tweedie": "log"}
NAMES = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|\b[A-Za-z_]\w*\b(?!\s*\()""")
"""Texts, quoted names, and names that call no function."""


@dataclass(frozen=True)
class Contribution:
    feature: str
    value: Any
    """The feature's; None for one that is missing, and for the constant."""
    amount: float
    """What it adds to the raw score."""


@dataclass(frozen=True)
class Recomputed:
    """The same row, answered again."""

    answer: dict[str, Any]
    """Predictions, score and action."""
    contributions: dict[str, list[Contribution]]
    """Of each target, the largest first."""


@dataclass(frozen=True)
class Explanation:
    logged: dict[str, Any]
    """The prediction's columns in the log."""
    found: tuple[Path, Bundle] | None
    """The model that made it, with the policy's weights of that moment."""
    recomputed: Recomputed | None
    problem: str | None
    """Why something of this is missing."""

    def part(self, name: str) -> dict[str, Any]:
        """The columns `name|...` by what follows the bar."""
        return {c.partition("|")[2]: v for c, v in self.logged.items() if c.startswith(f"{name}|")}

    @property
    def differences(self) -> list[str]:
        """What came out otherwise this time, in words."""
        if self.recomputed is None:
            return []
        before = {**self.part("predicted"), "score": self.logged["score"]}
        if self.logged["probability"] is None:  # else the action was drawn
            before["action"] = self.logged["action"]
        return [
            f"{name} was {before.get(name)!r}, is {value!r} now"
            for name, value in self.recomputed.answer.items()
            if name in before and repr(before[name]) != repr(value)
        ]


def explain(prediction_id: str, settings: Traffic) -> Explanation:
    """What is known of a prediction. Raises AccordError if it isn't in the log."""
    found_row = reading.find(paths.TRAFFIC, prediction_id, settings.postgres)
    if found_row is None:
        raise AccordError(
            f"No prediction '{prediction_id}' in the log; expected the prediction_id of an answer of the last {settings.retention_days} days that was not forgotten"
        )
    logged = found_row | outcomes.of(paths.TRAFFIC, found_row, settings.postgres)
    try:
        folder = bundle_folder(logged["model"])
        found = _with_weights(bundles.load(folder), json.loads(logged["weights"] or "{}"))
    except AccordError as error:
        return Explanation(logged, None, None, f"The model can't be loaded: {error}")
    explanation = Explanation(logged, (folder, found), None, None)
    try:
        return replace(explanation, recomputed=_recomputed(found, explanation.part("row")))
    except InvalidRowError as error:
        return replace(explanation, problem=f"Can't be recomputed: {error}")


def bundle_folder(model_id: str) -> Path:
    """Where the model is: the candidate, a release, or inside a Bento. Raises AccordError if it is nowhere."""
    bento = packaging.folder(f"accord:{model_id}") / "src" / paths.BUNDLE
    for folder in (paths.BUNDLE, paths.RELEASES / model_id, bento):
        manifest = folder / "manifest.json"
        if manifest.is_file() and read_json(manifest)["model_id"] == model_id:
            return folder
    if (paths.RELEASES / f"{model_id}.dvc").is_file():
        return releases.restored(model_id)
    raise AccordError(
        f"{model_id} is neither {paths.BUNDLE}, nor a release, nor in a Bento of {packaging.BENTOML_HOME}; fetch the Bento that served it"
    )


def _with_weights(bundle: Bundle, weights: Mapping[str, float]) -> Bundle:
    """The bundle with these of its policy's weights set to other values."""
    if bundle.policy is None:
        return bundle
    changed = {**bundle.policy.weights, **weights}
    return replace(bundle, policy=bundle.policy.model_copy(update={"weights": changed}))


def _recomputed(bundle: Bundle, row: Mapping[str, Any]) -> Recomputed:
    """Raises InvalidRowError if the logged row isn't what the model saw."""
    hidden = [name for name, column in bundle.columns.items() if column.pii]
    if hidden:
        raise InvalidRowError(
            f"the log keeps no {', '.join(hidden)} as it was, which could identify a person"
        )
    frame = _frame(bundle, row)
    answer = {name: _finite(values.tolist()[0]) for name, values in bundle.answer(frame).items()}
    values = with_derived(frame, bundle.transform.derived).row(0, named=True)
    contributions = {}
    for target, amounts in bundle.explain(frame).items():
        parts = [Contribution(name, values.get(name), n) for name, n in amounts.row(0, named=True).items()]
        contributions[target] = sorted(parts, key=lambda part: -abs(part.amount))
    return Recomputed(answer, contributions)


def _frame(bundle: Bundle, row: Mapping[str, Any]) -> pl.DataFrame:
    """The logged row (1) as a table in the contract's types."""
    decoder = Decoder(bundle.columns, {}, max_rows=1, max_text=len(str(row)))
    logged = pl.DataFrame({f"row|{name}": [row.get(name)] for name in bundle.columns})
    read = logged.select(typed.as_declared(n, c, logged.schema) for n, c in bundle.columns.items()).row(
        0, named=True
    )
    for name, column in bundle.columns.items():
        if read[name] is None and row.get(name) is not None:
            raise InvalidRowError(f"{name}: the log has {row[name]!r}; expected {column.type}")
    [decoded] = decoder.converted([{name: value for name, value in read.items() if value is not None}])
    return pl.DataFrame(
        {name: [getattr(decoded, name)] for name in bundle.columns},
        schema={name: TYPES[column.type] for name, column in bundle.columns.items()},
    )


def _finite(value: Any) -> Any:
    """What of a value the log can keep."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_text(explanation: Explanation, every: bool = False) -> terminal.Lines:
    """The explanation for a terminal, with every contribution or the largest ones."""
    logged = explanation.logged
    lines = [
        f"Prediction  {logged['prediction_id']}",
        f"made        {logged['at']:%Y-%m-%d %H:%M:%S.%f} UTC, in {logged['latency_us'] / 1000:.3g} ms",
        f"model       {logged['model']}{f' in {explanation.found[0]}' if explanation.found else ''}",
        *([f"key         {logged['key']}"] if logged["key"] is not None else []),
        f"outcome     {_outcome(explanation)}",
        *([f"received    {logged['outcome_at']:%Y-%m-%d %H:%M:%S} UTC"] if logged.get("outcome_at") else []),
        f"warnings    {'; '.join(logged['warnings'] or []) or 'none'}",
        *_section("Row", _row(explanation)),
        *_section("Predictions", _predictions(explanation)),
        *_contributions(explanation, every),
        *_section("Policy", _policy(explanation)),
        *_section("Made by", _provenance(explanation)),
    ]
    if explanation.problem:
        lines += ["", explanation.problem]
    if explanation.differences:
        lines += ["", f"WARNING: recomputed, it comes out otherwise: {'; '.join(explanation.differences)}"]
    return terminal.lines(lines)


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", title, *(f"  {line}" for line in lines)]


def _outcome(explanation: Explanation) -> str:
    known = explanation.part("outcome")
    return ", ".join(f"{name} {_plain(value)}" for name, value in known.items()) or "not known yet"


def _row(explanation: Explanation) -> list[str]:
    row = explanation.part("row")
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
    targets = {} if explanation.found is None else explanation.found[1].targets
    shown = {
        name: f"{_plain(value)} {targets.get(name, {}).get('unit') or ''}".rstrip()
        for name, value in explanation.part("predicted").items()
        if value is not None or name in targets
    }
    if explanation.recomputed is None:
        return _table(shown)
    return [
        *_table(shown),
        f"recomputed: {'OTHER BITS, see below' if explanation.differences else 'same bits'}",
    ]


def _contributions(explanation: Explanation, every: bool) -> list[str]:
    if explanation.found is None or explanation.recomputed is None:
        return []
    lines = []
    for target, parts in explanation.recomputed.contributions.items():
        constant = next(part for part in parts if part.feature == "constant")
        features = [part for part in parts if part is not constant]
        shown = features if every else features[:N_SHOWN]
        said = [(constant.amount, "constant")]
        said += [(part.amount, f"{part.feature} = {_plain(part.value)}") for part in shown]
        if rest := features[len(shown) :]:
            said.append((sum(part.amount for part in rest), f"{len(rest)} more features; see --all"))
        scale = SCALES.get(explanation.found[1].targets[target]["loss"])
        prediction = _plain(explanation.recomputed.answer[target])
        of_scale = f"{scale}, which is {prediction}" if scale else "in all"
        said.append((sum(part.amount for part in parts), of_scale))
        lines += _section(f"What adds up to {target}", [f"{amount:+10.4f}  {what}" for amount, what in said])
    return lines


def _policy(explanation: Explanation) -> list[str]:
    logged = explanation.logged
    if explanation.found is None:
        return [f"score {_plain(logged['score'])}, action {_plain(logged['action'])}"]
    policy = explanation.found[1].policy
    if policy is None:
        return ["none: predictions are delivered, and nothing is decided"]
    score = {"score": logged["score"]}
    values = {**explanation.part("row"), **explanation.part("predicted"), **policy.weights, **score}
    weights = ", ".join(f"{name} {_plain(value)}" for name, value in policy.weights.items())
    return _table(
        {
            "weights": weights
            + (", of which some were set while the service ran" if logged["weights"] else ""),
            "score": policy.score,
            "": f"= {with_values(policy.score, values)}",
            " ": f"= {_plain(logged['score'])}",
            "acts if": f"{policy.action}, here {with_values(policy.action, values)}",
            "acted": _plain(logged["action"]) + _chance(explanation),
        }
    )


def _chance(explanation: Explanation) -> str:
    """How the action came about where actions are explored."""
    probability = explanation.logged["probability"]
    if probability is None:
        return ""
    told = f", an action that had probability {_plain(probability)}"
    again = explanation.recomputed
    if again is not None and again.answer["action"] != explanation.logged["action"]:
        return f"{told}: explored, the policy alone would have said {_plain(again.answer['action'])}"
    return told


def with_values(sql: str, values: Mapping[str, Any]) -> str:
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

    return NAMES.sub(value, sql)


def _provenance(explanation: Explanation) -> list[str]:
    shown = {"config": explanation.logged["config"]}
    if explanation.logged.get("code"):
        shown["service"] = f"{explanation.logged['code']}, the code that answered"
    if explanation.found is not None:
        manifest = explanation.found[1].manifest
        versions = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())
        data = manifest["data"]
        shown |= {
            "data": f"{data['name']} {data['sha256'][:16]}",
            "code": manifest["code_sha256"][:16],
            "versions": versions,
        }
    bento = packaging.folder(f"accord:{explanation.logged['model']}") / "bento.yaml"
    if bento.is_file():
        labels = yaml.load(bento.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)["labels"]
        shown["commit"] = f"{labels['git_commit']}, of the Bento built at {labels['built_at']}"
    return _table(shown)


def _table(values: Mapping[str, str]) -> list[str]:
    width = max(map(len, values), default=0)
    return [f"{name:<{width}}  {value}" for name, value in values.items()]


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
