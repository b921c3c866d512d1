"""Values of the log in the types that the contract declares.

A column of the log has the type that suits all values ever logged in it: rows may lack the value, and other models had
other contracts. So nothing here is strict: a value that can't be read becomes null, affects no other value, and is counted.
"""

from collections.abc import Mapping

import polars as pl

from accord.schema.data import Column
from accord.sql.rows import TYPES

OUTCOME = "outcome|"
LOCAL, WITH_OFFSET = "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f%#z"
"""Instants as JSON has them. The service logs the first, in UTC."""


def as_declared(name: str, column: Column, schema: Mapping[str, pl.DataType]) -> pl.Expr:
    """The log's values of a column by its own name and in its declared type. Null where the log has none or none that can
    be read, and everywhere for a column that identifies a person, of which the log has pseudonyms at most."""
    logged, wanted = _logged(name, column), TYPES[column.type]
    if logged not in schema or column.pii is not None:
        return pl.lit(None, wanted).alias(name)
    return _read(pl.col(logged), column.type, schema[logged]).cast(wanted).alias(name)


def is_unread(name: str, column: Column, schema: Mapping[str, pl.DataType]) -> pl.Expr:
    """Whether the log has a value there that can't be read in the declared type."""
    logged = _logged(name, column)
    if logged not in schema or column.pii is not None:
        return pl.lit(False)
    return pl.col(logged).is_not_null() & as_declared(name, column, schema).is_null()


def outcome_at(outcomes: Mapping[str, Column], schema: Mapping[str, pl.DataType]) -> pl.Expr:
    """When the outcome beside a prediction was received. One that can't be read is not known: null is a value of outcomes."""
    unread = [is_unread(name, column, schema) for name, column in outcomes.items()]
    unknown = pl.any_horizontal(is_of_another_contract(outcomes, schema), *unread)
    return pl.when(~unknown).then("outcome_at")


def is_of_another_contract(outcomes: Mapping[str, Column], schema: Mapping[str, pl.DataType]) -> pl.Expr:
    """Whether an outcome has values, and none in the columns that the contract has: null would say something else of it."""
    logged = [name for name in schema if name.startswith(OUTCOME)]
    own, others = (
        pl.any_horizontal(
            pl.lit(False),
            *(pl.col(n).is_not_null() for n in logged if (n.removeprefix(OUTCOME) in outcomes) is is_own),
        )
        for is_own in (True, False)
    )
    return others & ~own


def n_unread(rows: pl.LazyFrame, columns: Mapping[str, Column]) -> dict[str, int]:
    """How many values of each column can't be read; only the columns that have any."""
    schema = rows.collect_schema()
    counts = rows.select(
        is_unread(name, column, schema).sum().alias(name) for name, column in columns.items()
    )
    unread = counts.collect(engine="streaming").row(0, named=True)
    return {name: n for name, n in unread.items() if n}


def in_words(unread: Mapping[str, int], columns: Mapping[str, Column]) -> list[str]:
    return [
        f"{n:,} logged values of '{name}' can't be read as {columns[name].type}" for name, n in unread.items()
    ]


def _logged(name: str, column: Column) -> str:
    return f"{OUTCOME if column.role == 'outcome' else 'row|'}{name}"


def _read(value: pl.Expr, type_: str, logged: pl.DataType) -> pl.Expr:
    is_text = logged == pl.String
    if type_ == "datetime":
        return _instant(value, logged)
    if type_ == "boolean":
        if is_text:
            return pl.when(value == "true").then(True).when(value == "false").then(False)
        return pl.when(value.cast(pl.Float64, strict=False).is_in([0.0, 1.0])).then(value.cast(pl.Boolean))
    if type_ == "category":
        return value.cast(pl.String, strict=False)
    number = value.cast(pl.Float64, strict=False)
    if type_ == "number":
        return pl.when(number.is_finite()).then(number)
    whole = pl.when(number == number.round()).then(number.cast(pl.Int64, strict=False))
    return whole if logged.is_float() else pl.coalesce(value.cast(pl.Int64, strict=False), whole)


def _instant(value: pl.Expr, logged: pl.DataType) -> pl.Expr:
    """In UTC and without a zone."""
    if logged == pl.String:
        # A strict parse that is pushed down into Polars' Parquet reader takes a missing text for an empty one and fails.
        local, elsewhere = (
            value.str.to_datetime(f, time_unit="us", strict=False) for f in (LOCAL, WITH_OFFSET)
        )
        return pl.coalesce(local, elsewhere.dt.convert_time_zone("UTC").dt.replace_time_zone(None))
    if isinstance(logged, pl.Datetime):
        utc = value.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if logged.time_zone else value
        return utc.dt.cast_time_unit("us")
    return pl.lit(None, pl.Datetime("us"))
