"""Paired comparisons of two models over the same blocks: how sure a change is, and what it will be worth.

Blocks count as independent here, since what days have in common cancels out of a difference. Few blocks leave the variance
unsure, for which a t quantile allows; percentiles of resamples are expanded to what it asks for (Hesterberg 2015, What
Teachers Should Know About the Bootstrap).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc
from statistics import NormalDist

import numpy as np

from accord import intervals
from accord.bootstrap import Blocks, Statistic
from accord.intervals import Vector, t_quantile

REACH = 3.0
N_GRID = 401
N_DRAWS = 5000


@dataclass(frozen=True)
class Gain:
    value: float | None
    at_least: float | None
    """One-sided bound."""
    likely: float | None
    """What the gain is worth once its being chosen is allowed for; None if it wouldn't be chosen."""
    n_blocks: int
    """The blocks that it rests on."""


def gain(statistic: Statistic, n_blocks: int, level: float, wanted: float) -> Gain:
    """The gain, of which so many blocks are sure at the level. It would be chosen if it is surely above zero, and as wanted."""
    found = intervals.estimate(statistic, Blocks(n_blocks), 2 * level - 1)
    if found.value is None or found.low is None:
        return Gain(found.value, None, None, found.n_blocks)
    is_chosen = found.low > 0 and found.value >= wanted
    needed = max(found.value - found.low, wanted)
    error = (found.value - found.low) / t_quantile(level, max(found.n_blocks - 1, 1))
    likely = _likely(found.value, error, needed) if is_chosen else None
    return Gain(found.value, found.low, likely, found.n_blocks)


def _likely(value: float, error: float, needed: float) -> float:
    """The mean of the true gain, as the value tells of it, given that values below the needed one would not have been chosen
    (the winner's curse): that of the conditional likelihood phi(z - m) / Phi(m - c), in standard errors, over true gains m of
    zero or more (Ghosh, Zou and Wright 2008, Estimating Odds Ratios in Genome Scans; Zhong and Prentice 2008). True gains more
    than REACH standard errors from the value are left out: just beyond c the likelihood would hardly fall towards zero.

    >>> round(_likely(2.0, 1.0, 1.8), 2), round(_likely(3.0, 1.0, 1.8), 2), round(_likely(6.0, 1.0, 1.8), 2)
    (1.28, 2.49, 6.0)
    """
    if error <= 0:
        return value
    z, c = value / error, needed / error
    true = np.linspace(max(0.0, z - REACH), z + REACH, N_GRID)
    chosen = np.array([erfc((c - m) / 2**0.5) / 2 for m in true])
    likelihood = np.exp(-((z - true) ** 2) / 2) / chosen
    return float((true * likelihood).sum() / likelihood.sum() * error)


def at_least(resampled: Vector, n_blocks: int, level: float) -> float | None:
    """One-sided bound of a change from its resamples (n,)."""
    known = resampled[np.isfinite(resampled)]
    if not len(known) or n_blocks < 2:
        return None
    share = NormalDist().cdf(-t_quantile(level, n_blocks - 1) * (n_blocks / (n_blocks - 1)) ** 0.5)
    return float(np.quantile(known, share))


def at_most(changes: Sequence[Statistic], n_blocks: int, level: float) -> list[tuple[float, float]]:
    """Value and one-sided bound of each of several changes. The bounds hold for all at once: they reach as far as the furthest of
    the changes would by chance, given what blocks add to each (max-T: Westfall and Young 1993; Hothorn, Bretz and Westfall
    2008). NaN and infinite where nothing is known."""
    counts = intervals.nudged(n_blocks)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.column_stack([change(counts) for change in changes])
    n = (len(found) - 1) // 2
    added = (found[1 : n + 1] - found[n + 1 :]) / 2
    added = np.where(np.isfinite(added), added, 0)
    error = np.sqrt((added**2).sum(axis=0) * n / max(n - 1, 1))
    varies = error > 0
    if n < 2 or not varies.any():
        return [(float(value), float("inf")) for value in found[0]]
    factor = np.linalg.qr(added[:, varies] / np.linalg.norm(added[:, varies], axis=0), mode="r")
    rng = np.random.Generator(np.random.PCG64(0))
    drawn = rng.standard_normal((N_DRAWS, len(factor))) @ factor
    drawn /= np.sqrt(rng.chisquare(n - 1, (N_DRAWS, 1)) / (n - 1))
    reach = float(np.quantile(drawn.max(axis=1), level))
    bound = np.where(varies, found[0] + reach * error, np.inf)
    return [(float(value), float(high)) for value, high in zip(found[0], bound, strict=True)]
