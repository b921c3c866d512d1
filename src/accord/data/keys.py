"""Keys that rows of several chunks have, found without holding the keys of all rows in memory."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.data.buckets import Buckets
from accord.data.casting import cast
from accord.schema.data import Column

MAX_NEAR = 4
ROW = "row|number"
"""Names in the config can't hold a bar, so this never clashes with a column."""


def elsewhere(
    read: Callable[[Sequence[str]], Iterable[pl.DataFrame]],
    columns: Mapping[str, Column],
    key: Sequence[str],
    n_rows: int,
    most: int,
    folder: Path,
) -> NDArray[np.bool_]:
    """For each row (n_rows,) whether a row of another chunk has its key, if it is the first of its own chunk that has it. So a row's key
    is unique if it is so in its chunk and this is False. `key` begins with the column by which the rows are sorted, if that is in it:
    then few rows can have their key elsewhere. The answer is a file of the folder, mapped."""
    found = np.memmap(folder / "elsewhere", dtype=bool, mode="w+", shape=(n_rows,))
    buckets = Buckets(folder / "keys", key, n_rows, most)
    spans = [_span(cast(chunk[key[0]], columns[key[0]])[0]) for chunk in read(key[:1])]
    n_before = 0
    for i, chunk in enumerate(read(key)):
        typed = pl.DataFrame([cast(chunk[name], columns[name])[0] for name in key])
        numbered = typed.with_columns(pl.int_range(n_before, n_before + chunk.height).alias(ROW))
        shared = numbered.filter(_may_be_in(pl.col(key[0]), spans[i], [*spans[:i], *spans[i + 1 :]]))
        buckets.add(shared.group_by(key).agg(pl.col(ROW).first()))
        n_before += chunk.height
    for keys in buckets:
        found[keys.filter(pl.struct(key).is_duplicated())[ROW].to_numpy()] = True
    return found


class Span(NamedTuple):
    """The least and the greatest value of a column, None if it has none, and whether some are null."""

    least: Any
    greatest: Any
    has_null: bool


def _span(column: pl.Series) -> Span:
    return Span(column.min(), column.max(), column.null_count() > 0)


def _may_be_in(column: pl.Expr, own: Span, others: Sequence[Span]) -> pl.Expr:
    """Which values of a chunk's column are within the span of another."""
    near = [
        other for other in others
        if None not in (own.least, other.least) and other.least <= own.greatest and own.least <= other.greatest
    ]  # fmt: skip
    within = [
        column.is_between(pl.lit(other.least), pl.lit(other.greatest)).fill_null(False) for other in near
    ]
    if own.has_null and any(other.has_null for other in others):
        within.append(column.is_null())
    if len(within) > MAX_NEAR:  # the rows aren't sorted by it
        return pl.lit(True)
    return pl.any_horizontal(pl.lit(False), *within)
