"""What predictions mean, from the outcomes of rows that were predicted before: a curve with at most three numbers.

Probabilities are mapped on the scale of log-odds, so that the curve goes on beyond the predictions that it was fitted on: a shift,
a shift and a slope (Platt 1999, Probabilistic outputs for support vector machines), or a slope for each side (beta calibration:
Kull, Silva Filho & Flach 2017). Of these, and of predictions as they are, the simplest that the outcomes bear out is taken
(Schwarz 1978, Estimating the dimension of a model). Amounts are mapped by a shift, or a shift and a slope.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from accord.losses import Matrix, Vector

FLOOR = 1e-6
"""Probabilities are kept this far from 0 and 1, where the log-odds are not finite."""
N_STEPS = 30
"""Newton's steps at most; fits take about six."""
RIDGE = 1e-3
"""Holds the slopes where outcomes say nothing of them, such as if all are alike."""


@dataclass(frozen=True)
class Curve:
    """Calibrates one column of predictions: which terms of it there are, and their weights beside those that change nothing."""

    terms: Callable[[Vector], Matrix]
    """From predictions (n,) to (n, n_terms)."""
    plain: Callable[[Vector], Vector]
    """Predictions (n,) on the scale of the curve, unchanged."""
    back: Callable[[Vector], Vector]
    """From the scale of the curve to predictions."""
    weights: Vector
    """(n_terms,)"""

    def __call__(self, predictions: Vector) -> Vector:
        if not len(self.weights):
            return predictions
        return self.back(self.plain(predictions) + self.terms(predictions) @ self.weights)


def of_probability(y: Vector, p: Vector) -> Curve:
    """The curve by outcomes (n,), which are 0 or 1, of rows with predictions (n,)."""
    shapes = {_none: 0, _shift: 1, _slope: 2, _beta: 3}
    curves = [
        refitted(Curve(terms, _log_odds, _probability, np.zeros(n)), y, p, np.ones(len(y)))
        for terms, n in shapes.items()
    ]
    return min(
        curves, key=lambda one: float(2 * _surprise(y, one(p)) + len(one.weights) * np.log(max(len(y), 1)))
    )


def of_amount(y: Vector, p: Vector) -> Curve:
    """The same of outcomes that are amounts, by least squares."""
    off, n = y - p, max(len(y), 1)
    spread = p.var() if len(p) else 0.0
    slope = float(np.mean((p - p.mean()) * off) / spread) if spread > 0 else 0.0
    ways = {_none: (), _shift: (off.mean(),), _line: (off.mean() - slope * p.mean(), slope)}
    curves = [Curve(terms, _same, _same, np.array(weights)) for terms, weights in ways.items()]

    def cost(curve: Curve) -> float:
        error = max(float(np.mean((y - curve(p)) ** 2)), 1e-300)
        return float(n * np.log(error) + len(curve.weights) * np.log(n))

    return min(curves, key=cost)


def refitted(curve: Curve, y: Vector, p: Vector, count: Vector) -> Curve:
    """The probability's curve with the same terms, fitted to rows that count this often (n,)."""
    X, offset = curve.terms(p), curve.plain(p)
    if not X.shape[1]:
        return curve
    ridge = RIDGE * np.eye(X.shape[1])
    weights = curve.weights
    for _ in range(N_STEPS):
        q = _probability(offset + X @ weights)
        slope = X.T @ (count * (y - q)) - ridge @ weights
        curvature = (X * (count * q * (1 - q))[:, None]).T @ X + ridge
        step = np.linalg.solve(curvature, slope)
        weights = weights + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-6:
            break
    return replace(curve, weights=weights)


@dataclass(frozen=True)
class Curves:
    """A curve per column. The columns of several classes add up to 1 again."""

    columns: tuple[Curve, ...]

    def __call__(self, predictions: Matrix) -> Matrix:
        found = np.column_stack([curve(p) for curve, p in zip(self.columns, predictions.T, strict=True)])
        return found if len(self.columns) == 1 else found / found.sum(axis=1, keepdims=True)

    def refitted(self, y: Vector, p: Matrix, count: Vector) -> "Curves":
        outcomes = _as_columns(y, p.shape[1])
        parts = zip(self.columns, outcomes, p.T, strict=True)
        return Curves(tuple(refitted(curve, happened, one, count) for curve, happened, one in parts))


def of_probabilities(y: Vector, p: Matrix) -> Curves:
    """By outcomes (n,) of rows with predictions (n, k): 0 or 1 beside one column, else the number of the class."""
    parts = zip(_as_columns(y, p.shape[1]), p.T, strict=True)
    return Curves(tuple(of_probability(happened, one) for happened, one in parts))


def _as_columns(y: Vector, k: int) -> list[Vector]:
    return [y] if k == 1 else [(y == column).astype(np.float64) for column in range(k)]


def _none(p: Vector) -> Matrix:
    return np.empty((len(p), 0))


def _shift(p: Vector) -> Matrix:
    return np.ones((len(p), 1))


def _line(p: Vector) -> Matrix:
    return np.column_stack([np.ones(len(p)), p])


def _slope(p: Vector) -> Matrix:
    return _line(_log_odds(p))


def _beta(p: Vector) -> Matrix:
    p = np.clip(p, FLOOR, 1 - FLOOR)
    return np.column_stack([np.ones(len(p)), np.log(p), -np.log1p(-p)])


def _same(p: Vector) -> Vector:
    return p


def _log_odds(p: Vector) -> Vector:
    p = np.clip(p, FLOOR, 1 - FLOOR)
    return np.asarray(np.log(p) - np.log1p(-p))


def _probability(log_odds: Vector) -> Vector:
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -40, 40))))


def _surprise(y: Vector, p: Vector) -> float:
    p = np.clip(p, FLOOR, 1 - FLOOR)
    return float(-(y * np.log(p) + (1 - y) * np.log1p(-p)).sum())
