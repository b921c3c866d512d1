"""How good the model probably is before outcomes are known: what its own probabilities imply.

Confidence-based performance estimation (Bialek, Kuberski, Perrakis & Bifet 2024, Estimating Model Performance Under
Covariate Shift Without Labels): a row predicted 0.2 is right to be called negative four times in five, so with calibrated
probabilities the expected metric needs no outcome. It sees a change of the rows, never of what follows from them.
"""

import numpy as np

from accord.objective.teams import Vector
from accord.tasks.links import PROBABILITY_FLOOR
from accord.tasks.metrics import calibration_bins


def calibrated(y: Vector, p: Vector, predictions: Vector) -> Vector:
    """What to expect of rows with these predictions (n,), by the mean outcomes y (m,) of rows predicted alike, p (m,)."""
    bins = calibration_bins(p)
    counts = np.bincount(bins)
    there = counts > 0
    predicted, observed = (np.bincount(bins, values)[there] / counts[there] for values in (p, y))
    return np.interp(predictions, predicted, observed)


def log_loss(p: Vector, q: Vector) -> float:
    """Expected, of predictions p (n,) where the outcome happens with probability q (n,); so are the others."""
    p = np.clip(p, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    return float(np.mean(-(q * np.log(p) + (1 - q) * np.log1p(-p))))


def brier(p: Vector, q: Vector) -> float:
    return float(np.mean(q * (1 - p) ** 2 + (1 - q) * p**2))


def auc(p: Vector, q: Vector) -> float:
    """The share of pairs in the right order, where each row is positive by q and negative by 1 - q."""
    _, place = np.unique(p, return_inverse=True)
    positive, negative = np.bincount(place, q), np.bincount(place, 1 - q)
    below = np.cumsum(negative) - negative / 2
    pairs = positive.sum() * negative.sum()
    return float(positive @ below / pairs) if pairs else float("nan")


def mean_outcome(p: Vector, q: Vector) -> float:
    return float(np.mean(q))


ESTIMATES = {"log_loss": log_loss, "auc": auc, "brier": brier}
"""Metrics of a binary target that can be estimated."""
