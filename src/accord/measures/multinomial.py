"""Metrics of several classes: outcomes are the classes' numbers, and predictions (n, k) their probabilities.

Each is a statistic of block counts. Those of one class against the rest are the binary ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from accord.bootstrap import Statistic
from accord.engines import mapped
from accord.intervals import Bounded, combined
from accord.losses import Matrix, Vector
from accord.measures.metrics import PROBABILITY_FLOOR, Sample, ratio

OfSample = Callable[[Sample], Statistic]


def log_loss(sample: Sample) -> Statistic:
    def surprise(rows: Sample) -> Vector:
        p = rows.predictions[np.arange(len(rows.y)), rows.y.astype(np.intp)]
        return np.asarray(-np.log(np.maximum(p, PROBABILITY_FLOOR)))

    return Bounded(sample.mean(surprise), low=0)


def accuracy(sample: Sample) -> Statistic:
    return Bounded(sample.mean(_is_likeliest), low=0, high=1)


def balanced_accuracy(sample: Sample) -> Statistic:
    """The mean recall of the classes that are drawn. Brodersen, Ong, Stephan and Buhmann (2010), The balanced accuracy and its
    posterior distribution."""
    return _mean([_recall(sample, k) for k in range(sample.predictions.shape[1])])


def _recall(sample: Sample, number: int) -> Statistic:
    members = sample.sums(lambda rows: rows.y == number)
    found = sample.sums(lambda rows: (rows.y == number) & (rows.predictions.argmax(axis=1) == number))
    return Bounded(lambda drawn: ratio(drawn @ found, drawn @ members), low=0, high=1)


def of_class(statistic: OfSample, number: int) -> OfSample:
    """A binary metric of one class against the rest."""
    return lambda sample: statistic(_against_the_rest(sample, number))


def mean_of_classes(statistic: OfSample) -> OfSample:
    """The mean of a binary metric over the classes, each against the rest; one that isn't drawn, or alone is, doesn't count."""
    return lambda sample: _mean(
        [statistic(_against_the_rest(sample, k)) for k in range(sample.predictions.shape[1])]
    )


def _against_the_rest(sample: Sample, number: int) -> Sample:
    is_it = mapped.computed(lambda rows: sample.y[rows] == number, len(sample.y), sample.scratch)
    return replace(sample, y=is_it, predictions=sample.predictions[:, number : number + 1])


def _is_likeliest(sample: Sample) -> Vector:
    """Whether each row's class has the largest probability, the first of several that have it."""
    return np.asarray(sample.predictions.argmax(axis=1) == sample.y, dtype=np.float64)


def _mean(statistics: Sequence[Statistic]) -> Statistic:
    """The mean of those that have a value."""

    def mean(values: Matrix) -> Vector:
        is_there = np.isfinite(values)
        total, n = np.where(is_there, values, 0).sum(axis=1), is_there.sum(axis=1)
        return np.asarray(np.divide(total, n, out=np.full(len(values), np.nan), where=n > 0))

    return combined(statistics, mean)
