"""The teams' metrics over rows: what was predicted and decided for them, and what then happened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord import bootstrap
from accord.bootstrap import Blocks, Counts, Statistic
from accord.intervals import Bounded, Size, combined
from accord.measures.metrics import Sample
from accord.objective import limits
from accord.objective.grouping import groups
from accord.objective.limits import Figure
from accord.objective.policy import decide
from accord.schema.objective import Metric, Policy, Target
from accord.sql import aggregates
from accord.sql.rows import evaluate
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
    keep = np.ones(played.rows.height, bool)
    if metric.where is not None:
        keep = evaluate(_frame(played, targets, policy), metric.where, f"{where}.where").to_numpy() == 1
    if metric.group is None:
        return _plain(where, metric, played, keep, targets, policy)
    parts = [keep & mask for _, mask in groups(played.rows, metric.group)]
    statistics = [
        _plain(where, metric, played, part, targets, policy) for part in parts if part.sum() >= min_rows
    ]
    return gap(statistics)


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


def _plain(
    where: str,
    metric: Metric,
    played: Played,
    keep: NDArray[np.bool_],
    targets: Mapping[str, Target],
    policy: Policy | None,
) -> Statistic:
    if metric.sql is not None:
        return aggregates.statistic(
            metric.sql,
            f"{where}.sql",
            _frame(played, targets, policy).filter(keep),
            played.block[keep],
            played.n_blocks,
            policy.weights if policy else {},
        )
    what = all_of(targets)
    chosen = [metric.target] if metric.target else [name for name, t in what.items() if fits(metric, t)]
    statistics = [_quality(str(metric.builtin), played, keep, what[name]) for name in chosen]
    return statistics[0] if len(statistics) == 1 else combined(statistics, lambda values: values.mean(axis=1))


def _quality(builtin: str, played: Played, keep: NDArray[np.bool_], target: Predicted) -> Statistic:
    y = played.outcomes[target.name]
    keep = keep & np.isfinite(y)

    def measured(name: str, columns: Mapping[str, Vector]) -> Statistic:
        predictions = target.together(columns)[keep]
        sample = Sample(y[keep], predictions, played.block[keep], played.n_blocks, target.loss)
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


def _frame(played: Played, targets: Mapping[str, Target], policy: Policy | None) -> pl.DataFrame:
    """The rows with everything that a team's expression may use. NaN in an outcome, prediction or score says that there
    is none, which is null here."""
    numbers = {**played.predictions, **({} if played.score is None else {"score": played.score})}
    added = [pl.Series(name, values).fill_nan(None) for name, values in numbers.items()]
    added += [
        task_of(targets[name]).as_actual(values).alias(f"actual_{name}")
        for name, values in played.outcomes.items()
    ]
    if played.action is not None:
        added.append(pl.Series("action", played.action))
    weights = [pl.lit(value).alias(name) for name, value in (policy.weights if policy else {}).items()]
    return played.rows.with_columns(*added, *weights)


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
