"""How good the model probably is before outcomes are known: the part that is the same for all tasks. What predictions
imply is first calibrated on test; it sees a change of the rows, never of what follows from them."""

import numpy as np

from accord.measures.metrics import calibration_bins
from accord.objective.teams import Vector


def calibrated(y: Vector, p: Vector, predictions: Vector) -> Vector:
    """What to expect of rows with these predictions (n,), by the mean outcomes y (m,) of rows predicted alike, p (m,)."""
    bins = calibration_bins(p)
    counts = np.bincount(bins)
    there = counts > 0
    predicted, observed = (np.bincount(bins, values)[there] / counts[there] for values in (p, y))
    return np.interp(predictions, predicted, observed)


def mean_outcome(p: Vector, q: Vector) -> float:
    return float(np.mean(q))
