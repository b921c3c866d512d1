"""The field's metrics, each as a statistic of block counts so that it comes with an interval."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from accord.bootstrap import Counts, Statistic
from accord.engines.mapped import are_many, in_parts
from accord.intervals import Bounded, Size
from accord.losses import Loss, Matrix, Vector
from accord.measures.concordance import concordant
from accord.measures.ranked import quantiles, ranked, runs

Deviance = Callable[[Vector, Vector], Vector]
PROBABILITY_FLOOR = 1e-15
N_CALIBRATION_BINS = 10
CUTS = np.linspace(0, 1, N_CALIBRATION_BINS + 1)[1:-1]
N_CELLS = 4096


@dataclass(frozen=True)
class Sample:
    """Outcomes y (n,), predictions (n, k), each row's block (n,) as a number below n_blocks, and the loss. The arrays may be mapped
    from disk; so are those that are made of them, in the folder `scratch`."""

    y: Vector
    predictions: Matrix
    block: NDArray[np.intp]
    n_blocks: int
    loss: Loss
    scratch: Path | None = None

    @property
    def p(self) -> Vector:
        """The only column (n,) of predictions (n, 1). Raises ValueError if there are several."""
        if self.predictions.shape[1] != 1:
            raise ValueError(f"a metric of one column of predictions was given {self.predictions.shape[1]}")
        return self.predictions[:, 0]

    def part(self, rows: slice) -> "Sample":
        return replace(self, y=self.y[rows], predictions=self.predictions[rows], block=self.block[rows])

    def sums(self, values: "Vector | OfRows") -> Vector:
        """Sums a block, (n_blocks,), of values (n,) or of what is computed from a part of the rows at a time. Row by row in their
        order, so that it doesn't matter to any bit what the parts are."""
        total = np.zeros(self.n_blocks)
        for rows in in_parts(len(self.y)):
            np.add.at(total, self.block[rows], values(self.part(rows)) if callable(values) else values[rows])
        return total

    def mean(self, values: "Vector | OfRows") -> Statistic:
        total, count = self.sums(values), self.counts
        return lambda drawn: ratio(drawn @ total, drawn @ count)

    @cached_property
    def counts(self) -> Vector:
        """Rows a block, (n_blocks,)."""
        return self.sums(lambda rows: np.ones(len(rows.y)))

    @cached_property
    def ranked(self) -> "Sample":
        """The rows by rising prediction of the only column."""
        p, y, block = ranked(self.p, (self.y, self.block), self.scratch)
        return replace(self, y=y, predictions=p[:, None], block=block)


OfRows = Callable[[Sample], Vector]
"""From the sample of some rows (n) to values (n,)."""


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
    def surprise(rows: Sample) -> Vector:
        p = np.clip(rows.p, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
        return np.asarray(-(rows.y * np.log(p) + (1 - rows.y) * np.log1p(-p)))

    return Bounded(sample.mean(surprise), low=0)


def brier(sample: Sample) -> Statistic:
    """Brier (1950), Verification of forecasts expressed in terms of probability."""
    return Bounded(sample.mean(_squared_error), low=0, high=1)


def auc(sample: Sample) -> Statistic:
    """Area under the ROC curve: the share of (positive, negative) pairs in the right order, ties counting half.

    Concordant pairs are counted for each pair of blocks, after which a resample is a quadratic form.
    """
    ranked = sample.ranked
    pairs = concordant(ranked.p, ranked.y, ranked.block, sample.n_blocks)
    n_positive = sample.sums(lambda rows: (rows.y > 0.5).astype(float))
    n_negative = sample.counts - n_positive

    def share(drawn: Counts) -> Vector:
        return ratio(((drawn @ pairs) * drawn).sum(axis=1), (drawn @ n_positive) * (drawn @ n_negative))

    return Bounded(share, low=0, high=1)


def average_precision(sample: Sample) -> Statistic:
    """Mean precision over the positives, rows with one score entering together, as in scikit-learn. Of very many rows the value is
    exact, and its change with the blocks that are drawn is that of N_CELLS groups of neighbouring scores."""
    if are_many(len(sample.y)):
        return _precision_of_many(sample.ranked)
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
        return float((gained * ratio(hits, all_rows, empty=0.0)).sum() / hits[-1])

    return Bounded(lambda drawn: np.array([one(row) for row in drawn]), low=0, high=1)


def _precision_of_many(ranked: Sample) -> Statistic:
    """Of rows by rising score."""
    n, total = len(ranked.y), float(ranked.sums(lambda rows: rows.y).sum())
    precise, hits, above = 0.0, total, float(n)
    cells = np.zeros((2, ranked.n_blocks * N_CELLS))
    for rows in runs(ranked.p):
        part = ranked.part(rows)
        starts = np.flatnonzero(np.append(True, part.p[1:] != part.p[:-1]))
        gained = np.add.reduceat(part.y, starts)
        with_those_above = hits - np.append(0, np.cumsum(gained)[:-1])
        precise += float((gained * with_those_above / (above - starts)).sum())
        hits, above = hits - gained.sum(), above - len(part.y)
        of_run = (rows.start + starts) * N_CELLS // n
        cell = part.block * N_CELLS + np.repeat(of_run, np.diff(starts, append=len(part.y)))
        np.add.at(cells[0], cell, part.y)
        np.add.at(cells[1], cell, 1)
    found, all_rows = cells.reshape(2, ranked.n_blocks, N_CELLS)

    def of_cells(drawn: Counts) -> Vector:
        gained = drawn @ found
        hits, above = (np.cumsum(one[:, ::-1], axis=1)[:, ::-1] for one in (gained, drawn @ all_rows))
        return ratio((gained * ratio(hits, above, empty=0.0)).sum(axis=1), hits[:, 0])

    exact = precise / total if total else float("nan")
    off = exact - of_cells(np.ones((1, ranked.n_blocks)))
    return Bounded(lambda drawn: np.clip(of_cells(drawn) + off, 0, 1), low=0, high=1)


def calibration_error(sample: Sample) -> Statistic:
    """Mean gap between predicted and observed, over bins of equally many rows (expected calibration error).

    Naeini, Cooper and Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning.
    """
    cuts = quantiles(sample.ranked.p, CUTS) if are_many(len(sample.y)) else _calibration_cuts(sample.p)
    shape = (sample.n_blocks, N_CALIBRATION_BINS)
    gap = np.zeros(shape)
    for rows in in_parts(len(sample.y)):
        part = sample.part(rows)
        np.add.at(gap, (part.block, np.searchsorted(cuts, part.p, side="left")), part.p - part.y)

    def parts(drawn: Counts) -> Matrix:
        return ratio(drawn @ gap, (drawn @ sample.counts)[:, None])

    return Size(parts, lambda gaps: np.abs(gaps).sum(axis=1), N_CALIBRATION_BINS)


def calibration_bins(p: Vector) -> NDArray[np.intp]:
    """Each prediction's bin (n,), from 0 to 9: equally many rows a bin, equal predictions together."""
    return np.searchsorted(_calibration_cuts(p), p, side="left").astype(np.intp)


def _calibration_cuts(p: Vector) -> Vector:
    return np.quantile(p, CUTS) if len(p) else np.zeros(0)


def mean_error(sample: Sample) -> Statistic:
    return sample.mean(lambda rows: rows.p - rows.y)


def mae(sample: Sample) -> Statistic:
    return Bounded(sample.mean(lambda rows: np.abs(rows.p - rows.y)), low=0)


def rmse(sample: Sample) -> Statistic:
    square = sample.mean(_squared_error)
    return Bounded(lambda drawn: np.sqrt(square(drawn)), low=0)


def r2(sample: Sample) -> Statistic:
    """Share of the variance explained, 1 - residual / total sum of squares."""
    residual = sample.mean(_squared_error)
    centre = sample.y.mean() if len(sample.y) else 0.0
    first, second = (
        sample.mean(lambda rows: rows.y - centre),
        sample.mean(lambda rows: (rows.y - centre) ** 2),
    )

    def explained(drawn: Counts) -> Vector:
        return 1 - ratio(residual(drawn), second(drawn) - first(drawn) ** 2)

    return Bounded(explained, high=1)


def _squared_error(rows: Sample) -> Vector:
    return np.asarray((rows.p - rows.y) ** 2)


def deviance(sample: Sample) -> Statistic:
    """Mean unit deviance of the loss."""
    of_rows = sample.loss.deviance
    if of_rows is None:
        return lambda drawn: np.full(len(drawn), np.nan)
    return Bounded(sample.mean(lambda rows: of_rows(rows.y, rows.p)), low=0)


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


def value(metric: Metric, y: Vector, predictions: Matrix, loss: Loss, scratch: Path | None = None) -> float:
    """The metric's value on all rows alike, of outcomes (n,) and predictions (n, k)."""
    return value_of(metric, alike(y, predictions, loss, scratch))


def alike(y: Vector, predictions: Matrix, loss: Loss, scratch: Path | None = None) -> Sample:
    """The rows as one block."""
    return Sample(y, predictions, np.broadcast_to(np.intp(0), len(y)), 1, loss, scratch)


def value_of(metric: Metric, sample: Sample) -> float:
    """The metric's value on a sample of one block."""
    return float(metric.statistic(sample)(np.ones((1, 1)))[0])


def ratio(above: Vector, below: Vector, empty: float = float("nan")) -> Vector:
    ratio = np.full(np.broadcast_shapes(above.shape, below.shape), empty, dtype=np.float64)
    np.divide(above, below, out=ratio, where=below != 0)
    return ratio
