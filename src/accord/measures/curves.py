"""Plots of predictions beside outcomes, each as a table for `dvc plots` and the page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.losses import Matrix, Vector
from accord.measures.metrics import calibration_bins

MAX_POINTS = 400
MAX_CONFUSED = 20_000
"""Rows whose classes are compared."""


@dataclass(frozen=True)
class Plot:
    """A plot: its table's first two columns are x and y; of a matrix they are the classes of a row."""

    name: str
    """Of its folder below reports/plots."""
    title: str
    caption: str
    label: str
    """What is shown, before the target's name."""
    table: Callable[[Vector, Matrix], pl.DataFrame]
    """From outcomes (n,) and predictions (n, k)."""
    x: str
    y: str
    axes: Literal["share", "shared", "own"]
    """Both from 0 to 1, both over the same range from 0 on, or each over its own."""
    line: Literal["diagonal", "zero", "mean outcome"] = "diagonal"
    """What the dashed line shows."""
    has_unit: bool = False
    """Whether x is in the target's unit."""
    kind: Literal["curve", "scatter", "matrix"] = "curve"
    of_each_class: bool = False
    """Whether each class has one, of the outcomes that are it or not and of its probability."""


def _roc(y: Vector, predictions: Matrix) -> pl.DataFrame:
    p = predictions[:, 0]
    hits, misses, ends = _ranked(y, p)
    x, t = np.append(0, misses[ends]) / max(misses[-1], 1), np.append(0, hits[ends]) / max(hits[-1], 1)
    return _thinned(pl.DataFrame({"false_positive_rate": x, "true_positive_rate": t}))


def _precision_recall(y: Vector, predictions: Matrix) -> pl.DataFrame:
    p = predictions[:, 0]
    hits, misses, ends = _ranked(y, p)
    recall, precision = hits[ends] / max(hits[-1], 1), hits[ends] / (hits[ends] + misses[ends])
    return _thinned(pl.DataFrame({"recall": recall, "precision": precision}))


def _ranked(y: Vector, p: Vector) -> tuple[Vector, Vector, NDArray[np.intp]]:
    """Hits and misses so far by falling score (n,), and where each distinct score ends."""
    order = np.argsort(-p, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(p[order]) != 0, True))
    return np.cumsum(y[order]), np.cumsum(1 - y[order]), ends


def _calibration(y: Vector, predictions: Matrix) -> pl.DataFrame:
    p = predictions[:, 0]
    bins = calibration_bins(p)
    means = [
        (float(p[bins == b].mean()), float(y[bins == b].mean()), int((bins == b).sum()))
        for b in np.unique(bins)
    ]
    return pl.DataFrame(
        means, schema={"predicted": pl.Float64, "observed": pl.Float64, "n_rows": pl.Int64}, orient="row"
    )


def _residuals(y: Vector, predictions: Matrix) -> pl.DataFrame:
    p = predictions[:, 0]
    step = max(1, len(y) // MAX_POINTS)
    return pl.DataFrame({"predicted": p[::step], "residual": (y - p)[::step]})


def _thinned(curve: pl.DataFrame) -> pl.DataFrame:
    keep = np.unique(np.linspace(0, curve.height - 1, min(curve.height, MAX_POINTS)).astype(int))
    return curve[keep]


ROC = Plot(
    "roc", "ROC", "Of those with the outcome, the share found, for each share of false alarms.", "ROC curve of",
    _roc, "false positive rate", "true positive rate", "share", "diagonal",
)  # fmt: skip
PRECISION_RECALL = Plot(
    "precision_recall", "Precision and recall",
    "Of those flagged, the share with the outcome, for each share found; dashed: flagging all.", "precision and recall of",
    _precision_recall, "recall", "precision", "share", "mean outcome",
)  # fmt: skip
CALIBRATION = Plot(
    "calibration", "Calibration",
    "Ten groups of equally many rows; on the dashed line, predictions hold on average.", "predicted against observed",
    _calibration, "mean predicted", "mean observed", "shared", "diagonal", has_unit=True,
)  # fmt: skip
RESIDUALS = Plot(
    "residuals", "Residuals", "A sample of rows; above the dashed line, the outcome exceeded the prediction.", "residuals of",
    _residuals, "predicted", "observed less predicted", "own", "zero", has_unit=True, kind="scatter",
)  # fmt: skip
CALIBRATION_OF_CLASSES = replace(CALIBRATION, of_each_class=True)


def confusion(classes: Sequence[str]) -> Plot:
    """The class of each row beside the likeliest, the first of several. DVC's template counts rows by itself."""

    def table(y: Vector, predictions: Matrix) -> pl.DataFrame:
        names = pl.Series(classes, dtype=pl.String)
        step = -(-len(y) // MAX_CONFUSED) or 1
        return pl.DataFrame(
            {
                "likeliest": names.gather(predictions.argmax(axis=1)[::step]),
                "actual": names.gather(y.astype(np.intp)[::step]),
            }
        )

    return Plot(
        "confusion", "Confusion", "How many rows of each class are taken for which; the darker, the larger their share of the class. Of large "
        "data a sample of rows.", "confusion of", table, "likeliest class", "class", "own", kind="matrix",
    )  # fmt: skip
