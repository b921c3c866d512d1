"""The rows on which models are scored, as the stages after training read them: as many at once as fit."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.data import partitions, splitting
from accord.engines import mapped, memory
from accord.paths import Paths
from accord.schema.config import Config, Engine
from accord.schema.data import Data
from accord.sql.rows import columns_of, with_derived


@dataclass(frozen=True)
class Rows:
    """The rows (n) of a split, with derived features."""

    folder: Path
    n: int
    derived: Mapping[str, str]
    engine: Engine
    scratch: Path

    def chunks(self, columns: Iterable[str] | None = None) -> Iterator[tuple[slice, pl.DataFrame]]:
        """Where each chunk of the rows is among them, and these columns of it, as far as the data have them; by default all."""
        there = partitions.scan(self.folder).collect_schema().names()
        wanted = {*there, *self.derived} if columns is None else {*columns}
        derived = {name: sql for name, sql in self.derived.items() if name in wanted}
        wanted = wanted.union(*(columns_of(sql, f"data.derived.{name}") for name, sql in derived.items()))
        read = [name for name in there if name in wanted] or there[:1]
        start = 0
        for frame in partitions.chunks(self.folder, memory.chunk_rows(self.engine, len(read)), read):
            yield slice(start, start + frame.height), with_derived(frame, derived)
            start += frame.height

    def all(self) -> pl.DataFrame:
        return pl.concat([frame for _, frame in self.chunks()])

    def vector(
        self, columns: Iterable[str], of: Callable[[pl.DataFrame], NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """A number per row (n,), computed from these columns."""
        found = mapped.empty(self.scratch, self.n)
        for rows, frame in self.chunks(columns):
            found[rows] = of(frame)
        return found


@dataclass(frozen=True)
class RowBlocks:
    """Each row's block as a number (n,): days if they are in order of time, else a group of rows."""

    number: NDArray[np.int32]
    is_ordered: bool


def rows(config: Config, paths: Paths) -> dict[str, Rows]:
    """The rows of each scored split; splits without rows are left out."""
    found = {}
    for split in splitting.SCORED:
        folder, scratch = paths.splits / split, paths.root / config.engine.scratch
        n = partitions.n_rows(folder)
        found[split] = Rows(folder, n, config.data.derived, config.engine, scratch)
    return {split: one for split, one in found.items() if one.n}


def blocks(rows: Rows, data: Data) -> RowBlocks:
    """The rows' blocks for resampling."""
    by, time = data.dealt_by, data.time
    columns, keys = [*by] if time is None else [time.event], None
    if time is None:
        keys = splitting.distinct((frame for _, frame in rows.chunks(columns)), by)
    number = mapped.empty(rows.scratch, rows.n, np.int32)
    for chunk, frame in rows.chunks(columns):
        number[chunk] = splitting.blocks(frame, by, time, keys).to_physical().to_numpy()
    return RowBlocks(number, time is not None)
