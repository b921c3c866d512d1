"""SQL aggregates over rows as statistics of block counts, so that each comes with an interval.

An expression such as `1000 * SUM(x) / COUNT(*)` is taken apart at its aggregates. Each aggregate becomes sums a
block, after which a resample costs a matrix product instead of a pass over the rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import sqlglot
from numpy.typing import NDArray
from sqlglot import exp
from sqlglot.errors import SqlglotError

from accord.errors import AccordError
from accord.evaluation.bootstrap import Counts, Statistic
from accord.expressions import check as check_row_expression
from accord.expressions import columns_of, evaluate

DIALECT = "postgres"
AGGREGATES = (exp.Sum, exp.Avg, exp.Count)


@dataclass(frozen=True)
class Aggregate:
    """SUM, AVG or COUNT of a row expression (None for COUNT(*)), over the rows that meet a condition, if there is one."""

    kind: str
    value: str | None
    condition: str | None


@dataclass(frozen=True)
class Taken:
    """An aggregate expression taken apart: `outer` refers to the aggregates as `_0`, `_1` and so on."""

    outer: str
    aggregates: tuple[Aggregate, ...]


def take_apart(sql: str, where: str) -> Taken:
    """Raises AccordError for bad syntax, for no aggregate, and for other aggregates than SUM, AVG and COUNT."""
    try:
        tree = sqlglot.parse_one(sql, read=DIALECT)
    except SqlglotError as error:
        raise AccordError(
            f"{where}: not a SQL expression: `{sql}`: {' '.join(str(error).split())[:200]}"
        ) from error
    found: list[Aggregate] = []

    def replaced(node: exp.Expression) -> exp.Expression:
        condition = None
        if isinstance(node, exp.Filter):
            condition, node = node.expression.this.sql(DIALECT), node.this
        if not isinstance(node, exp.AggFunc):
            return node
        if not isinstance(node, AGGREGATES) or isinstance(node.this, exp.Distinct):
            raise AccordError(
                f"{where}: `{node.sql(DIALECT)}` is not supported; valid aggregates: SUM, AVG, COUNT"
            )
        value = None if isinstance(node.this, exp.Star) else node.this.sql(DIALECT)
        found.append(Aggregate(type(node).__name__.lower(), value, condition))
        return exp.column(f"_{len(found) - 1}")

    outer = tree.transform(replaced).sql(DIALECT)
    if not found:
        raise AccordError(
            f"{where}: `{sql}` has no aggregate; expected one value for all rows, such as AVG({sql})"
        )
    return Taken(outer, tuple(found))


def check(sql: str, where: str, columns: Mapping[str, pl.DataType], constants: Sequence[str]) -> None:
    """Raises AccordError unless `sql` is an aggregate over rows with these columns. Outside of its aggregates it may
    use the constants alone."""
    taken = take_apart(sql, where)
    for aggregate in taken.aggregates:
        for inner in (aggregate.value, aggregate.condition):
            if inner is not None:
                check_row_expression(inner, where, columns, {})
    bare = columns_of(taken.outer, where) - {f"_{i}" for i in range(len(taken.aggregates))} - set(constants)
    if bare:
        raise AccordError(
            f"{where}: `{sql}` uses '{min(bare)}' outside of an aggregate; expected SUM, AVG or COUNT around it"
        )


def statistic(
    sql: str,
    where: str,
    rows: pl.DataFrame,
    block: NDArray[np.intp],
    n_blocks: int,
    constants: Mapping[str, float],
) -> Statistic:
    """The aggregate over rows (n) whose blocks (n,) are numbered, as a function of how often each block is drawn."""
    taken = take_apart(sql, where)
    sums = [_block_sums(aggregate, where, rows, block, n_blocks) for aggregate in taken.aggregates]

    def value(drawn: Counts) -> NDArray[np.float64]:
        columns = {
            f"_{i}": _combined(a, s, drawn)
            for i, (a, s) in enumerate(zip(taken.aggregates, sums, strict=True))
        }
        frame = pl.DataFrame(columns).with_columns(
            **{name: pl.lit(number) for name, number in constants.items()}
        )
        result = evaluate(frame, taken.outer, where).to_numpy()
        return np.where(np.isfinite(result), result, np.nan)

    return value


def _block_sums(
    aggregate: Aggregate, where: str, rows: pl.DataFrame, block: NDArray[np.intp], n_blocks: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and number of the values that are there, (n_blocks,) each."""
    values = (
        np.ones(rows.height) if aggregate.value is None else evaluate(rows, aggregate.value, where).to_numpy()
    )
    present = np.isfinite(values)
    if aggregate.condition is not None:
        present &= evaluate(rows, aggregate.condition, where).to_numpy() == 1
    total = np.bincount(block[present], values[present], minlength=n_blocks).astype(np.float64)
    return total, np.bincount(block[present], minlength=n_blocks).astype(np.float64)


def _combined(
    aggregate: Aggregate, sums: tuple[NDArray[np.float64], NDArray[np.float64]], drawn: Counts
) -> NDArray[np.float64]:
    total, count = sums
    if aggregate.kind == "sum":
        return drawn @ total
    if aggregate.kind == "count":
        return drawn @ count
    with np.errstate(divide="ignore", invalid="ignore"):
        return (drawn @ total) / (drawn @ count)
