"""What a target's task and loss imply: the link from a model's raw score to its prediction, and back."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

PROBABILITY_FLOOR = 1e-15
POSITIVE_LOSSES = ("poisson", "tweedie")
TWEEDIE_POWER = 1.5


def prediction(raw: Vector, loss: str) -> Vector:
    """Raw scores (n,) to predictions (n,): a probability for log, a mean for the others.

    The inverse links of generalised linear models: McCullagh and Nelder (1989), Generalized Linear Models.
    """
    raw = np.ascontiguousarray(raw)
    if loss == "log":
        return 1.0 / (1.0 + np.exp(-raw))
    if loss in POSITIVE_LOSSES:
        return np.exp(raw)
    return raw


def prediction_of_one(loss: str) -> Callable[[float], float]:
    """`prediction` for a single raw score, with the same bits: the exponential is NumPy's, which differs from Python's."""
    if loss == "log":
        return lambda raw: 1.0 / (1.0 + float(np.exp(-raw)))
    if loss in POSITIVE_LOSSES:
        return lambda raw: float(np.exp(raw))
    return lambda raw: raw


def raw_score(mean: float, loss: str) -> float:
    """The raw score whose prediction is `mean`; a mean on the edge of what the loss allows is moved inside."""
    if loss == "log":
        mean = min(max(mean, 1e-6), 1 - 1e-6)
        return float(np.log(mean / (1 - mean)))
    if loss in POSITIVE_LOSSES:
        return float(np.log(max(mean, 1e-6)))
    return mean
