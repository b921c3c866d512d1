"""Rows in partitions: one per month in the data's zone, or runs of equal length where there is no time. On disk a partition
is a Parquet file of a folder; their order is that of the files' names."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import polars as pl

from accord.files import replacing
from accord.schema.data import Time

PARTITION_ROWS = 1_000_000
ROW_GROUP_ROWS = 131_072
FIRST, LAST = datetime(1, 1, 2), datetime(9999, 12, 30)
MONTH = "partition|month"
"""Names in the config can't hold a bar, so this never clashes with a column."""


def partitions(rows: pl.DataFrame, time: Time | None) -> list[tuple[str, pl.DataFrame]]:
    """The rows by month of event time in the data's zone, or in runs of equal length where there is no time; no rows are one
    partition, so that their columns are known."""
    if time is None or rows.is_empty() or rows.schema[time.event] != pl.Datetime("us"):
        starts = range(0, max(rows.height, 1), PARTITION_ROWS)
        return [(f"rows-{i:05}", rows.slice(start, PARTITION_ROWS)) for i, start in enumerate(starts)]
    month = local(pl.col(time.event), time.zone).dt.strftime("%Y-%m").fill_null("unknown")
    parts = rows.with_columns(month.alias(MONTH)).partition_by(MONTH, as_dict=True, include_key=False)
    return sorted((str(key[0]), part) for key, part in parts.items())


def local(instant: pl.Expr, zone: str) -> pl.Expr:
    """A UTC instant as the clocks of the zone show it; one outside the years 1 to 9999, which Python's dates are bound to, counts
    as the first or last that is surely within them in all zones."""
    return (
        instant.clip(FIRST, LAST)
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone(zone)
        .dt.replace_time_zone(None)
    )


def write(folder: Path, parts: Iterable[tuple[str, pl.DataFrame]]) -> None:
    """Writes one file per (name, frame) pair. The folder appears whole or not at all."""
    with replacing(folder) as temporary:
        temporary.mkdir()
        for name, frame in parts:
            frame.write_parquet(temporary / f"{name}.parquet", row_group_size=ROW_GROUP_ROWS)


def scan(folder: Path) -> pl.LazyFrame:
    """All partitions, in the order of their names."""
    return pl.scan_parquet(sorted(folder.glob("*.parquet")), glob=False)


def read(folder: Path, columns: Iterable[str] | None = None) -> pl.DataFrame:
    table = scan(folder)
    return (table if columns is None else table.select(list(columns))).collect()


def names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.parquet"))
