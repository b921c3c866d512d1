"""SQL expressions from the config, evaluated by Polars: the same in training, in batch and online."""

import json
import re
from collections.abc import Mapping
from typing import Any

import polars as pl
from polars.exceptions import ColumnNotFoundError, PanicException, PolarsError

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


class NotComputedError(AccordError):
    """An expression has no value for a row that keeps the contract, such as a date that does not exist."""

    def __init__(self, where: str, sql: str, index: int, why: str) -> None:
        super().__init__(
            f"{where}: `{sql}` can't be computed from row {index + 1}: {why}. Correct the row, or add a rule to data.rules "
            "that such a row breaks"
        )
        self.where, self.sql, self.index = where, sql, index


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
    """The expression's value for each row, as Float64. Raises NotComputedError for the first row that has none."""
    return _values(frame, {"value": (where, sql, parse(sql, where).cast(pl.Float64))})["value"]


def with_derived(frame: pl.DataFrame, derived: Mapping[str, str]) -> pl.DataFrame:
    """The frame with its derived features beside its columns. Raises NotComputedError for a row that one has no value for."""
    named = {name: (f"data.derived.{name}", sql) for name, sql in derived.items()}
    return _values(frame, {name: (*where, parse(where[1], where[0])) for name, where in named.items()})


def _values(frame: pl.DataFrame, expressions: Mapping[str, tuple[str, str, pl.Expr]]) -> pl.DataFrame:
    """The frame with the values of expressions, each with its config key and SQL."""
    if not expressions:
        return frame
    try:
        return _together(frame, {name: expression for name, (_, _, expression) in expressions.items()})
    except ColumnNotFoundError as error:
        if len(expressions) > 1:
            raise
        [(where, sql, _)] = expressions.values()
        raise AccordError(f"{where}: `{sql}`: {reason(error)}") from error
    except (PolarsError, PanicException) as error:
        for where, sql, expression in expressions.values():
            if (index := _first_refused(frame, expression)) is not None:
                raise NotComputedError(where, sql, index, reason(error)) from error
        raise


def _first_refused(frame: pl.DataFrame, expression: pl.Expr) -> int | None:
    """The first row that the expression has no value for. One of them fails the whole frame."""
    try:
        _together(frame, {"value": expression})
    except (PolarsError, PanicException):
        half = frame.height // 2
        if frame.height <= 1:
            return 0
        first = _first_refused(frame.head(half), expression)
        return first if first is not None else half + (_first_refused(frame.tail(-half), expression) or 0)
    return None


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
    return " ".join(re.split(r"\n\n(?:Resolved plan|This error occurred)", str(error))[0].split())
