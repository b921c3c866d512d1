"""The rows on which models are scored, as the stages after training read them: as many at once as fit."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.bootstrap import Blocks
from accord.data import partitions, splitting
from accord.engines import mapped, memory
from accord.engines.mapped import in_parts
from accord.files import replacing
from accord.paths import Paths
from accord.schema.config import Config, Engine
from accord.schema.data import Data
from accord.sql.rows import columns_of, errors_after, with_derived


@dataclass(frozen=True)
class Rows:
    """The rows (n) of a split, with derived features; some of them, if `keep` says of all that the split has which."""

    folder: Path
    n: int
    derived: Mapping[str, str]
    engine: Engine
    scratch: Path
    keep: NDArray[np.bool_] | None = None

    @cached_property
    def columns(self) -> list[str]:
        """Those of the data, and the derived features."""
        return [*partitions.scan(self.folder).collect_schema().names(), *self.derived]

    def chunks(self, columns: Iterable[str] | None = None) -> Iterator[tuple[slice, pl.DataFrame]]:
        """Where each chunk of the rows is among them, and these columns of it, as far as the data have them; by default all."""
        there = partitions.scan(self.folder).collect_schema().names()
        wanted = {*there, *self.derived} if columns is None else {*columns}
        derived = {name: sql for name, sql in self.derived.items() if name in wanted}
        wanted = wanted.union(*(columns_of(sql, f"data.derived.{name}") for name, sql in derived.items()))
        read = [name for name in there if name in wanted] or there[:1]
        start = read_so_far = 0
        for frame in partitions.chunks(self.folder, memory.chunk_rows(self.engine, len(read)), read):
            whole = slice(read_so_far, read_so_far + frame.height)
            some = frame if self.keep is None else frame.filter(self.keep[whole])
            with errors_after(start):
                full = with_derived(some, derived)
            yield slice(start, start + some.height), full
            start, read_so_far = start + some.height, whole.stop

    def kept(self, columns: Iterable[str], of: Callable[[pl.DataFrame], NDArray[np.bool_]]) -> "Rows":
        """The rows of which this holds, computed from these columns."""
        assert self.keep is None, "rows are left out once"
        keep = mapped.empty(self.scratch, self.n, np.bool_)
        for rows, frame in self.chunks(columns):
            keep[rows] = of(frame)
        return replace(self, n=int(np.count_nonzero(keep)), keep=keep)

    def spread(self, n_cells: int) -> pl.DataFrame:
        """All columns of rows that are evenly spread: of all rows, unless they have more values than that."""
        step = -(-self.n * len(self.columns) // n_cells)
        own = [name for name in self.columns if name not in self.derived]
        chosen = [frame.select(own)[-some.start % step :: step] for some, frame in self.chunks(own)]
        return with_derived(pl.concat(chosen), self.derived)

    def vector(
        self, columns: Iterable[str], of: Callable[[pl.DataFrame], NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """A number per row (n,), computed from these columns."""
        found = mapped.empty(self.scratch, self.n)
        for rows, frame in self.chunks(columns):
            with errors_after(rows.start):
                found[rows] = of(frame)
        return found


@dataclass(frozen=True)
class Columns:
    """What is known of rows (n) beside their own columns: values (n,) by name, numbers or truths."""

    of: Mapping[str, NDArray[Any]]

    @classmethod
    def read(cls, path: Path, scratch: Path | None) -> "Columns":
        """Those that `write` has written."""
        table = pl.scan_parquet(path, glob=False)
        n, schema = int(table.select(pl.len()).collect().item()), table.collect_schema()
        types = {name: np.bool_ if kind == pl.Boolean() else np.float64 for name, kind in schema.items()}
        found = {name: mapped.empty(scratch, n, kind) for name, kind in types.items()}
        for rows in in_parts(n):
            part = table.slice(rows.start, rows.stop - rows.start).collect()
            for name, values in found.items():
                values[rows] = part[name].to_numpy()
        return cls(found)

    def part(self, rows: slice | NDArray[np.intp]) -> pl.DataFrame:
        return pl.DataFrame({name: values[rows] for name, values in self.of.items()})

    def write(self, path: Path) -> None:
        n = max(len(values) for values in self.of.values())
        types = {
            name: pl.Boolean() if one.dtype == np.bool_ else pl.Float64() for name, one in self.of.items()
        }
        partitions.write_chunks(path, (self.part(rows) for rows in in_parts(n)), pl.Schema(types))


def write(folder: Path, splits: Mapping[str, Columns]) -> None:
    """Writes a file per split. The folder appears whole or not at all."""
    with replacing(folder) as temporary:
        temporary.mkdir()
        for split, columns in splits.items():
            columns.write(temporary / f"{split}.parquet")


@dataclass(frozen=True)
class RowBlocks:
    """Each row's block as a number (n,): days if they are in order of time, else a group of rows."""

    number: NDArray[np.int32]
    is_ordered: bool

    @cached_property
    def _there(self) -> NDArray[np.int32]:
        """The blocks that have rows, in order."""
        there = np.zeros(0, np.int32)
        for rows in in_parts(len(self.number)):
            there = np.union1d(there, self.number[rows])
        return there

    @property
    def n(self) -> int:
        return len(self._there)

    def numbered(self, scratch: Path | None) -> tuple[NDArray[np.intp], Blocks]:
        """The blocks that have rows as numbers from 0 on, for each row (n,), and all of them."""
        there, number = self._there, self.number
        found = mapped.computed(
            lambda rows: np.searchsorted(there, number[rows]), len(number), scratch, np.intp
        )
        return found, Blocks(len(there), there.astype(np.float64) if self.is_ordered else None)


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
