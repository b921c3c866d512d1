"""A table too large for memory: a sample of its rows, and what the checks need to know of all the others.

Most checks look at a sample of any table. But the next row, and the other rows of a group, are seldom in a sample. So outcomes are
added up per group over all rows, and the outcome of the next row is looked up, in two passes over the table.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.data.leaks.cutting import Vector
from accord.data.leaks.evidence import (
    MAX_ENTITIES,
    SEED,
    Grouping,
    Outcome,
    Rows,
    Surroundings,
    day_of,
    may_name,
)
from accord.data.leaks.groups import MIN_VALUES, may_be_means
from accord.data.leaks.means import Means, kurtosis

if TYPE_CHECKING:
    from accord.losses import Kind

MAX_ROWS, MAX_CELLS = 1_000_000, 64_000_000
"""A table of no more rows, or values, is looked at whole."""
MAX_GROUPS = 200_000
"""Of so many groups at most all rows are counted; of a column that has more, that many groups, chosen by their hash."""
N_SMALLEST = 4096
"""The distinct values of a column are estimated by this many smallest hashes, with an error of 1.6 %; fewer are counted exactly."""
HASHES = 2.0**64


class Chunk(NamedTuple):
    """Some rows (n) of the table."""

    features: pl.DataFrame
    around: Surroundings
    targets: Mapping[str, Vector]


class Table(NamedTuple):
    """All rows, in their order, and the sample of them."""

    read: Callable[[Sequence[str]], Iterable[Chunk]]
    """Gives the rows with these features anew at each call, in chunks."""
    sampling: "Sampling"


class LookedAt(NamedTuple):
    """A target of the sample with the rows in which it is known, and what is looked at of it."""

    name: str
    kind: "Kind"
    rows: Rows
    outcomes: list[Outcome]


def most_looked_at(n_columns: int) -> int:
    """The rows of so many columns that are looked at."""
    return min(MAX_ROWS, MAX_CELLS // n_columns)


class Sampling:
    """Which of the `n_rows` of a table are in the sample: a random one of every so many, so that at most `most` are; and what is seen
    of the others while the sample is drawn."""

    def __init__(self, n_rows: int, most: int) -> None:
        step = max(1, -(-n_rows // most))
        begins = np.arange(0, n_rows, step)
        random = np.random.Generator(np.random.PCG64(SEED))  # rows may alternate
        self.n_rows = n_rows
        self.positions = np.minimum(begins + random.integers(0, step, len(begins)), n_rows - 1)
        """The rows of the sample, in their order."""
        self.next: dict[str, Vector] = {}
        """Each target in the row after each of the sample, NaN after the last row of the table."""
        self.n_values: dict[str, float] = {}
        """How many values each column has."""

    def draw(self, chunks: Iterable[Chunk]) -> Chunk:
        """The sample."""
        kept: list[tuple[pl.DataFrame, pl.DataFrame]] = []
        distinct: dict[str, Distinct] = {}
        drawn: dict[str, Vector] = {}
        n_before = 0
        for features, around, targets in chunks:
            ends = [n_before, n_before + features.height]
            here = slice(*np.searchsorted(self.positions, ends))
            after = slice(*np.searchsorted(self.positions + 1, ends))
            index = self.positions[here] - n_before
            beside = around.columns[index] if around.columns.width else around.columns
            kept.append((features[index], beside))
            for name, y in targets.items():
                for values in (drawn, self.next):
                    values.setdefault(name, np.full(len(self.positions), np.nan))
                drawn[name][here] = y[index]
                self.next[name][after] = y[self.positions[after] + 1 - n_before]
            for column in [*around.columns.iter_columns(), *features.iter_columns()]:
                distinct.setdefault(column.name, Distinct()).add(column)
            n_before += features.height
        self.n_values = {name: values.n() for name, values in distinct.items()}
        columns = pl.concat([beside for _, beside in kept])
        return Chunk(pl.concat([rows for rows, _ in kept]), replace(around, columns=columns), drawn)

    def are_shared(self, column: str, least: int) -> bool:
        """Whether a column has at least so many values, and rows that share them."""
        return least <= self.n_values[column] <= self.n_rows / 2


class Distinct:
    """How many distinct values a column of several chunks has, by the smallest hashes of them (Bar-Yossef et al. 2002)."""

    def __init__(self) -> None:
        self._smallest = np.zeros(0, np.uint64)

    def add(self, column: pl.Series) -> None:
        hashes = column.hash(0)
        if len(self._smallest) == N_SMALLEST:
            hashes = hashes.filter(hashes < int(self._smallest[-1]))
        found = np.concatenate([self._smallest, hashes.unique().to_numpy()])
        self._smallest = np.unique(found)[:N_SMALLEST]

    def n(self) -> float:
        if len(self._smallest) < N_SMALLEST:
            return len(self._smallest)
        return (N_SMALLEST - 1) / (float(self._smallest[-1]) / HASHES)


def add_what_lies_beyond(
    looked_at: Sequence[LookedAt], features: pl.DataFrame, around: Surroundings, table: Table
) -> None:
    """Tells the rows of each target what the rows beyond the sample are."""
    if not looked_at:
        return
    sampling = table.sampling
    groups = _groups(looked_at, features, around, sampling)
    names = [name for name in groups if name in features.columns]
    probes = np.unique(np.concatenate([target.rows.index for target in looked_at]))
    outcomes = {target.name: target.outcomes[0] for target in looked_at}

    def columns() -> Iterator[tuple[dict[str, pl.Series], Mapping[str, Vector]]]:
        for chunk in table.read(names):
            yield {name: _column(name, chunk, around) for name in groups}, chunk.targets

    for found, _ in columns():
        for name, column in found.items():
            groups[name].count(column)
    for some in groups.values():
        some.begin(sampling.positions[probes], outcomes)
    for found, targets in columns():
        for name, column in found.items():
            groups[name].add(column, targets)
    for target in looked_at:
        target.rows.beyond = _Beyond(groups, probes, sampling)


DAY = "day|of"


def _groups(
    looked_at: Sequence[LookedAt], features: pl.DataFrame, around: Surroundings, sampling: Sampling
) -> dict[str, "Far"]:
    """By what the rows are grouped: the day, columns that may name an entity, and features that may be a mean of each of their
    values' rows."""
    n_values = sampling.n_values
    found = {}
    if around.event:
        found[DAY] = Far(f"day of {around.event}", 1.0)
    columns = [*around.columns.iter_columns(), *features.iter_columns()]
    entities = [c.name for c in columns if may_name(c.dtype) and sampling.are_shared(c.name, 2)]
    means = [
        name
        for target in looked_at
        for name in target.rows.ordered
        if features[name].dtype.is_numeric()
        and sampling.are_shared(name, MIN_VALUES)
        and may_be_means(target.rows.ordered[name], target.outcomes[0].y[target.rows.index])
    ]
    for name in [*entities[:MAX_ENTITIES], *means]:
        is_entity = name in entities[:MAX_ENTITIES]
        found.setdefault(name, Far(name, min(1.0, MAX_GROUPS / n_values[name]), is_entity))
    return found


def _column(name: str, chunk: Chunk, around: Surroundings) -> pl.Series:
    if name == DAY:
        assert around.event is not None
        return day_of(chunk.around.columns, around.event, around.zone)
    beside = chunk.around.columns
    return beside[name] if name in beside.columns else chunk.features[name]


class Far:
    """All rows of the table grouped by a column: added up per group in two passes, of which the first counts the rows."""

    def __init__(self, name: str, share: float, is_entity: bool = False) -> None:
        self.name, self.is_entity = name, is_entity
        self._limit = int(share * (HASHES - 1)) if share < 1 else None
        """Groups with a larger hash are left out."""
        self._counts = pl.DataFrame(schema={"key": pl.UInt64, "n": pl.Int64})
        self._n_before = 0

    def count(self, column: pl.Series) -> None:
        keys = column.hash(0).alias("key").to_frame()
        kept = keys if self._limit is None else keys.filter(pl.col("key") <= self._limit)
        counts = kept.group_by("key").agg(pl.len().cast(pl.Int64).alias("n"))
        self._counts = pl.concat([self._counts, counts]).group_by("key").agg(pl.col("n").sum())

    def begin(self, probes: NDArray[np.intp], outcomes: Mapping[str, Outcome]) -> None:
        """Before the second pass: the rows of the table that the checks look at, and what of."""
        counts = self._counts.sort("key")
        self._keys, self._size = counts["key"].to_numpy(), counts["n"].to_numpy()
        self._probes, self._outcomes = probes, outcomes
        n = len(self._keys)
        self._seen = np.zeros(n, np.int64)
        """How many rows of each group came before."""
        self._waiting = np.full(n, -1)
        """The probe of each group whose next row hasn't come yet."""
        self.codes = np.full(len(probes), -1)
        self.is_first = np.zeros(len(probes), bool)
        self.next = {name: np.full(len(probes), np.nan) for name in outcomes}
        self.sums = {name: np.zeros((3, n)) for name in outcomes}
        """Per target the rows of each group in which it is known, their sum, and that of their squares."""
        self.later = {name: np.zeros((2, n)) for name in outcomes}
        """The first two of its face, without the first quarter of each group."""

    def add(self, column: pl.Series, targets: Mapping[str, Vector]) -> None:
        keys = column.hash(0).to_numpy()
        rows = np.arange(len(keys)) if self._limit is None else np.flatnonzero(keys <= self._limit)
        codes = np.searchsorted(self._keys, keys[rows])
        order = np.argsort(codes, kind="stable")
        rows, codes = rows[order], codes[order]
        begins = np.flatnonzero(np.diff(codes, prepend=-1))
        n_each = np.diff(begins, append=len(codes))
        groups = codes[begins]
        place = np.arange(len(codes)) - np.repeat(begins - self._seen[groups], n_each)
        self._seen[groups] += n_each
        is_first = 4 * place < self._size[codes]
        n = len(self._keys)
        for name, outcome in self._outcomes.items():
            y = outcome.of(targets[name][rows])
            face = np.where(is_first, np.nan, outcome.face_of(y))
            known, known_later = ~np.isnan(y), ~np.isnan(face)
            for power in range(3):
                self.sums[name][power] += np.bincount(codes[known], y[known] ** power, n)
            for power in range(2):
                self.later[name][power] += np.bincount(codes[known_later], face[known_later] ** power, n)
        self._find(len(keys), rows, codes, begins, is_first, targets)
        self._n_before += len(keys)

    def _find(
        self,
        n_rows: int,
        rows: NDArray[np.intp],
        codes: NDArray[np.intp],
        begins: NDArray[np.intp],
        is_first: NDArray[np.bool_],
        targets: Mapping[str, Vector],
    ) -> None:
        """What the probes need to know, of the kept among so many rows, sorted by group."""
        waiting = self._waiting[codes[begins]]
        self._follow(waiting[waiting >= 0], rows[begins[waiting >= 0]], targets)
        self._waiting[codes[begins]] = -1
        place_of = np.full(n_rows, -1)
        place_of[rows] = np.arange(len(rows))
        span = np.searchsorted(self._probes, [self._n_before, self._n_before + n_rows])
        probes = np.arange(*span)
        places = place_of[self._probes[probes] - self._n_before]
        probes, places = probes[places >= 0], places[places >= 0]
        self.codes[probes], self.is_first[probes] = codes[places], is_first[places]
        after = np.minimum(places + 1, len(codes) - 1)
        has_next = (after > places) & (codes[after] == codes[places])
        self._follow(probes[has_next], rows[after[has_next]], targets)
        self._waiting[codes[places[~has_next]]] = probes[~has_next]

    def _follow(
        self, probes: NDArray[np.intp], rows: NDArray[np.intp], targets: Mapping[str, Vector]
    ) -> None:
        for name, following in self.next.items():
            following[probes] = targets[name][rows]


class At:
    """The groups as rows of the sample see them: those at these places among the probes."""

    def __init__(self, far: Far, places: NDArray[np.intp]) -> None:
        self._far, self._places, self.name = far, places, far.name
        self.codes, self.is_first = far.codes[places], far.is_first[places]

    def means(self, outcome: Outcome) -> Means:
        n, total, square = self._far.sums[outcome.name]
        return Means.of_sums(n.astype(np.intp), total, square, kurtosis(outcome.y[~np.isnan(outcome.y)]))

    def later_means(self, outcome: Outcome) -> Means:
        n, total = self._far.later[outcome.name]
        face = outcome.face.y
        return Means.of_sums(n.astype(np.intp), total, total, kurtosis(face[~np.isnan(face)]))

    def following(self, outcome: Outcome) -> Vector:
        return outcome.face_of(outcome.of(self._far.next[outcome.name][self._places]))


class _Beyond:
    def __init__(self, groups: Mapping[str, Far], probes: NDArray[np.intp], sampling: Sampling) -> None:
        self._groups, self._probes, self._sampling = groups, probes, sampling

    def _at(self, far: Far, index: NDArray[np.intp]) -> Grouping:
        return At(far, np.searchsorted(self._probes, index))

    def entities(self, index: NDArray[np.intp]) -> list[Grouping]:
        return [self._at(far, index) for far in self._groups.values() if far.is_entity]

    def days(self, index: NDArray[np.intp]) -> list[Grouping]:
        return [self._at(far, index) for name, far in self._groups.items() if name == DAY]

    def by_value(self, feature: str, least: int, index: NDArray[np.intp]) -> Grouping | None:
        is_told = feature in self._groups and self._sampling.are_shared(feature, least)
        return self._at(self._groups[feature], index) if is_told else None

    def next_in_table(self, outcome: Outcome, index: NDArray[np.intp]) -> Vector:
        return outcome.face_of(outcome.of(self._sampling.next[outcome.name][index]))
