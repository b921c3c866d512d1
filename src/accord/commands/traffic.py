"""`accord traffic`: compacts the service's log, and shows what it holds."""

import argparse
from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from accord.errors import AccordError
from accord.paths import Paths
from accord.terminal import Lines, lines, say, table

if TYPE_CHECKING:
    from accord.schema.serving import Traffic
    from accord.traffic.compaction import Kept

HELP = "move the service's log on to where it is kept, and tell what it holds"
EXAMPLE = "accord traffic"


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.config import lock
    from accord.traffic import compaction

    settings = lock.load(paths).serving.traffic
    kept = compaction.compact(paths.traffic, settings, wait_s=60)
    if kept is None:
        raise AccordError(
            f"Another process has been compacting the log in {paths.traffic} for a minute; try again later"
        )
    say(as_text(paths.traffic, settings, kept))


def as_text(folder: Path, settings: "Traffic", kept: "Kept") -> Lines:
    """Rows per day and model, refusals per day and status, the disk space used, and problems, if any."""
    import polars as pl

    from accord.traffic import outcomes
    from accord.traffic.reading import scan_predictions, scan_refusals
    from accord.traffic.segments import listed

    said = [
        f"{folder}: {kept.used_mb:,.1f} MB of {settings.max_mb:,.0f} MB, {len(listed(folder))} segments not yet moved on, "
        f"{settings.retention_days} days are kept",
        f"Just now: {kept.n_segments} segments moved on with {kept.n_predictions:,} rows, {kept.n_refusals:,} refusals "
        f"and {kept.n_outcomes:,} outcomes, "
        f"{kept.n_merged} files merged, {kept.n_deleted} deleted, {kept.n_torn} torn and {kept.n_damaged} damaged lines",
    ]
    postgres = settings.postgres
    if kept.problem:
        said.append(f"Problem: {kept.problem}" + (". Below is what this machine holds" if postgres else ""))
        postgres = None
    day = pl.col("at").dt.date().alias("day")
    for title, rows, by in (
        ("predictions", scan_predictions(folder, postgres=postgres), "model"),
        ("refusals", scan_refusals(folder, postgres=postgres), "status"),
    ):
        counts = (
            rows.select(day, by)
            .group_by("day", by)
            .agg(n=pl.len())
            .sort("day", by)
            .collect(engine="streaming")
        )
        cells = [(str(date), str(value), f"{n:,}") for date, value, n in counts.iter_rows()]
        said += _section(("day", by, title), cells, {2})
    covered = outcomes.coverage(folder, postgres=postgres).iter_rows()
    rows_of_days = [(str(date), *(f"{n:,}" for n in numbers)) for date, *numbers in covered]
    said += _section(("day", "predictions", "with outcome", "unmatched outcomes"), rows_of_days, {1, 2, 3})
    return lines(said)


def _section(head: Sequence[str], rows: Sequence[Sequence[str]], right: Container[int]) -> list[str]:
    return ["", *table(head, rows, right), *([] if rows else ["none"])]
