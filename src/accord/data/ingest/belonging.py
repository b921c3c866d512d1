"""Which rows SQL has to see together, where it can't see all of them at once."""

from collections.abc import Collection, Mapping, Sequence

import polars as pl

from accord.data.ingest import joins
from accord.errors import AccordError, nearest
from accord.schema.data import Data
from accord.sql import across

MARK = "rows|mark"
"""A column that only the rows have. Names in the config can't hold a bar."""


def together(data: Data, frames: Mapping[str, pl.DataFrame]) -> list[str]:
    """The columns of the rows' source by whose values rows belong together: SQL gives each row the same whatever rows with other
    values are there. None if it does so for each row alone. `frames` holds some rows, and all other tables.

    Raises AccordError for SQL of which that isn't known, and PolarsError for SQL that can't be run.
    """
    if data.joins is None:
        return []
    rows = frames[data.rows]
    found = across.look(
        joins.query(data, {**frames, data.rows: rows.with_columns(pl.lit(0).alias(MARK))}), MARK
    )
    if data.partition is not None:
        for column in data.partition:
            if column not in rows.columns:
                raise AccordError(
                    f"data.partition: source '{data.rows}' has no column '{column}'; {nearest(column, rows.columns)}"
                )
        return data.partition
    common = frozenset.intersection(*found.windows) if found.windows else frozenset()
    if found.others or (found.windows and not common):
        what = ", ".join(found.others) or "windows with nothing in common"
        raise AccordError(
            f"data.joins of {data.name} looks across rows ({what}), and there are more rows than fit into engine.memory at once. Windows "
            f"may look at rows with the same values of columns of '{data.rows}' (PARTITION BY); if all of it does so, name these columns in "
            f"conf/data/{data.name}.yaml, such as partition: [{rows.columns[0]}]; or raise engine.memory"
        )
    return sorted(common)


def prove(data: Data, frames: Mapping[str, pl.DataFrame], by: Collection[str], joined: pl.DataFrame) -> None:
    """Raises AccordError if SQL makes of two halves of the rows in `frames`, cut as rows are cut, another thing than `joined`, what
    it makes of all of them."""
    rows = frames[data.rows]
    halves = [joins.queried(data, {**frames, data.rows: half}) for half in _halves(rows, by)]
    if halves and _lines(halves) != _lines([joined]):
        how = f"rows with other values of {', '.join(by)}" if by else "other rows"
        raise AccordError(
            f"data.joins of {data.name} gives other values where {how} are left out, and there are more rows than fit into engine.memory at "
            f"once. Name what rows that it looks at together have in common in conf/data/{data.name}.yaml, such as partition: "
            f"[{rows.columns[0]}]; or raise engine.memory"
        )


def hashed(rows: pl.DataFrame, by: Sequence[str]) -> pl.Series:
    """A number (n) that is the same for all rows with the same values."""
    return rows.select(pl.struct(by).hash().alias("hash"))["hash"]


def _halves(rows: pl.DataFrame, by: Collection[str]) -> list[pl.DataFrame]:
    if not by:
        half = rows.height // 2
        return [rows.head(half), rows.slice(half)] if half else []
    numbers = hashed(rows, list(by))
    first = numbers <= numbers.unique().sort()[(numbers.n_unique() - 1) // 2]
    return [] if first.all() else [rows.filter(first), rows.filter(~first)]


def _lines(frames: Sequence[pl.DataFrame]) -> list[int]:
    """A number per row, in order of these numbers: SQL may give rows in any order."""
    return pl.concat([frame.hash_rows() for frame in frames]).sort().to_list()
