"""Leak suspects: features that alone tell the target too well to have been known at decision time.

A column is cut into bins (a category's levels, a number's quantiles, one for null), and the target's mean in each
bin, learned on one half of the rows, predicts the other half.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.config.schema import LeakCheck

N_BINS = 50
FEW_VALUES = 20
DECIDED = 0.98
"""Share of a level's rows with the rarer outcome from which the level decides it."""


@dataclass(frozen=True)
class Suspect:
    feature: str
    target: str
    kind: str
    """column: the whole column predicts the target. level: one of its values, or null, decides it."""
    detail: str
    accepted: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def suspects(
    features: pl.DataFrame, targets: Mapping[str, tuple[NDArray[np.float64], str]], check: LeakCheck
) -> list[Suspect]:
    """Suspects among the features (n rows) for targets given as name to (values (n,), task)."""
    found = []
    for feature in features.iter_columns():
        codes, labels = _bins(feature)
        for target, (y, task) in targets.items():
            known = ~np.isnan(y)
            details = _judged(codes[known], labels, y[known], task, check)
            found += [
                Suspect(feature.name, target, kind, detail, feature.name in check.accepted)
                for kind, detail in details
            ]
    return found


def _bins(column: pl.Series) -> tuple[NDArray[np.intp], list[str | None]]:
    """Each row's bin (n,), and the bins' labels; None for bins of a number too fine to be judged as levels."""
    is_number = column.dtype.is_numeric() or column.dtype.is_temporal()
    if is_number and column.n_unique() > FEW_VALUES:
        values = column.to_physical().cast(pl.Float64).to_numpy()
        missing = np.isnan(values)
        cuts = np.unique(np.quantile(values[~missing], np.linspace(0, 1, N_BINS + 1)[1:-1]))
        codes = np.where(
            missing, len(cuts) + 1, np.searchsorted(cuts, np.where(missing, 0, values), side="right")
        )
        return codes.astype(np.intp), [*([None] * (len(cuts) + 1)), "null"]
    texts = column.cast(pl.String).fill_null("null")
    levels = texts.unique().sort()
    codes = texts.replace_strict(
        levels, pl.int_range(len(levels), eager=True), return_dtype=pl.Int64
    ).to_numpy()
    return codes.astype(np.intp), list(levels)


def _judged(
    codes: NDArray[np.intp], labels: list[str | None], y: NDArray[np.float64], task: str, check: LeakCheck
) -> list[tuple[str, str]]:
    n, spread, base = len(y), float(y.std()) if len(y) else 0.0, float(y.mean()) if len(y) else 0.0
    if spread == 0:
        return []
    details = []
    score = _auc(codes, len(labels), y) if task == "binary" else _r2(codes, len(labels), y)
    if score >= check.score:
        name = "AUC" if task == "binary" else "R2"
        details.append(("column", f"alone reaches {name} {score:.3f} (limit {check.score})"))
    count = np.bincount(codes, minlength=len(labels))
    mean = np.bincount(codes, y, minlength=len(labels)) / np.maximum(count, 1)
    square = np.bincount(codes, y * y, minlength=len(labels)) / np.maximum(count, 1)
    for code, label in enumerate(labels):
        if label is None or count[code] < check.level_rows or count[code] > n / 2:
            continue
        if task == "binary":
            decides = mean[code] >= DECIDED if base <= 0.5 else mean[code] <= 1 - DECIDED
            words = f"is {mean[code]:.1%} where it is {label} ({count[code]:,} rows), {base:.1%} overall"
        else:
            within = np.sqrt(max(square[code] - mean[code] ** 2, 0.0))
            decides = within <= (1 - DECIDED) * spread and abs(mean[code] - base) >= 3 * spread
            words = f"is {mean[code]:.4g} where it is {label} ({count[code]:,} rows), {base:.4g} overall"
        if decides:
            details.append(("level", words))
    return details


def _halves(codes: NDArray[np.intp], n_bins: int, y: NDArray[np.float64]) -> tuple[Any, Any, Any]:
    """Rows, and sums of y, a bin in each half (2, n_bins), and the mean learned in the other half."""
    half = np.random.Generator(np.random.PCG64(0)).permutation(len(y)) % 2  # rows may alternate
    cell = half * n_bins + codes
    count = np.bincount(cell, minlength=2 * n_bins).reshape(2, n_bins)
    total = np.bincount(cell, y, minlength=2 * n_bins).reshape(2, n_bins)
    learned = np.where(count > 0, total / np.maximum(count, 1), y.mean())[::-1]
    return count, total, learned


def _auc(codes: NDArray[np.intp], n_bins: int, y: NDArray[np.float64]) -> float:
    count, positive, learned = _halves(codes, n_bins, y)
    scores = []
    for n, pos, mean in zip(count, positive, learned, strict=True):
        values, bins = np.unique(mean, return_inverse=True)  # bins with one mean are ties
        pos = np.bincount(bins, pos, minlength=len(values))
        neg = np.bincount(bins, n, minlength=len(values)) - pos
        if pos.sum() and neg.sum():
            scores.append(float(pos @ (np.cumsum(neg) - neg / 2)) / (pos.sum() * neg.sum()))
    return float(np.mean(scores)) if scores else 0.5


def _r2(codes: NDArray[np.intp], n_bins: int, y: NDArray[np.float64]) -> float:
    count, total, learned = _halves(codes, n_bins, y)
    squares = float((y * y).sum())
    residual = squares - 2 * float((learned * total).sum()) + float((learned**2 * count).sum())
    return 1 - residual / (squares - len(y) * float(y.mean()) ** 2)
