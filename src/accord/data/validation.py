"""What stage validate finds: the contract's verdict a row, and leak suspects among the features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from accord.config.schema import Data, Features, Target
from accord.data import contract, leaks
from accord.data.rows import AVAILABLE
from accord.errors import AccordError
from accord.expressions import evaluate, with_derived
from accord.features import feature_names, input_names

MAX_LEAK_ROWS = 100_000


@dataclass(frozen=True)
class Validation:
    valid: pl.DataFrame
    quarantine: pl.DataFrame
    report: dict[str, Any]
    failure: str | None

    def raise_for_failure(self) -> None:
        if self.failure:
            raise AccordError(self.failure)

    @property
    def summary(self) -> str:
        suspects = [
            f"{leak['feature']} ({leak['target']})" for leak in self.report["leaks"] if not leak["accepted"]
        ]
        warned = f"; LEAK SUSPECTS: {', '.join(suspects)}, see reports/validation.json" if suspects else ""
        return f"{self.valid.height:,} rows valid, {self.quarantine.height:,} in quarantine{warned}"


def validate(rows: pl.DataFrame, data: Data, features: Features, targets: Mapping[str, Target]) -> Validation:
    """The rows apart, the report of it, and why the data as a whole is refused, if it is."""
    checked = contract.check(rows, data.columns, data.key, data.rules, data.time)
    found = _leaks(checked.valid, data, features, targets)
    report = {
        "n_rows": rows.height,
        "n_valid": checked.valid.height,
        "n_quarantined": checked.quarantine.height,
        "broken_rules": checked.broken,
        "leaks": [suspect.as_dict() for suspect in found],
    }
    failure = _too_many_broken(checked, rows.height, data) or _leaking(found, data)
    return Validation(checked.valid, checked.quarantine, report, failure)


def _too_many_broken(checked: contract.Checked, n_rows: int, data: Data) -> str | None:
    share, limit = checked.quarantine.height / n_rows, data.checks.max_quarantined_share
    if share <= limit and checked.valid.height:
        return None
    # A value that its type can't hold counts as missing too; the type is what's wrong with it.
    worst = max(checked.broken, key=lambda rule: (checked.broken[rule], rule.endswith("|type")))
    return (
        f"{checked.quarantine.height:,} of {n_rows:,} rows ({share:.1%}) break the contract of {data.name}, most of them "
        f"{_in_words(worst, checked, data)}; expected at most {limit:.1%}. Look at data/quarantine, then mend the source, "
        f"or the contract or data.checks.max_quarantined_share in conf/data/{data.name}.yaml"
    )


def _in_words(rule: str, checked: contract.Checked, data: Data) -> str:
    """A broken rule with an example of what was found and what was expected."""
    n_rows = f"{checked.broken[rule]:,} rows"
    name, _, kind = rule.partition("|")
    if rule == "primary_key":
        return f"duplicate keys ({', '.join(data.key)}: {n_rows})"
    if name not in data.columns:
        return f"rule {rule} ({n_rows})"
    column = data.columns[name]
    example = checked.quarantine.filter(pl.col("reasons").list.contains(rule))[name][0]
    wanted = {
        "min": f"at least {column.min}", "max": f"at most {column.max}", "type": column.type,
        "nullability": "a value", "values": f"one of {column.values}",
    }.get(kind, kind)  # fmt: skip
    return f"in column '{name}' ({n_rows}, such as {example!r}; expected {wanted})"


def _leaking(found: list[leaks.Suspect], data: Data) -> str | None:
    suspects = [suspect for suspect in found if not suspect.accepted]
    if not suspects or data.checks.leaks.action != "fail":
        return None
    listed = "; ".join(f"feature '{s.feature}': target {s.target} {s.detail}" for s in suspects[:3])
    more = f" and {len(suspects) - 3} more in reports/validation.json" if len(suspects) > 3 else ""
    return (
        f"Possible leak: {listed}{more}. If it is known only later, give its column the role outcome; "
        f"if you vouch for it, list it in data.checks.leaks.accepted of conf/data/{data.name}.yaml"
    )


def _leaks(
    valid: pl.DataFrame, data: Data, features: Features, targets: Mapping[str, Target]
) -> list[leaks.Suspect]:
    found = [
        leaks.Suspect(
            name,
            "all",
            "time",
            f"{late:,} values of source '{name}' became available after the decision time",
            False,
        )
        for name in data.as_of
        if data.time and (late := _late(valid, name, data.time.decision or data.time.event))
    ]
    step = max(1, valid.height // MAX_LEAK_ROWS)
    sample = valid.gather_every(step)
    if sample.is_empty():
        return found
    names = feature_names(data.columns, data.derived, features)
    inputs = input_names(data.columns, data.derived, features)
    frame = with_derived(
        sample.select(inputs), {n: sql for n, sql in data.derived.items() if n in names}
    ).select(names)
    values = {
        name: (evaluate(sample, t.sql, f"objective.targets.{name}.sql").to_numpy(), t.task)
        for name, t in targets.items()
    }
    return found + leaks.suspects(frame, values, data.checks.leaks)


def _late(valid: pl.DataFrame, source: str, decision: str) -> int:
    return int((valid[f"{source}{AVAILABLE}"] > valid[decision]).sum())
