"""The service's log of traffic: its folder, the segments that workers write, and the Parquet files by day."""

import stat
import time
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from accord.config import lock
from accord.doctor import mending
from accord.doctor.finding import Finding, in_one_line, json_of, read, some, trouble
from accord.doctor.project_files import folder_finding
from accord.paths import Paths
from accord.serving import weights
from accord.traffic import forget
from accord.traffic.compaction import DAMAGED, REPORT
from accord.traffic.frames import SCHEMAS
from accord.traffic.log import SEGMENTS
from accord.traffic.segments import Lines, listed

DECODED_S = 30.0
"""How long Parquet files are decoded; of those that are left only the footer is read."""
LINES = (weights.FILE, forget.RECORD)


def folders(paths: Paths) -> Iterator[Finding]:
    """The log's folders, and whether there is room for more."""
    folder = paths.traffic
    own = [folder, folder / SEGMENTS, folder / DAMAGED, *(folder / kind for kind in SCHEMAS)]
    means = "The service can't log: it refuses requests, or answers without a record"
    for one in [*own, *sorted(path for kind in SCHEMAS for path in (folder / kind).glob("*"))]:
        problem = trouble(one, paths.root, is_folder=True, is_written=True)
        if problem is None and one.exists() and stat.S_IMODE(one.stat().st_mode) & 0o002:
            problem = "can be written by any user of this machine"
        if problem == "can be written by any user of this machine":
            fix = partial(_closed, one, 0o002)
            yield Finding(str(one), problem, "Anybody can forge the log", f"chmod o-w {one}", fix)
        elif problem is not None:
            yield folder_finding(one, problem, means, paths)
    for kind in SCHEMAS:
        for day in sorted((folder / kind).glob("*")):
            if day.is_dir() and not _is_day(day.name):
                yield Finding(
                    str(day), "is no day such as day=2024-05-31", "Its rows count nowhere, or stop whoever reads the log",
                    f"accord doctor --fix, or move {day} away", partial(mending.set_aside, day, paths),
                )  # fmt: skip
    yield from _room(paths)


def _room(paths: Paths) -> Iterator[Finding]:
    settings = lock.load(paths).serving.traffic
    if not paths.traffic.is_dir():
        return
    used_mb = sum(path.lstat().st_size for path in paths.traffic.rglob("*")) / 1e6
    if used_mb >= settings.max_mb:
        yield Finding(
            str(paths.traffic), f"takes {used_mb:,.1f} MB; its limit is serving.traffic.max_mb {settings.max_mb:g}",
            f"The service can't log any more, and serving.traffic.when_full is {settings.when_full}",
            "accord traffic, which moves the log on; else raise max_mb, or lower retention_days, in conf/serving",
        )  # fmt: skip


def segments(paths: Paths) -> Iterator[Finding]:
    """Segments that can't be read, and lines in them that are no records. A last line that a kill cut off is none."""
    folder = paths.traffic / SEGMENTS
    if not folder.is_dir():
        return
    for path in listed(paths.traffic):
        problem = trouble(path, paths.root)
        if problem is not None:
            yield _file_finding(
                path, problem, "Its records can't be read, and stop whoever reads the log", paths
            )
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o007:
            yield Finding(
                str(path), f"has mode {mode:04o}: any user of this machine can read it", "It may hold personal data",
                f"chmod o-rwx {path}", partial(_closed, path, 0o007),
            )  # fmt: skip
        with path.open("rb") as file:
            lines = Lines(file)
            for _ in lines.records():
                pass
        if lines.damaged:
            yield Finding(
                str(path), f"has {len(lines.damaged):,} lines that are no records",
                "What they told is lost; the other lines are whole",
                f"accord traffic, which moves them to {paths.traffic / DAMAGED}, or accord doctor --fix",
                partial(_without_damaged, path, paths),
            )  # fmt: skip


def days(paths: Paths) -> Iterator[Finding]:
    """Parquet files that can't be decoded, or that hold something else than the log."""
    deadline = time.monotonic() + DECODED_S
    for kind, schema in SCHEMAS.items():
        for path in sorted((paths.traffic / kind).glob("day=*/*.parquet")):
            problem = trouble(path, paths.root) or _damage(path, schema, time.monotonic() < deadline)
            if problem is not None:
                means = "Whatever reads this day of the log ends in an error"
                yield _file_finding(path, problem, means, paths)


def notes(paths: Paths) -> Iterator[Finding]:
    """What the compaction, the policy's changes and forgetting note beside the log."""
    report, problem = read(paths.traffic / REPORT, paths.root, json_of(dict[str, Any]))
    if problem is not None:
        yield _file_finding(paths.traffic / REPORT, problem, "The service can't say how its log fares", paths)
    elif report and report.get("problem"):
        yield Finding(
            str(paths.traffic), f"was not moved on by the last compaction: {in_one_line(report['problem'])}",
            "Segments wait and take room", "accord traffic, once its cause is gone",
        )  # fmt: skip
    for name in LINES:
        path = paths.traffic / name
        text, problem = read(path, paths.root, str)
        broken = []
        for number, line in enumerate((text or "").splitlines(), 1):
            try:
                json_of(dict[str, Any])(line)
            except ValueError:
                broken.append(str(number))
        if problem is not None or broken:
            found = problem or f"has lines that are no records: line {some(broken)}"
            means = "What was changed, or forgotten, can't be told from it"
            yield _file_finding(path, found, means, paths)


def newest(paths: Paths) -> list[tuple[str, float]]:
    """What of the log tells when it was last written: a name and an instant."""
    from uuid import UUID

    found = []
    for path in listed(paths.traffic)[-1:]:
        try:
            found.append((f"the segment {path.name}", (UUID(path.stem).int >> 80) / 1000))
        except ValueError:
            continue
    for kind in SCHEMAS:
        dated = [path.name for path in (paths.traffic / kind).glob("day=*") if _is_day(path.name)]
        if dated:
            day = date.fromisoformat(max(dated).removeprefix("day="))
            found.append((f"the log's {max(dated)}", time.mktime(day.timetuple()) - time.timezone))
    return found


def _damage(path: Path, schema: dict[str, pl.DataType], is_decoded: bool) -> str | None:
    if not path.stat().st_size:
        return "is empty"
    try:
        rows = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        columns = rows.collect_schema()
        if is_decoded:
            rows.select(pl.all().is_null().sum()).collect(engine="streaming")
    except (PolarsError, OSError, pl.exceptions.PanicException) as error:
        return f"is damaged or cut short: {in_one_line(error)}"
    missing = [
        name for name in schema if name not in columns and name not in ("probability", "code", "weights")
    ]
    if missing:
        return f"is no Parquet of the log: the columns {some(missing)} are missing"
    wrong = [
        name
        for name, type_ in schema.items()
        if name in columns and columns[name] != pl.Null and columns[name] != type_
    ]
    return f"has columns of another type: {some(wrong)}" if wrong else None


def _file_finding(path: Path, problem: str, means: str, paths: Paths) -> Finding:
    if "has mode" in problem or "belongs to" in problem:
        return folder_finding(path, problem, means, paths)
    return Finding(
        str(path), problem, means, "bring it from a backup, or set it aside: accord doctor --fix",
        partial(mending.set_aside, path, paths),
    )  # fmt: skip


def _without_damaged(path: Path, paths: Paths) -> str:
    """Writes the whole lines of a segment again, if no worker writes it."""
    from accord.errors import AccordError
    from accord.files import replacing
    from accord.traffic.segments import if_complete

    with if_complete(path) as file:
        if file is None:
            raise AccordError(f"{path} is still written by the service; stop it, or wait, and run this again")
        whole = [line for line in file if not _is_damaged(line)]
        said = mending.set_aside(path, paths)
        with replacing(path) as temporary:
            temporary.touch(0o640)
            temporary.write_bytes(b"".join(whole))
    return f"{said}; {path} has its {len(whole):,} whole lines"


def _is_damaged(line: bytes) -> bool:
    lines = Lines([line])
    list(lines.records())
    return bool(lines.damaged)


def _closed(path: Path, bits: int) -> str:
    mode = stat.S_IMODE(path.stat().st_mode) & ~bits
    path.chmod(mode)
    return f"{path} has mode {mode:04o} now"


def _is_day(name: str) -> bool:
    try:
        date.fromisoformat(name.removeprefix("day="))
    except ValueError:
        return False
    return name.startswith("day=")
