"""Which rows SQL has to see together, where it can't see all of them at once."""

from collections.abc import Mapping, Sequence

import polars as pl

from accord.data.ingest import joins
from accord.errors import AccordError, nearest
from accord.schema.data import Data
from accord.sql import across

MARK, GROUP = "rows|mark", "row|group"
"""A column that only the rows have, and one that is the same for rows that belong together. Names in the config can't hold a bar."""
N_CELLS, NOWHERE = 1 << 24, 2**32 - 1


class Groups:
    """Numbers rows so that all with the same values in some columns have the same number: about the place of the first of them, so that
    rows whose neighbours have the same values stay near each other. In the memory of N_CELLS numbers some values share one."""

    def __init__(self, by: Sequence[str]) -> None:
        self._by = by
        self._first = pl.repeat(NOWHERE, N_CELLS if by else 0, dtype=pl.UInt32, eager=True)

    def numbered(self, rows: pl.DataFrame, n_before: int) -> pl.DataFrame:
        """The rows with their numbers; so many rows were numbered before."""
        if not self._by:
            return rows
        cells = _hashed(rows, self._by) % N_CELLS
        places = pl.int_range(n_before, n_before + rows.height, dtype=pl.UInt32, eager=True)
        new = pl.DataFrame({"cell": cells, "place": places}).filter(self._first.gather(cells) == NOWHERE)
        new = new.unique("cell", keep="first")
        self._first.scatter(new["cell"], new["place"])
        return rows.with_columns(self._first.gather(cells).alias(GROUP))


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


def prove(data: Data, frames: Mapping[str, pl.DataFrame], by: Sequence[str], joined: pl.DataFrame) -> None:
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


def _hashed(rows: pl.DataFrame, by: Sequence[str]) -> pl.Series:
    return rows.select(pl.struct(by).hash().alias(GROUP))[GROUP]


def _halves(rows: pl.DataFrame, by: Sequence[str]) -> list[pl.DataFrame]:
    if not by:
        half = rows.height // 2
        return [rows.head(half), rows.slice(half)] if half else []
    numbers = _hashed(rows, by)
    first = numbers <= numbers.unique().sort()[(numbers.n_unique() - 1) // 2]
    return [] if first.all() else [rows.filter(first), rows.filter(~first)]


def _lines(frames: Sequence[pl.DataFrame]) -> list[int]:
    """A number per row, in order of these numbers: SQL may give rows in any order."""
    return pl.concat([frame.hash_rows() for frame in frames]).sort().to_list()
