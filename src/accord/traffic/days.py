"""Traffic in Parquet files by day (UTC): `predictions/day=2024-05-31/NAME.parquet`, and the same under refusals.

A segment's rows of a day are in the file with the segment's name, and count only once the segment is gone. Small files
are merged into larger ones, whose metadata names the files that they replace. Replaced files stay for an hour, so that
processes that are reading them can finish, and are ignored meanwhile. A file is on the disk before it gets its name.
"""

import json
import shutil
import time
from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
from uuid_utils import uuid7

from accord.traffic.disk import placing, remove
from accord.traffic.frames import SCHEMAS, Kind, frames
from accord.traffic.person import Person
from accord.traffic.records import Record

MERGED = "merged-"
REPLACES = "replaces"
POLARS_OWN = "ARROW:schema"
DAY_FILES = 30
"""The running day's files are merged when there are this many small ones; those of days that have ended always are."""
SMALL_BYTES = 64_000_000
GRACE = timedelta(hours=1)
"""How long after the end of a day segments with its rows are still expected, and how long replaced files are kept."""
ROW_GROUP = 50_000


class Days:
    name = "files by day"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, segment: str, records: Iterable[tuple[int, Record]]) -> None:
        for kind, frame in frames(record for _, record in records).items():
            for (day,), rows in frame.group_by(pl.col("at").dt.date(), maintain_order=True):
                with placing(self._folder / kind / f"day={day}" / f"{segment}.parquet") as temporary:
                    rows.write_parquet(temporary, row_group_size=ROW_GROUP)

    def discard(self, segment: str) -> None:
        """Removes what a killed process may have written of a segment that is kept elsewhere."""
        for path in self._folder.glob(f"*/day=*/{segment}.parquet"):
            remove(path)

    def delete_before(self, day: date) -> int:
        """Deletes the days before this one; how many files that were."""
        old = [path for kind in SCHEMAS for path in self._days(kind) if _day(path) < day]
        n_files = sum(len(list(path.glob("*.parquet"))) for path in old)
        for path in old:
            shutil.rmtree(path)
        return n_files

    def merge(self, now: datetime, segments: Collection[str]) -> int:
        """Merges small files and deletes those that were replaced long enough ago; how many were merged. Files of
        these segments, which are still there, don't take part."""
        n_merged = 0
        for kind in SCHEMAS:
            for day in self._days(kind):
                self._delete_replaced(day, GRACE)
                files = [file for file in _live(day, segments) if file.stat().st_size < SMALL_BYTES]
                if len(files) >= (2 if _day(day) < (now - GRACE).date() else DAY_FILES):
                    _merge(files, day)
                    n_merged += len(files)
        return n_merged

    def scan(
        self,
        kind: Kind,
        begin: datetime | None,
        end: datetime | None,
        segments: Collection[str],
        only: str | None = None,
    ) -> pl.LazyFrame:
        """The rows of the days from `begin` to `end`, without those of these segments. With `only`, just the row with this
        id."""
        days = [
            day
            for day in self._days(kind)
            if (begin is None or _day(day) >= begin.date()) and (end is None or _day(day) <= end.date())
        ]
        parts = [_scanned(file) for day in days for file in _live(day, segments)]
        rows = pl.concat([pl.LazyFrame(schema=SCHEMAS[kind]), *parts], how="diagonal_relaxed")
        return rows if only is None else rows.filter(pl.col("prediction_id") == only)

    def erase(self, kind: Kind, person: Person) -> int:
        """Erases a person's rows of this kind; how many there were."""
        n_rows = 0
        for day in self._days(kind):
            self._delete_replaced(day, timedelta())
            n_rows += sum(erase_in(file, person) for file in sorted(day.glob("*.parquet")))
        return n_rows

    def remove_leftovers(self) -> None:
        """Removes what a killed process had begun to write."""
        for kind in SCHEMAS:
            for path in (self._folder / kind).glob("day=*/.*.tmp"):
                path.unlink()

    def _days(self, kind: Kind) -> list[Path]:
        return sorted((self._folder / kind).glob("day=*"))

    def _delete_replaced(self, day: Path, after: timedelta) -> None:
        merged = [
            file
            for file in day.glob(f"{MERGED}*.parquet")
            if time.time() - file.stat().st_mtime >= after.total_seconds()
        ]
        for name in {name for file in merged for name in _replaced_by(file)}:
            (day / name).unlink(missing_ok=True)


def erase_in(file: Path, person: Person) -> int:
    """Writes a Parquet file again without a person's rows, if it has any; how many it had."""
    rows = _scanned(file)
    theirs = person.expression(rows.collect_schema())
    n_rows = int(rows.filter(theirs).select(pl.len()).collect(engine="streaming").item())
    if n_rows:
        metadata = {n: text for n, text in pl.read_parquet_metadata(file).items() if n != POLARS_OWN}
        with placing(file) as temporary:
            rows.filter(~theirs).sink_parquet(temporary, metadata=metadata, row_group_size=ROW_GROUP)
    return n_rows


def _live(day: Path, segments: Collection[str]) -> list[Path]:
    """A day's files that count."""
    files = sorted(day.glob("*.parquet"))
    ignored = {f"{segment}.parquet" for segment in segments}
    ignored.update(name for file in files if file.name.startswith(MERGED) for name in _replaced_by(file))
    return [file for file in files if file.name not in ignored]


def _merge(files: Iterable[Path], day: Path) -> None:
    replaced = {name for file in files for name in (file.name, *_replaced_by(file))}
    still_there = sorted(name for name in replaced if (day / name).exists())
    with placing(day / f"{MERGED}{uuid7()}.parquet") as temporary:
        rows = pl.concat([_scanned(file) for file in files], how="diagonal_relaxed")
        rows.sink_parquet(temporary, metadata={REPLACES: json.dumps(still_there)}, row_group_size=ROW_GROUP)


def _replaced_by(file: Path) -> list[str]:
    if not file.name.startswith(MERGED):
        return []
    names: list[str] = json.loads(pl.read_parquet_metadata(file)[REPLACES])
    return names


def _scanned(file: Path) -> pl.LazyFrame:
    return pl.scan_parquet(file, hive_partitioning=False)


def _day(folder: Path) -> date:
    return date.fromisoformat(folder.name.removeprefix("day="))
