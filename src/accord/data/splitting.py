"""Divides rows into train, tune, test, holdout, future, older and purged, each row into exactly one."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.data.partitions import local
from accord.errors import AccordError
from accord.schema.data import Data, Split, Time

SPLITS = ("train", "tune", "test", "holdout", "future", "older", "purged")
SCORED = ("train", "tune", "test", "holdout")
"""Splits whose rows are evaluated."""
N_ROW_BLOCKS = 1000
N_CELLS = 65_536
EVENT = pl.Datetime("us")


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


Events = Callable[[], Iterable[pl.Series]]
"""Gives all event times, in the data's zone, anew at each call: in as many series as rows have chunks."""


def by_time(rows: pl.DataFrame, time: Time, split: Split) -> tuple[pl.Series, Boundaries]:
    """Each row's split, where these are all rows, and the boundaries."""
    events = events_of(rows, time)
    found = boundaries(lambda: [events], split)
    return between(rows, time, split, found), found


def events_of(rows: pl.DataFrame, time: Time) -> pl.Series:
    return rows.select(local(pl.col(time.event), time.zone)).to_series()


def between(rows: pl.DataFrame, time: Time, split: Split, boundaries: Boundaries) -> pl.Series:
    """Each row's split (n,).

    A row whose outcome was not yet known at the boundary after it is purged from the side before the boundary
    (Lopez de Prado 2018, Advances in Financial Machine Learning, chapter 7).
    """
    event = local(pl.col(time.event), time.zone)
    at = rows.select(event=event, known=event.dt.offset_by(time.label_delay), day=event.dt.date())
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
    return at.select(split=name)["split"]


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
    units = _units("holdout ", pl.Series([str(day) for day in days], dtype=pl.String))
    return [day for day, unit in zip(days, units, strict=True) if unit < share]


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


def row_hash(rows: pl.DataFrame, key: Sequence[str], salt: str) -> NDArray[np.float64]:
    """A number in [0, 1) per row (n,), made from its key alone."""
    texts = _texts(rows, key)
    known = texts.unique(maintain_order=True)
    numbers = _units(f"{salt} ", known)
    if len(known) < len(texts):
        numbers = texts.replace_strict(known, pl.Series(numbers)).to_numpy()
    return numbers


def _texts(rows: pl.DataFrame, key: Sequence[str]) -> pl.Series:
    """The values of the key (n,) as one text."""
    return rows.select(
        pl.concat_str([pl.col(name).cast(pl.String).fill_null("") for name in key], separator="\x1f")
    ).to_series()


def _units(salt: str, texts: pl.Series) -> NDArray[np.float64]:
    """A number in [0, 1) per text (n,), from its hash."""
    salted, digests = hashlib.blake2b(salt.encode(), digest_size=6), bytearray()
    for text in texts.cast(pl.Binary):
        hashed = salted.copy()
        hashed.update(text)
        digests += b"\0\0" + hashed.digest()
    return np.frombuffer(digests, ">u8") / 2**48


def boundaries(events: Events, split: Split) -> Boundaries:
    """Where the stretches begin. Raises AccordError if none happened before the cutoff, or none is left to train on."""
    cutoff = None if split.cutoff is None else datetime.combine(split.cutoff, datetime.min.time())
    past = _Past(events, cutoff)
    if not past.n_rows:
        first, last = _ends(events())
        raise AccordError(
            f"data.split.cutoff is {cutoff}; no row happened before it. The rows span {first!s} to {last!s}"
        )
    test = past.before(cutoff or past.last, split.test)
    tune = past.before(test, split.tune)
    train = None if split.train is None else past.before(tune, split.train)
    if not past.count(train or past.first, tune):
        raise AccordError(
            f"data.split leaves nothing to train on: tune begins {tune} and the first row is of {_ends(events())[0]!s}. "
            "Make tune or test shorter, train longer, or the cutoff later"
        )
    return Boundaries(train, tune, test, cutoff)


class _Past:
    """The events before the cutoff."""

    def __init__(self, events: Events, cutoff: datetime | None) -> None:
        self._events, self._cutoff = events, cutoff
        self.n_rows = sum(len(some) for some in self())
        if self.n_rows:
            self.first, self.last = _ends(self())

    def __call__(self) -> Iterator[pl.Series]:
        for some in self._events():
            yield some if self._cutoff is None else some.filter(some < self._cutoff)

    def count(self, begin: datetime, end: datetime) -> int:
        """How many are from `begin` on and before `end`."""
        return sum(int(((some >= begin) & (some < end)).sum()) for some in self())

    def before(self, end: datetime, stretch: str | float) -> datetime:
        """The beginning of the stretch of time that ends at `end`. A share counts in rows before the cutoff."""
        if isinstance(stretch, str):
            begin = pl.Series([end]).dt.offset_by(f"-{stretch}")[0]
            assert isinstance(begin, datetime)
            return begin
        n_before = sum(int((some <= end).sum()) for some in self())
        n_rows = min(round(stretch * self.n_rows), n_before)
        return self._in_order(n_before - n_rows) if n_rows else end

    def _in_order(self, place: int) -> datetime:
        """The event at this place, from 0 on, if they stood in order. They are counted in cells of time, and again those of the cell
        that it is in, until the cell is one instant; so never are all in memory."""
        low, high = (int(end) for end in pl.Series([self.first, self.last], dtype=EVENT).to_physical())
        while low < high:
            width = -(-(high - low + 1) // N_CELLS)
            counts = np.zeros(N_CELLS, np.int64)
            for some in self():
                at = some.to_physical().to_numpy()
                counts += np.bincount((at[(at >= low) & (at <= high)] - low) // width, minlength=N_CELLS)
            until = np.cumsum(counts)
            cell = int(np.searchsorted(until, place, side="right"))
            place -= int(until[cell] - counts[cell])
            low, high = low + cell * width, min(high, low + (cell + 1) * width - 1)
        found = pl.Series([low]).cast(EVENT)[0]
        assert isinstance(found, datetime)
        return found


def _ends(events: Iterable[pl.Series]) -> tuple[datetime, datetime]:
    """The first and the last event."""
    ends = pl.Series([end for some in events for end in (some.min(), some.max())], dtype=EVENT)
    first, last = ends.min(), ends.max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    return first, last


def parts(rows: pl.DataFrame, data: Data, boundaries: Boundaries | None) -> dict[str, pl.DataFrame]:
    """The rows of each split."""
    if data.time is not None and boundaries is not None:
        assigned = between(rows, data.time, data.split, boundaries)
    else:
        assigned = by_key(rows, data.dealt_by, data.split)
    return {name: rows.filter(assigned == name) for name in SPLITS}


class Counts:
    """What the account says of rows that were split in chunks."""

    def __init__(self) -> None:
        self.rows = dict.fromkeys(SPLITS, 0)
        self._days: dict[str, list[date]] = {name: [] for name in SPLITS}
        """First and last day of each chunk's part."""

    def add(self, parts: Mapping[str, pl.DataFrame], time: Time | None) -> None:
        for name, part in parts.items():
            self.rows[name] += part.height
            if time is not None and part.height:
                self._days[name] += [end.date() for end in _ends([events_of(part, time)])]

    def account(self, data: Data, n_read: int, n_quarantined: int, boundaries: Boundaries | None) -> Account:
        """The account of all rows read. Raises AccordError if train or test ended up empty."""
        for name in ("train", "test"):
            if not self.rows[name]:
                raise AccordError(
                    f"data.split leaves no row in {name}, of {sum(self.rows.values()):,}; make its share or stretch longer in conf/data/{data.name}.yaml"
                )
        assert sum(self.rows.values()) + n_quarantined == n_read, "rows got lost"
        spans = {name: (min(days), max(days)) if days else None for name, days in self._days.items()}
        return Account(data.name, n_read, n_quarantined, self.rows, spans, boundaries)
