"""Regression: the mean of an amount."""

from collections.abc import Sequence

import numpy as np

from accord.losses import Loss, Matrix, Vector, identity, identity_of_row, mean_of
from accord.measures import curves, metrics
from accord.tasks.task import Task, first

TWEEDIE_POWER = 1.5


def exponential(raw: Matrix) -> Matrix:
    """The inverse of the log link: McCullagh and Nelder (1989), Generalized Linear Models."""
    return np.asarray(np.exp(np.ascontiguousarray(raw)))


def exponential_of_row(raw: Sequence[float]) -> float:
    """NumPy's exponential, which differs from Python's."""
    return float(np.exp(raw[0]))


def mean(y: Vector, weight: Vector | None) -> Sequence[float]:
    return (mean_of(y, weight),)


def log_mean(y: Vector, weight: Vector | None) -> Sequence[float]:
    """Of a mean of zero, that of one just above."""
    return (float(np.log(max(mean_of(y, weight), 1e-6))),)


def squared_error(y: Vector, p: Vector) -> Vector:
    return np.asarray((y - p) ** 2)


def poisson_deviance(y: Vector, p: Vector) -> Vector:
    """Dunn and Smyth (2018), Generalized Linear Models With Examples in R, ch. 5; so is Tweedie's."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2 * (np.where(y > 0, y * np.log(y / p), 0.0) - y + p))


def tweedie_deviance(y: Vector, p: Vector) -> Vector:
    k = TWEEDIE_POWER
    return np.asarray(
        2 * (y ** (2 - k) / ((1 - k) * (2 - k)) - y * p ** (1 - k) / (1 - k) + p ** (2 - k) / (2 - k))
    )


def _positive(name: str, deviance: "metrics.Deviance", **lightgbm: object) -> Loss:
    """A loss of amounts that are never negative, by the log of their mean."""

    def fault(y: Vector, split: str) -> str | None:
        if split == "train" and len(y) and not y.any():
            return f"{name} takes the log of the mean outcome, but all {len(y):,} in train are 0. Use loss: squared, or mend sql"
        if not (y < 0).any():
            return None
        return f"{name} takes no negative outcome; found {y.min():g} in {split}. Use loss: squared"

    return Loss(
        name,
        exponential,
        log_mean,
        lightgbm=({"objective": name, **lightgbm},),
        family=name,
        link_of_row=exponential_of_row,
        scale="log",
        deviance=deviance,
        fault=fault,
    )


SQUARED = Loss(
    "squared",
    identity,
    mean,
    lightgbm=({"objective": "regression"},),
    family="gaussian",
    link_of_row=identity_of_row,
    deviance=squared_error,
)
POISSON = _positive("poisson", poisson_deviance)
TWEEDIE = _positive("tweedie", tweedie_deviance, tweedie_variance_power=TWEEDIE_POWER)


def rates(name: str, acts: bool) -> dict[str, str]:
    return {f"predicted less observed {name}": f"AVG({name} - actual_{name})"}


REGRESSION = Task(
    losses=(SQUARED, POISSON, TWEEDIE),
    metrics=(metrics.RMSE, metrics.MAE, metrics.R2, metrics.DEVIANCE, metrics.MEAN_ERROR),
    proper_loss="deviance",
    outcome="amount",
    expected=first,
    plots=(curves.CALIBRATION, curves.RESIDUALS),
    rates=rates,
    evidently="RegressionPreset",
)
