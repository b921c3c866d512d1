"""What a binary target's metrics probably are before outcomes are known: what its own probabilities imply.

Confidence-based performance estimation (Bialek, Kuberski, Perrakis & Bifet 2024, Estimating Model Performance Under
Covariate Shift Without Labels): a row predicted 0.2 is right to be called negative four times in five, so with calibrated
probabilities the expected metric needs no outcome.
"""

import numpy as np

from accord.losses import Vector
from accord.measures.metrics import PROBABILITY_FLOOR


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
