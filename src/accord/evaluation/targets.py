"""Evaluate: metrics with intervals, by slice and beside the baseline; importance; other readings of a target."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from msgspec import UNSET
from numpy.typing import NDArray

from accord import bootstrap, intervals
from accord.errors import AccordError
from accord.evaluation.evaluated import (
    BesideBaseline,
    Importance,
    Level,
    OtherReading,
    Readings,
    TargetReport,
)
from accord.losses import Matrix, Vector
from accord.measures.metrics import Metric, Sample, value
from accord.schema.config import Evaluation
from accord.schema.objective import Alternative, Target
from accord.sql.rows import evaluate
from accord.tasks.registry import predicted
from accord.tasks.task import Predicted


@dataclass(frozen=True)
class Scored:
    """A split of one target: rows (n), outcomes y (n,), predictions p and the baseline's (n, k), and blocks (n,)."""

    rows: pl.DataFrame
    y: Vector
    p: Matrix
    baseline: Matrix
    blocks: pl.Series

    def part(self, mask: NDArray[np.bool_]) -> "Scored":
        return Scored(
            self.rows.filter(mask), self.y[mask], self.p[mask], self.baseline[mask], self.blocks.filter(mask)
        )


def metric_table(
    scored: Scored, target: Predicted, metrics: Iterable[Metric], settings: Evaluation
) -> dict[str, BesideBaseline]:
    """Each metric's value with its interval, and the baseline's value."""
    block, n_blocks = bootstrap.numbered(scored.blocks)
    blocks = bootstrap.blocks_of(scored.blocks)
    table = {}
    for metric in metrics:
        statistic = metric.statistic(Sample(scored.y, scored.p, block, n_blocks, target.loss))
        estimate = intervals.estimate(statistic, blocks, settings.level)
        baseline = value(metric, scored.y, scored.baseline, target.loss)
        table[metric.name] = BesideBaseline(**vars(estimate), baseline=_finite(baseline))
    return table


def slice_table(
    scored: Scored, target: Predicted, columns: Sequence[str], settings: Evaluation
) -> list[Level]:
    """A row a level of each slice column: how many rows, the mean outcome and prediction, the cheap metrics."""
    metrics = [metric for metric in target.task.metrics if metric.cheap]
    table = []
    for column in columns:
        labels = scored.rows[column]
        for level in labels.unique().sort(nulls_last=True):
            mask = (labels.is_null() if level is None else labels == level).fill_null(False).to_numpy()
            part = scored.part(mask)
            enough = len(part.y) >= settings.min_slice_rows
            table.append(
                Level(
                    column,
                    _label(level),
                    len(part.y),
                    _mean_outcome(target, part.y),
                    _mean_prediction(target, part.p),
                    metric_table(part, target, metrics, settings) if enough else {},
                )
            )
    return table


def alternatives_table(
    scored: Mapping[str, Scored], target: Predicted, alternatives: Mapping[str, Alternative]
) -> list[OtherReading]:
    """For each other reading of the target: how many rows it reads differently, and what that would change on test."""
    table = []
    for key, alternative in alternatives.items():
        where = f"objective.targets.{target.name}.alternatives.{key}"
        touched = {
            split: evaluate(s.rows, alternative.rows, f"{where}.rows").sum() for split, s in scored.items()
        }
        test = scored["test"]
        other = target.task.outcomes(test.rows, alternative.sql, f"{where}.sql")
        read = np.isfinite(other)
        metrics = {
            metric.name: Readings(
                _finite(value(metric, test.y, test.p, target.loss)),
                _finite(value(metric, other[read], test.p[read], target.loss)),
            )
            for metric in target.task.metrics
        }
        table.append(
            OtherReading(
                key,
                alternative.description,
                {split: int(count or 0) for split, count in touched.items()},
                Readings(_mean_outcome(target, test.y), _mean_outcome(target, other[read])),
                metrics,
            )
        )
    return table


def importance(contributions: NDArray[np.float64], names: Sequence[str]) -> list[Importance]:
    """Features by mean absolute contribution to the raw scores, from contributions (n, n_raw, n_features + 1)."""
    by_raw = [np.abs(contributions[:, r, :-1]).mean(axis=0) for r in range(contributions.shape[1])]
    sizes = np.mean(by_raw, axis=0)
    order = np.argsort(-sizes, kind="stable")
    return [Importance(names[j], float(sizes[j])) for j in order]


def _mean_outcome(target: Predicted, y: Vector) -> float | None:
    """None of the numbers of classes, which have no order."""
    return None if target.task.classes else _mean(y)


def _mean_prediction(target: Predicted, p: Matrix) -> float | None:
    """None where the task's predictions expect no outcome."""
    return None if target.task.expected is None else _mean(target.task.expected(p))


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
    importance: list[Importance],
    slices: Sequence[str],
    settings: Evaluation,
) -> TargetReport:
    """All that is reported of one target. `scored` has the splits by name, test among them."""
    what = predicted(name, target)
    known = {split: s.part(np.isfinite(s.y)) for split, s in scored.items()}
    known = {split: s for split, s in known.items() if len(s.y)}
    if "test" not in known:
        raise AccordError(
            f"objective.targets.{name}.sql: none of the {len(scored['test'].y):,} rows of test has an outcome; expected some. Set "
            "data.split.cutoff to where outcomes end, or make test longer"
        )
    return TargetReport(
        task=target.task,
        loss=target.loss,
        owner=target.owner,
        unit=target.unit,
        description=target.description,
        metrics={split: metric_table(s, what, what.task.metrics, settings) for split, s in known.items()},
        n_rows={split: len(s.y) for split, s in known.items()},
        n_blocks={split: s.blocks.n_unique() for split, s in known.items()},
        mean_outcome={split: _mean_outcome(what, s.y) for split, s in known.items()},
        mean_prediction={split: _mean_prediction(what, s.p) for split, s in known.items()},
        slices=slice_table(known["test"], what, slices, settings),
        alternatives=alternatives_table(known, what, target.alternatives),
        importance=importance,
        classes=target.classes or UNSET,
    )
