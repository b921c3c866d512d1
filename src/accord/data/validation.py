"""What stage validate finds: the contract's verdict a row, and leak suspects among the features."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from accord.data import contract, leaks
from accord.data.validated import Validated
from accord.errors import AccordError
from accord.features.transform import feature_names
from accord.schema.config import Features
from accord.schema.data import AVAILABLE, Data
from accord.schema.objective import Target
from accord.sql.rows import columns_of, with_derived
from accord.tasks.registry import task_of

REPORT = "reports/validation.json"


@dataclass(frozen=True)
class Validation:
    valid: pl.DataFrame
    quarantine: pl.DataFrame
    report: Validated
    failure: AccordError | None

    def raise_for_failure(self) -> None:
        if self.failure:
            raise self.failure

    @property
    def summary(self) -> str:
        warning = leaks.warning(self.report.leaks, REPORT)
        return f"{self.valid.height:,} rows valid, {self.quarantine.height:,} in quarantine{warning}"


def validate(rows: pl.DataFrame, data: Data, features: Features, targets: Mapping[str, Target]) -> Validation:
    """The rows apart, the report of it, and why the data as a whole is refused, if it is."""
    rules = {**data.rules, **_of_outcomes(targets)}
    checked = contract.check(rows, data.columns, data.key, rules, data.time)
    found = _leaks(checked.valid, data, features, targets)
    report = Validated(
        rows.height, checked.valid.height, checked.quarantine.height, dict(checked.broken), found
    )
    leak = leaks.refusal(found, data.name, data.checks.leaks, REPORT)
    failure = _too_many_broken(checked, rows.height, data) or (AccordError(leak) if leak else None)
    return Validation(checked.valid, checked.quarantine, report, failure)


def _too_many_broken(checked: contract.Checked, n_rows: int, data: Data) -> AccordError | None:
    share, limit = checked.quarantine.height / n_rows, data.checks.max_quarantined_share
    if share <= limit and checked.valid.height:
        return None
    (worst, mend), *others = contract.in_words(checked, data.columns, data.key)
    return AccordError(
        f"{checked.quarantine.height:,} of {n_rows:,} rows ({share:.1%}) break the contract of {data.name}, most of them {worst}; "
        f"expected at most {limit:.1%}. Look at data/quarantine, then mend the source, or the contract or "
        f"data.checks.max_quarantined_share in conf/data/{data.name}.yaml",
        [
            *([f"to mend it: {mend}"] if mend else []),
            *("; to mend it: ".join(filter(None, other)) for other in others),
        ],
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
            name in data.checks.leaks.accepted,
        )
        for name in data.as_of
        if data.time and (late := _late(valid, name, data.time.decision or data.time.event))
    ]
    if valid.is_empty():
        return found
    names = feature_names(data.columns, data.derived, features)
    frame = _features(valid, data, names)
    values = {
        name: (
            task_of(t).outcomes(valid, t.sql, f"objective.targets.{name}.sql"),
            task_of(t).outcome,
        )
        for name, t in targets.items()
    }
    classes = {name: task_of(t).classes for name, t in targets.items()}
    return found + leaks.suspects(frame, values, data.checks.leaks, _around(valid, data, names), classes)


def _of_outcomes(targets: Mapping[str, Target]) -> dict[str, str]:
    """The rules that outcomes keep which their target's config names, by what breaks them, as SQL."""
    rules = {f"{name} is one of its classes": task_of(t).rule(t.sql) for name, t in targets.items()}
    return {name: sql for name, sql in rules.items() if sql is not None}


def _features(valid: pl.DataFrame, data: Data, names: list[str]) -> pl.DataFrame:
    """The features of all rows; columns are shared with them rather than copied."""
    derived = {name: sql for name, sql in data.derived.items() if name in names}
    used = sorted(
        {column for name, sql in derived.items() for column in columns_of(sql, f"data.derived.{name}")}
    )
    computed = with_derived(valid.select(used), derived).select(list(derived))
    columns = [computed[name] if name in derived else valid[name] for name in names]
    return pl.DataFrame(columns)


def _around(valid: pl.DataFrame, data: Data, features: list[str]) -> leaks.Surroundings:
    """What is known of a row beside its features; who or what it is about comes first."""
    info = [name for name, column in data.columns.items() if column.role == "info"]
    wanted = dict.fromkeys([*([data.subject] if data.subject else []), *data.key, *info])
    columns = valid.select(name for name in wanted if name in data.columns and name not in features)
    if data.time is None:
        return leaks.Surroundings(columns)
    times = [t for t in (data.time.event, data.time.decision) if t and t not in columns.columns]
    return leaks.Surroundings(
        columns.with_columns(valid[name] for name in times),
        data.time.event,
        data.time.decision,
        data.time.zone,
    )


def _late(valid: pl.DataFrame, source: str, decision: str) -> int:
    return int((valid[f"{source}{AVAILABLE}"] > valid[decision]).sum())
