"""What distances of single columns don't see: columns that go together otherwise than they did, and values that repeat.

Each column is put on a scale of the reference: a number by its rank, as a normal score; a category by its frequent levels, as yes
or no; each that has missing values also by whether it is missing. Of each pair of these the covariance in a window is compared with that
in the reference's rows of the same weekdays and hours. So a correlation that has flipped, levels that are swapped, or nulls that
have moved to other rows are seen though every column by itself looks as before. Beside pairs stands, for each number, the share
of rows by which its most overrepresented value exceeds the reference's: a sensor that is stuck repeats one.

What chance does is told by the reference's own windows: each difference is divided by its standard deviation over windows of the
reference, which is at least that of as many independent rows, and the largest of a window decides for all of them (max-T; Westfall &
Young 1993). The level is that of the whole window, however many pairs there are. Windows are scored on the scale of other
stretches of the reference, as a new window is; the quantile is that of the Gumbel distribution fitted to their largest
(Coles 2001, An Introduction to Statistical Modeling of Extreme Values), or the largest seen if that is more.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtri

from accord.data.partitions import local
from accord.expectation.calibration import drawing
from accord.expectation.drift import Reference

Numbers = NDArray[np.float64]
Places = NDArray[np.intp]

MAX_ROWS = 20_000
"""Rows of a window that are compared; of larger ones a sample."""
MAX_PARTS = 240
"""Parts of columns that are paired: where there are more, categories are told apart by fewer levels."""
MAX_LEVELS = 12
MIN_SHARE = 0.01
"""A level, or missing values, of a smaller share of the reference are not paired."""
MIN_EVENTS = 20
"""A window has at least so many rows in which both of a pair are other than usual, or the pair says nothing."""
MIN_ROWS = 100
N_WINDOWS = 200
N_STRETCHES = 10
N_APART, N_DRAWN = 6, 3
"""So many windows of the reference share no rows: where they lie in time, and where rows have none and windows are drawn."""
STEP = 10**0.25
"""Sizes of windows are calibrated on a scale of these steps."""
FURTHEST = 3.5
"""No window of the reference lies further out by a pair of its own: one that varies widens its own threshold."""
UNLIKE = 2 * FURTHEST
"""A pair by which some window lies this far out, by what other stretches tell, is not tested: it would widen the threshold of all."""
HOURS = 4
N_CELLS = 7 * 24 // HOURS
MIN_CELL_ROWS = 30
"""With fewer rows of the reference at a weekday and hour, these rows are compared with all of it."""
VALUE, MISSING = "value", "missing"


class Part(NamedTuple):
    """A column on a scale of the reference, or one of its levels, or whether it is missing."""

    column: str
    what: str
    """`value` of a number, `missing`, or a category's level."""


@dataclass(frozen=True)
class Coded:
    """Rows as numbers: each part (n, n_parts), each number's bin (n,) by column, and the weekday and hour of each (n,)."""

    parts: Numbers
    bins: dict[str, Places]
    cell: Places


@dataclass(frozen=True)
class Scale:
    """What is compared, of the columns of a reference."""

    references: dict[str, Reference]
    parts: tuple[Part, ...]
    zone: str | None
    """None without time."""

    def coded(self, rows: pl.DataFrame, event: str | None) -> Coded:
        bins = {name: reference.bins(rows[name]) for name, reference in self.references.items()}
        parts = np.column_stack([self._of_part(part, bins[part.column]) for part in self.parts])
        numbers = {name: b for name, b in bins.items() if self.references[name].kind == "number"}
        cell = np.zeros(rows.height, np.intp)
        if event is not None and self.zone is not None:
            at = rows.select(at=local(pl.col(event), self.zone)).to_series()
            cell = ((at.dt.weekday() - 1) * (24 // HOURS) + at.dt.hour() // HOURS).to_numpy().astype(np.intp)
        return Coded(parts, numbers, cell)

    def _of_part(self, part: Part, bins: Places) -> Numbers:
        """The part (n,), whose mean over the reference is 0."""
        reference = self.references[part.column]
        counts, missing = reference.summary.counts, float(reference.summary.missing)
        n = counts.sum()
        if part.what == MISSING and reference.kind != "category":
            return np.asarray((bins < 0) - missing / (n + missing))
        if reference.kind == "number":
            score = ndtri((np.cumsum(counts) - counts / 2).clip(0.5, n - 0.5) / n)
            return np.where(bins < 0, 0.0, score[bins])
        place = -1 if part.what == MISSING else reference.levels.index(part.what)
        share = (missing if place < 0 else counts[place]) / (n + missing)
        return np.asarray((bins == place) - share)


def scale_of(references: Mapping[str, Reference], zone: str | None) -> Scale | None:
    """The scale of these columns; None where no two parts vary."""
    for n_levels in range(MAX_LEVELS, 0, -1):
        parts = [part for name, one in references.items() for part in _parts(name, one, n_levels)]
        if len(parts) <= MAX_PARTS:
            break
    parts = parts[:: -(-len(parts) // MAX_PARTS)] if parts else parts
    used = {part.column: references[part.column] for part in parts}
    return Scale(used, tuple(parts), zone) if len(parts) > 1 else None


def _parts(name: str, reference: Reference, n_levels: int) -> Iterator[Part]:
    counts, missing = reference.summary.counts, float(reference.summary.missing)
    n = max(counts.sum() + missing, 1)
    if reference.kind == "number" and (counts > 0).sum() > 1:
        yield Part(name, VALUE)
    if reference.kind == "category":
        frequent = [
            level for level, count in zip(reference.levels, counts, strict=False)
            if MIN_SHARE <= count / n <= 1 - MIN_SHARE and level != MISSING
        ]  # fmt: skip
        yield from (Part(name, level) for level in frequent[:n_levels])
    if MIN_SHARE <= missing / n <= 1 - MIN_SHARE:
        yield Part(name, MISSING)


@dataclass(frozen=True)
class Base:
    """The reference's rows, coded, and their moments by weekday and hour."""

    coded: Coded
    n_compared: Numbers
    """Rows that those of a weekday and hour are compared with (n_cells,)."""
    means: Numbers
    """(n_cells, n_parts)"""
    products: Numbers
    """(n_cells, n_parts, n_parts)"""
    noise: Numbers
    """Mean of the squares of a pair's products (n_parts, n_parts)."""
    shares: dict[str, Numbers]
    """Of a number's bins (n_bins,)."""
    asked: NDArray[np.bool_]
    """Which pairs say something (n_parts, n_parts): not those of one column, but a number with itself, which is its variance."""


def base_of(scale: Scale, coded: Coded) -> Base:
    n_parts, n = coded.parts.shape[1], len(coded.parts)
    count = np.bincount(coded.cell, minlength=N_CELLS).astype(float)
    means, products = np.zeros((N_CELLS, n_parts)), np.zeros((N_CELLS, n_parts, n_parts))
    order = np.argsort(coded.cell, kind="stable")
    edges = np.searchsorted(coded.cell[order], np.arange(N_CELLS + 1))
    overall = coded.parts.mean(axis=0), coded.parts.T @ coded.parts / n
    for c in range(N_CELLS):
        rows = coded.parts[order[edges[c] : edges[c + 1]]]
        is_enough = len(rows) >= MIN_CELL_ROWS
        means[c], products[c] = (rows.mean(axis=0), rows.T @ rows / len(rows)) if is_enough else overall
    squares = coded.parts**2
    shares = {
        name: np.bincount(bins[bins >= 0], minlength=scale.references[name].n_bins)
        / max((bins >= 0).sum(), 1)
        for name, bins in coded.bins.items()
    }
    columns = np.array([part.column for part in scale.parts])
    asked = columns[:, None] != columns
    np.fill_diagonal(asked, [part.what == VALUE and part.column in coded.bins for part in scale.parts])
    n_compared = np.where(count >= MIN_CELL_ROWS, count, n)
    return Base(coded, n_compared, means, products, squares.T @ squares / n, shares, asked)


def differences(base: Base, window: Coded) -> Numbers:
    """By how much the covariance of each pair in the window differs from that of the reference's rows of the same weekdays and
    hours, and each number's excess share of one value: (n_pairs + n_numbers,)."""
    now, before = covariances(base, window)
    pairs = (now - before)[np.triu_indices(len(now))]
    return np.append(pairs, [excess(window.bins[name], share)[0] for name, share in base.shares.items()])


def covariances(base: Base, window: Coded) -> tuple[Numbers, Numbers]:
    """Those of all pairs (n_parts, n_parts) in the window, and in the reference's rows of the same weekdays and hours."""
    weight = np.bincount(window.cell, minlength=N_CELLS) / len(window.cell)
    used = np.flatnonzero(weight)
    mean = weight[used] @ base.means[used]
    product = np.tensordot(weight[used], base.products[used], axes=1)
    own = window.parts.mean(axis=0)
    covariance = window.parts.T @ window.parts / len(window.parts) - np.outer(own, own)
    return covariance, product - np.outer(mean, mean)


def excess(bins: Places, share: Numbers) -> tuple[float, int]:
    """The largest share of one bin beyond what it has in the reference, and the bin: not one of the ends, which hold all that is
    further out than the reference was."""
    there = bins[bins >= 0]
    beyond = np.bincount(there, minlength=len(share)) / max(len(there), 1) - share
    beyond[[0, -1]] = 0
    most = int(beyond.argmax())
    return float(beyond[most]), most


@dataclass(frozen=True)
class Limits:
    """What windows of the reference of `n_rows` differ by: the mean and standard deviation of each difference, NaN where it says
    nothing, and how many deviations the largest stays below."""

    n_rows: int
    center: Numbers
    spread: Numbers
    critical: float
    n_values: int
    """How many of the differences, the last, are excesses of one value."""
    n_unlike: int
    """How many differences say nothing because stretches of the reference are unlike each other."""

    def deviations(self, differences: Numbers) -> Numbers:
        return np.nan_to_num(_deviations(differences, self.center, self.spread, self.n_values))


def limits(
    base: Base, n_rows: int, in_time: bool, level: float, seed: int, subject: pl.Series | None = None
) -> Limits:
    """Those of windows of so many rows, of which a share `level` may have a difference beyond them. Rows without time come
    by `subject` (n), or each by itself."""
    rng = np.random.Generator(np.random.PCG64([seed, n_rows]))
    n = len(base.coded.parts)
    starts = ((np.arange(N_WINDOWS) + rng.random(N_WINDOWS)) / N_WINDOWS * (n - n_rows)).astype(int)
    draw = drawing(n, subject, rng)
    found = []
    for start in starts:
        rows = np.arange(start, start + n_rows) if in_time else draw(n_rows)
        window = _taken(base.coded, rows)
        share = np.bincount(window.cell, minlength=N_CELLS)
        own = float((share * share / base.n_compared).sum() / n_rows)  # of the reference, the window itself
        found.append(differences(base, window) / (1 - min(own, 0.9)))
    table = np.stack(found)
    least = _least(base, n_rows)
    n_values = len(base.shares)
    off = np.concatenate([
        _deviations(table[inside], *_scale(table[apart], least), n_values)
        for inside, apart in _stretches(starts, n_rows, n, in_time)
    ])  # fmt: skip
    unlike = np.nanmax(off, axis=0, initial=0.0) > UNLIKE
    worst = np.nanmax(off[:, ~unlike], axis=1, initial=0.0)
    step = worst.std() * np.sqrt(6) / np.pi
    quantile = worst.mean() - step * (np.euler_gamma + np.log(-np.log1p(-level)))
    center, spread = _scale(table, np.where(unlike, np.nan, least))
    return Limits(n_rows, center, spread, float(max(quantile, worst.max())), n_values, int(unlike.sum()))


def size(n_rows: int, n_reference: int, in_time: bool) -> int:
    """Of the reference's windows by which a window of so many rows, or of as much time, is judged; 0 if it has too few."""
    most = min(n_rows, n_reference // (N_APART if in_time else N_DRAWN))
    if most < MIN_ROWS:
        return 0
    return int(MIN_ROWS * STEP ** int(np.log(most / MIN_ROWS) / np.log(STEP) + 1e-9))


def _least(base: Base, n_rows: int) -> Numbers:
    """The standard deviation of each difference among independent rows, NaN where too few events are in a window."""
    events = np.where(base.asked, base.noise, 0.0)[np.triu_indices(len(base.noise))]
    pairs = np.where(events * n_rows >= MIN_EVENTS, np.sqrt(events / n_rows), np.nan)
    numbers = [np.sqrt(max(share.max(), 1 / n_rows) / n_rows) for share in base.shares.values()]
    return np.append(pairs, numbers)


def _deviations(differences: Numbers, center: Numbers, spread: Numbers, n_values: int) -> Numbers:
    """How many deviations the differences (..., n) are off; a value, whose excess is among the last, only by repeating more."""
    off = (differences - center) / spread
    off[..., : off.shape[-1] - n_values] = np.abs(off[..., : off.shape[-1] - n_values])
    return off


def _scale(table: Numbers, least: Numbers) -> tuple[Numbers, Numbers]:
    center = table.mean(axis=0)
    off = np.abs(table - center)
    spread = np.maximum(table.std(axis=0), off.max(axis=0) / FURTHEST)
    return center, np.where(np.isnan(least), np.nan, np.maximum(spread, least))


def _stretches(
    starts: Places, n_rows: int, n: int, in_time: bool
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Windows that start in each stretch, and those that share no row with them."""
    if not in_time:
        turn = np.arange(len(starts)) % N_STRETCHES
        yield from ((turn == i, turn != i) for i in range(N_STRETCHES))
        return
    edges = np.linspace(0, n - n_rows + 1, N_STRETCHES + 1)
    for begin, end in pairwise(edges):
        inside = (starts >= begin) & (starts < end)
        if inside.any():
            yield inside, (starts + n_rows <= begin) | (starts >= end + n_rows)


def _taken(coded: Coded, rows: Places) -> Coded:
    return Coded(coded.parts[rows], {name: bins[rows] for name, bins in coded.bins.items()}, coded.cell[rows])
