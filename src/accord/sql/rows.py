"""SQL expressions from the config, evaluated by Polars: the same in training, in batch and online."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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


DECIMAL = re.compile(
    r"""('(?:[^']|'')*'|"[^"]*"|\$\$.*?\$\$|--[^\n]*|/\*.*?\*/)|(?<![\w.])(\d*\.\d+|\d+\.)(?![\w.])""",
    re.DOTALL,
)
"""Quoted text or a comment, or a number with decimals and without an exponent."""
PART = re.compile(
    r"""('(?:[^']|'')*'|\$\$.*?\$\$|--[^\n]*|/\*.*?\*/)|(?<![\w."])("[^"]*"|[^\W\d]\w*)\s*\.\s*("[^"]*"|[^\W\d]\w*)(?![\w.(])""",
    re.DOTALL,
)
"""Quoted text or a comment, or a name and, behind a dot, a part of what it names."""
AGGREGATES = {"Agg", "Len"}
"""Nodes of an expression that give one value for all rows."""
OF_OTHER_ROWS = {
    "SubPlan": "a subquery", "Over": "OVER", "Unique": "DISTINCT", "NUnique": "DISTINCT", "Quantile": "QUANTILE_CONT or QUANTILE_DISC",
    "Correlation": "CORR or COVAR", "Rank": "RANK", "Shift": "LAG or LEAD", "Rolling": "a moving window",
    "Range": "ROW_NUMBER", "Explode": "UNNEST", "Selector": "* or COLUMNS",
}  # fmt: skip
"""Nodes that read other rows or tables in other ways, with the SQL that makes them."""


MANY_ROWS = 5_000
"""From here on it pays to look for rows that are alike."""
VALUE = "row|value"
"""Names in the config can't hold a bar, so this never clashes with a column."""


class NotComputedError(AccordError):
    """An expression has no value for a row that keeps the contract, such as a date that does not exist."""

    def __init__(self, where: str, sql: str, index: int, why: str) -> None:
        super().__init__(
            f"{where}: `{sql}` can't be computed from row {index + 1}: {why}. Correct the row, or add a rule to data.rules "
            "that such a row breaks"
        )
        self.where, self.sql, self.index, self.why = where, sql, index, why


@contextmanager
def errors_after(n_rows: int) -> Iterator[None]:
    """A row that an expression in the block can't be computed from is counted from the first of so many rows before."""
    try:
        yield
    except NotComputedError as error:
        if not n_rows:
            raise
        raise NotComputedError(error.where, error.sql, n_rows + error.index, error.why) from error


def parse(sql: str, where: str) -> pl.Expr:
    """The expression that `sql` writes. `where` is its config key, for the AccordError that bad syntax raises."""
    try:
        return pl.sql_expr(with_floats(with_columns_of_parts(sql)))
    except PolarsError as error:
        why = re.sub(r"^relation '.*' was not found$", "it can't read a table by a subquery", reason(error))
        raise AccordError(f"{where}: not a SQL expression: `{sql}`: {why}") from error


def with_floats(sql: str) -> str:
    """The SQL with its decimal numbers as floats: Polars reads `1.5` as a Decimal, whose quotients lose digits."""
    return DECIMAL.sub(lambda match: match[1] or f"{match[2]}e0", sql)


def with_columns_of_parts(sql: str) -> str:
    """The SQL with `species.Adelie`, a part of what `species` names, as the column that holds it. No row holds a struct, which
    is what Polars would take it for.

    >>> with_columns_of_parts('1.5 * species.Adelie - species."Chinstrap (small)"')
    '1.5 * "species_Adelie" - "species_Chinstrap_small"'
    """

    def column(match: re.Match[str]) -> str:
        if match[1]:
            return match[1]
        name, part = (text.strip('"') for text in match.groups()[1:])
        return f'"{name}_{as_name(part)}"'

    return PART.sub(column, sql)


def as_name(text: str) -> str:
    """Text as a part of a column's name: each run of what is no letter, digit or underscore is an underscore, and none stands at
    an end.

    >>> as_name(" Chinstrap (small)"), as_name("+")
    ('Chinstrap_small', '')
    """
    letters = (letter if f"_{letter}".isidentifier() else " " for letter in text)
    return "_".join("".join(letters).split()).strip("_")


def to_node(expression: pl.Expr) -> Any:
    """The expression as nested nodes of plain data, such as `{"BinaryExpr": {"left": ..., "op": "Gt", "right": ...}}`."""
    return json.loads(expression.meta.serialize(format="json"))


def from_node(node: Any) -> pl.Expr:
    """The expression of a node. Polars' JSON may change the last bit of a float with more than 15 digits."""
    return pl.Expr.deserialize(json.dumps(node).encode(), format="json")


def columns_of(sql: str, where: str) -> set[str]:
    """The names of the columns that an expression reads."""
    return set(parse(sql, where).meta.root_names())


def check(sql: str, where: str, columns: Mapping[str, pl.DataType], hidden: Mapping[str, str]) -> pl.DataType:
    """The type of a row expression's value over columns of these types, found without any data.

    `hidden` maps columns that exist but must not be used here to the reason. Raises AccordError for those,
    for unknown columns, for types that don't fit, and for an aggregate where one value per row is needed.
    """
    expression = parse(sql, where)
    if kinds(to_node(expression)) & {*AGGREGATES, *OF_OTHER_ROWS}:
        raise AccordError(
            f"{where}: `{sql}` depends on other rows; expected a value from each row alone, so no aggregates or windows"
        )
    for name in expression.meta.root_names():
        if name in hidden:
            raise AccordError(f"{where}: `{sql}` uses '{name}', {hidden[name]}")
    return type_of(expression, sql, where, columns)


def type_of(expression: pl.Expr, sql: str, where: str, columns: Mapping[str, pl.DataType]) -> pl.DataType:
    """The type of the value of an expression that `sql` writes, over columns of these types."""
    for name in expression.meta.root_names():
        if name not in columns:
            raise AccordError(f"{where}: `{sql}` uses unknown column '{name}'; {nearest(name, columns)}")
    try:
        return pl.DataFrame(schema=dict(columns)).select(value=expression).schema["value"]
    except PolarsError as error:
        raise AccordError(f"{where}: `{sql}` does not fit its columns: {reason(error)}") from error


def evaluate(frame: pl.DataFrame, sql: str, where: str) -> pl.Series:
    """The expression's value for each row, as Float64. Raises NotComputedError for the first row that has none."""
    return values_of(frame, parse(sql, where).cast(pl.Float64), sql, where)


def values_of(frame: pl.DataFrame, expression: pl.Expr, sql: str, where: str) -> pl.Series:
    """The value for each row of an expression that `sql` writes, in its own type. Raises as `evaluate` does."""
    return _values(frame, {"value": (where, sql, expression)})["value"]


def with_derived(frame: pl.DataFrame, derived: Mapping[str, str]) -> pl.DataFrame:
    """The frame with derived features added to its columns. Raises NotComputedError if one can't be computed for a row."""
    named = {name: (f"data.derived.{name}", sql) for name, sql in derived.items()}
    parsed = {name: (*where, parse(where[1], where[0])) for name, where in named.items()}
    known = {name: _of_distinct(frame, expression) for name, (_, _, expression) in parsed.items()}
    found = {name: values for name, values in known.items() if values is not None}
    if not found:
        return _values(frame, parsed)
    rest = _values(frame, {name: one for name, one in parsed.items() if name not in found})
    return frame.with_columns(found[name].alias(name) if name in found else rest[name] for name in derived)


def _of_distinct(frame: pl.DataFrame, expression: pl.Expr) -> pl.Series | None:
    """The value for each row of an expression that reads alike rows over and over, such as a date's weekday: computed once for
    those that are alike. None if few are, or if one of them has no value. Floats that are equal may be unlike: 0.0 and -0.0."""
    inputs = expression.meta.root_names()
    if frame.height < MANY_ROWS or not inputs or any(frame.schema[name].is_float() for name in inputs):
        return None
    read = frame.select(list(dict.fromkeys(inputs)))
    if read.head(MANY_ROWS // 10).n_unique() > MANY_ROWS // 50:
        return None
    distinct = read.unique(maintain_order=True)
    if not 1 < distinct.height <= frame.height // 10:
        return None
    try:
        values = _together(distinct, {VALUE: expression})
    except (PolarsError, PanicException):  # for all rows it is found out which has none
        return None
    found = read.join(values, on=read.columns, how="left", maintain_order="left", nulls_equal=True)
    return found[VALUE]


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
    """The first row for which the expression can't be computed. Polars fails for the whole frame, without saying which row."""
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
    columns, named = frame.get_columns(), [value.alias(name) for name, value in values.items()]
    if frame.height == 1:
        columns = [pl.concat([column, column]) for column in columns]
    return pl.DataFrame(columns).rechunk().with_columns(named).head(frame.height)


def kinds(node: Any) -> set[str]:
    """The kinds of an expression's nodes, without the names of columns and the values of literals."""
    if isinstance(node, str):
        return {node}
    if isinstance(node, list):
        return set().union(*map(kinds, node))
    if isinstance(node, dict):
        return set().union(
            *({kind} | kinds(inner) for kind, inner in node.items() if kind not in ("Column", "Literal"))
        )
    return set()


def reason(error: Exception) -> str:
    """Polars' error message in one line, without the query plan."""
    return " ".join(re.split(r"\n\n(?:Resolved plan|This error occurred)", str(error))[0].split())
