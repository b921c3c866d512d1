"""The teams' metrics over rows: what was predicted and decided for them, and what then happened."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord import bootstrap
from accord.bootstrap import Blocks, Counts, Statistic
from accord.data.scored import RowBlocks, Rows
from accord.engines import mapped
from accord.intervals import Bounded, Size, combined
from accord.measures.metrics import Sample
from accord.objective import grouping, limits
from accord.objective.grouping import Chunked
from accord.objective.limits import Figure
from accord.objective.policy import decide, inputs
from accord.schema.objective import Metric, Policy, Target
from accord.sql import aggregates
from accord.sql.rows import columns_of, errors_after, evaluate
from accord.tasks.registry import METRICS, all_of, task_of
from accord.tasks.task import Predicted

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

SKILL = "skill"
"""The share of the proper loss that a model takes away from the baseline's."""
MEASURED: dict[str, tuple[str, str, str]] = {
    "p50_ms": ("lower", "ms", "median latency of a request of one row"),
    "p95_ms": ("lower", "ms", "95th percentile of the latency"),
    "p99_ms": ("lower", "ms", "99th percentile of the latency"),
    "requests_per_second": ("higher", "1/s", "throughput at saturation"),
    "startup_s": ("lower", "s", "from start to ready"),
    "memory_mb": ("lower", "MB", "resident memory under load"),
    "bundle_mb": ("lower", "MB", "size of the bundle"),
    "training_cpu_s": ("lower", "s", "processor time of training"),
    "usd_per_million": ("lower", "USD", "processor cost of a million predictions"),
}
"""Builtins of the running service: which way is better, unit, meaning."""
BUILTINS = (SKILL, *METRICS, *MEASURED)


@dataclass(frozen=True)
class Played:
    """Rows (n) with all their columns, each target's outcome (n,), each column of the targets' predictions and of the
    baselines' (n,), what the policy decided, and each row's block (n,), numbered below n_blocks. `at` says where each block
    stands in time, in days (n_blocks,); None where they have no order."""

    rows: pl.DataFrame
    outcomes: Mapping[str, Vector]
    predictions: Mapping[str, Vector]
    baselines: Mapping[str, Vector]
    score: Vector | None
    action: NDArray[np.bool_] | None
    block: NDArray[np.intp]
    n_blocks: int
    at: Vector | None = None

    @property
    def blocks(self) -> Blocks:
        return Blocks(self.n_blocks, self.at)

    @property
    def n(self) -> int:
        return len(self.block)

    @property
    def scratch(self) -> Path | None:
        """Where arrays go that don't fit into memory."""
        return None

    def chunks(self, columns: Iterable[str]) -> Iterator[tuple[slice, pl.DataFrame]]:
        """Where each chunk of the rows is among them, and at least these columns of it."""
        yield slice(0, self.n), self.rows


@dataclass(frozen=True)
class Streamed(Played):
    """The same of rows that are read a chunk at a time; `rows` has none. The arrays may be mapped from disk."""

    source: Rows = field(kw_only=True)

    @property
    def scratch(self) -> Path | None:
        return self.source.scratch

    def chunks(self, columns: Iterable[str]) -> Iterator[tuple[slice, pl.DataFrame]]:
        return self.source.chunks(columns)


def play(
    rows: pl.DataFrame,
    targets: Mapping[str, Target],
    policy: Policy | None,
    predictions: Mapping[str, Vector],
    baselines: Mapping[str, Vector],
    blocks: pl.Series,
) -> Played:
    """The rows as the policy would have treated them."""
    outcomes = {
        name: task_of(t).outcomes(rows, t.sql, f"objective.targets.{name}.sql") for name, t in targets.items()
    }
    score, action = decide(policy, rows, predictions) if policy else (None, None)
    block, n_blocks = bootstrap.numbered(blocks)
    at = bootstrap.blocks_of(blocks).at
    return Played(rows, outcomes, predictions, baselines, score, action, block, n_blocks, at)


def stream(
    rows: Rows,
    targets: Mapping[str, Target],
    policy: Policy | None,
    predictions: Mapping[str, Vector],
    baselines: Mapping[str, float],
    blocks: RowBlocks,
) -> Streamed:
    """The same of rows that are read a chunk at a time."""
    outcomes = {name: _outcomes(name, target, rows) for name, target in targets.items()}
    score, action = decided(policy, rows, predictions) if policy else (None, None)
    block, each = blocks.numbered(rows.scratch)
    constant = {name: np.broadcast_to(value, rows.n) for name, value in baselines.items()}
    return Streamed(
        pl.DataFrame(), outcomes, predictions, constant, score, action, block, each.n, each.at, source=rows
    )


def _outcomes(name: str, target: Target, rows: Rows) -> Vector:
    where = f"objective.targets.{name}.sql"
    return rows.vector(
        columns_of(target.sql, where), lambda frame: task_of(target).outcomes(frame, target.sql, where)
    )


def decided(
    policy: Policy, rows: Chunked, predictions: Mapping[str, Vector]
) -> tuple[Vector, NDArray[np.bool_]]:
    """The policy's score (n,) and action (n,) for rows that are read a chunk at a time."""
    score, action = mapped.empty(rows.scratch, rows.n), mapped.empty(rows.scratch, rows.n, np.bool_)
    for some, frame in rows.chunks(inputs(policy)):
        with errors_after(some.start):
            score[some], action[some] = decide(
                policy, frame, {name: one[some] for name, one in predictions.items()}
            )
    return score, action


def statistic(
    name: str,
    metric: Metric,
    played: Played,
    targets: Mapping[str, Target],
    policy: Policy | None,
    min_rows: int,
) -> Statistic:
    """The metric as a function of how often each block is drawn; NaN where there is nothing to compute it from.

    `min_rows` is the size from which a group counts in a gap.
    """
    where = f"objective.metrics.{name}"
    keep = _kept(where, metric, played, targets, policy)
    if metric.group is None:
        parts = mapped.computed(lambda rows: keep[rows] - 1, played.n, played.scratch, np.int32)
        return statistics(name, metric, played, parts, 1, targets, policy)[0]
    groups = grouping.grouped(played, metric.group)
    large = np.flatnonzero(groups.counts(keep) >= min_rows)
    parts = groups.parts(large, keep, played.scratch)
    return gap(statistics(name, metric, played, parts, len(large), targets, policy))


def statistics(
    name: str, metric: Metric, played: Played, part: NDArray[np.int32], n_parts: int, targets: Mapping[str, Target],
    policy: Policy | None,
) -> list[Statistic]:  # fmt: skip
    """The same of parts of the rows; each row's part (n,) is negative where it is in none."""
    where = f"objective.metrics.{name}"
    if metric.sql is None:
        return [_builtin(metric, played, part, number, targets) for number in range(n_parts)]
    constants = policy.weights if policy else {}
    tallies = [
        aggregates.Tally(metric.sql, f"{where}.sql", played.n_blocks, constants) for _ in range(n_parts)
    ]
    for some, frame in played.chunks(columns_of(metric.sql, f"{where}.sql")):
        full = _frame(played, some, frame, targets, policy)
        for number, tally in enumerate(tallies):
            keep = part[some] == number
            if keep.any() or some.start == 0:
                tally.add(full.filter(keep), played.block[some][keep])
    return [tally.statistic() for tally in tallies]


def _kept(
    where: str, metric: Metric, played: Played, targets: Mapping[str, Target], policy: Policy | None
) -> NDArray[np.bool_]:
    """Which rows (n,) the metric is of."""
    keep = mapped.empty(played.scratch, played.n, np.bool_)
    if metric.where is None:
        keep[:] = True
        return keep
    for some, frame in played.chunks(columns_of(metric.where, f"{where}.where")):
        full = _frame(played, some, frame, targets, policy)
        with errors_after(some.start):
            keep[some] = evaluate(full, metric.where, f"{where}.where").to_numpy() == 1
    return keep


def gap(statistics: Sequence[Statistic]) -> Size:
    """The largest less the smallest of groups' values."""
    return Size(
        lambda drawn: _columns([one(drawn) for one in statistics], len(drawn)),
        _range,
        len(statistics),
        _split,
    )


def better(metric: Metric) -> str:
    """Which way is better: higher, lower, or zero."""
    if metric.better is not None:
        return metric.better
    if metric.group is not None:
        return "lower"
    assert metric.builtin is not None
    if metric.builtin in MEASURED:
        return MEASURED[metric.builtin][0]
    return "higher" if metric.builtin == SKILL else METRICS[metric.builtin].better


def table(
    metrics: Mapping[str, Metric], played: Played, targets: Mapping[str, Target], policy: Policy | None,
    level: float, min_rows: int,
) -> dict[str, Figure]:  # fmt: skip
    """Value, interval and limits of each metric that rows decide; those of the running service are left out."""
    found = {}
    for name, metric in metrics.items():
        if metric.builtin in MEASURED:
            continue
        one = statistic(name, metric, played, targets, policy, min_rows)
        found[name] = limits.figure(metric, one, played.blocks, level)
    return found


def _builtin(
    metric: Metric, played: Played, part: NDArray[np.int32], number: int, targets: Mapping[str, Target]
) -> Statistic:
    what = all_of(targets)
    chosen = [metric.target] if metric.target else [name for name, t in what.items() if fits(metric, t)]
    found = [_quality(str(metric.builtin), played, part, number, what[name]) for name in chosen]
    return found[0] if len(found) == 1 else combined(found, lambda values: values.mean(axis=1))


def _quality(
    builtin: str, played: Played, part: NDArray[np.int32], number: int, target: Predicted
) -> Statistic:
    y, scratch = played.outcomes[target.name], played.scratch
    keep = mapped.computed(
        lambda rows: (part[rows] == number) & np.isfinite(y[rows]), played.n, scratch, np.bool_
    )
    block, y = mapped.kept(played.block, keep, scratch), mapped.kept(y, keep, scratch)

    def measured(name: str, columns: Mapping[str, Vector]) -> Statistic:
        predictions = mapped.empty(scratch, (len(y), len(target.columns)))
        for j, column in enumerate(target.columns):
            predictions[:, j] = mapped.kept(columns[column], keep, scratch)
        sample = Sample(y, predictions, block, played.n_blocks, target.loss, scratch)
        return target.task.metric(name).statistic(sample)

    if builtin != SKILL:
        return measured(builtin, played.predictions)
    proper = target.task.proper_loss
    model, baseline = measured(proper, played.predictions), measured(proper, played.baselines)

    def skill(drawn: Counts) -> NDArray[np.float64]:
        with np.errstate(
            divide="ignore", invalid="ignore"
        ):  # a baseline without a loss leaves nothing to gain: no value
            return 1 - model(drawn) / baseline(drawn)

    return Bounded(skill, high=1)


def fits(metric: Metric, target: Predicted) -> bool:
    """Whether the metric's builtin of prediction quality is one of the target's task."""
    return metric.builtin == SKILL or metric.builtin in target.task.metric_names


def _frame(
    played: Played, some: slice, frame: pl.DataFrame, targets: Mapping[str, Target], policy: Policy | None
) -> pl.DataFrame:
    """Some of the rows with everything that a team's expression may use. NaN in an outcome, prediction or score says that there
    is none, which is null here."""
    numbers = {**played.predictions, **({} if played.score is None else {"score": played.score})}
    added = [pl.Series(name, values[some]).fill_nan(None) for name, values in numbers.items()]
    added += [
        task_of(targets[name]).as_actual(values[some]).alias(f"actual_{name}")
        for name, values in played.outcomes.items()
    ]
    if played.action is not None:
        added.append(pl.Series("action", played.action[some]))
    weights = [pl.lit(value).alias(name) for name, value in (policy.weights if policy else {}).items()]
    return frame.with_columns(*added, *weights)


def _columns(values: Sequence[Vector], n: int) -> Matrix:
    """The values (n,) side by side, less their mean, which no gap depends on."""
    columns = np.column_stack(values) if values else np.empty((n, 0))
    return columns - np.nanmean(columns, axis=1, keepdims=True) if values else columns


def _split(parts: Vector) -> Vector:
    """Parts (k,) that are either the largest or the smallest, whichever is nearer: each of them may then set the range."""
    middle = (np.nanmax(parts) + np.nanmin(parts)) / 2
    return np.where(np.isfinite(parts), np.sign(parts - middle), np.nan)


def _range(parts: Matrix) -> Vector:
    """The largest less the smallest of the parts (n, k) that are there, if there are two; none of fewer."""
    if parts.shape[1] < 2:
        return np.full(len(parts), np.nan)
    known = np.ma.masked_invalid(parts)
    enough = known.count(axis=1) > 1
    return np.where(enough, (known.max(axis=1) - known.min(axis=1)).filled(np.nan), np.nan)
