"""What a task's metrics probably are before outcomes are known: what its own probabilities imply, once these are calibrated.

Confidence-based performance estimation (Bialek, Kuberski, Perrakis & Bifet 2024, Estimating Model Performance Under
Covariate Shift Without Labels): a row predicted 0.2 is right to be called negative four times in five, so with calibrated
probabilities the expected metric needs no outcome. Each estimate is a statistic of block counts, as the metric itself is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accord.bootstrap import Statistic
from accord.losses import Matrix, Vector
from accord.measures.metrics import PROBABILITY_FLOOR


@dataclass(frozen=True)
class Implied:
    """Predicted probabilities (n, k), how likely each outcome then is (n, k), and each row's block (n,), below n_blocks. One
    column is the probability that something happens; several are those of classes."""

    predictions: Matrix
    likely: Matrix
    block: NDArray[np.intp]
    n_blocks: int

    def sums(self, values: Vector) -> Vector:
        """Sums per block, (n_blocks,)."""
        return np.bincount(self.block, values, minlength=self.n_blocks).astype(np.float64)

    def mean(self, values: Vector) -> Statistic:
        total, count = self.sums(values), self.sums(np.ones(len(values)))
        return lambda drawn: np.asarray((drawn @ total) / (drawn @ count))


def log_loss(implied: Implied) -> Statistic:
    p, q = (_of_all_outcomes(one) for one in (implied.predictions, implied.likely))
    return implied.mean(-(q * np.log(np.clip(p, PROBABILITY_FLOOR, None))).sum(axis=1))


def brier(implied: Implied) -> Statistic:
    p, q = implied.predictions, implied.likely
    return implied.mean((q * (1 - p) ** 2 + (1 - q) * p**2).sum(axis=1))


def auc(implied: Implied) -> Statistic:
    """The share of pairs in the right order, where each row is positive by its likelihood and negative by the rest; the mean over
    the columns."""
    found = [_auc(implied, p, q) for p, q in zip(implied.predictions.T, implied.likely.T, strict=True)]
    return lambda drawn: np.asarray(np.mean([one(drawn) for one in found], axis=0))


def _auc(implied: Implied, p: Vector, q: Vector) -> Statistic:
    """Of one column (n,): weights of pairs are summed for each pair of blocks, after which a resample is a quadratic form."""
    order = np.argsort(p, kind="stable")
    p, q, block = p[order], q[order], implied.block[order]
    pairs = np.zeros((implied.n_blocks, implied.n_blocks))
    for b in range(implied.n_blocks):
        at = np.flatnonzero(block == b)
        below = np.append(0, np.cumsum(1 - q[at]))
        ranks = below[np.searchsorted(p[at], p, "left")] + below[np.searchsorted(p[at], p, "right")]
        pairs[:, b] = np.bincount(block, q * ranks / 2, minlength=implied.n_blocks)
    positive, negative = (np.bincount(block, part, minlength=implied.n_blocks) for part in (q, 1 - q))
    with np.errstate(invalid="ignore", divide="ignore"):
        return lambda drawn: np.asarray(
            ((drawn @ pairs) * drawn).sum(axis=1) / ((drawn @ positive) * (drawn @ negative))
        )


def accuracy(implied: Implied) -> Statistic:
    """How likely the likeliest class of each row is."""
    p, q = implied.predictions, implied.likely
    return implied.mean(q[np.arange(len(p)), p.argmax(axis=1)])


def balanced_accuracy(implied: Implied) -> Statistic:
    """The mean over the classes of how many of their likely rows they are the likeliest for."""
    q, likeliest = implied.likely, implied.predictions.argmax(axis=1)
    of_class = [(implied.sums(q[:, k] * (likeliest == k)), implied.sums(q[:, k])) for k in range(q.shape[1])]
    return lambda drawn: np.asarray(
        np.mean([(drawn @ found) / (drawn @ expected) for found, expected in of_class], axis=0)
    )


def _of_all_outcomes(columns: Matrix) -> Matrix:
    """The probabilities of all outcomes: beside a single column stands the rest."""
    return columns if columns.shape[1] > 1 else np.hstack([1 - columns, columns])
