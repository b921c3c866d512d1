"""Checks rows against the data contract by dataframely, and separates those that break it, with the reasons."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import dataframely as dy
import polars as pl

from accord.data.advice import advice, line, shown
from accord.data.casting import cast
from accord.schema.data import BREACHES, Column, Time
from accord.sql.rows import parse, values_of

INDEX = "row|index"
"""Names in the config can't hold a bar, so these never clash with a column."""

ELSEWHERE = "row|elsewhere"
UNIQUE = "row|unique"

REASONS = "reasons"
KEY = "primary_key"
"""The rule that a row breaks if another has its key."""


@dataclass(frozen=True)
class Checked:
    valid: pl.DataFrame
    """Rows that keep the contract, in the contract's types and their original order."""
    quarantine: pl.DataFrame
    """Rows that break it, unchanged, with the names of the broken rules beside them, such as `distance|max`."""
    reasons: pl.Series
    """These names, a list for each row of the quarantine."""
    broken: dict[str, int]
    """How many rows break each rule, for rules that at least one row breaks."""
    is_broken: pl.Series
    """Whether each row is in quarantine, in the order of the rows."""


def check(
    rows: pl.DataFrame,
    columns: Mapping[str, Column],
    key: Sequence[str] = (),
    rules: Mapping[str, str] = MappingProxyType({}),
    time: Time | None = None,
    elsewhere: pl.Series | None = None,
) -> Checked:
    """Separates the rows (n): each ends up in exactly one of the two frames. `rows` has all columns of the contract. Where they are
    not all rows, `elsewhere` (n,) says whether a row's key, if it is unique among them, is in others. Raises NotComputedError for
    the first row for which a rule can't be computed."""
    taken: list[pl.Series] = []
    for name, column in columns.items():
        value, lost = cast(rows[name], column)
        taken += [value, lost.alias(_lost(name))]
    typed = rows.with_row_index(INDEX).with_columns(taken)
    for name, sql in rules.items():
        where = f"data.rules.{name}"
        holds = values_of(typed, parse(sql, where), sql, where)
        typed = typed.with_columns(holds.alias(_holds(name)))
    # A column of the data may be called reasons too.
    beside = f"row|{REASONS}" if REASONS in rows.columns else REASONS
    if not key and time is None and elsewhere is None and _all_keep(typed, columns, rules):
        none = pl.Series(beside, [], pl.List(pl.String))
        is_broken = pl.Series([False]).new_from_index(0, rows.height)
        return Checked(typed.select(rows.columns), rows.clear().with_columns(none), none, {}, is_broken)
    others = pl.repeat(False, rows.height, eager=True) if elsewhere is None else elsewhere
    typed = typed.with_columns(others.alias(ELSEWHERE))
    schema = _schema(columns, key, rules, time)
    own = typed.rename({name: _column_of(name) for name in columns})
    _, failure = schema.filter(own.select(*schema.column_names()))
    details = failure.details()
    verdicts = [name for name in details.columns if name not in schema.column_names()]
    broken = [pl.when(pl.col(name) == "invalid").then(pl.lit(_plain(name))) for name in verdicts]
    reasons = details.select(INDEX, pl.concat_list(broken).list.drop_nulls().alias(REASONS)).sort(INDEX)
    is_broken = typed[INDEX].is_in(reasons[INDEX].implode())
    return Checked(
        typed.filter(~is_broken).select(rows.columns),
        rows.filter(is_broken).with_columns(reasons[REASONS].alias(beside)),
        reasons[REASONS],
        dict(sorted((_plain(name), n) for name, n in failure.counts().items())),
        is_broken,
    )


def _all_keep(typed: pl.DataFrame, columns: Mapping[str, Column], rules: Iterable[str]) -> bool:
    """Whether no row breaks anything, by what holds for columns as a whole: to find out which row does would take several times as
    long, and hardly ever one does."""
    return all(_keeps(typed[name], typed[_lost(name)], column) for name, column in columns.items()) and all(
        typed.schema[_holds(name)] == pl.Boolean and typed[_holds(name)].fill_null(True).all()
        for name in rules
    )


def _keeps(values: pl.Series, lost: pl.Series, column: Column) -> bool:
    if lost.any() or (values.has_nulls() and not column.nullable):
        return False
    if column.values is not None:
        return {*values.drop_nulls().unique()} <= {*column.values}
    if column.type not in ("integer", "number"):
        return True
    low, high = values.min(), values.max()
    if low is None or high is None:
        return True
    assert isinstance(low, int | float)
    assert isinstance(high, int | float)
    return (
        math.isfinite(low) and math.isfinite(high)
        and (column.min is None or low >= column.min) and (column.max is None or high <= column.max)
    )  # fmt: skip


def in_words(checked: Checked, columns: Mapping[str, Column], key: Sequence[str]) -> list[tuple[str, str]]:
    """For each broken rule, the most broken one first: an example of what was found, what was expected, and how to mend it, if the
    config can."""
    rules = sorted(checked.broken, key=lambda rule: (-checked.broken[rule], not rule.endswith("|type")))
    # A value that its type can't hold counts as missing too; the type is what's wrong with it.
    doubled = {
        rule for rule in rules
        if rule.endswith("|nullability")
        and checked.broken[rule] == checked.broken.get(f"{rule.removesuffix('|nullability')}|type")
    }  # fmt: skip
    return [_broken(rule, checked, columns, key) for rule in rules if rule not in doubled]


def _broken(
    rule: str, checked: Checked, columns: Mapping[str, Column], key: Sequence[str]
) -> tuple[str, str]:
    n_rows = f"{checked.broken[rule]:,} rows"
    name, _, kind = rule.partition("|")
    if rule == KEY:
        return f"duplicate keys ({', '.join(key)}: {n_rows})", ""
    if name not in columns or kind not in BREACHES:
        return f"the rule {rule.removeprefix('rule|')} ({n_rows})", ""
    column, mend = columns[name], ""
    found = checked.quarantine.filter(checked.reasons.list.contains(rule))[name]
    wanted = {
        "min": f"at least {column.min}", "max": f"at most {column.max}", "type": column.type, "inf": "a finite number",
        "nullability": "a value", "values": f"one of {column.values}",
    }.get(kind, kind)  # fmt: skip
    if kind == "type":
        whole = checked.quarantine[name]
        mend = advice(name, column, whole, cast(whole, column)[1])
    elif kind == "nullability" and name not in key:
        mend = line(name, column, nullable=True)
    return f"in column '{name}' ({n_rows}, such as {example(found, column)}; expected {wanted})", mend


def example(found: pl.Series, column: Column) -> str:
    """The first value as its type has it, or, if its type doesn't, as it came."""
    value, lost = cast(found.head(1), column)
    return shown(found[0] if lost[0] else value[0])


def _schema(
    columns: Mapping[str, Column], key: Sequence[str], rules: Iterable[str], time: Time | None
) -> type[dy.Schema]:
    members: dict[str, Any] = {INDEX: dy.UInt32(nullable=False)}
    for name, column in columns.items():
        own = _column_of(name)
        members[own] = _column(column, is_key=name in key)
        members[_lost(name)] = dy.Bool(nullable=False)
        members[f"{own}|type"] = _rule(~pl.col(_lost(name)))
        if column.values is not None:
            members[f"{own}|values"] = _rule(pl.col(own).is_in(column.values))
    for name in rules:
        members[_holds(name)] = dy.Bool(nullable=True)
        members[f"rule|{name}"] = _rule(pl.col(_holds(name)))
    if time and time.decision:
        members["decision|after_event"] = _rule(
            pl.col(_column_of(time.decision)) <= pl.col(_column_of(time.event))
        )
    if own_key := [_column_of(name) for name in columns if name in key]:
        members[ELSEWHERE] = dy.Bool(nullable=False)
        members[UNIQUE] = _rule(pl.struct(own_key).is_unique() & ~pl.col(ELSEWHERE))
    return type("Contract", (dy.Schema,), members)


def _column(column: Column, is_key: bool) -> dy.Column:
    nullable = column.nullable and not is_key
    if column.type == "integer":
        low = None if column.min is None else math.ceil(column.min)
        high = None if column.max is None else math.floor(column.max)
        return dy.Int64(nullable=nullable, min=low, max=high)
    if column.type == "number":
        return dy.Float64(nullable=nullable, min=column.min, max=column.max, allow_inf=False)
    if column.type == "boolean":
        return dy.Bool(nullable=nullable)
    if column.type == "datetime":
        return dy.Datetime(nullable=nullable, time_unit="us")
    return dy.String(nullable=nullable)


def _rule(holds: pl.Expr) -> Any:
    # As with a CHECK in SQL, a condition that is null because a value is missing counts as met.
    return dy.rule()(lambda cls: holds.fill_null(True))


def _column_of(name: str) -> str:
    """The column in dataframely's schema, of which names such as filter and primary_key are its own."""
    return f"|{name}"


def _plain(rule: str) -> str:
    return KEY if rule == UNIQUE else rule.removeprefix("|")


def _lost(name: str) -> str:
    return f"{name}|lost"


def _holds(rule: str) -> str:
    return f"{rule}|holds"
