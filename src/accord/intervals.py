"""How sure a figure is: its interval, from what each block of rows adds to it.

Counting a block twice, and leaving it out, tells what it adds (its influence). Days that follow each other are alike,
in weather or trade, so products of days near each other count in the variance too, the less the further they are
apart (Newey and West 1987). With few days the variance is itself unsure, which a t quantile allows for; its degrees
of freedom are those of the quadratic form (Satterthwaite 1946). How far days count as near is the rule of Lazarus, Lewis,
Stock and Watson (2018), HAR Inference: Recommendations for Practice. Blocks without an order count as independent.

A size, such as a gap between groups, can't be below zero, and is above zero by noise alone. Its interval reaches from
the smallest size that noise makes as large as the value, zero unless chance is ruled out, to what the least sure comparison of
two parts allows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from accord.bootstrap import Blocks, Counts, Statistic, finite

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

MAX_BLOCKS = 250
"""More blocks than these are taken together, neighbours first."""
MIN_BLOCKS = 10
"""Fewer blocks than these are too few to be sure that all is well."""
REACH = 1.3
"""Days less than this times the root of their number apart count as alike."""
N_DRAWS = 2000
N_HALVINGS = 12
N_COMPARISONS = 50
N_ANGLES = 20_001


@dataclass(frozen=True)
class Chance:
    """The interval in which a size would lie if the parts were alike."""

    low: float
    high: float
    p: float
    """How often chance alone makes it as large as it is."""


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; None where there is none."""

    value: float | None
    low: float | None
    high: float | None
    n_blocks: int = 0
    """The blocks that it rests on: those without a row of it don't count."""
    chance: Chance | None = None
    """None but for a size."""


@dataclass(frozen=True)
class Bounded:
    """A statistic that can't leave its bounds."""

    of: Statistic
    low: float = -np.inf
    high: float = np.inf

    def __call__(self, drawn: Counts) -> Vector:
        return self.of(drawn)


@dataclass(frozen=True)
class Size:
    """A statistic that tells how far parts are from alike, zero if they are. `of` is a seminorm of the parts."""

    parts: Callable[[Counts], Matrix]
    """From counts to the parts in each resample, (n_resamples, n_parts)."""
    of: Callable[[Matrix], Vector]
    """From parts (n, n_parts) to their size (n,)."""
    n_parts: int
    hardest: Callable[[Vector], Vector] = lambda parts: parts
    """Parts (n_parts,) to which noise adds the most of those that are as far from alike as these, in proportion."""

    def __call__(self, drawn: Counts) -> Vector:
        return self.of(self.parts(drawn))


def combined(statistics: Sequence[Statistic], mean: Callable[[Matrix], Vector]) -> Statistic:
    """A mean (n,) of the statistics' values (n, k): within the bounds that all of them have, and a size if all of them are."""
    sizes = [one for one in statistics if isinstance(one, Size)]
    if sizes and len(sizes) == len(statistics):
        return _mean_size(sizes, mean)

    def value(drawn: Counts) -> Vector:
        return mean(np.column_stack([one(drawn) for one in statistics]))

    bounds = [(one.low, one.high) if isinstance(one, Bounded) else (-np.inf, np.inf) for one in statistics]
    return Bounded(value, min(low for low, _ in bounds), max(high for _, high in bounds))


def _mean_size(sizes: Sequence[Size], mean: Callable[[Matrix], Vector]) -> Size:
    ends = np.cumsum([size.n_parts for size in sizes])

    def parts(drawn: Counts) -> Matrix:
        return np.hstack([size.parts(drawn) for size in sizes])

    def of(found: Matrix) -> Vector:
        each = zip(sizes, np.split(found, ends[:-1], axis=1), strict=True)
        return mean(np.column_stack([size.of(one) for size, one in each]))

    def hardest(found: Vector) -> Vector:
        each = zip(sizes, np.split(found, ends[:-1]), strict=True)
        shapes = [(size, one, size.hardest(one)) for size, one in each]
        return np.concatenate(
            [shape * size.of(one[None]) / size.of(shape[None]) for size, one, shape in shapes]
        )

    return Size(parts, of, int(ends[-1]), hardest)


def estimate(statistic: Statistic, blocks: Blocks, level: float) -> Estimate:
    """The statistic's value on the rows as they are, and its interval."""
    return estimates(statistic, blocks, [level])[0]


def estimates(statistic: Statistic, blocks: Blocks, levels: Sequence[float]) -> list[Estimate]:
    """The same for several levels."""
    counts = nudged(blocks.n)
    with np.errstate(invalid="ignore", divide="ignore"):
        if isinstance(statistic, Size):
            parts = statistic.parts(counts)
            return [_sized(statistic, parts, blocks, level) for level in levels]
        found = statistic(counts)
    low, high = (statistic.low, statistic.high) if isinstance(statistic, Bounded) else (-np.inf, np.inf)
    return [estimated(found, blocks, level, low, high) for level in levels]


def nudged(n_blocks: int) -> Counts:
    """Counts that tell what each block adds: all blocks once; then each block, or group of neighbours, twice; then left out.
    They are whole numbers, as counts in a team's SQL must be."""
    group = groups(n_blocks)
    one = (group[None, :] == np.arange(group.max(initial=-1) + 1)[:, None]).astype(np.float64)
    return np.concatenate([np.ones((1, n_blocks)), 1 + one, 1 - one])


def estimated(
    found: Vector, blocks: Blocks, level: float, lowest: float = -np.inf, highest: float = np.inf
) -> Estimate:
    """Value and interval from what a statistic, which can't leave the bounds, is with the `nudged` counts."""
    value = finite(float(found[0]))
    if value is None:
        return Estimate(None, None, None)
    share = _shares(found[:, None], blocks)
    if share.layout is None:
        if share.n_blocks < 2:
            return Estimate(value, None, None, share.n_blocks)
        if lowest > -np.inf and highest < np.inf and value in (lowest, highest):
            return _all_alike(value, share.n_blocks, level, lowest, highest)
        return Estimate(value, value, value, share.n_blocks)
    spread = float(np.sqrt(share.layout.variance(share.added[:, 0])))
    low, high = _around(value, spread * t_quantile((1 + level) / 2, share.layout.freedom), lowest, highest)
    return Estimate(value, low, high, share.n_blocks)


def dependence(statistic: Statistic, blocks: Blocks) -> tuple[float, float]:
    """How many times larger the statistic's standard deviation is than were the blocks independent, and its degrees of freedom."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share = _shares(statistic(nudged(blocks.n))[:, None], blocks)
    if share.layout is None:
        return 1.0, float(max(share.n_blocks - 1, 1))
    added = share.added[:, 0]
    independent = _layout(len(added), None, 0.0).variance(added - added.mean())
    alike = share.layout.variance(added)
    return float(np.sqrt(alike / independent)) if independent > 0 else 1.0, share.layout.freedom


def _around(value: float, reach: float, lowest: float, highest: float) -> tuple[float, float]:
    """The value give or take `reach`, on the logit scale where both bounds are known, so that it stays within."""
    if np.isfinite(lowest) and np.isfinite(highest) and lowest < value < highest:
        width = highest - lowest
        share = (value - lowest) / width
        slope = reach / width / (share * (1 - share))
        odds = share / (1 - share)
        with np.errstate(over="ignore"):
            low, high = (1 / (1 + np.exp(side) / odds) for side in (slope, -slope))
        return lowest + width * float(low), lowest + width * float(high)
    return max(value - reach, min(lowest, value)), min(value + reach, max(highest, value))


def _all_alike(value: float, n: int, level: float, lowest: float, highest: float) -> Estimate:
    """Where no block differs from the bound: the share that may differ without showing in n blocks (Clopper and Pearson 1934)."""
    unseen = (1 - ((1 - level) / 2) ** (1 / n)) * (highest - lowest)
    low, high = (lowest, lowest + unseen) if value == lowest else (highest - unseen, highest)
    return Estimate(value, low, high, n)


def _sized(size: Size, parts: Matrix, blocks: Blocks, level: float) -> Estimate:
    value = finite(float(size.of(parts[:1])[0]))
    if value is None:
        return Estimate(None, None, None)
    share = _shares(np.where(np.isfinite(parts[0]), parts, 0), blocks)
    if share.layout is None:
        side = value if share.n_blocks > 1 else None
        return Estimate(value, side, side, share.n_blocks)
    is_there, side = np.isfinite(parts[0]), (1 - level) / 2
    noise = np.where(is_there, share.layout.noise(share.added), np.nan)
    by_chance = size.of(noise)
    p = float((1 + (by_chance >= value).sum()) / (1 + len(noise)))
    chance = Chance(float(np.quantile(by_chance, side)), float(np.quantile(by_chance, 1 - side)), p)
    low = _least(size, parts[0], noise, value, side)
    reach = t_quantile(1 - side, share.layout.freedom) * _most_unsure(size, parts[0], noise, share)
    return Estimate(value, low, value + reach, share.n_blocks, chance)


def _least(size: Size, parts: Vector, noise: Matrix, value: float, side: float) -> float:
    """The smallest size of parts (k,) that noise (n, k) makes as large as the value, in a share `side` of draws."""
    shape = size.hardest(parts)
    shape = shape / size.of(shape[None])[0]

    def explains(least: float) -> bool:
        return float((size.of(least * shape + noise) >= value).mean()) > side

    below, above = 0.0, value
    if explains(below):
        return below
    for _ in range(N_HALVINGS):
        middle = (below + above) / 2
        below, above = (below, middle) if explains(middle) else (middle, above)
    return below


def _most_unsure(size: Size, parts: Vector, noise: Matrix, share: "_Shares") -> float:
    """The largest standard deviation of a comparison of parts (k,), such as of two groups, of those that decide the size of the
    parts or of noise (n, k). The true size is one such comparison's, and no comparison shows more than the value."""
    assert share.layout is not None
    points = np.vstack([parts, noise[:N_COMPARISONS]])
    step = 1e-6 * max(float(np.nanmax(np.abs(points))), 1e-300)
    moved = np.eye(len(parts)) * step
    slopes = np.column_stack([(size.of(points + one) - size.of(points - one)) / (2 * step) for one in moved])
    slopes = np.where(np.isfinite(parts), slopes, 0)
    largest = float(((share.added @ slopes.T) ** 2).sum(axis=0).max())
    return float(np.sqrt(share.layout.inflation(share.added) * largest))


@dataclass(frozen=True)
class _Layout:
    """How blocks count together: the kernel (n, n), the part of the variance that is left once the mean is taken off, and the
    degrees of freedom."""

    kernel: Matrix
    left: float
    freedom: float

    def variance(self, added: Vector) -> float:
        """Of a statistic to which blocks add (n,)."""
        return max(float(added @ self.kernel @ added), 0.0) / self.left

    def inflation(self, added: Matrix) -> float:
        """How much larger the variance of statistics to which blocks add (n, k) is than the sum of squares of what they add, for all alike."""
        total = float((added**2).sum())
        return (
            max(float(np.einsum("ik,ij,jk->", added, self.kernel, added, optimize=True)), 0)
            / self.left
            / total
        )

    def noise(self, added: Matrix) -> Matrix:
        """Draws (N_DRAWS, k) of how far k statistics to which blocks add (n, k) are from the truth: what the blocks add times
        random numbers. How wide they spread is the surer, the more of the statistics vary apart from each other."""
        rng = np.random.Generator(np.random.PCG64(0))
        covariance = added.T @ added
        n_apart = float(np.trace(covariance) ** 2 / (covariance**2).sum())
        freedom = self.freedom * max(n_apart, 1.0)
        wide = np.sqrt(self.inflation(added) * freedom / rng.chisquare(freedom, N_DRAWS))
        return np.asarray((rng.standard_normal((N_DRAWS, len(added))) @ added) * wide[:, None])


@dataclass(frozen=True)
class _Shares:
    """What each block, or group of them, adds (n, k), where it adds anything; how these count together, None if none adds
    anything; and how many blocks they are."""

    added: Matrix
    layout: _Layout | None
    n_blocks: int


def _shares(found: Matrix, blocks: Blocks) -> _Shares:
    """From values with the `nudged` counts, (1 + 2 n, k)."""
    n = (len(found) - 1) // 2
    whole, twice, without = found[0], found[1 : n + 1], found[n + 1 :]
    up, down = twice - whole, whole - without
    both = np.where(np.isfinite(up) & np.isfinite(down), (up + down) / 2, np.where(np.isfinite(up), up, down))
    added = np.where(np.isfinite(both), both, 0)
    largest = np.abs(added).max(axis=1, initial=0)
    if np.isnan(without).all(axis=1).any() or n < 2:
        return _Shares(added, None, min(n, 1))
    if largest.max() <= 1e-12 * np.abs(whole).max():
        return _Shares(added, None, blocks.n)
    counts = largest > 1e-9 * largest.max()
    group = groups(blocks.n)
    n_blocks = int(counts[group].sum())
    if counts.sum() < 2:
        return _Shares(added, None, 1)
    at = None
    if blocks.at is not None:
        at = tuple((np.bincount(group, blocks.at) / np.bincount(group))[counts])
    return _Shares(added[counts], _layout(int(counts.sum()), at, REACH * n_blocks**0.5), n_blocks)


@lru_cache(maxsize=256)
def _layout(n: int, at: tuple[float, ...] | None, reach: float) -> _Layout:
    kernel = np.eye(n)
    if at is not None:
        place = np.array(at)
        kernel = np.clip(1 - np.abs(place[:, None] - place) / reach, 0, None)
    # The quadratic form of independent blocks, less their mean.
    centred = kernel - kernel.mean(axis=0) - kernel.mean(axis=1)[:, None] + kernel.mean()
    trace = float(np.trace(centred))
    return _Layout(kernel, trace / n, trace**2 / float((centred**2).sum()))


def together(statistic: Statistic, n_blocks: int) -> Statistic:
    """A statistic of blocks from that of their `groups`: it is asked for counts that are the same for all blocks of a group alone."""
    if n_blocks <= MAX_BLOCKS:
        return statistic
    group = groups(n_blocks)
    first = np.flatnonzero(np.diff(group, prepend=-1))
    if isinstance(statistic, Size):
        parts = statistic.parts
        return replace(statistic, parts=lambda drawn: parts(drawn[:, first]))
    if isinstance(statistic, Bounded):
        return replace(statistic, of=together(statistic.of, n_blocks))
    return lambda drawn: statistic(drawn[:, first])


def groups(n_blocks: int) -> NDArray[np.intp]:
    """Each block's group (n_blocks,), of neighbours: itself, unless there are many blocks."""
    return np.arange(n_blocks) * min(n_blocks, MAX_BLOCKS) // max(n_blocks, 1)


@lru_cache(maxsize=256)
def t_quantile(share: float, freedom: float) -> float:
    """Student's t: its density in terms of the angle whose tangent is t over the root of the degrees of freedom is a power of
    the cosine.

    >>> round(t_quantile(0.975, 12.0), 3)
    2.179
    """
    angle = np.linspace(-np.pi / 2, np.pi / 2, N_ANGLES)
    density = np.clip(np.cos(angle), 0, None) ** (freedom - 1)
    steps = np.append(0, np.cumsum((density[1:] + density[:-1]) / 2))
    return float(np.sqrt(freedom) * np.tan(np.interp(share * steps[-1], steps, angle)))
