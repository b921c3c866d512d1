"""Where stage validate looks for leaks: all valid rows or, of a table too large for that, a sample and sums over the rest."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from accord.data import leaks, partitions
from accord.data.leaks import Chunk, Sampling, Table, most_looked_at
from accord.data.leaks.cutting import Vector
from accord.features.transform import feature_names
from accord.schema.config import Features
from accord.schema.data import AVAILABLE, Data
from accord.schema.objective import Target
from accord.sql.rows import columns_of, errors_after, with_derived
from accord.tasks.registry import task_of


class Suspicion(NamedTuple):
    suspects: list[leaks.Suspect]
    n_looked_at: int | None
    """How many rows the sample has; None where all were looked at."""


def look(
    rows: pl.DataFrame | None,
    valid: Path,
    n_rows: int,
    data: Data,
    features: Features,
    targets: Mapping[str, Target],
    most: int,
) -> Suspicion:
    """Leak suspects among the valid rows, which are in the folder and, if they are one chunk, here. At most so many are read at once."""
    names = feature_names(data.columns, data.derived, features)
    kinds = {name: task_of(target).outcome for name, target in targets.items()}
    classes = {name: task_of(target).classes for name, target in targets.items()}
    bound = most_looked_at(len(names) + len(data.columns) + len(targets))
    is_few = n_rows <= bound
    if is_few and rows is None:
        rows = partitions.read(valid)
    found = _late_sources(data, valid, most, rows)
    if not n_rows:
        return Suspicion(found, None)

    def read(wanted: Sequence[str]) -> Iterator[Chunk]:
        columns, n_before = _used(wanted, data, targets, names), 0
        for chunk in [rows] if rows is not None else partitions.chunks(valid, most, columns):
            with errors_after(n_before):
                seen = _features(chunk, data, wanted), _around(chunk, data, names), _values(chunk, targets)
            yield Chunk(*seen)
            n_before += chunk.height

    if is_few:
        [(frame, around, values)] = read(names)
        table, n_looked_at = None, None
    else:
        table = Table(read, Sampling(n_rows, bound))
        frame, around, values = table.sampling.draw(read(names))
        n_looked_at = frame.height
    outcomes = {name: (values[name], kinds[name]) for name in targets}
    return Suspicion(
        found + leaks.suspects(frame, outcomes, data.checks.leaks, around, classes, table), n_looked_at
    )


def _late_sources(data: Data, valid: Path, most: int, rows: pl.DataFrame | None) -> list[leaks.Suspect]:
    """Sources of which a value became available after the decision."""
    if data.time is None or not data.as_of:
        return []
    decision, late = data.time.decision or data.time.event, Counter[str]()
    columns = [decision, *(f"{name}{AVAILABLE}" for name in data.as_of)]
    for chunk in [rows] if rows is not None else partitions.chunks(valid, most, columns):
        late.update({n: int((chunk[f"{n}{AVAILABLE}"] > chunk[decision]).sum()) for n in data.as_of})
    return [
        leaks.Suspect(
            name,
            "all",
            "time",
            f"{late[name]:,} values of source '{name}' became available after the decision time",
            name in data.checks.leaks.accepted,
        )
        for name in data.as_of
        if late[name]
    ]


def _used(
    wanted: Sequence[str], data: Data, targets: Mapping[str, Target], features: Sequence[str]
) -> list[str]:
    """The columns that are read for these features, and beside them."""
    of_derived = [columns_of(data.derived[n], f"data.derived.{n}") for n in wanted if n in data.derived]
    of_targets = [columns_of(t.sql, f"objective.targets.{n}.sql") for n, t in targets.items()]
    plain = {name for name in wanted if name not in data.derived}
    return sorted(plain.union(_beside(data, features), *of_derived, *of_targets))


def _values(rows: pl.DataFrame, targets: Mapping[str, Target]) -> dict[str, Vector]:
    """Each target's outcomes (n,)."""
    return {n: task_of(t).outcomes(rows, t.sql, f"objective.targets.{n}.sql") for n, t in targets.items()}


def _features(valid: pl.DataFrame, data: Data, names: Sequence[str]) -> pl.DataFrame:
    """The features of all rows; columns are shared with them rather than copied."""
    derived = {name: sql for name, sql in data.derived.items() if name in names}
    used = sorted(
        {column for name, sql in derived.items() for column in columns_of(sql, f"data.derived.{name}")}
    )
    computed = with_derived(valid.select(used), derived).select(list(derived))
    columns = [computed[name] if name in derived else valid[name] for name in names]
    return pl.DataFrame(columns)


def _around(valid: pl.DataFrame, data: Data, features: Sequence[str]) -> leaks.Surroundings:
    """What is known of a row beside its features; who or what it is about comes first."""
    columns = valid.select(_beside(data, features))
    if data.time is None:
        return leaks.Surroundings(columns)
    return leaks.Surroundings(columns, data.time.event, data.time.decision, data.time.zone)


def _beside(data: Data, features: Sequence[str]) -> list[str]:
    info = [name for name, column in data.columns.items() if column.role == "info"]
    wanted = dict.fromkeys([*([data.subject] if data.subject else []), *data.key, *info])
    found = [name for name in wanted if name in data.columns and name not in features]
    times = (data.time.event, data.time.decision) if data.time else ()
    return [*found, *(name for name in times if name and name not in found)]
