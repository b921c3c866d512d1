"""A target's mean per group."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from accord.data.leaks.cutting import Vector


class Means(NamedTuple):
    """The target's mean per group (n_groups,), NaN for groups with fewer than two rows."""

    n: NDArray[np.intp]
    mean: Vector
    within: float
    """The variance within groups, averaged over groups."""
    kurtosis: float
    """The excess kurtosis of a single row's target."""

    @classmethod
    def of(cls, y: Vector, codes: NDArray[np.integer[Any]]) -> "Means":
        """Of rows (n,) where the target is known and the code of a group isn't -1."""
        known = ~np.isnan(y) & (codes >= 0)
        if not known.any():
            return cls(np.zeros(0, np.intp), np.zeros(0), 0.0, 0.0)
        y, codes = y[known], codes[known]
        return cls.of_sums(
            np.bincount(codes),
            np.bincount(codes, y).astype(float),
            np.bincount(codes, y * y).astype(float),
            kurtosis(y),
        )

    @classmethod
    def of_sums(cls, n: NDArray[np.intp], total: Vector, square: Vector, kurtosis: float) -> "Means":
        """Of each group's number of rows, sum and sum of squares (n_groups,)."""
        several = n >= 2
        mean = np.where(several, total / np.maximum(n, 1), np.nan)
        squares = np.maximum(square - total**2 / np.maximum(n, 1), 0)[several]
        within = float((squares / (n[several] - 1)).mean()) if several.any() else 0.0
        return cls(n, mean, within, kurtosis)


def kurtosis(y: Vector) -> float:
    """The excess kurtosis of known values (n,), at least 0."""
    from_mean = (y - y.mean()) ** 2
    return max(float((from_mean**2).mean() / from_mean.mean() ** 2) - 3 if from_mean.any() else 0.0, 0.0)
