"""What the checks read, what they answer, and how sure they must be."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.data.leaks.cutting import (
    FEW_VALUES,
    Groups,
    Units,
    Vector,
    as_numbers,
    binned,
    codes_of,
    has_order,
    units_of,
)
from accord.data.leaks.means import Means
from accord.data.partitions import local
from accord.schema.data import LeakCheck

if TYPE_CHECKING:
    from accord.losses import Kind

MAX_RANKED = 20_000
"""Rows that the checks in NumPy look at; more rows would not change their answer."""
MAX_COUNTED = 100_000
"""Rows whose levels are counted."""
FALSE_ALARMS = 0.0025
"""Chance that a check accuses an honest data set, divided among all that it tests there (Bonferroni)."""
MAX_ENTITIES = 6
SEED = 20_240_229


class Finding(NamedTuple):
    feature: str
    kind: str
    detail: str
    """What the target does, so that it reads on from the target's name."""


@dataclass(frozen=True)
class Suspect:
    feature: str
    target: str
    kind: str
    """The check that found it; docs/data.md lists them."""
    detail: str
    accepted: bool
    """Whether a person vouches for it."""


@dataclass(frozen=True)
class Surroundings:
    """Columns beside the features that may name an entity, a slice or a day (n rows, as the features), and which of
    them say when. Rows are in the order of time where `event` is given."""

    columns: pl.DataFrame = field(default_factory=pl.DataFrame)
    event: str | None = None
    decision: str | None = None
    zone: str = "UTC"


class Face(NamedTuple):
    """A target as a yes or no."""

    y: Vector
    """1, 0 or NaN where unknown."""
    words: str
    """What is told, where that is not the target itself."""
    is_natural: bool
    """Not just the upper half of an amount."""


class Cut(NamedTuple):
    """What makes a yes or no of an outcome: None where it is one."""

    value: float | None
    """The commonest value, if that is natural, or the median."""
    words: str
    is_natural: bool


@dataclass(frozen=True)
class Outcome:
    name: str
    kind: "Kind"
    y: Vector
    """The target's value in each row, NaN where unknown; of a class whether it is the one that is looked at."""
    words: str = ""
    """Which class is looked at."""
    number: int | None = None
    """The number of that class."""

    def of(self, values: Vector) -> Vector:
        """The same of other rows, from the target's values there (n,)."""
        y = np.where(np.isfinite(values), values, np.nan)
        return y if self.number is None else _where_known(y, y == self.number)

    @cached_property
    def face(self) -> Face:
        return Face(self.face_of(self.y), self._cut.words, self._cut.is_natural)

    def face_of(self, y: Vector) -> Vector:
        """The face of other rows, from the outcome's values there (n,)."""
        if self._cut.value is None:
            return y
        return _where_known(y, y != self._cut.value if self._cut.is_natural else y > self._cut.value)

    @cached_property
    def _cut(self) -> "Cut":
        """A zero-inflated amount has a face of its own: whether it is the commonest value."""
        if self.kind in ("condition", "class"):
            return Cut(None, self.words, True)
        known = self.y[~np.isnan(self.y)]
        values, counts = np.unique(known, return_counts=True)
        if not len(values):
            return Cut(None, "", False)
        common, share = values[counts.argmax()], counts.max() / len(known)
        if 0.05 <= share <= 0.995:
            return Cut(float(common), f"being other than {common:g} ", True)
        return Cut(float(np.median(known)), "being in its upper half ", False)


class Grouping(Protocol):
    """All rows grouped by a column, as far as the rows that NumPy looks at (n,) need to know of them."""

    @property
    def name(self) -> str: ...

    @property
    def codes(self) -> NDArray[np.integer[Any]]:
        """Each row's group (n,), -1 for rows whose group is left out."""

    @property
    def is_first(self) -> NDArray[np.bool_]:
        """Whether each row is in the first quarter of its group (n,)."""

    def means(self, outcome: Outcome) -> Means:
        """The outcome's value per group, over the whole table."""

    def later_means(self, outcome: Outcome) -> Means:
        """The share of rows per group that have the outcome, over all but the first quarter of the group."""

    def following(self, outcome: Outcome) -> Vector:
        """Whether the next row of each row's group has the outcome (n,), NaN where that is unknown."""


class Near:
    """The rows grouped where all of them are in memory."""

    def __init__(self, groups: Groups, index: NDArray[np.intp]) -> None:
        self._groups, self._index, self.name = groups, index, groups.name
        self.codes: NDArray[np.integer[Any]] = groups.codes[index]

    @cached_property
    def _is_first(self) -> NDArray[np.bool_]:
        return self._groups.is_first

    @property
    def is_first(self) -> NDArray[np.bool_]:
        return self._is_first[self._index]

    def means(self, outcome: Outcome) -> Means:
        return Means.of(outcome.y, self._groups.codes)

    def later_means(self, outcome: Outcome) -> Means:
        return Means.of(np.where(self._is_first, np.nan, outcome.face.y), self._groups.codes)

    def following(self, outcome: Outcome) -> Vector:
        return _at(outcome.face.y, self._groups.following[self._index])


class Beyond(Protocol):
    """What is known of all rows of a table of which a sample is in memory, for those at `index` in the sample."""

    def entities(self, index: NDArray[np.intp]) -> list[Grouping]: ...
    def days(self, index: NDArray[np.intp]) -> list[Grouping]: ...
    def by_value(self, feature: str, least: int, index: NDArray[np.intp]) -> Grouping | None: ...
    def next_in_table(self, outcome: Outcome, index: NDArray[np.intp]) -> Vector: ...


class Rows:
    """The rows in which a target is known, or a seeded sample of them, with what several checks need of them."""

    def __init__(self, features: pl.DataFrame, around: Surroundings, known: NDArray[np.intp]) -> None:
        self.features, self.around, self.known = features, around, known
        self.index = sample(known, MAX_RANKED)
        """The rows that NumPy looks at, in their order."""
        self.beyond: Beyond | None = None
        """Where these are a sample of a large table, what is known of all its rows."""

    @cached_property
    def frame(self) -> pl.DataFrame:
        return self.features[self.index]

    @cached_property
    def beside(self) -> pl.DataFrame:
        return self.around.columns[self.index] if self.around.columns.height else pl.DataFrame()

    @cached_property
    def ordered(self) -> dict[str, Vector]:
        """The features that have an order, by name, as numbers; what is missing is below all others."""
        return {c.name: as_numbers(c) for c in self.frame.iter_columns() if has_order(c)}

    @cached_property
    def ranks(self) -> NDArray[np.float32]:
        """The rank in each of the ordered features, (n_ordered, n), equal values sharing their mean."""
        return np.array([mean_ranks(values) for values in self.ordered.values()], np.float32)

    @cached_property
    def bins(self) -> dict[str, NDArray[np.intp]]:
        """The bin of each feature (n,)."""
        return {column.name: binned(column) for column in self.frame.iter_columns()}

    @cached_property
    def levels(self) -> dict[str, NDArray[np.intp]]:
        """The columns of few values, features or not, each as codes (n,)."""
        return {
            column.name: codes_of(column)
            for column in [*self.frame.iter_columns(), *self.beside.iter_columns()]
            if column.dtype != pl.Datetime and 2 <= column.n_unique() <= FEW_VALUES
        }

    @cached_property
    def counted(self) -> NDArray[np.intp]:
        """The rows whose levels are counted, in their order."""
        return sample(self.known, MAX_COUNTED)

    @cached_property
    def units(self) -> list[Units]:
        """Every feature cut into levels."""
        return [units_of(column) for column in self.features[self.counted].iter_columns()]

    @cached_property
    def entities(self) -> list[Grouping]:
        """Columns that may name an entity, those beside the features first: their values have more rows than one."""
        if self.beyond:
            return self.beyond.entities(self.index)
        found: list[Grouping] = []
        for column in [*self.around.columns.iter_columns(), *self.features.iter_columns()]:
            if len(found) == MAX_ENTITIES:
                break
            if may_name(column.dtype) and 2 <= column.n_unique() <= column.len() / 2:
                found.append(Near(Groups(column), self.index))
        return found

    @cached_property
    def days(self) -> list[Grouping]:
        """The day of the event, if there is one."""
        if self.beyond:
            return self.beyond.days(self.index)
        event = self.around.event
        if event is None:
            return []
        return [Near(Groups(day_of(self.around.columns, event, self.around.zone)), self.index)]

    def by_value(self, feature: str, least: int) -> "Grouping | None":
        """The rows with the same value of the feature together, if there are so many values, and rows that share them."""
        if self.beyond:
            return self.beyond.by_value(feature, least, self.index)
        column = self.features[feature]
        if not least <= column.n_unique() <= column.len() / 2:
            return None
        return Near(Groups(column), self.index)

    def next_in_table(self, outcome: "Outcome") -> Vector:
        """Whether the row after each that NumPy looks at has the outcome (n,), NaN where that is unknown."""
        if self.beyond:
            return self.beyond.next_in_table(outcome, self.index)
        return _at(outcome.face.y, np.where(self.index + 1 < self.features.height, self.index + 1, -1))


class Case:
    """One target beside all features; y and its face are those of the rows that NumPy looks at."""

    def __init__(self, rows: Rows, outcome: Outcome, check: LeakCheck) -> None:
        self.rows, self.outcome, self.check = rows, outcome, check
        self.y = outcome.y[rows.index]
        self.face = outcome.face.y[rows.index]
        self.n_pos = float(self.face.sum())
        self.n_neg = float(len(self.face) - self.n_pos)

    @cached_property
    def alone(self) -> dict[str, float]:
        """The AUC that each feature reaches, by its order in either direction or by its bins out of fold."""
        ordered = dict(zip(self.rows.ordered, self.rows.ranks, strict=True))
        return {name: reached(codes, ordered.get(name), self.face) for name, codes in self.rows.bins.items()}


Check = Callable[[Case], list[Finding]]


def sample(rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """At most so many of the rows, in their order, the same ones at each run."""
    if len(rows) <= most:
        return rows
    drawn = np.random.Generator(np.random.PCG64(SEED)).choice(len(rows), most, replace=False)
    return rows[np.sort(drawn)]


def learned(codes: NDArray[np.intp], y: Vector) -> Vector:
    """For each row the mean of its bin (n,), learned on the half of the rows that it isn't in, so that a level a row
    tells nothing."""
    half = np.random.Generator(np.random.PCG64(SEED)).permutation(len(y)) % 2  # rows may alternate
    n_bins = int(codes.max()) + 1
    cell = half * n_bins + codes
    count = np.bincount(cell, minlength=2 * n_bins).reshape(2, n_bins)
    total = np.bincount(cell, y, minlength=2 * n_bins).reshape(2, n_bins)
    means: Vector = ((total + y.mean()) / (count + 1))[1 - half, codes]
    return means


def mean_ranks(values: NDArray[Any]) -> Vector:
    """Ranks from 1 on (n,); equal values share the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    shared: Vector = (last - (count - 1) / 2)[place]
    return shared


def auc(ranks: NDArray[np.floating[Any]], face: Vector) -> float:
    """Mann and Whitney's statistic over all pairs: the share in which the row with the outcome ranks higher."""
    n_pos = face.sum()
    n_neg = len(face) - n_pos
    if not n_pos or not n_neg:
        return 0.5
    return float((ranks[face == 1].sum(dtype=float) - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))


def reached(codes: NDArray[np.intp], ranks: NDArray[np.floating[Any]] | None, face: Vector) -> float:
    """The AUC that a column reaches, by the ranks of its values in either direction, if they have any, or by its bins out
    of fold."""
    of_bins = auc(mean_ranks(learned(codes, face)), face)
    return of_bins if ranks is None else max(_in_either_direction(auc(ranks, face)), of_bins)


def _in_either_direction(score: float) -> float:
    return max(score, 1 - score)


def certainty(found: float, limit: float, n_pos: float, n_neg: float) -> float:
    """How many standard errors an AUC lies above the limit, on the logit scale.

    The error is that of an AUC at the limit (Hanley and McNeil 1982), so that a few rows without a fault are not
    taken for certainty; for the same reason no AUC counts as nearer to 1 than the rarer outcome's rows can show.
    """
    if min(n_pos, n_neg) < 1:
        return 0.0
    one, two = limit / (2 - limit), 2 * limit**2 / (1 + limit)
    variance = limit * (1 - limit) + (n_pos - 1) * (one - limit**2) + (n_neg - 1) * (two - limit**2)
    error = np.sqrt(variance / (n_pos * n_neg)) / (limit * (1 - limit))
    found = min(found, 1 - 1 / (4 * min(n_pos, n_neg)))
    return float((logit(found) - logit(limit)) / error) if found > 0 else -np.inf


def logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def critical(n_tests: int) -> float:
    """The standard errors that a finding needs where so many tests could have found something."""
    return NormalDist().inv_cdf(1 - FALSE_ALARMS / max(n_tests, 1))


def may_name(kind: pl.DataType) -> bool:
    """Whether a column of that type may name an entity."""
    return not kind.is_float() and kind not in (pl.Boolean, pl.Datetime)


def day_of(columns: pl.DataFrame, event: str, zone: str) -> pl.Series:
    """The day of each row's event (n,)."""
    return columns.select(local(pl.col(event), zone).dt.date().alias(f"day of {event}")).to_series()


def _at(values: Vector, positions: NDArray[np.intp]) -> Vector:
    return np.where(positions < 0, np.nan, values[positions])


def _where_known(y: Vector, face: NDArray[np.bool_]) -> Vector:
    return np.where(np.isnan(y), np.nan, face)
