"""How good the model is on the window: live, estimated, by slice, and as the teams measure it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from accord import bootstrap
from accord.monitoring import estimate, quality
from accord.monitoring.comparison import MIN_DAYS, Comparison, outcome_of
from accord.monitoring.health import ServiceHealth
from accord.monitoring.quality import Judged, TargetMetric, Watched, finite
from accord.objective import teams
from accord.objective.teams import Played
from accord.schema.objective import Metric, Objective
from accord.tasks.registry import all_of
from accord.tasks.task import Predicted

N_RESAMPLES = 500
MEAN_OUTCOME = "mean_outcome"
UNJUDGED = Judged(None, None, None, None, False)
Interval = tuple[float | None, float | None]


@dataclass(frozen=True)
class QualityRow:
    """A metric of a target's predictions, from known outcomes."""

    target: str
    metric: str
    judged: Judged


@dataclass(frozen=True)
class EstimatedRow:
    """What the probabilities imply of a metric, and how far that is off once outcomes are known."""

    target: str
    metric: str
    judged: Judged
    realised: float | None
    error: float | None


@dataclass(frozen=True)
class TeamRow:
    """A metric of a team, with its uncertainty and its limits."""

    team: str
    metric: str
    description: str
    unit: str | None
    better: str
    uncertainty: Interval | None
    min: float | None
    max: float | None
    broken: bool
    """Whether the value is beyond a limit."""
    judged: Judged

    @property
    def limits(self) -> list[tuple[str, float]]:
        """Each limit in words, and its value."""
        sides = (("at least", self.min), ("at most", self.max))
        return [(words, limit) for words, limit in sides if limit is not None]


@dataclass(frozen=True)
class SliceRow:
    """The leading metric of a target, from the rows that have the level in the column."""

    target: str
    column: str
    level: str
    metric: str
    n_rows: int
    judged: Judged


class TeamMetric(NamedTuple):
    name: str


@dataclass(frozen=True)
class JudgedMetrics:
    """Metrics from known outcomes, judged together, so that all of them share one level."""

    of_targets: dict[TargetMetric, Judged]
    of_teams: dict[str, Judged]


def judged_metrics(comparison: Comparison) -> JudgedMetrics:
    """The targets' metrics and the teams'; none without outcomes."""
    if not comparison.has_outcomes:
        return JudgedMetrics({}, {})
    objective, known = comparison.expectation.objective, comparison.known
    of_targets = quality.metrics_of(objective.targets, known)
    of_teams = {
        TeamMetric(name): quality.watch(
            known, _team_metric(name, metric, objective, comparison.settings.min_rows), teams.better(metric)
        )
        for name, metric in objective.metrics.items()
        if metric.builtin not in teams.MEASURED
    }
    wanted: dict[TargetMetric | TeamMetric, Watched] = dict([*of_targets.items(), *of_teams.items()])
    judged = comparison.judge_outcomes(wanted)
    return JudgedMetrics(
        {key: one for key, one in judged.items() if isinstance(key, TargetMetric)},
        {key.name: one for key, one in judged.items() if isinstance(key, TeamMetric)},
    )


def _team_metric(name: str, metric: Metric, objective: Objective, min_rows: int) -> quality.Computed:
    return lambda part: teams.statistic(name, metric, part, objective.targets, objective.policy, min_rows)


def quality_rows(judged: JudgedMetrics) -> list[QualityRow]:
    """A row per target and metric."""
    return [QualityRow(key.target, key.metric, one) for key, one in judged.of_targets.items()]


def slice_rows(comparison: Comparison) -> list[SliceRow]:
    """The leading metric of each target for each level of the slices that enough rows have. A level of a few days of the
    window or of test, such as a weekday in a month, varies more than these show: nothing is expected of it."""
    if not comparison.has_outcomes:
        return []
    expectation, known = comparison.expectation, comparison.known
    targets = all_of(expectation.objective.targets)
    rows: list[SliceRow] = []
    watched: dict[int, Watched] = {}  # by the place of their row
    for column, level, n_rows in quality.levels(known, expectation.slices, comparison.settings.min_rows):
        n_days = min(quality.n_blocks(part, column, level) for part in (known, comparison.test))
        is_thin = expectation.time is not None and n_days < MIN_DAYS
        note = f"insufficient: {n_days} days of {MIN_DAYS}" if is_thin else ""
        for name, target in targets.items():
            metric = target.task.leading
            computed = quality.of_level(column, level, quality.of_metric(target, metric))
            one = quality.watch(known, computed, metric.better)
            if not is_thin:
                watched[len(rows)] = one
            judged = replace(UNJUDGED, value=finite(one.value), note=note)
            rows.append(SliceRow(name, column, level, metric.name, n_rows, judged))
    found = comparison.judge_outcomes(watched)
    return [replace(row, judged=found.get(place, row.judged)) for place, row in enumerate(rows)]


class Estimable(NamedTuple):
    """A metric to estimate: from predictions (n,) and probabilities (n,), and from outcomes."""

    metric: str
    better: str
    estimated: Callable[[teams.Vector, teams.Vector], float]
    computed: quality.Computed


class Implied(NamedTuple):
    """A metric as the predictions imply it; what it came out as, and the error, if outcomes say so."""

    watched: Watched
    realised: float | None = None
    error: float | None = None


def estimated_rows(comparison: Comparison) -> list[EstimatedRow]:
    """What the predictions imply: the mean outcome, and the metrics that the target's task can estimate. Estimates raise
    alarms only as long as outcomes can't."""
    if not comparison.has_rows:
        return []
    implied: dict[TargetMetric, Implied] = {}
    for target in all_of(comparison.expectation.objective.targets).values():
        implied |= _implied(target, comparison)
    judged = comparison.judge_rows({key: one.watched for key, one in implied.items()})
    return [
        EstimatedRow(
            key.target, key.metric, replace(one, alarm=one.alarm and not comparison.has_outcomes),
            finite(implied[key].realised), finite(implied[key].error),
        )
        for key, one in judged.items()
    ]  # fmt: skip


def _implied(target: Predicted, comparison: Comparison) -> dict[TargetMetric, Implied]:
    """The estimates of one target; none where test or the window has too few rows, or where its predictions expect no
    outcome."""
    name, expected = target.name, target.task.expected
    if expected is None:
        return {}
    parts = (comparison.test, comparison.live, comparison.known)
    y, (p, live, known) = (
        comparison.test.outcomes[name],
        (expected(target.together(part.predictions)) for part in parts),
    )
    there = np.isfinite(y)
    p_live, p_known = (one[np.isfinite(one)] for one in (live, known))
    if there.sum() < quality.MIN_TEST_ROWS or not len(p_live):
        return {}
    q_live, q_known = (estimate.calibrated(y[there], p[there], one) for one in (p_live, p_known))
    found = {}
    for estimable in _estimables(target):
        one = Implied(Watched(estimable.estimated(p_live, q_live), estimable.better, estimable.computed))
        if comparison.has_outcomes:
            realised = _realised(name, estimable, comparison.known)
            one = one._replace(realised=realised, error=estimable.estimated(p_known, q_known) - realised)
        found[TargetMetric(name, estimable.metric)] = one
    return found


def _estimables(target: Predicted) -> list[Estimable]:
    found = []
    for name, estimated in target.task.estimates.items():
        metric = target.task.metric(name)
        found.append(Estimable(name, metric.better, estimated, quality.of_metric(target, metric)))
    mean = quality.of_mean(outcome_of(target.name))
    return [*found, Estimable(MEAN_OUTCOME, "zero", estimate.mean_outcome, mean)]


def _realised(name: str, estimable: Estimable, known: Played) -> float:
    """The metric from known outcomes; their mean is of rows without a prediction too."""
    if estimable.metric == MEAN_OUTCOME:
        return float(np.nanmean(known.outcomes[name]))
    return quality.watch(known, estimable.computed, estimable.better).value


def team_rows(comparison: Comparison, judged: JudgedMetrics, service: ServiceHealth) -> list[TeamRow]:
    """The scorecard of the window: each metric's value, its uncertainty, where it was expected, and its limits."""
    intervals = _intervals(comparison)
    rows = []
    for name, metric in comparison.expectation.objective.metrics.items():
        if metric.builtin in teams.MEASURED:
            value = service.measured(metric.builtin)
            note = "accord measure tells it, not traffic" if value is None else ""
            rows.append(_team_row(name, metric, replace(UNJUDGED, value=value, note=note)))
        elif name in intervals:
            value, interval = intervals[name]
            rows.append(_team_row(name, metric, replace(judged.of_teams[name], value=value), interval))
        else:
            rows.append(_team_row(name, metric, replace(UNJUDGED, note="needs outcomes")))
    return rows


def _intervals(comparison: Comparison) -> dict[str, tuple[float | None, Interval]]:
    """Value and interval of each metric that rows decide; none without outcomes."""
    if not comparison.has_outcomes:
        return {}
    objective, known, settings = comparison.expectation.objective, comparison.known, comparison.settings
    counts = bootstrap.draw(known.n_blocks, N_RESAMPLES, comparison.expectation.seed)
    table = teams.table(
        objective.metrics, known, objective.targets, objective.policy, counts, settings.level, settings.min_rows
    )  # fmt: skip
    return {name: (one.value, (one.low, one.high)) for name, one in table.items()}


def _team_row(name: str, metric: Metric, judged: Judged, uncertainty: Interval | None = None) -> TeamRow:
    value, unit = judged.value, metric.unit
    if unit is None and metric.builtin in teams.MEASURED:
        unit = teams.MEASURED[metric.builtin][1]
    is_below = value is not None and metric.min is not None and value < metric.min
    is_above = value is not None and metric.max is not None and value > metric.max
    return TeamRow(
        metric.team, name, metric.description, unit, teams.better(metric), uncertainty,
        metric.min, metric.max, is_below or is_above, judged,
    )  # fmt: skip
