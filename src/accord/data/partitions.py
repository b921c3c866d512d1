"""Rows in parts of a size that a file should have: by the months of the data's zone, or in runs of equal length."""

import polars as pl

from accord.config.schema import Time

PARTITION_ROWS = 1_000_000


def partitions(rows: pl.DataFrame, time: Time | None) -> list[tuple[str, pl.DataFrame]]:
    """The rows by month of event time in the data's zone, or in runs of equal length where there is no time."""
    if time is None or rows.schema[time.event] != pl.Datetime("us"):
        starts = range(0, max(rows.height, 1), PARTITION_ROWS)
        return [(f"rows-{i:05}", rows.slice(start, PARTITION_ROWS)) for i, start in enumerate(starts)]
    month = local(pl.col(time.event), time.zone).dt.strftime("%Y-%m").fill_null("unknown")
    parts = rows.with_columns(month.alias("__month")).partition_by("__month", as_dict=True, include_key=False)
    return sorted((str(key[0]), part) for key, part in parts.items())


def local(instant: pl.Expr, zone: str) -> pl.Expr:
    """A UTC instant as the clocks of the zone show it."""
    return instant.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)
