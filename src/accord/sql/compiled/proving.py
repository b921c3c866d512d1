"""Checks on given rows and on random ones whether a compiled expression gives what Polars gives."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from accord.sql.compiled.drawing import draws, literals
from accord.sql.compiled.trees import Row, RowFunction, Tree, function

if TYPE_CHECKING:
    import polars as pl

    from accord.schema.data import Column

INDEX = "row|index"
"""The column with the row's number. Column names in the config can't hold a bar, so it never clashes."""
N_ALONE = 100
"""So many random rows are also given to Polars one by one. It divides a value that is the same in all rows of a frame, such
as that of a CASE with one branch taken throughout, differently from a column."""
MAX_REFUSED = 100
"""At most so many rows that the compiled form refuses are given to Polars, which takes a millisecond per row. The service
    gives it all of them."""


@dataclass(frozen=True)
class Proof:
    """Whether a compiled expression gives what Polars gives."""

    n_rows: int
    """How many rows were compared, which are those that Polars can evaluate."""
    difference: str | None
    """The first row that differs with both values, in words; None if none differs."""

    @property
    def holds(self) -> bool:
        return self.difference is None and self.n_rows > 0


def proof(
    sql: str,
    tree: Tree,
    where: str,
    frame: "pl.DataFrame",
    columns: Mapping[str, "Column"],
    seed: int,
    n_random: int = 10_000,
    as_number: bool = False,
) -> Proof:
    """The comparison of a tree with Polars on all rows of a frame and on random ones that the contract allows, together and
    one by one.

    Values must be of one type and the same to the bit; any NaN equals any other. `frame` has the columns that the
    expression reads. `columns` is the contract; a name that it lacks is a prediction, a weight or the score, so it may be
    any number. A row that Polars refuses doesn't count; one that the compiled form alone refuses is a difference.
    `as_number` as for `compile_sql`.
    """
    import numpy as np
    import polars as pl

    from accord.sql.rows import TYPES, columns_of, evaluate, with_derived

    types: dict[str, pl.DataType] = {
        name: TYPES[columns[name].type if name in columns else "number"]
        for name in sorted(columns_of(sql, where))
    }
    given = frame.select(pl.int_range(pl.len()).alias(INDEX), *(pl.col(n).cast(t) for n, t in types.items()))
    rng = np.random.default_rng(seed)
    values = {name: draws(columns.get(name), given[name], literals(sql), rng, n_random) for name in types}
    random = pl.DataFrame({INDEX: range(n_random), **values}, schema={INDEX: pl.Int64(), **types})

    def by_polars(rows: pl.DataFrame) -> pl.Series:
        return evaluate(rows, sql, where) if as_number else with_derived(rows, {INDEX: sql})[INDEX]

    compiled = function(json.loads(json.dumps(tree)))  # as it comes back from a bundle
    n_rows = 0
    for rows in (given, random):
        n_compared, difference = _compared(rows, by_polars, compiled)
        n_rows += n_compared
        if difference is not None:
            return Proof(n_rows, difference)
    for row in random.head(N_ALONE).with_columns(pl.lit(0, pl.Int64).alias(INDEX)).iter_slices(1):
        difference = _compared(row, by_polars, compiled)[1]
        if difference is not None:
            return Proof(n_rows, difference)
    return Proof(n_rows, None)


def _compared(
    rows: "pl.DataFrame", by_polars: Callable[["pl.DataFrame"], "pl.Series"], compiled: RowFunction
) -> tuple[int, str | None]:
    """How many rows were compared up to the first that differs, and that one in words."""
    import polars as pl

    by_compiled = [_outcome(compiled, row) for row in rows.iter_rows(named=True)]
    # One row that Polars refuses fails its whole frame, so rows that the compiled form refuses are compared apart.
    refused = pl.Series([isinstance(value, Exception) for value in by_compiled], dtype=pl.Boolean)
    n_rows = 0
    for subset in (rows.filter(~refused), rows.filter(refused).head(MAX_REFUSED)):
        for index, expected in zip(subset[INDEX], _evaluated(subset, by_polars), strict=True):
            if isinstance(expected, Exception):
                continue
            n_rows += 1
            if not _same(expected, by_compiled[index]):
                row = {name: value for name, value in rows.row(index, named=True).items() if name != INDEX}
                return (
                    n_rows,
                    f"for {row} Polars gives {expected!r}, the compiled form {by_compiled[index]!r}",
                )
    return n_rows, None


def _outcome(compiled: RowFunction, row: Row) -> Any:
    """The row's value, or the exception that was raised. A wrong tree may raise any exception."""
    try:
        return compiled(row)
    except Exception as error:
        return error


def _evaluated(rows: "pl.DataFrame", by_polars: Callable[["pl.DataFrame"], "pl.Series"]) -> Iterator[Any]:
    """Each row's value, or the exception for a row that Polars refuses."""
    from accord.sql.rows import NotComputedError

    if rows.is_empty():
        return
    try:
        values: list[Any] = by_polars(rows).to_list()
    except (
        NotComputedError,
        ValueError,
        OverflowError,
    ) as error:  # the last two for years that Python's dates don't have
        if rows.height == 1:
            yield error
        else:
            half = rows.height // 2
            yield from _evaluated(rows.head(half), by_polars)
            yield from _evaluated(rows.tail(rows.height - half), by_polars)
    else:
        yield from values


def _same(x: Any, y: Any) -> bool:
    if type(x) is not type(y):
        return False
    if isinstance(x, float):
        return math.copysign(1.0, x) == math.copysign(1.0, y) if x == y else x != x and y != y
    return bool(x == y)
