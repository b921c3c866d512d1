"""What the log holds, in words."""

from pathlib import Path

import polars as pl

from accord.config.schema import Traffic
from accord.traffic.housekeeping import Kept
from accord.traffic.reading import scan_predictions, scan_refusals
from accord.traffic.segments import listed


def as_text(folder: Path, settings: Traffic, kept: Kept) -> str:
    """Rows by day and model, refusals by day and status, the space that it takes, and what is wrong, if anything."""
    used_mb = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    lines = [
        f"{folder}: {used_mb:,.1f} MB of {settings.max_mb:,.0f} MB, {len(listed(folder))} segments not yet moved on, "
        f"{settings.retention_days} days are kept",
        f"Just now: {kept.n_segments} segments moved on with {kept.n_predictions:,} rows and {kept.n_refusals:,} refusals, "
        f"{kept.n_merged} files merged, {kept.n_deleted} deleted, {kept.n_torn} torn and {kept.n_damaged} damaged lines",
    ]
    if kept.problem:
        lines.append(f"Problem: {kept.problem}")
    day = pl.col("at").dt.date().alias("day")
    for title, rows, by in (
        ("predictions", scan_predictions(folder, postgres=settings.postgres), "model"),
        ("refusals", scan_refusals(folder, postgres=settings.postgres), "status"),
    ):
        counts = (
            rows.select(day, by)
            .group_by("day", by)
            .agg(n=pl.len())
            .sort("day", by)
            .collect(engine="streaming")
        )
        lines += ["", f"{'day':<12}{by:<20}{title:>14}"]
        lines += [f"{date!s:<12}{value!s:<20}{n:>14,}" for date, value, n in counts.iter_rows()] or ["none"]
    return "\n".join(lines)
