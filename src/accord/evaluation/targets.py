"""Evaluate: metrics with intervals, by slice and beside the baseline; importance; other readings of a target."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from accord import intervals
from accord.data.scored import RowBlocks
from accord.engines import mapped
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
from accord.measures.metrics import Metric, Sample, alike, value, value_of
from accord.schema.config import Evaluation
from accord.schema.objective import Alternative, Target
from accord.tasks.registry import predicted
from accord.tasks.task import Predicted


@dataclass(frozen=True)
class Scored:
    """Rows of a split whose outcome of one target is known: outcomes y (n,), predictions p and the baseline's (n, k), and blocks
    (n,). The arrays may be mapped from disk; so are those that are made of them, in the folder `scratch`."""

    y: Vector
    p: Matrix
    baseline: Matrix
    blocks: RowBlocks
    scratch: Path | None = None

    def part(self, keep: NDArray[np.bool_]) -> "Scored":
        """Some of the rows, where `keep` (n,) holds."""
        if keep.all():
            return self
        n = int(np.count_nonzero(keep))
        number = mapped.kept(self.blocks.number, keep, self.scratch)
        return Scored(
            mapped.kept(self.y, keep, self.scratch),
            mapped.kept(self.p, keep, self.scratch),
            np.broadcast_to(self.baseline[:1], (n, self.baseline.shape[1])),
            replace(self.blocks, number=number),
            self.scratch,
        )


@dataclass(frozen=True)
class Levels:
    """The values of a slice column, in order, and which of them each row of test with a known outcome has (n,)."""

    column: str
    values: list[Any]
    number: NDArray[np.int32]


@dataclass(frozen=True)
class Read:
    """An alternative of a target on known rows: by split how many rows it reads differently, and the outcomes (n,) on test."""

    touched: dict[str, int]
    outcomes: Vector


def with_outcome(name: str, scored: Mapping[str, Scored]) -> dict[str, Scored]:
    """The splits' rows whose outcome is known, of splits that have some. Raises AccordError if test has none."""
    known = {split: s.part(np.isfinite(s.y)) for split, s in scored.items()}
    if not len(known["test"].y):
        raise AccordError(
            f"objective.targets.{name}.sql: none of the {len(scored['test'].y):,} rows of test has an outcome; expected some. Set "
            "data.split.cutoff to where outcomes end, or make test longer"
        )
    return {split: s for split, s in known.items() if len(s.y)}


def metric_table(
    scored: Scored, target: Predicted, metrics: Iterable[Metric], settings: Evaluation
) -> dict[str, BesideBaseline]:
    """Each metric's value with its interval, and the baseline's value. Intervals take many blocks together, so that here the
    metrics are of the blocks' groups."""
    block, blocks = scored.blocks.numbered(scored.scratch)
    group = intervals.groups(blocks.n)
    of_group = mapped.computed(lambda rows: group[block[rows]], len(block), scored.scratch, np.intp)
    n_groups = int(group.max(initial=-1)) + 1
    sample = Sample(scored.y, scored.p, of_group, n_groups, target.loss, scored.scratch)
    of_baseline = alike(scored.y, scored.baseline, target.loss, scored.scratch)
    table = {}
    for metric in metrics:
        statistic = intervals.together(metric.statistic(sample), blocks.n)
        estimate = intervals.estimate(statistic, blocks, settings.level)
        table[metric.name] = BesideBaseline(**vars(estimate), baseline=_finite(value_of(metric, of_baseline)))
    return table


def slice_table(
    scored: Scored, target: Predicted, slices: Iterable[Levels], settings: Evaluation
) -> list[Level]:
    """A row a level of each slice column: how many rows, the mean outcome and prediction, the cheap metrics."""
    metrics = [metric for metric in target.task.metrics if metric.cheap]
    table = []
    for levels in slices:
        for number, level in enumerate(levels.values):
            part = scored.part(levels.number == number)
            if not len(part.y):
                continue
            enough = len(part.y) >= settings.min_slice_rows
            table.append(
                Level(
                    levels.column,
                    _label(level),
                    len(part.y),
                    _mean_outcome(target, part.y),
                    _mean_prediction(target, part.p, part.scratch),
                    metric_table(part, target, metrics, settings) if enough else {},
                )
            )
    return table


def alternatives_table(
    test: Scored, target: Predicted, alternatives: Mapping[str, Alternative], read: Mapping[str, Read]
) -> list[OtherReading]:
    """For each other reading of the target: how many rows it reads differently, and what that would change on test."""
    table = []
    for key, alternative in alternatives.items():
        is_known = np.isfinite(read[key].outcomes)
        y, p = (mapped.kept(one, is_known, test.scratch) for one in (read[key].outcomes, test.p))
        metrics = {
            metric.name: Readings(
                _finite(value(metric, test.y, test.p, target.loss, test.scratch)),
                _finite(value(metric, y, p, target.loss, test.scratch)),
            )
            for metric in target.task.metrics
        }
        means = Readings(_mean_outcome(target, test.y), _mean_outcome(target, y))
        table.append(OtherReading(key, alternative.description, read[key].touched, means, metrics))
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


def _mean_prediction(target: Predicted, p: Matrix, scratch: Path | None) -> float | None:
    """None where the task's predictions expect no outcome."""
    expected = target.task.expected
    if expected is None:
        return None
    return _mean(mapped.computed(lambda rows: expected(p[rows]), len(p), scratch))


def _mean(values: Vector) -> float | None:
    return _finite(float(values.mean())) if len(values) else None


def _finite(number: float) -> float | None:
    return number if np.isfinite(number) else None


def _label(level: Any) -> str:
    return "null" if level is None else str(level)


def evaluate_target(
    name: str,
    target: Target,
    known: Mapping[str, Scored],
    slices: Iterable[Levels],
    read: Mapping[str, Read],
    importance: list[Importance],
    settings: Evaluation,
) -> TargetReport:
    """All that is reported of one target. `known` has the splits by name, test among them, and `read` the alternatives."""
    what = predicted(name, target)
    return TargetReport(
        task=target.task,
        loss=target.loss,
        owner=target.owner,
        unit=target.unit,
        description=target.description,
        metrics={split: metric_table(s, what, what.task.metrics, settings) for split, s in known.items()},
        n_rows={split: len(s.y) for split, s in known.items()},
        n_blocks={split: s.blocks.n for split, s in known.items()},
        mean_outcome={split: _mean_outcome(what, s.y) for split, s in known.items()},
        mean_prediction={split: _mean_prediction(what, s.p, s.scratch) for split, s in known.items()},
        slices=slice_table(known["test"], what, slices, settings),
        alternatives=alternatives_table(known["test"], what, target.alternatives, read),
        importance=importance,
        classes=target.classes or UNSET,
    )
