"""Checks rows against the data contract by dataframely, and separates those that break it, with the reasons."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import dataframely as dy
import polars as pl

from accord.schema.data import Column, Time
from accord.sql.rows import TYPES, parse, values_of

AVAILABLE = "__available_at"
"""Suffix of the columns that say when the values from a source became available."""
INDEX = "row|index"
"""Column names in the config can't hold a bar, so these never clash with one."""


@dataclass(frozen=True)
class Checked:
    valid: pl.DataFrame
    """Rows that keep the contract, in the contract's types and their original order."""
    quarantine: pl.DataFrame
    """Rows that break it, unchanged, with the names of the broken rules in `reasons`, such as `distance|max`."""
    broken: dict[str, int]
    """How many rows break each rule, for rules that at least one row breaks."""


def check(
    rows: pl.DataFrame,
    columns: Mapping[str, Column],
    key: Sequence[str] = (),
    rules: Mapping[str, str] = MappingProxyType({}),
    time: Time | None = None,
) -> Checked:
    """Separates the rows (n): each ends up in exactly one of the two frames. `rows` has all columns of the contract. Raises
    NotComputedError for the first row for which a rule can't be computed."""
    typed = rows.with_row_index(INDEX)
    typed = typed.with_columns(
        expression
        for name, column in columns.items()
        for expression in in_type(name, column, rows.schema[name])
    )
    for name, sql in rules.items():
        where = f"data.rules.{name}"
        holds = values_of(typed, parse(sql, where), sql, where)
        typed = typed.with_columns(holds.alias(_holds(name)))
    schema = _schema(columns, key, rules, time)
    good, failure = schema.filter(typed.select(*schema.column_names()))
    details = failure.details()
    verdicts = [name for name in details.columns if name not in typed.columns]
    broken = [pl.when(pl.col(name) == "invalid").then(pl.lit(name)) for name in verdicts]
    reasons = details.select(INDEX, reasons=pl.concat_list(broken).list.drop_nulls())
    kept = [name for name in rows.columns if name not in columns]
    valid = good.select(INDEX, *columns).join(typed.select(INDEX, *kept), on=INDEX, maintain_order="left")
    quarantine = rows.with_row_index(INDEX).join(reasons, on=INDEX, maintain_order="left").drop(INDEX)
    return Checked(valid.select(rows.columns), quarantine, dict(sorted(failure.counts().items())))


def in_type(name: str, column: Column, dtype: pl.DataType) -> tuple[pl.Expr, pl.Expr]:
    """The column in its declared type, and whether each row had a value that the type can't hold."""
    raw, wanted = pl.col(name), TYPES[column.type]
    if dtype.is_float():
        raw = raw.fill_nan(None)
    if column.type == "datetime" and dtype == pl.String:
        value = raw.str.to_datetime(time_unit="us", time_zone="UTC", strict=False).dt.replace_time_zone(None)
    elif column.type == "datetime" and isinstance(dtype, pl.Datetime) and dtype.time_zone:
        value = raw.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(wanted)
    elif column.type == "boolean" and dtype == pl.String:
        value = raw.str.to_lowercase().replace_strict(
            {"true": True, "false": False}, default=None, return_dtype=pl.Boolean
        )
    elif column.type == "datetime" and dtype.is_numeric():
        value = pl.lit(None, wanted)
    else:
        value = raw.cast(wanted, strict=False)
    lost = raw.is_not_null() & value.is_null()
    if column.type == "integer" and (dtype.is_float() or dtype.is_decimal()):
        lost = lost | (raw != raw.round())
    if column.type == "boolean" and dtype.is_numeric():
        lost = lost | ~raw.is_in([0, 1])
    return value.alias(name), lost.fill_null(False).alias(_lost(name))


def _schema(
    columns: Mapping[str, Column], key: Sequence[str], rules: Iterable[str], time: Time | None
) -> type[dy.Schema]:
    members: dict[str, Any] = {INDEX: dy.UInt32(nullable=False)}
    for name, column in columns.items():
        members[name] = _column(column, is_key=name in key)
        members[_lost(name)] = dy.Bool(nullable=False)
        members[f"{name}|type"] = _rule(~pl.col(_lost(name)))
        if column.values is not None:
            members[f"{name}|values"] = _rule(pl.col(name).is_in(column.values))
    for name in rules:
        members[_holds(name)] = dy.Bool(nullable=True)
        members[f"rule|{name}"] = _rule(pl.col(_holds(name)))
    if time and time.decision:
        members["decision|after_event"] = _rule(pl.col(time.decision) <= pl.col(time.event))
    return type("Contract", (dy.Schema,), members)


def _column(column: Column, is_key: bool) -> dy.Column:
    nullable = column.nullable and not is_key
    if column.type == "integer":
        low = None if column.min is None else math.ceil(column.min)
        high = None if column.max is None else math.floor(column.max)
        return dy.Int64(nullable=nullable, primary_key=is_key, min=low, max=high)
    if column.type == "number":
        return dy.Float64(
            nullable=nullable, primary_key=is_key, min=column.min, max=column.max, allow_inf=False
        )
    if column.type == "boolean":
        return dy.Bool(nullable=nullable, primary_key=is_key)
    if column.type == "datetime":
        return dy.Datetime(nullable=nullable, primary_key=is_key, time_unit="us")
    return dy.String(nullable=nullable, primary_key=is_key)


def _rule(holds: pl.Expr) -> Any:
    # As with a CHECK in SQL, a condition that is null because a value is missing counts as met.
    return dy.rule()(lambda cls: holds.fill_null(True))


def _lost(name: str) -> str:
    return f"{name}|lost"


def _holds(rule: str) -> str:
    return f"{rule}|holds"
