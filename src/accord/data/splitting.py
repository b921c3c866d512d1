"""Divides rows into train, tune, test, holdout, future, older and purged, each row into exactly one."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl

from accord.data.partitions import local
from accord.errors import AccordError
from accord.schema.data import Data, Split, Time

SPLITS = ("train", "tune", "test", "holdout", "future", "older", "purged")
SCORED = ("train", "tune", "test", "holdout")
"""Splits whose rows are evaluated."""
N_ROW_BLOCKS = 1000


@dataclass(frozen=True)
class Boundaries:
    """The instants, in the data's zone, at which train, tune, test and future begin. None for train: it begins with the first
    row."""

    train: datetime | None
    tune: datetime
    test: datetime
    future: datetime | None


@dataclass(frozen=True)
class Account:
    """All rows read: each is in one split or in quarantine."""

    data: str
    """The data set's name."""
    n_rows: int
    quarantine: int
    splits: dict[str, int]
    """How many rows each split has."""
    spans: dict[str, tuple[date, date] | None]
    """First and last day of each split; None for one without rows, or data without time."""
    boundaries: Boundaries | None
    """None for data without time."""


def by_time(rows: pl.DataFrame, time: Time, split: Split) -> tuple[pl.Series, Boundaries]:
    """Each row's split, and the boundaries.

    A row whose outcome was not yet known at the boundary after it is purged from the side before the boundary
    (Lopez de Prado 2018, Advances in Financial Machine Learning, chapter 7).
    """
    event = local(pl.col(time.event), time.zone)
    at = rows.select(event=event, known=event.dt.offset_by(time.label_delay), day=event.dt.date())
    boundaries = _boundaries(at["event"], split)
    held = held_out(at["day"].unique().sort().to_list(), split.holdout)
    future = pl.col.event >= boundaries.future if boundaries.future else pl.lit(False)
    unknown = pl.col.known > boundaries.future if boundaries.future else pl.lit(False)
    older = pl.col.event < boundaries.train if boundaries.train else pl.lit(False)
    name = (
        pl.when(future).then(pl.lit("future"))
        .when(unknown).then(pl.lit("purged"))
        .when(pl.col.day.is_in(held)).then(pl.lit("holdout"))
        .when(pl.col.event >= boundaries.test).then(pl.lit("test"))
        .when((pl.col.event < boundaries.test) & (pl.col.known > boundaries.test)).then(pl.lit("purged"))
        .when(pl.col.event >= boundaries.tune).then(pl.lit("tune"))
        .when(older).then(pl.lit("older"))
        .when(pl.col.known > boundaries.tune).then(pl.lit("purged"))
        .otherwise(pl.lit("train"))
    )  # fmt: skip
    return at.select(split=name)["split"], boundaries


def by_key(rows: pl.DataFrame, key: Sequence[str], split: Split) -> pl.Series:
    """Each row's split by the hash of its key, so that it depends on no other row."""
    if isinstance(split.test, str) or isinstance(split.tune, str):
        raise AccordError(
            f"data.split: test is {split.test!r} and tune {split.tune!r}; data without time takes shares such as 0.2"
        )
    if split.train is not None:
        raise AccordError(
            f"data.split.train is {split.train}; data without time has no stretch to train on. Leave it out: null"
        )
    u = row_hash(rows, key, salt="split")
    edges = np.cumsum([split.holdout, split.test, split.tune])
    if edges[-1] >= 1:
        raise AccordError(
            f"data.split: holdout, test and tune add up to {edges[-1]:.2f}; expected less than 1, the rest is train"
        )
    names = np.array(["holdout", "test", "tune", "train"])
    return pl.Series("split", names[np.searchsorted(edges, u, side="right")])


def held_out(days: Sequence[Any], share: float) -> list[Any]:
    """The days whose hash puts them in the holdout, which depends on the date alone."""
    return [day for day in days if _unit(f"holdout {day}") < share]


def blocks(
    rows: pl.DataFrame, by: Sequence[str], time: Time | None, keys: pl.Series | None = None
) -> pl.Series:
    """Each row's block for resampling: its day or, without time, one of up to 1,000 groups of rows.

    Rows without time count as independent unless they share the values of `by`, and independent rows may be taken together at random.
    Days are numbers, in order of time; groups of rows are names, in none. Of a part of the rows, `keys` are the `distinct` ones of all.
    """
    if time is not None:
        return rows.select(block=local(pl.col(time.event), time.zone).dt.date().cast(pl.Int32))["block"]
    texts = _texts(rows, by)
    known = texts.unique(maintain_order=True) if keys is None else keys
    if len(known) <= N_ROW_BLOCKS:
        order = pl.Series(np.arange(len(known), dtype=np.uint32))
        numbers = texts.replace_strict(known, order, return_dtype=pl.UInt32)
    else:
        numbers = pl.Series((row_hash(rows, by, salt="block") * N_ROW_BLOCKS).astype(np.uint32))
    return numbers.alias("block").cat.to(pl.Enum([str(number) for number in range(N_ROW_BLOCKS)]))


def distinct(parts: Iterable[pl.DataFrame], by: Sequence[str]) -> pl.Series:
    """The values of `by` that rows in parts have, as texts in order of the rows; no more than show that rows have blocks by hash."""
    known = pl.Series(dtype=pl.String)
    for part in parts:
        known = pl.concat([known, _texts(part, by)]).unique(maintain_order=True)
        if len(known) > N_ROW_BLOCKS:
            break
    return known


def row_hash(rows: pl.DataFrame, key: Sequence[str], salt: str) -> np.ndarray:
    """A number in [0, 1) per row (n,), made from its key alone."""
    return np.array([_unit(f"{salt} {text}") for text in _texts(rows, key)])


def _texts(rows: pl.DataFrame, key: Sequence[str]) -> pl.Series:
    """The values of the key (n,) as one text."""
    return rows.select(
        pl.concat_str([pl.col(name).cast(pl.String).fill_null("") for name in key], separator="\x1f")
    ).to_series()


def _unit(text: str) -> float:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest()) / 2**48


def _boundaries(event: pl.Series, split: Split) -> Boundaries:
    cutoff = None if split.cutoff is None else datetime.combine(split.cutoff, datetime.min.time())
    past = event if cutoff is None else event.filter(event < cutoff)
    if past.is_empty():
        raise AccordError(
            f"data.split.cutoff is {cutoff}; no row happened before it. The rows span {event.min()!s} to {event.max()!s}"
        )
    end = cutoff or past.max()
    assert isinstance(end, datetime)
    test = _before(end, split.test, past)
    tune = _before(test, split.tune, past)
    train = None if split.train is None else _before(tune, split.train, past)
    if not ((event < tune) & (event >= (train or past.min()))).any():
        raise AccordError(
            f"data.split leaves nothing to train on: tune begins {tune} and the first row is of {event.min()!s}. "
            "Make tune or test shorter, train longer, or the cutoff later"
        )
    return Boundaries(train, tune, test, cutoff)


def _before(end: datetime, stretch: str | float, past: pl.Series) -> datetime:
    """The beginning of the stretch of time that ends at `end`. A share counts in rows before the cutoff."""
    if isinstance(stretch, str):
        begin = pl.Series([end]).dt.offset_by(f"-{stretch}")[0]
    else:
        before = past.filter(past <= end).sort()
        n_rows = min(round(stretch * len(past)), len(before))
        begin = before[len(before) - n_rows] if n_rows else end
    assert isinstance(begin, datetime)
    return begin


def split(
    rows: pl.DataFrame, data: Data, n_read: int, n_quarantined: int
) -> tuple[dict[str, pl.DataFrame], Account]:
    """The rows of each split, and the account of all rows read.

    Raises AccordError if train or test ends up empty.
    """
    boundaries = None
    if data.time is not None:
        assigned, boundaries = by_time(rows, data.time, data.split)
    else:
        assigned = by_key(rows, data.dealt_by, data.split)
    parts = {name: rows.filter(assigned == name) for name in SPLITS}
    for name in ("train", "test"):
        if parts[name].is_empty():
            raise AccordError(
                f"data.split leaves no row in {name}, of {rows.height:,}; make its share or stretch longer in conf/data/{data.name}.yaml"
            )
    counts = {name: part.height for name, part in parts.items()}
    assert sum(counts.values()) + n_quarantined == n_read, "rows got lost"
    spans = {name: _span(part, data.time) for name, part in parts.items()}
    return parts, Account(data.name, n_read, n_quarantined, counts, spans, boundaries)


def _span(part: pl.DataFrame, time: Time | None) -> tuple[date, date] | None:
    if time is None or part.is_empty():
        return None
    days = part.select(local(pl.col(time.event), time.zone).dt.date()).to_series()
    first, last = days.min(), days.max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    return first, last
