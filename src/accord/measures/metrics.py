"""The field's metrics, each as a statistic of block counts so that it comes with an interval."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from accord.bootstrap import Counts, Statistic
from accord.intervals import Bounded, Size
from accord.losses import Loss, Matrix, Vector

Deviance = Callable[[Vector, Vector], Vector]
PROBABILITY_FLOOR = 1e-15
N_CALIBRATION_BINS = 10


@dataclass(frozen=True)
class Sample:
    """Outcomes y (n,), predictions (n, k), each row's block (n,) as a number below n_blocks, and the loss."""

    y: Vector
    predictions: Matrix
    block: NDArray[np.intp]
    n_blocks: int
    loss: Loss

    @property
    def p(self) -> Vector:
        """The only column (n,) of predictions (n, 1). Raises ValueError if there are several."""
        if self.predictions.shape[1] != 1:
            raise ValueError(f"a metric of one column of predictions was given {self.predictions.shape[1]}")
        return self.predictions[:, 0]

    def sums(self, values: Vector) -> Vector:
        """Sums a block, (n_blocks,)."""
        return np.bincount(self.block, values, minlength=self.n_blocks).astype(np.float64)

    def mean(self, values: Vector) -> Statistic:
        total, count = self.sums(values), self.sums(np.ones(len(self.y)))
        return lambda drawn: _ratio(drawn @ total, drawn @ count)


@dataclass(frozen=True)
class Metric:
    name: str
    better: Literal["lower", "higher", "zero"]
    statistic: Callable[[Sample], Statistic]
    title: str
    """The name as people read it."""
    meaning: str
    has_unit: bool = False
    """Whether it is in the target's unit."""
    cheap: bool = True
    """Fast enough to be computed for every slice."""


def log_loss(sample: Sample) -> Statistic:
    p = np.clip(sample.p, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    return Bounded(sample.mean(-(sample.y * np.log(p) + (1 - sample.y) * np.log1p(-p))), low=0)


def brier(sample: Sample) -> Statistic:
    """Brier (1950), Verification of forecasts expressed in terms of probability."""
    return Bounded(sample.mean((sample.p - sample.y) ** 2), low=0, high=1)


def auc(sample: Sample) -> Statistic:
    """Area under the ROC curve: the share of (positive, negative) pairs in the right order, ties counting half.

    Concordant pairs are counted for each pair of blocks, after which a resample is a quadratic form.
    """
    positive = sample.y > 0.5
    order = np.argsort(sample.p[positive], kind="stable")
    p, block = sample.p[positive][order], sample.block[positive][order]
    pairs = np.zeros((sample.n_blocks, sample.n_blocks))
    negatives, of_negatives = sample.p[~positive], sample.block[~positive]
    by_block = np.argsort(of_negatives, kind="stable")
    edges = np.searchsorted(of_negatives[by_block], np.arange(sample.n_blocks + 1))
    for b in range(sample.n_blocks):
        below = np.sort(negatives[by_block[edges[b] : edges[b + 1]]])
        if len(below):
            ranks = np.searchsorted(below, p, "left") + np.searchsorted(below, p, "right")
            pairs[:, b] = np.bincount(block, ranks / 2, minlength=sample.n_blocks)
    n_positive, n_negative = sample.sums(positive.astype(float)), sample.sums((~positive).astype(float))

    def share(drawn: Counts) -> Vector:
        return _ratio(((drawn @ pairs) * drawn).sum(axis=1), (drawn @ n_positive) * (drawn @ n_negative))

    return Bounded(share, low=0, high=1)


def average_precision(sample: Sample) -> Statistic:
    """Mean precision over the positives, rows with one score entering together, as in scikit-learn."""
    order = np.argsort(-sample.p, kind="stable")
    y, block, p = sample.y[order], sample.block[order], sample.p[order]
    ends = np.flatnonzero(np.append(p[1:] != p[:-1], True))
    if len(y):  # a score without positives adds nothing
        ends = ends[np.add.reduceat(y, np.append(0, ends[:-1] + 1)) > 0]

    def one(drawn: Vector) -> float:
        weight = drawn[block]
        hits, all_rows = np.cumsum(weight * y)[ends], np.cumsum(weight)[ends]
        if not len(hits) or hits[-1] == 0:
            return float("nan")
        gained = np.diff(hits, prepend=0.0)
        return float((gained * _ratio(hits, all_rows, empty=0.0)).sum() / hits[-1])

    return Bounded(lambda drawn: np.array([one(row) for row in drawn]), low=0, high=1)


def calibration_error(sample: Sample) -> Statistic:
    """Mean gap between predicted and observed, over bins of equally many rows (expected calibration error).

    Naeini, Cooper and Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning.
    """
    bins = calibration_bins(sample.p)
    cell = sample.block * N_CALIBRATION_BINS + bins
    shape = (sample.n_blocks, N_CALIBRATION_BINS)
    gap = np.bincount(cell, sample.p - sample.y, minlength=shape[0] * shape[1]).reshape(shape)
    count = sample.sums(np.ones(len(sample.y)))

    def parts(drawn: Counts) -> Matrix:
        return _ratio(drawn @ gap, (drawn @ count)[:, None])

    return Size(parts, lambda gaps: np.abs(gaps).sum(axis=1), N_CALIBRATION_BINS)


def calibration_bins(p: Vector) -> NDArray[np.intp]:
    """Each prediction's bin (n,), from 0 to 9: equally many rows a bin, equal predictions together."""
    cuts = np.quantile(p, np.linspace(0, 1, N_CALIBRATION_BINS + 1)[1:-1]) if len(p) else np.zeros(0)
    return np.searchsorted(cuts, p, side="left").astype(np.intp)


def mean_error(sample: Sample) -> Statistic:
    return sample.mean(sample.p - sample.y)


def mae(sample: Sample) -> Statistic:
    return Bounded(sample.mean(np.abs(sample.p - sample.y)), low=0)


def rmse(sample: Sample) -> Statistic:
    square = sample.mean((sample.p - sample.y) ** 2)
    return Bounded(lambda drawn: np.sqrt(square(drawn)), low=0)


def r2(sample: Sample) -> Statistic:
    """Share of the variance explained, 1 - residual / total sum of squares."""
    residual = sample.mean((sample.p - sample.y) ** 2)
    centre = sample.y.mean() if len(sample.y) else 0.0
    first, second = sample.mean(sample.y - centre), sample.mean((sample.y - centre) ** 2)

    def explained(drawn: Counts) -> Vector:
        return 1 - _ratio(residual(drawn), second(drawn) - first(drawn) ** 2)

    return Bounded(explained, high=1)


def deviance(sample: Sample) -> Statistic:
    """Mean unit deviance of the loss."""
    if sample.loss.deviance is None:
        return lambda drawn: np.full(len(drawn), np.nan)
    return Bounded(sample.mean(sample.loss.deviance(sample.y, sample.p)), low=0)


LOG_LOSS = Metric(
    "log_loss", "lower", log_loss, "log loss", "mean surprise at the outcome, given the predicted probability"
)
AUC = Metric(
    "auc",
    "higher",
    auc,
    "AUC",
    "share of pairs, one with the outcome and one without, that are ranked rightly",
)
AVERAGE_PRECISION = Metric(
    "average_precision", "higher", average_precision,
    "average precision", "area under the precision-recall curve", cheap=False,
)  # fmt: skip
BRIER = Metric("brier", "lower", brier, "Brier score", "mean squared gap between probability and outcome")
CALIBRATION_ERROR = Metric(
    "calibration_error", "lower", calibration_error,
    "calibration error", "mean gap between predicted and observed share, over ten bins", cheap=False,
)  # fmt: skip
RMSE = Metric(
    "rmse", "lower", rmse, "RMSE", "root of the mean squared error; large errors weigh more", has_unit=True
)
MAE = Metric("mae", "lower", mae, "MAE", "mean absolute error", has_unit=True)
R2 = Metric("r2", "higher", r2, "R²", "share of the outcome's variance that is explained", cheap=False)
DEVIANCE = Metric(
    "deviance", "lower", deviance, "deviance", "mean unit deviance of the loss that training minimises"
)
MEAN_ERROR = Metric(
    "mean_error", "zero", mean_error,
    "mean error", "mean of predicted less observed; above zero is too much", has_unit=True,
)  # fmt: skip


def value(metric: Metric, y: Vector, predictions: Matrix, loss: Loss) -> float:
    """The metric's value on all rows alike, of outcomes (n,) and predictions (n, k)."""
    sample = Sample(y, predictions, np.zeros(len(y), np.intp), 1, loss)
    return float(metric.statistic(sample)(np.ones((1, 1)))[0])


def _ratio(above: Vector, below: Vector, empty: float = float("nan")) -> Vector:
    ratio = np.full(np.broadcast_shapes(above.shape, below.shape), empty, dtype=np.float64)
    np.divide(above, below, out=ratio, where=below != 0)
    return ratio
