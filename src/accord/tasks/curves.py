"""The plots of a task as tables, for `dvc plots` and the page."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.tasks.metrics import calibration_bins

Vector = NDArray[np.float64]
MAX_POINTS = 400


def curves(y: Vector, p: Vector, task: str) -> dict[str, pl.DataFrame]:
    """The task's plots as tables: ROC, precision and recall, calibration; residuals for regression."""
    tables = {"calibration": _calibration(y, p)}
    if task == "binary":
        tables |= {"roc": _roc(y, p), "precision_recall": _precision_recall(y, p)}
    else:
        tables["residuals"] = _residuals(y, p)
    return tables


def _roc(y: Vector, p: Vector) -> pl.DataFrame:
    hits, misses, ends = _ranked(y, p)
    x, t = np.append(0, misses[ends]) / max(misses[-1], 1), np.append(0, hits[ends]) / max(hits[-1], 1)
    return _thinned(pl.DataFrame({"false_positive_rate": x, "true_positive_rate": t}))


def _precision_recall(y: Vector, p: Vector) -> pl.DataFrame:
    hits, misses, ends = _ranked(y, p)
    recall, precision = hits[ends] / max(hits[-1], 1), hits[ends] / (hits[ends] + misses[ends])
    return _thinned(pl.DataFrame({"recall": recall, "precision": precision}))


def _ranked(y: Vector, p: Vector) -> tuple[Vector, Vector, NDArray[np.intp]]:
    """Hits and misses so far by falling score (n,), and where each distinct score ends."""
    order = np.argsort(-p, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(p[order]) != 0, True))
    return np.cumsum(y[order]), np.cumsum(1 - y[order]), ends


def _calibration(y: Vector, p: Vector) -> pl.DataFrame:
    bins = calibration_bins(p)
    means = [
        (float(p[bins == b].mean()), float(y[bins == b].mean()), int((bins == b).sum()))
        for b in np.unique(bins)
    ]
    return pl.DataFrame(
        means, schema={"predicted": pl.Float64, "observed": pl.Float64, "n_rows": pl.Int64}, orient="row"
    )


def _residuals(y: Vector, p: Vector) -> pl.DataFrame:
    step = max(1, len(y) // MAX_POINTS)
    return pl.DataFrame({"predicted": p[::step], "residual": (y - p)[::step]})


def _thinned(curve: pl.DataFrame) -> pl.DataFrame:
    keep = np.unique(np.linspace(0, curve.height - 1, min(curve.height, MAX_POINTS)).astype(int))
    return curve[keep]
