"""SQL expressions from the config, evaluated by Polars: the same in training, in batch and online."""

import json
import re
from collections.abc import Mapping
from typing import Any

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


DECIMAL = re.compile(r"""('(?:[^']|'')*'|"[^"]*")|(?<![\w.])(\d*\.\d+|\d+\.)(?![\w.])""")
"""Text in quotes, or a number with decimals and no exponent."""
OF_MANY_ROWS = {"Agg", "Len", "Over", "Explode", "Rolling", "Shift", "Rank", "Quantile", "Correlation"}
"""Nodes of an expression whose value depends on other rows."""


def parse(sql: str, where: str) -> pl.Expr:
    """The expression that `sql` writes. `where` is its config key, for the AccordError that bad syntax raises."""
    try:
        return pl.sql_expr(DECIMAL.sub(lambda found: found[1] or f"{found[2]}e0", sql))
    except PolarsError as error:
        raise AccordError(f"{where}: not a SQL expression: `{sql}`: {reason(error)}") from error


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
        raise AccordError(f"{where}: `{sql}` does not fit its columns: {reason(error)}") from error
    if _words(json.loads(expression.meta.serialize(format="json"))) & OF_MANY_ROWS:
        raise AccordError(
            f"{where}: `{sql}` depends on other rows; expected a value from each row alone, so no aggregates or windows"
        )
    return value.schema["value"]


def evaluate(frame: pl.DataFrame, sql: str, where: str) -> pl.Series:
    """The expression's value for each row, as Float64."""
    try:
        return _together(frame, {"value": parse(sql, where).cast(pl.Float64)})["value"]
    except ColumnNotFoundError as error:
        raise AccordError(f"{where}: `{sql}`: {reason(error)}") from error


def with_derived(frame: pl.DataFrame, derived: Mapping[str, str]) -> pl.DataFrame:
    """The frame with its derived features beside its columns."""
    return (
        _together(frame, {name: parse(sql, f"data.derived.{name}") for name, sql in derived.items()})
        if derived
        else frame
    )


def _together(frame: pl.DataFrame, values: Mapping[str, pl.Expr]) -> pl.DataFrame:
    # Polars divides a column by a number as a product with its inverse, but a single value (also one that it knows to
    # fill a column, and one alone in a chunk) exactly. So a row goes twice, and columns are laid out in full.
    columns = frame.get_columns()
    if frame.height == 1:
        columns = [pl.concat([column, column]) for column in columns]
    return pl.DataFrame(columns).rechunk().with_columns(**values).head(frame.height)


def _words(node: Any) -> set[str]:
    """The kinds of an expression's nodes; the names of columns and the values of literals are none."""
    if isinstance(node, str):
        return {node}
    if isinstance(node, list):
        return set().union(*map(_words, node))
    if isinstance(node, dict):
        return set().union(
            *({kind} | _words(inner) for kind, inner in node.items() if kind not in ("Column", "Literal"))
        )
    return set()


def reason(error: Exception) -> str:
    """What Polars says went wrong, on one line and without its query plan."""
    return " ".join(str(error).split("\n\nResolved plan")[0].split())
