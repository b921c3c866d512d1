"""How good the model is on the window: live, estimated, by slice, and as the teams measure it."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from accord.intervals import MIN_BLOCKS, Estimate
from accord.monitoring import estimate, quality
from accord.monitoring.comparison import MIN_DAYS, Comparison, outcome_of
from accord.monitoring.health import ServiceHealth
from accord.monitoring.quality import Judged, TargetMetric, Watched, finite
from accord.objective import limits, teams
from accord.objective.limits import Figure
from accord.schema.objective import Metric, Objective
from accord.tasks.registry import all_of
from accord.tasks.task import Predicted

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
    """Whether the value is surely beyond a limit."""
    judged: Judged
    missing: str = ""
    """What is missing where it can't be told whether a limit is kept."""

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
        n_days = min(quality.n_blocks(part, column, level) for part in (known, comparison.selected.test))
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


def estimated_rows(comparison: Comparison) -> list[EstimatedRow]:
    """What the predictions imply: the metrics that the target's task can estimate, and the mean outcome. Estimates raise
    alarms only as long as outcomes can't; a mean that has moved is drift, and no loss of quality."""
    if not comparison.has_rows:
        return []
    implied: dict[TargetMetric, Watched] = {}
    outcomes: dict[TargetMetric, tuple[float, float]] = {}
    for target in all_of(comparison.expectation.objective.targets).values():
        if not _can_be_estimated(target, comparison):
            continue
        found = estimate.implication(target, comparison.test, comparison.expectation.seed)
        for name, (estimated, better, realised) in _estimates(target).items():
            key = TargetMetric(target.name, name)
            implied[key] = found.watched(estimated, better, realised, comparison.live, comparison.test)
            if comparison.has_outcomes:
                came_out = quality.watch(comparison.known, realised, better).value
                outcomes[key] = came_out, found.value(estimated, comparison.known) - came_out
    judged = comparison.judge_rows(implied)
    return [
        EstimatedRow(
            key.target, key.metric,
            replace(one, alarm=one.alarm and not key.metric.startswith(MEAN_OUTCOME) and not comparison.has_outcomes),
            *(finite(value) for value in outcomes.get(key, (None, None))),
        )
        for key, one in judged.items()
    ]  # fmt: skip


def _can_be_estimated(target: Predicted, comparison: Comparison) -> bool:
    """Whether predictions say something of outcomes, and test and the window have rows enough to tell what."""
    y, live = comparison.test.outcomes[target.name], target.together(comparison.live.predictions)
    says_something = bool(target.expected_of(live[:0])) or bool(target.task.estimates)
    return (
        says_something
        and np.isfinite(y).sum() >= quality.MIN_TEST_ROWS
        and bool(np.isfinite(live).all(axis=1).any())
    )


def _estimates(target: Predicted) -> dict[str, tuple[estimate.Estimated, str, quality.Computed]]:
    """By name of the metric how it is estimated, which way is better, and how it comes from outcomes."""
    found: dict[str, tuple[estimate.Estimated, str, quality.Computed]] = {}
    for name, estimated in target.task.estimates.items():
        metric = target.task.metric(name)
        found[name] = estimated, metric.better, quality.of_metric(target, metric)
    for name in target.expected_of(np.empty((0, len(target.columns)))):
        suffix = "" if name == target.name else f"_{name.removeprefix(f'{target.name}_')}"
        mean = quality.of_mean(outcome_of(target, name))
        found[MEAN_OUTCOME + suffix] = estimate.mean_outcome(target, name), "zero", mean
    return found


def team_rows(comparison: Comparison, judged: JudgedMetrics, service: ServiceHealth) -> list[TeamRow]:
    """The scorecard of the window: each metric's value, its uncertainty, where it was expected, and its limits."""
    figures = _figures(comparison)
    unit = limits.unit(comparison.known.blocks)
    rows = []
    for name, metric in comparison.expectation.objective.metrics.items():
        if metric.builtin in teams.MEASURED:
            value = service.measured(metric.builtin)
            note = "accord measure tells it, not traffic" if value is None else ""
            rows.append(_team_row(name, metric, replace(UNJUDGED, value=value, note=note)))
        elif name in figures:
            rows.append(_team_row(name, metric, judged.of_teams[name], figures[name], unit))
        else:
            rows.append(_team_row(name, metric, replace(UNJUDGED, note="needs outcomes")))
    return rows


def _figures(comparison: Comparison) -> dict[str, Figure]:
    """Each metric that rows decide; none without outcomes."""
    if not comparison.has_outcomes:
        return {}
    objective, known, settings = comparison.expectation.objective, comparison.known, comparison.settings
    return teams.table(
        objective.metrics, known, objective.targets, objective.policy, settings.level, settings.min_rows
    )


def _team_row(
    name: str, metric: Metric, judged: Judged, figure: Figure | None = None, unit: str = ""
) -> TeamRow:
    """A figure of the running service breaks its limits by its value, one that rows decide where it surely does."""
    value, in_unit = judged.value if figure is None else figure.value, metric.unit
    if in_unit is None and metric.builtin in teams.MEASURED:
        in_unit = teams.MEASURED[metric.builtin][1]
    sides = Estimate(value, value, value, MIN_BLOCKS)
    has_limits = value is not None and not metric.min is metric.max is None
    verdict = (limits.judged(metric, sides) if has_limits else None) if figure is None else figure.limits
    missing = limits.missing(metric, figure, unit) if figure is not None and verdict == "no evidence" else ""
    return TeamRow(
        metric.team, name, metric.description, in_unit, teams.better(metric),
        None if figure is None else (figure.low, figure.high),
        metric.min, metric.max, verdict == "broken", replace(judged, value=value), missing,
    )  # fmt: skip
