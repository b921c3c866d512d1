"""Brings rows together that are alike in some columns, of however many chunks they come."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from accord.files import remove

MAX_BUCKETS = 256
WAITING_ROWS = 250_000
"""Rows that wait in memory until they are written together, so that small chunks don't make many small files."""
SEED = 20_240_229
BUCKET = "bucket|of"
"""Names in the config can't hold a bar, so this never clashes with a column."""


class Buckets:
    """Rows dealt to buckets by the hash of the columns `by`, so that all rows with the same values, null among them, are in one.
    A bucket is files of the folder, which are mapped at its turn; rows of one chunk, or few, are one bucket in memory."""

    def __init__(self, folder: Path, by: Sequence[str], n_rows: int, most: int) -> None:
        """For so many rows at most, of which so many may be in memory at once."""
        self._folder, self._by = folder, list(by)
        self._n_buckets = min(MAX_BUCKETS, max(1, -(-n_rows // most)))
        self._waiting: list[pl.DataFrame] = []
        self._n_waiting = self._n_written = 0

    def add(self, rows: pl.DataFrame) -> None:
        self._waiting.append(rows)
        self._n_waiting += rows.height
        if self._n_buckets > 1 and self._n_waiting >= WAITING_ROWS:
            self._write()

    def _write(self) -> None:
        bucket = pl.struct(self._by).hash(SEED) % self._n_buckets
        rows = pl.concat(self._waiting).with_columns(bucket.alias(BUCKET))
        for (number,), part in rows.partition_by(BUCKET, as_dict=True, include_key=False).items():
            folder = self._folder / f"{number:06}"
            folder.mkdir(parents=True, exist_ok=True)
            part.write_ipc(folder / f"{self._n_written:06}.arrow")
        self._waiting, self._n_waiting = [], 0
        self._n_written += 1

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """The buckets that have rows, in which rows are in the order in which they came. They can be had once."""
        if self._n_written and self._waiting:
            self._write()
        if self._waiting:
            yield pl.concat(self._waiting)
        for folder in sorted(self._folder.iterdir()) if self._n_written else ():
            yield pl.concat([pl.read_ipc(file) for file in sorted(folder.iterdir())])
            remove(folder)
