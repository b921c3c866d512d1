"""Rows put in order without all of them in memory: sorted runs on disk, of which parts are merged."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

BATCH_ROWS = 16_384
"""Rows that are unpacked together."""
PARTS = 256
"""How often a chunk is sampled: the more, the nearer to a chunk are the ranges that are read."""
PLACE = "row|place"
"""The column of numbers that puts rows with equal keys in order. Names in the config can't hold a bar."""
CUT = "is|cut"
Keys = Callable[[pl.DataFrame], Sequence[pl.Series]]


class Runs:
    """Rows in the order of their keys, nulls last, and of their places."""

    def __init__(self, folder: Path, columns: Sequence[str], keys: Keys, chunk_rows: int) -> None:
        """Keys (n) are made of these columns. About `chunk_rows` rows are to be in memory at once."""
        folder.mkdir(parents=True)
        self._folder, self._columns, self._keys_of = folder, columns, keys
        self._chunk_rows, self._step = chunk_rows, max(1, chunk_rows // PARTS)
        self._sizes: list[int] = []
        self._samples: list[pl.DataFrame] = []
        """For each run the keys of every so many-th row."""
        self.schema = pl.Schema()

    @property
    def n_rows(self) -> int:
        return sum(self._sizes)

    def add(self, rows: pl.DataFrame) -> None:
        """Rows (n) with their places, in any order."""
        self.schema = rows.schema
        rows = self._in_order(rows)
        rows.write_ipc(self._file(len(self._sizes)), compression="lz4", record_batch_size=BATCH_ROWS)
        self._samples.append(self._keys(rows).gather_every(self._step))
        self._sizes.append(rows.height)

    def pieces(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """The runs as they were added, each in order, with all columns or these."""
        tables = (pl.scan_ipc(self._file(i)) for i in range(len(self._sizes)))
        return ((table if columns is None else table.select(columns)).collect() for table in tables)

    def ranges(self) -> Iterator[pl.DataFrame]:
        """All rows in order, about a chunk at a time. Rows with equal keys come together, however many they are."""
        samples = pl.concat(self._samples)
        samples = samples.sort(samples.columns, nulls_last=True)
        per_chunk, n_runs = self._chunk_rows // self._step, len(self._sizes)
        # Beside the rows between two samples each run may add as many as are between two of its own.
        every = max(per_chunk - n_runs, per_chunk // 2, 1)
        edges = samples.gather_every(every, offset=every).unique(maintain_order=True)
        cuts = [[0, *self._cuts(i, edges), n] for i, n in enumerate(self._sizes)]
        for ends in pairwise(zip(*cuts, strict=True)):
            bounds = [
                (i, start, end) for i, (start, end) in enumerate(zip(*ends, strict=True)) if start < end
            ]
            if bounds:
                yield self._in_order(pl.concat([self._slice(*bound) for bound in bounds]))

    def between(self, low: Any, high: Any) -> pl.DataFrame:
        """The rows whose first key is in these bounds, in order; none if a bound is None."""
        found = [pl.DataFrame(schema=self.schema)]
        for i, sample in enumerate(self._samples if low is not None and high is not None else ()):
            first = sample.to_series(0)
            start = max(int(first.search_sorted(low, side="left")) - 1, 0) * self._step
            end = min(int(first.search_sorted(high, side="right")) * self._step, self._sizes[i])
            rows = self._slice(i, start, max(end, start))
            found.append(rows.filter(self._keys_of(rows)[0].is_between(low, high)))
        return self._in_order(pl.concat(found))

    def _file(self, run: int) -> Path:
        return self._folder / f"{run:06}.arrow"

    def _keys(self, rows: pl.DataFrame) -> pl.DataFrame:
        return pl.DataFrame([key.alias(f"{i:03}") for i, key in enumerate(self._keys_of(rows))])

    def _in_order(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.sort([*self._keys_of(rows), rows[PLACE]], nulls_last=True)

    def _cuts(self, run: int, edges: pl.DataFrame) -> Sequence[int]:
        """How many rows of the run are before each edge."""
        keys = self._keys(pl.scan_ipc(self._file(run)).select(self._columns).collect())
        marked = [edges.with_columns(pl.lit(True).alias(CUT)), keys.with_columns(pl.lit(False).alias(CUT))]
        merged = pl.concat(marked).sort(keys.columns, nulls_last=True, maintain_order=True)
        return [at - n for n, at in enumerate(merged[CUT].arg_true())]

    def _slice(self, run: int, start: int, end: int) -> pl.DataFrame:
        return pl.scan_ipc(self._file(run)).slice(start, end - start).collect()
