"""The log as one table, each row once: what workers still write, what waits in complete segments, and what was kept."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl

from accord.schema.serving import Postgres
from accord.traffic.days import Days
from accord.traffic.frames import Kind, frames
from accord.traffic.postgres import Table
from accord.traffic.records import Record
from accord.traffic.segments import Lines, listed

TRIES = 10
KINDS: dict[Kind, str] = {
    "predictions": '"kind":"predicted"', "refusals": '"kind":"refused"', "outcomes": '"kind":"outcomes"',
}  # fmt: skip
"""What a line of each kind has in it, so that others need not be decoded."""
AROUND = timedelta(hours=1)
"""How far a prediction's id, which holds its time, may be from the arrival of its request."""


def scan_predictions(
    folder: Path,
    begin: datetime | None = None,
    end: datetime | None = None,
    postgres: Postgres | None = None,
) -> pl.LazyFrame:
    """The predicted rows of requests that arrived from `begin` on and before `end`, with the columns of
    `frames.SCHEMAS`, `predicted|TARGET` and `row|COLUMN`. Instants without a zone are in UTC.

    Parquet files and Postgres are read when the frame is collected, which must be within the hour. Only what is still
    in segments is held in memory.
    """
    return _scan("predictions", folder, begin, end, postgres)


def scan_refusals(
    folder: Path,
    begin: datetime | None = None,
    end: datetime | None = None,
    postgres: Postgres | None = None,
) -> pl.LazyFrame:
    """The same for requests that were refused."""
    return _scan("refusals", folder, begin, end, postgres)


def scan_outcomes(
    folder: Path,
    begin: datetime | None = None,
    end: datetime | None = None,
    postgres: Postgres | None = None,
) -> pl.LazyFrame:
    """The same for outcomes, each as often as it was received; `outcomes.labelled` has the latest beside each prediction."""
    return _scan("outcomes", folder, begin, end, postgres)


def find(folder: Path, prediction_id: str, postgres: Postgres | None = None) -> dict[str, Any] | None:
    """The predicted row with this id, by column. None if there is none."""
    begin, end = _around(prediction_id)
    rows = _scan("predictions", folder, begin, end, postgres, prediction_id).collect().to_dicts()
    return rows[0] if rows else None


def places(folder: Path, postgres: Postgres | None) -> list[Days | Table]:
    """Where traffic is kept. Complete segments go to the last of these. Files by day are read even if Postgres has taken
    over since, because they hold what was logged before."""
    return [Days(folder), *([Table(postgres)] if postgres else [])]


def _scan(
    kind: Kind,
    folder: Path,
    begin: datetime | None,
    end: datetime | None,
    postgres: Postgres | None,
    only: str | None = None,
) -> pl.LazyFrame:
    begin, end = _in_utc(begin), _in_utc(end)
    for tries_left in reversed(range(TRIES)):
        try:
            # In this order: what moves on after the listing is read from its segment. Once that is gone, its rows may be
            # in a merged file too, so all is read again.
            segments = listed(folder)
            waiting = frames(_records(segments, only or KINDS[kind]))[kind].lazy()
            names = {path.stem for path in segments}
            kept = [place.scan(kind, begin, end, names, only) for place in places(folder, postgres)]
            for path in segments:
                path.stat()
            break
        except FileNotFoundError:
            if not tries_left:
                raise
    rows = pl.concat([*kept, waiting], how="diagonal_relaxed")
    conditions = [
        *([] if begin is None else [pl.col("at") >= begin]),
        *([] if end is None else [pl.col("at") < end]),
        *([] if only is None else [pl.col("prediction_id") == only]),
    ]
    return rows.filter(conditions) if conditions else rows


def _records(segments: list[Path], text: str) -> Iterator[Record]:
    """The records that have this text in them."""
    for path in segments:
        with path.open("rb") as file:
            for _, record in Lines(file).records(text.encode()):
                yield record


def _around(prediction_id: str) -> tuple[datetime, datetime] | tuple[None, None]:
    """Between which instants its request arrived; None if the id doesn't say so."""
    try:
        identifier = UUID(prediction_id)
        at = datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)
        return (at - AROUND, at + AROUND) if identifier.version == 7 else (None, None)
    except (ValueError, OverflowError):  # no UUID, or one of no year that there is
        return None, None


def _in_utc(instant: datetime | None) -> datetime | None:
    if instant is None:
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
