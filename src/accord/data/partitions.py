"""Rows in partitions: one per month in the data's zone, or runs of equal length where there is no time. On disk a partition
is a Parquet file of a folder; their order is that of the files' names. How rows are cut depends on them alone. What is in
memory at once is a chunk: neighbouring partitions, or a part of one, as many rows as fit."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from accord.files import replacing
from accord.schema.data import Time

MAX_ROWS = 1_000_000
MAX_CELLS = 64_000_000
"""No partition has more rows, or more values."""
ROW_GROUP_ROWS = 131_072
FIRST, LAST = datetime(1, 1, 2), datetime(9999, 12, 30)
MONTH = "partition|month"
"""Names in the config can't hold a bar, so this never clashes with a column."""


class Writing:
    """Partitions of rows that come in their order, in as many frames as it takes."""

    def __init__(self, folder: Path, time: Time | None) -> None:
        self._folder, self._time = folder, time
        self._waiting: list[pl.DataFrame] = []
        """Rows of the last partition begun, which more may follow."""
        self._n_waiting = 0
        self._name: str | None = None
        """The month of these rows; None before the first, and where there is no time."""
        self._n_runs = 0
        """The partitions written of that month, or of all rows where there is no time."""
        self.n_partitions = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Rows (n) that follow those before: in order of months, where they have a time."""
        if rows.is_empty() and (self._waiting or self.n_partitions):
            return
        for name, part in _by_month(rows, self._time):
            if name != self._name:
                self._end()
                assert self._name is None or (name is not None and name > self._name), "rows out of order"
                self._name, self._n_runs = name, 0
            self._waiting.append(part)
            self._n_waiting += part.height
            most = max_rows(part.width)
            while self._n_waiting > most:
                waiting = pl.concat(self._waiting)
                self._write(waiting.head(most), is_whole=False)
                self._waiting, self._n_waiting = [waiting.slice(most)], waiting.height - most

    def end(self) -> None:
        """Writes what waits; no rows are one partition, so that their columns are known."""
        self._end(none_too=not self.n_partitions)

    def _end(self, none_too: bool = False) -> None:
        if self._n_waiting or (none_too and self._waiting):
            self._write(pl.concat(self._waiting), is_whole=self._n_runs == 0)
        self._waiting, self._n_waiting = [], 0

    def _write(self, rows: pl.DataFrame, is_whole: bool) -> None:
        number = f"{self._n_runs:05}"
        name = (
            f"rows-{number}" if self._name is None else self._name if is_whole else f"{self._name}-{number}"
        )
        rows.rechunk().write_parquet(self._folder / f"{name}.parquet", row_group_size=ROW_GROUP_ROWS)
        self._n_runs += 1
        self.n_partitions += 1


@contextmanager
def writing(folder: Path, time: Time | None) -> Iterator[Writing]:
    """Partitions that are written while their rows come. The folder appears whole or not at all."""
    with replacing(folder) as temporary:
        temporary.mkdir(parents=True)
        into = Writing(temporary, time)
        yield into
        into.end()


def max_rows(n_columns: int) -> int:
    """The rows of so many columns that a partition may have."""
    return min(MAX_ROWS, max(1, MAX_CELLS // max(n_columns, 1)))


def _by_month(rows: pl.DataFrame, time: Time | None) -> list[tuple[str | None, pl.DataFrame]]:
    """The rows by month of event time in the data's zone; all of them as None where they have no time."""
    if time is None or rows.is_empty() or rows.schema[time.event] != pl.Datetime("us"):
        return [(None, rows)]
    month = local(pl.col(time.event), time.zone).dt.truncate("1mo").dt.date()  # text would take twice as long
    parts = rows.with_columns(month.alias(MONTH)).partition_by(MONTH, as_dict=True, include_key=False)
    named = {_name(first_day): part for (first_day,), part in parts.items()}
    return [(name, named[name]) for name in sorted(named)]


def _name(first_day: date | None) -> str:
    return f"{first_day.year:04}-{first_day.month:02}" if first_day else "unknown"


def local(instant: pl.Expr, zone: str) -> pl.Expr:
    """A UTC instant as the clocks of the zone show it; one outside the years 1 to 9999, which Python's dates are bound to, counts
    as the first or last that is surely within them in all zones."""
    return (
        instant.clip(FIRST, LAST)
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone(zone)
        .dt.replace_time_zone(None)
    )


def write(folder: Path, rows: pl.DataFrame, time: Time | None) -> int:
    """Writes the rows, and returns of how many partitions. The folder appears whole or not at all."""
    with writing(folder, time) as into:
        into.add(rows)
    return into.n_partitions


def write_chunks(path: Path, chunks: Iterable[pl.DataFrame], schema: pl.Schema) -> None:
    """Writes one file of rows that come a chunk at a time: the same bytes, whatever the chunks."""

    def rows(*_: object) -> Iterator[pl.DataFrame]:
        yield from chunks

    register_io_source(rows, schema=schema).sink_parquet(
        path, row_group_size=ROW_GROUP_ROWS, maintain_order=True
    )


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def names(folder: Path) -> list[str]:
    return [path.stem for path in files(folder)]


def scan(folder: Path) -> pl.LazyFrame:
    """All partitions, in the order of their names."""
    return pl.scan_parquet(files(folder), glob=False)


def read(folder: Path, columns: Iterable[str] | None = None) -> pl.DataFrame:
    """All rows at once."""
    return _of(scan(folder), columns)


def n_rows(folder: Path) -> int:
    return int(scan(folder).select(pl.len()).collect().item())


def n_columns(folder: Path) -> int:
    return len(scan(folder).collect_schema())


def chunks(folder: Path, most: int, columns: Iterable[str] | None = None) -> Iterator[pl.DataFrame]:
    """All rows in order, at most so many at once: neighbouring partitions together, and one that has more in parts. No rows
    are one chunk, so that their columns are known."""
    wanted = None if columns is None else list(columns)
    together: list[Path] = []
    n_together = 0
    for file in files(folder):
        n = int(pl.scan_parquet(file, glob=False).select(pl.len()).collect().item())
        if together and n_together + n > most:
            yield _of(pl.scan_parquet(together, glob=False), wanted)
            together, n_together = [], 0
        if n > most:
            table = pl.scan_parquet(file, glob=False)
            yield from (_of(table.slice(start, most), wanted) for start in range(0, n, most))
        else:
            together.append(file)
            n_together += n
    if together:
        yield _of(pl.scan_parquet(together, glob=False), wanted)


def _of(table: pl.LazyFrame, columns: Iterable[str] | None) -> pl.DataFrame:
    return (table if columns is None else table.select(list(columns))).collect()
