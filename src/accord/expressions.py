"""SQL expressions from the config, evaluated by Polars: the same in training, in batch and online."""

from collections.abc import Mapping

import polars as pl
from polars.exceptions import ColumnNotFoundError, PolarsError

from accord.errors import AccordError, nearest

TYPES: dict[str, pl.DataType] = {
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "category": pl.String(),
    "boolean": pl.Boolean(),
    "datetime": pl.Datetime("us"),
}


def parse(sql: str, where: str) -> pl.Expr:
    """The expression that `sql` writes. `where` is its config key, for the AccordError that bad syntax raises."""
    try:
        return pl.sql_expr(sql)
    except PolarsError as error:
        raise AccordError(f"{where}: not a SQL expression: `{sql}`: {_reason(error)}") from error


def columns_of(sql: str, where: str) -> set[str]:
    """The names of the columns that an expression reads."""
    return set(parse(sql, where).meta.root_names())


def check(sql: str, where: str, columns: Mapping[str, pl.DataType], hidden: Mapping[str, str]) -> pl.DataType:
    """The type of a row expression's value over columns of these types, found without any data.

    `hidden` maps columns that exist but must not be used here to the reason. Raises AccordError for those,
    for unknown columns, for types that don't fit, and for an aggregate where a value a row is needed.
    """
    expression = parse(sql, where)
    for name in expression.meta.root_names():
        if name in hidden:
            raise AccordError(f"{where}: `{sql}` uses '{name}', {hidden[name]}")
        if name not in columns:
            raise AccordError(f"{where}: `{sql}` uses unknown column '{name}'; {nearest(name, columns)}")
    try:
        value = pl.DataFrame(schema=dict(columns)).select(value=expression)
    except PolarsError as error:
        raise AccordError(f"{where}: `{sql}` does not fit its columns: {_reason(error)}") from error
    if value.height and expression.meta.root_names():
        raise AccordError(
            f"{where}: `{sql}` gives one value for all rows; expected a value for each row, so no aggregates"
        )
    return value.schema["value"]


def evaluate(frame: pl.DataFrame, sql: str, where: str) -> pl.Series:
    """The expression's value for each row, as Float64: Polars SQL reads a literal such as 1.5 as a decimal."""
    try:
        return frame.select(pl.lit(None).alias("_"), value=parse(sql, where).cast(pl.Float64))["value"]
    except ColumnNotFoundError as error:
        raise AccordError(f"{where}: `{sql}`: {_reason(error)}") from error


def with_derived(frame: pl.DataFrame, derived: Mapping[str, str]) -> pl.DataFrame:
    """The frame with its derived features beside its columns."""
    if not derived:
        return frame
    frame = frame.with_columns(**{name: parse(sql, f"data.derived.{name}") for name, sql in derived.items()})
    return frame.with_columns(
        pl.col(name).cast(pl.Float64) for name in derived if frame.schema[name].is_decimal()
    )


def _reason(error: Exception) -> str:
    return " ".join(str(error).split("\n\nResolved plan")[0].split())
