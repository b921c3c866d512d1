"""Intervals by resampling blocks: rows of one day share their weather, so days are drawn, not rows.

A metric is first boiled down to a statistic: a function of how often each block was drawn. Most metrics need only
sums a block for that, so that hundreds of resamples cost less than one pass over the rows.
Kunsch (1989), The jackknife and the bootstrap for general stationary observations; here blocks don't overlap.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Counts = NDArray[np.float64]
"""How often each block was drawn in each resample, (n_resamples, n_blocks)."""
Statistic = Callable[[Counts], NDArray[np.float64]]
"""From counts to the metric's value in each resample, (n_resamples,)."""


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; None where there is none."""

    value: float | None
    low: float | None
    high: float | None


def numbered(blocks: pl.Series) -> tuple[NDArray[np.intp], int]:
    """Blocks as numbers 0 to n_blocks - 1 for each row (n,), and n_blocks."""
    numbers = blocks.rank("dense").to_numpy().astype(np.intp) - 1
    return numbers, int(numbers.max(initial=-1)) + 1


def draw(n_blocks: int, n_resamples: int, seed: int) -> Counts:
    """Counts of blocks drawn with replacement, as many as there are."""
    generator = np.random.Generator(np.random.PCG64(seed))
    return generator.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=n_resamples).astype(
        np.float64
    )


def estimate(statistic: Statistic, counts: Counts, level: float) -> Estimate:
    """The value on the rows as they are, and its interval."""
    value = float(statistic(np.ones((1, counts.shape[1])))[0])
    return estimated(value, statistic(counts), level)


def estimated(value: float, resampled: NDArray[np.float64], level: float) -> Estimate:
    """The value with the percentile interval of its resamples (n_resamples,); those where it is undefined drop out."""
    known = resampled[np.isfinite(resampled)]
    found = finite(float(value))
    if not len(known):
        return Estimate(found, None, None)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(found, float(low), float(high))


def finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
