"""Tasks of somebody else's, each with several columns of predictions: levels, classes, and a mean with its spread.

Tests copy this module beside src/accord of a project, as src/mytasks.py.
"""

import numpy as np

from accord.losses import Loss, Matrix, Vector, identity
from accord.measures.metrics import Metric, Sample
from accord.tasks.task import Task

SHARES = {"low": 0.1, "middle": 0.5, "high": 0.9}


def pinball_of_rows(y: Vector, p: Matrix) -> Vector:
    total = np.zeros(len(y))
    for j, share in enumerate(SHARES.values()):
        off = y - p[:, j]
        total += np.maximum(share * off, (share - 1) * off)
    return total


def quantiles(y: Vector, weight: Vector | None) -> Vector:
    return np.quantile(y, list(SHARES.values()))


def between(sample: Sample):
    p = sample.predictions
    return sample.mean(((sample.y >= p[:, 0]) & (sample.y <= p[:, 2])).astype(float))


LEVELS = Task(
    losses=(
        Loss(
            "pinball",
            link=identity,
            constant=quantiles,
            raw=tuple(SHARES),
            lightgbm=tuple({"objective": "quantile", "alpha": share} for share in SHARES.values()),
        ),
    ),
    metrics=(
        Metric("pinball", "lower", lambda s: s.mean(pinball_of_rows(s.y, s.predictions)), "pinball loss", "of all levels", has_unit=True),
        Metric("coverage", "higher", between, "coverage", "share of outcomes between low and high"),
    ),
    proper_loss="pinball",
    outputs=tuple(SHARES),
    outcome="amount",
    expected=lambda p: p[:, 1],
)  # fmt: skip


CLASSES = ("short", "medium", "long")


def softmax(raw: Matrix) -> Matrix:
    e = np.exp(raw - raw.max(axis=1, keepdims=True))
    total = e[:, 0].copy()
    for j in range(1, e.shape[1]):
        total += e[:, j]
    return np.ascontiguousarray(e / total[:, None])


def log_shares(y: Vector, weight: Vector | None) -> list[float]:
    weight = np.ones(len(y)) if weight is None else weight
    return [float(np.log(max(weight[y == k].sum(), 1e-6) / weight.sum())) for k in range(len(CLASSES))]


def surprise(sample: Sample):
    p = sample.predictions[np.arange(len(sample.y)), sample.y.astype(int)]
    return sample.mean(-np.log(np.maximum(p, 1e-15)))


def no_class(y: Vector, split: str) -> str | None:
    odd = y[~np.isin(y, range(len(CLASSES)))]
    return f"found {odd[0]:g} in {split}; expected 0, 1 or 2" if len(odd) else None


CLASSIFIED = Task(
    losses=(
        Loss("softmax", softmax, log_shares, raw=CLASSES, lightgbm=({"objective": "multiclass", "num_class": 3},)),
    ),
    metrics=(Metric("surprise", "lower", surprise, "surprise", "mean log loss over the classes"),),
    proper_loss="surprise",
    outputs=CLASSES,
    outcome="class",
    fault=no_class,
)  # fmt: skip


def normal_of_rows(y: Vector, raw: Matrix) -> Vector:
    """Negative log likelihood of a normal distribution, less a constant, from its mean and log standard deviation."""
    return raw[:, 1] + 0.5 * ((y - raw[:, 0]) * np.exp(-raw[:, 1])) ** 2


def normal_gradient(y: Vector, raw: Matrix) -> tuple[Matrix, Matrix]:
    precision, off = np.exp(-2 * raw[:, 1]), raw[:, 0] - y
    first = np.column_stack([off * precision, 1 - off**2 * precision])
    return first, np.column_stack([precision, np.full(len(y), 2.0)])


def mean_and_deviation(raw: Matrix) -> Matrix:
    return np.column_stack([raw[:, 0], np.exp(np.ascontiguousarray(raw[:, 1]))])


SPREAD = Task(
    losses=(
        Loss(
            "normal",
            mean_and_deviation,
            constant=lambda y, weight: [float(y.mean()), float(np.log(y.std() + 1e-6))],
            raw=("mean", "log_deviation"),
            gradient=normal_gradient,
            of_rows=normal_of_rows,
        ),
    ),
    metrics=(
        Metric(
            "likelihood", "lower",
            lambda s: s.mean(np.log(s.predictions[:, 1]) + 0.5 * ((s.y - s.predictions[:, 0]) / s.predictions[:, 1]) ** 2),
            "negative log likelihood", "of a normal distribution",
        ),
    ),
    proper_loss="likelihood",
    outputs=("mean", "deviation"),
    expected=lambda p: p[:, 0],
)  # fmt: skip
TASKS = {"levels": LEVELS, "classified": CLASSIFIED, "spread": SPREAD}
