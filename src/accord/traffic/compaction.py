"""Compaction: complete segments become files by day or rows in Postgres, small files are merged, old days are deleted.

Run as `python -m accord.traffic.compaction FOLDER` by the service, with the config's serving section as JSON in the
environment's ACCORD_SERVING. One process compacts at a time. It may be killed at any moment: the next one continues.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from polars.exceptions import PolarsError

from accord import locks
from accord.errors import AccordError
from accord.files import write_json
from accord.schema.serving import Serving, Traffic
from accord.sql.rows import reason
from accord.traffic.days import Days
from accord.traffic.disk import FILE_MODE, make_folder, placing, remove
from accord.traffic.log import SEGMENTS, SUFFIX
from accord.traffic.pii import SECRET_FILE
from accord.traffic.postgres import AwayError, Table
from accord.traffic.reading import places
from accord.traffic.segments import Lines, if_complete, listed

SETTINGS_VARIABLE = "ACCORD_SERVING"
LOCK = ".housekeeping"
REPORT = "housekeeping.json"
DAMAGED = "damaged"
FAULTS = (AccordError, OSError, PolarsError)
ABANDONED_S = 3600
"""Files that a worker began and never named are left over when they are this old."""


@dataclass
class Kept:
    """What a compaction did."""

    at: str
    n_segments: int = 0
    n_predictions: int = 0
    n_refusals: int = 0
    n_outcomes: int = 0
    n_torn: int = 0
    """Last lines that a kill cut short: their requests were not answered."""
    n_damaged: int = 0
    """Whole lines that can't be decoded; they are in damaged/."""
    n_merged: int = 0
    n_deleted: int = 0
    """Files or rows that had reached the end of their retention."""
    used_mb: float = 0.0
    """Disk space that the log takes now."""
    problem: str | None = None
    """Why complete segments have not been moved."""


def compact(folder: Path, settings: Traffic, wait_s: float = 0) -> Kept | None:
    """Compacts the log, and returns what was done, which housekeeping.json says too. None if another process was compacting
    all that time."""
    with alone(folder, wait_s) as is_alone:
        return compact_alone(folder, settings) if is_alone else None


@contextmanager
def alone(folder: Path, wait_s: float) -> Iterator[bool]:
    """Whether this process is the only one that compacts, until the block ends."""
    make_folder(folder)
    with locks.held(folder / LOCK, wait_s, FILE_MODE) as lock:
        yield lock is not None


def compact_alone(folder: Path, settings: Traffic) -> Kept:
    """The same for a process that is the only one already."""
    now = datetime.now(UTC)
    kept = Kept(now.isoformat(timespec="seconds"))
    try:
        _remove_leftovers(folder, settings)
        homes = places(folder, settings.postgres)
        oldest = (now - timedelta(days=settings.retention_days)).date()
        kept.n_deleted = sum(home.delete_before(oldest) for home in homes)
        for path in listed(folder):
            _move_on(path, homes, kept)
        kept.n_merged = Days(folder).merge(now, {path.stem for path in listed(folder)})
    except FAULTS as error:
        kept.problem = kept.problem or reason(error)
    kept.used_mb = _used_mb(folder)
    with suppress(OSError):  # where the disk is full the last report stays
        write_json(folder / REPORT, asdict(kept))
        (folder / REPORT).chmod(FILE_MODE)
    return kept


def _move_on(path: Path, homes: Sequence[Days | Table], kept: Kept) -> None:
    """Moves a segment, if it is complete, to the last of these places. A fault of the segment itself is noted."""
    *others, home = homes
    with if_complete(path) as file:
        if file is None:
            return
        lines = Lines(file)
        try:
            for other in others:
                other.discard(path.stem)
            home.keep(path.stem, lines.records())
            if lines.damaged:
                with placing(path.parents[1] / DAMAGED / path.name) as temporary:
                    temporary.write_bytes(b"".join(lines.damaged))
            remove(path)
        except AwayError:
            raise
        except FAULTS as error:
            kept.problem = kept.problem or f"segment {path.name}: {reason(error)}"
            return
    kept.n_segments += 1
    kept.n_predictions += lines.n_predictions
    kept.n_refusals += lines.n_refusals
    kept.n_outcomes += lines.n_outcomes
    kept.n_torn += lines.n_torn
    kept.n_damaged += len(lines.damaged)


def _used_mb(folder: Path) -> float:
    n_bytes = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # a worker has named its segment meanwhile
            n_bytes += path.lstat().st_size
    return round(n_bytes / 1e6, 3)


def _remove_leftovers(folder: Path, settings: Traffic) -> None:
    """Removes what killed processes had begun to write, and damaged lines that are too old."""
    Days(folder).remove_leftovers()
    for pattern, seconds in (
        (f"{DAMAGED}/.*.tmp", 0),
        (f"{DAMAGED}/*{SUFFIX}", settings.retention_days * 86_400),
        (f"{SEGMENTS}/*.tmp", ABANDONED_S),
        (f".{SECRET_FILE}.*.tmp", ABANDONED_S),
    ):
        for path in folder.glob(pattern):
            if time.time() - path.stat().st_mtime >= seconds:
                path.unlink(missing_ok=True)


if __name__ == "__main__":
    os.nice(10)
    compact(Path(sys.argv[1]), Serving.model_validate_json(os.environ[SETTINGS_VARIABLE]).traffic)
