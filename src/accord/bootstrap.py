"""What every interval is made of: blocks of rows that share their fate, and statistics of how often each block counts.

Rows of one day share their weather, so days are drawn, not rows. A metric is first boiled down to a statistic: a
function of how often each block counts. Most metrics need only sums a block for that, so that hundreds of resamples
cost less than one pass over the rows. Two models are compared on the same drawn blocks, so that what the blocks have in
common cancels out; how sure a single figure is, says `intervals`.
Kunsch (1989), The jackknife and the bootstrap for general stationary observations; here blocks don't overlap.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Counts = NDArray[np.float64]
"""How often each block counts in each resample, (n_resamples, n_blocks)."""
Statistic = Callable[[Counts], NDArray[np.float64]]
"""From counts to the metric's value in each resample, (n_resamples,)."""


@dataclass(frozen=True)
class Blocks:
    """How many blocks there are, and where each stands in time, in days (n,); None where they have no order."""

    n: int
    at: NDArray[np.float64] | None = None


def numbered(blocks: pl.Series) -> tuple[NDArray[np.intp], int]:
    """Blocks as numbers 0 to n_blocks - 1 for each row (n,), and n_blocks."""
    numbers = blocks.rank("dense").to_numpy().astype(np.intp) - 1
    return numbers, int(numbers.max(initial=-1)) + 1


def blocks_of(blocks: pl.Series) -> Blocks:
    """The blocks that the rows are in, as `numbered` counts them. Days, as dates or as numbers, are in order of time; names are in none."""
    each = blocks.unique().sort()
    is_ordered = each.dtype.is_temporal() or each.dtype.is_numeric()
    return Blocks(len(each), each.to_physical().cast(pl.Float64).to_numpy() if is_ordered else None)


def draw(n_blocks: int, n_resamples: int, seed: int) -> Counts:
    """Counts of blocks drawn with replacement, as many as there are."""
    generator = np.random.Generator(np.random.PCG64(seed))
    return generator.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=n_resamples).astype(
        np.float64
    )


def finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
