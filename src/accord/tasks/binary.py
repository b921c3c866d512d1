"""Binary: the probability that something happens."""

from collections.abc import Sequence

import numpy as np

from accord.losses import Loss, Matrix, Vector, mean_of
from accord.measures import curves, estimates, metrics
from accord.tasks.task import Task, first


def sigmoid(raw: Matrix) -> Matrix:
    """The inverse link of logistic regression: McCullagh and Nelder (1989), Generalized Linear Models."""
    raw = np.ascontiguousarray(raw)
    return np.asarray(1.0 / (1.0 + np.exp(-raw)))


def sigmoid_of_row(raw: Sequence[float]) -> float:
    """The exponential is NumPy's, which differs from Python's."""
    return 1.0 / (1.0 + float(np.exp(-raw[0])))


def log_odds(y: Vector, weight: Vector | None) -> Sequence[float]:
    """The mean outcome's; one on the edge is moved inside."""
    mean = min(max(mean_of(y, weight), 1e-6), 1 - 1e-6)
    return (float(np.log(mean / (1 - mean))),)


LOG = Loss(
    "log",
    sigmoid,
    log_odds,
    lightgbm=({"objective": "binary"},),
    family="binomial",
    link_of_row=sigmoid_of_row,
    scale="log-odds",
)


def fault(y: Vector, split: str) -> str | None:
    odd = y[~np.isin(y, (0, 1))]
    if len(odd):
        return (
            f"found {odd[0]:g} in {split}; a binary target is 0 or 1. Write a condition, or task: regression"
        )
    if split == "train" and len(np.unique(y)) < 2:
        return f"all {len(y):,} training rows have the outcome {y[0]:g}; expected both 0 and 1"
    return None


def rates(name: str, acts: bool) -> dict[str, str]:
    """Hardt, Price and Srebro (2016), Equality of Opportunity in Supervised Learning."""
    of_actions = {
        f"true positive rate, {name}": f"AVG(action) FILTER (WHERE actual_{name} = 1)",
        f"false positive rate, {name}": f"AVG(action) FILTER (WHERE actual_{name} = 0)",
    }
    return {**(of_actions if acts else {}), f"predicted less observed {name}": f"AVG({name} - actual_{name})"}


BINARY = Task(
    losses=(LOG,),
    metrics=(
        metrics.LOG_LOSS,
        metrics.AUC,
        metrics.AVERAGE_PRECISION,
        metrics.BRIER,
        metrics.CALIBRATION_ERROR,
    ),
    proper_loss="log_loss",
    outcome="condition",
    fault=fault,
    followed=("auc",),
    expected=first,
    plots=(curves.ROC, curves.PRECISION_RECALL, curves.CALIBRATION),
    rates=rates,
    estimates={"log_loss": estimates.log_loss, "auc": estimates.auc, "brier": estimates.brier},
    evidently="ClassificationPreset",
)
