"""Numbers and names as people read them."""

from collections.abc import Mapping
from math import floor, log10
from typing import Any, NamedTuple

from accord.tasks.metrics import METRICS

MISSING = "\N{EN DASH}"


class MetricWords(NamedTuple):
    name: str
    meaning: str
    has_unit: bool = False


METRIC_WORDS = {
    "log_loss": MetricWords("log loss", "mean surprise at the outcome, given the predicted probability"),
    "auc": MetricWords(
        "AUC", "share of pairs, one with the outcome and one without, that are ranked rightly"
    ),
    "average_precision": MetricWords("average precision", "area under the precision-recall curve"),
    "brier": MetricWords("Brier score", "mean squared gap between probability and outcome"),
    "calibration_error": MetricWords(
        "calibration error", "mean gap between predicted and observed share, over ten bins"
    ),
    "mae": MetricWords("MAE", "mean absolute error", has_unit=True),
    "rmse": MetricWords("RMSE", "root of the mean squared error; large errors weigh more", has_unit=True),
    "r2": MetricWords("R²", "share of the outcome's variance that is explained"),
    "deviance": MetricWords("deviance", "mean unit deviance of the loss that training minimises"),
    "mean_error": MetricWords(
        "mean error", "mean of predicted less observed; above zero is too much", has_unit=True
    ),
}

BETTER = {"lower": "lower is better", "higher": "higher is better", "zero": "best at zero"}
DIRECTIONS = {metric.name: metric.better for metrics in METRICS.values() for metric in metrics}

VERDICTS = {
    "better": "better",
    "unsure": "better, though the baseline lies within the interval",
    "worse": "no better",
    "unknown": "not comparable",
}

SPLITS = {
    "train": "the models learn from it",
    "tune": "steers training, such as when to stop",
    "test": "never trained on; the figures that count",
    "holdout": "never trained on by any model; where a new model must be no worse on old data",
    "future": "after the cutoff; plays the traffic to come",
    "older": "left out: from before the stretch to train on",
    "purged": "left out: the outcome was not yet known when the next split began",
    "quarantine": "left out: breaks the data contract",
}
"""What becomes of the rows read, each in exactly one of these."""


def number(value: float | None) -> str:
    """At least four significant digits, with thousands separators.

    >>> number(0.404), number(1234567.8), number(0)
    ('0.4040', '1,234,568', '0')
    """
    if value is None:
        return MISSING
    if abs(value) < 1e-4:
        return f"{value:.4g}"
    return f"{value:,.{max(0, 3 - floor(log10(abs(value))))}f}"


def shortened(text: str, length: int = 18) -> str:
    """The text, its end cut off where it is longer than `length`."""
    return text if len(text) <= length else text[: length - 1] + "…"


def verdict(metric: str, found: Mapping[str, Any]) -> str:
    """How a metric's value compares with the baseline's: better, unsure, worse or unknown.

    Unsure is a value on the better side whose interval holds the baseline too.
    """
    value, low, high, baseline = (found[key] for key in ("value", "low", "high", "baseline"))
    if value is None or baseline is None:
        return "unknown"
    badness = {"lower": float, "higher": lambda v: -v, "zero": abs}[DIRECTIONS[metric]]
    if badness(value) >= badness(baseline):
        return "worse"
    return "unsure" if low is None or high is None or low <= baseline <= high else "better"
