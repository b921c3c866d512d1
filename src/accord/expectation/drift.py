"""How far a window of rows is from the reference, column by column, from counts alone.

A column is summed up by how many of its values fall into each of a fixed set of bins, and by their sum there. Such a
summary is small whatever the number of rows, and summaries of disjoint rows add up. The scores of the values are those
that Evidently computes from all of them (evidently/legacy/calculations/stattests), so that a report shows the same:

wasserstein      numbers: area between the two distribution functions, in standard deviations of the reference
                 (Ramdas, Garcia Trillos & Cuturi 2017, On Wasserstein two-sample testing, Entropy 19(2))
jensenshannon    categories: square root of the divergence in natural logarithms, 0 to 0.83
                 (Endres & Schindelin 2003, A new metric for probability distributions, IEEE Trans. Inf. Theory 49(7))
missing          all columns: difference of the shares of missing values; both distances leave these out
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

Kind = Literal["number", "category", "instant"]
KINDS: dict[str, Kind] = {
    "integer": "number",
    "number": "number",
    "category": "category",
    "boolean": "category",
    "datetime": "instant",  # time moves on by nature: only its missing values are watched
}
"""How a column is watched, by its type in the contract."""

DISTANCES: dict[Kind, str] = {"number": "wasserstein", "category": "jensenshannon"}
"""The score of a column's values, beside that of missing ones."""
N_EDGES = 500
"""A column of at most so many distinct numbers is summed up without loss; docs/drift.md shows the loss of others."""
MAX_LEVELS = 1000
"""Categories told apart; the rarest beyond them count with those that the reference never had."""
LARGEST = {"wasserstein": np.inf, "jensenshannon": float(np.sqrt(np.log(2))), "missing": 1.0}
"""No score is larger."""

MIN_STD = 0.001
"""As in Evidently: a column that is constant in the reference is not divided by zero."""
N_NEW = 3
"""New levels that are named."""
CHUNK_ROWS = 1_000_000
MAX_SUMMED = 1e140

Numbers = NDArray[np.float64]
Bins = NDArray[np.intp]


@dataclass(frozen=True)
class Summary:
    """A column's values as counts and sums a bin (..., n_bins), and the count of missing ones (...)."""

    counts: Numbers
    sums: Numbers
    missing: Numbers

    @property
    def n_values(self) -> Numbers:
        return np.asarray(self.counts.sum(axis=-1))

    @property
    def missing_share(self) -> Numbers:
        return np.asarray(self.missing / np.maximum(self.n_values + self.missing, 1))

    def __add__(self, other: "Summary") -> "Summary":
        return Summary(self.counts + other.counts, self.sums + other.sums, self.missing + other.missing)

    def __sub__(self, other: "Summary") -> "Summary":
        return Summary(self.counts - other.counts, self.sums - other.sums, self.missing - other.missing)


@dataclass(frozen=True)
class Drift:
    """A window's column against the reference."""

    n_rows: int
    n_missing: int
    scores: dict[str, float]
    """NaN where a side has no values."""
    new: dict[str, int] = field(default_factory=dict)
    """The most frequent levels that the reference doesn't have, and how often they came."""


@dataclass(frozen=True)
class Reference:
    """A column of the reference. Its bins are, for a number, below, on and between `edges` in turn: 2 i + 1 is edge i
    itself; for a category its `levels` and, last, whatever else."""

    kind: Kind
    edges: Numbers
    levels: tuple[str, ...]
    std: float
    summary: Summary

    @property
    def n_bins(self) -> int:
        return {"number": 2 * len(self.edges) + 1, "category": len(self.levels) + 1, "instant": 1}[self.kind]

    def bins(self, values: pl.Series) -> Bins:
        """The bin of each value (n,); -1 where it is missing."""
        if self.kind == "number":
            numbers = as_numbers(values)
            below = np.searchsorted(self.edges, numbers)
            on = np.append(self.edges, np.nan)[below] == numbers
            return np.where(np.isnan(numbers), -1, 2 * below + on)
        places = {level: i for i, level in enumerate(self.levels)}
        codes = values.cast(pl.String).replace_strict(places, default=len(self.levels), return_dtype=pl.Int64)
        return np.where(values.is_null(), -1, codes).astype(np.intp)

    def follows_order(self, bins: Bins) -> float:
        """How closely the values that fall into the bins (n,) follow each other in order: the correlation of a number's ranks
        with it, or what the levels of a category explain of it (the correlation ratio, less what chance explains)."""
        if self.kind == "instant":
            return 0.0
        there = bins[bins >= 0]
        place = np.arange(len(there)) - (len(there) - 1) / 2
        counts = np.bincount(there, minlength=self.n_bins)
        spare = len(there) - (counts > 0).sum()
        if (counts > 0).sum() < 2 or spare < 1:
            return 0.0
        if self.kind == "number":
            rank = (np.cumsum(counts) - counts / 2)[there]
            return abs(float(np.corrcoef(rank, place)[0, 1]))
        means = np.bincount(there, place, minlength=self.n_bins) / np.maximum(counts, 1)
        unexplained = float(((place - means[there]) ** 2).sum() / (place**2).sum())
        return float(np.sqrt(max(1 - unexplained * (len(there) - 1) / spare, 0)))

    def summarise(self, values: pl.Series) -> Summary:
        """A window's values (n) in the reference's bins; memory does not grow with n."""
        chunks = (values.slice(i, CHUNK_ROWS) for i in range(0, max(len(values), 1), CHUNK_ROWS))
        parts = [tally(self.bins(chunk), self.weights(chunk), self.n_bins) for chunk in chunks]
        return sum(parts[1:], start=parts[0])

    def drift(self, values: pl.Series) -> Drift:
        """How far a window's values (n) are from the reference."""
        summary = self.summarise(values)
        scores = {name: float(score) for name, score in self.scores(summary).items()}
        return Drift(len(values), int(summary.missing), scores, self._new(values))

    def _new(self, values: pl.Series) -> dict[str, int]:
        if self.kind != "category" or self.summary.counts[-1]:  # the reference had more levels than it kept
            return {}
        counts = values.cast(pl.String).drop_nulls().alias("level").value_counts()
        new = counts.filter(~pl.col.level.is_in(list(self.levels)))
        return dict(new.sort("count", "level", descending=[True, False]).head(N_NEW).iter_rows())

    def weights(self, values: pl.Series) -> Numbers:
        """What a bin's values are summed by (n,): only numbers have sums."""
        return as_numbers(values) if self.kind == "number" else np.zeros(len(values))

    def scores(self, windows: Summary, reference: Summary | None = None) -> dict[str, Numbers]:
        """Scores (...) of windows (...) by name, NaN where a side has no values.

        `reference` stands for this one's own summary, without some of its rows.
        """
        base = self.summary if reference is None else reference
        missing = np.abs(windows.missing_share - base.missing_share)
        if self.kind == "instant":
            return {"missing": missing}
        with np.errstate(invalid="ignore", divide="ignore"):
            if self.kind == "number":
                distance = wasserstein(base, windows, self._places) / max(self.std, MIN_STD)
            else:
                distance = jensenshannon(base.counts, windows.counts)
        there = (base.n_values > 0) & (windows.n_values > 0)
        return {DISTANCES[self.kind]: np.where(there, distance, np.nan), "missing": missing}

    @property
    def _places(self) -> Numbers:
        """Where each bin lies while nothing is in it (n_bins,)."""
        return np.append(self.edges[:1], np.repeat(self.edges, 2)) if len(self.edges) else np.zeros(1)

    def as_dict(self) -> dict[str, Any]:
        s = self.summary
        return {
            "kind": self.kind,
            "edges": self.edges.tolist(),
            "levels": list(self.levels),
            "std": self.std,
            "counts": s.counts.astype(int).tolist(),
            "sums": s.sums.tolist() if self.kind == "number" else [],
            "missing": int(s.missing),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Reference":
        counts = np.array(values["counts"], dtype=float)
        sums = np.array(values["sums"], dtype=float) if values["sums"] else np.zeros(len(counts))
        summary = Summary(counts, sums, np.asarray(float(values["missing"])))
        return cls(
            values["kind"],
            np.array(values["edges"], dtype=float),
            tuple(values["levels"]),
            values["std"],
            summary,
        )


def refer(values: pl.Series, kind: Kind) -> Reference:
    """The column's values (n) as a reference."""
    edges, levels, std = np.empty(0), (), 0.0
    if kind == "number":
        numbers = as_numbers(values)
        numbers = numbers[~np.isnan(numbers)]
        edges, std = _edges(numbers), float(numbers.std()) if len(numbers) else 0.0
    elif kind == "category":
        counts = values.cast(pl.String).drop_nulls().alias("level").value_counts()
        levels = tuple(counts.sort("count", "level", descending=[True, False])["level"].head(MAX_LEVELS))
    nothing = Summary(np.empty(0), np.empty(0), np.asarray(0.0))
    blank = Reference(kind, edges, levels, std, nothing)
    return replace(blank, summary=blank.summarise(values))


def drifts(references: Mapping[str, Reference], rows: pl.DataFrame | pl.LazyFrame) -> dict[str, Drift]:
    """How far each column of a window's rows is from the reference; columns are read one at a time."""
    table = rows.lazy()
    return {name: r.drift(table.select(name).collect()[name]) for name, r in references.items()}


def as_numbers(values: pl.Series) -> Numbers:
    """Values (n,) as floats whose squares can be summed, NaN where missing or infinite."""
    numbers = values.cast(pl.Float64).to_numpy()
    return np.clip(np.where(np.isfinite(numbers), numbers, np.nan), -MAX_SUMMED, MAX_SUMMED)


def tally(bins: Bins, weights: Numbers, n_bins: int) -> Summary:
    """Counts and sums of weights (n,) by bin (n,)."""
    there = bins >= 0
    counts = np.bincount(bins[there], minlength=n_bins).astype(float)
    sums = np.bincount(bins[there], weights[there], minlength=n_bins).astype(float)
    return Summary(counts, sums, np.asarray(float(len(bins) - there.sum())))


def wasserstein(reference: Summary, windows: Summary, places: Numbers) -> Numbers:
    """Area between the distribution functions (...), where all of a bin's values lie at their mean.

    `places` (n_bins,) is where an empty bin lies. Exact outside the reference's range and for its exact edges.
    """
    means = np.where(reference.counts > 0, reference.sums / reference.counts, np.nan)
    others = np.where(windows.counts > 0, windows.sums / windows.counts, np.nan)
    means, others = (
        np.where(np.isnan(a), np.where(np.isnan(b), places, b), a)
        for a, b in ((means, others), (others, means))
    )
    low, high = np.minimum(means, others), np.maximum(means, others)
    F, G = (np.cumsum(s.counts, axis=-1) / s.n_values[..., None] for s in (reference, windows))
    between = np.abs(F - G)[..., :-1] * (low[..., 1:] - high[..., :-1])
    F0, G0 = (
        F - reference.counts / reference.n_values[..., None],
        G - windows.counts / windows.n_values[..., None],
    )
    within = np.abs(np.where(means < others, F - G0, F0 - G)) * (high - low)
    return np.asarray(between.sum(axis=-1) + within.sum(axis=-1))


def jensenshannon(reference: Numbers, windows: Numbers) -> Numbers:
    """Jensen-Shannon distance (...) of counts (..., n_bins)."""
    p = reference / reference.sum(axis=-1, keepdims=True)
    q = windows / windows.sum(axis=-1, keepdims=True)
    m = (p + q) / 2
    entropy = np.where(p > 0, p * np.log(p / m), 0) + np.where(q > 0, q * np.log(q / m), 0)
    return np.asarray(np.sqrt(np.maximum(entropy.sum(axis=-1), 0) / 2))


def _edges(numbers: Numbers) -> Numbers:
    """Where bins end (n_edges,): all values if they are few, else half by rank and half evenly over the range."""
    distinct = np.unique(numbers)
    if len(distinct) <= N_EDGES:
        return distinct
    steps = np.linspace(0, 1, N_EDGES // 2)
    even = distinct[0] + steps * (distinct[-1] - distinct[0])
    return np.unique(np.concatenate([np.quantile(numbers, steps, method="nearest"), even]))
