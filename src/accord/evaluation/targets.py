"""Evaluate: metrics with intervals, by slice and beside the baseline; importance; other readings of a target."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord import bootstrap
from accord.schema.config import Evaluation
from accord.schema.objective import Target
from accord.sql.rows import evaluate
from accord.tasks.metrics import METRICS, Metric, Sample, value

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """A split of one target: rows (n), outcomes y, predictions p and the baseline's (n,), and blocks (n,)."""

    rows: pl.DataFrame
    y: Vector
    p: Vector
    baseline: Vector
    blocks: pl.Series

    def part(self, mask: NDArray[np.bool_]) -> "Scored":
        return Scored(
            self.rows.filter(mask), self.y[mask], self.p[mask], self.baseline[mask], self.blocks.filter(mask)
        )


def metric_table(
    scored: Scored, target: Target, metrics: Iterable[Metric], settings: Evaluation, seed: int
) -> dict[str, Any]:
    """Each metric's value with its interval, and the baseline's value."""
    block, n_blocks = bootstrap.numbered(scored.blocks)
    counts = bootstrap.draw(n_blocks, settings.n_resamples, seed)
    loss = str(target.loss)
    table = {}
    for metric in metrics:
        statistic = metric.statistic(Sample(scored.y, scored.p, block, n_blocks, loss))
        estimate = bootstrap.estimate(statistic, counts, settings.level)
        baseline = value(metric, scored.y, scored.baseline, loss)
        table[metric.name] = {
            "value": estimate.value, "low": estimate.low, "high": estimate.high, "baseline": _finite(baseline),
        }  # fmt: skip
    return table


def slice_table(
    scored: Scored, target: Target, columns: Sequence[str], settings: Evaluation, seed: int
) -> list[dict[str, Any]]:
    """A row a level of each slice column: how many rows, the mean outcome and prediction, the cheap metrics."""
    metrics = [metric for metric in METRICS[target.task] if metric.cheap]
    table = []
    for column in columns:
        labels = scored.rows[column]
        for level in labels.unique().sort(nulls_last=True):
            mask = (labels.is_null() if level is None else labels == level).fill_null(False).to_numpy()
            part = scored.part(mask)
            enough = len(part.y) >= settings.min_slice_rows
            table.append({
                "column": column,
                "level": _label(level),
                "n_rows": len(part.y),
                "mean_outcome": float(part.y.mean()),
                "mean_prediction": float(part.p.mean()),
                "metrics": metric_table(part, target, metrics, settings, seed) if enough else {},
            })  # fmt: skip
    return table


def alternatives_table(scored: Mapping[str, Scored], name: str, target: Target) -> list[dict[str, Any]]:
    """For each other reading of the target: how many rows it reads differently, and what that would change on test."""
    table = []
    for key, alternative in target.alternatives.items():
        where = f"objective.targets.{name}.alternatives.{key}"
        touched = {
            split: evaluate(s.rows, alternative.rows, f"{where}.rows").sum() for split, s in scored.items()
        }
        test = scored["test"]
        other = outcomes(test.rows, alternative.sql, f"{where}.sql")
        read = np.isfinite(other)
        table.append({
            "name": key,
            "description": alternative.description,
            "n_rows": {split: int(count or 0) for split, count in touched.items()},
            "mean_outcome": {"shipped": _mean(test.y), "alternative": _mean(other[read])},
            "metrics": {
                metric.name: {
                    "shipped": _finite(value(metric, test.y, test.p, str(target.loss))),
                    "alternative": _finite(value(metric, other[read], test.p[read], str(target.loss))),
                }
                for metric in METRICS[target.task]
            },
        })  # fmt: skip
    return table


def outcomes(rows: pl.DataFrame, sql: str, where: str) -> Vector:
    """The target's values (n,)."""
    return evaluate(rows, sql, where).to_numpy()


def importance(contributions: NDArray[np.float64], names: Sequence[str]) -> list[dict[str, Any]]:
    """Features by mean absolute contribution to the raw score, from contributions (n, n_features + 1)."""
    sizes = np.abs(contributions[:, :-1]).mean(axis=0)
    order = np.argsort(-sizes, kind="stable")
    return [{"feature": names[j], "contribution": float(sizes[j])} for j in order]


def _mean(values: Vector) -> float | None:
    return _finite(float(values.mean())) if len(values) else None


def _finite(number: float) -> float | None:
    return number if np.isfinite(number) else None


def _label(level: Any) -> str:
    return "null" if level is None else str(level)


def evaluate_target(
    name: str,
    target: Target,
    scored: Mapping[str, Scored],
    slices: Sequence[str],
    settings: Evaluation,
    seed: int,
) -> dict[str, Any]:
    """All that is reported of one target. `scored` has the splits by name, test among them."""
    known = {split: s.part(np.isfinite(s.y)) for split, s in scored.items()}
    known = {split: s for split, s in known.items() if len(s.y)}
    return {
        **target.model_dump(include={"task", "loss", "owner", "unit", "description"}),
        "metrics": {
            split: metric_table(s, target, METRICS[target.task], settings, seed) for split, s in known.items()
        },
        "n_rows": {split: len(s.y) for split, s in known.items()},
        "n_blocks": {split: s.blocks.n_unique() for split, s in known.items()},
        "mean_outcome": {split: _mean(s.y) for split, s in known.items()},
        "mean_prediction": {split: _mean(s.p) for split, s in known.items()},
        "slices": slice_table(known["test"], target, slices, settings, seed) if "test" in known else [],
        "alternatives": alternatives_table(known, name, target),
    }
