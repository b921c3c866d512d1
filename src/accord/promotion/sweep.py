"""Tradeoff: who wins and who loses as one weight of the policy moves over the same predictions.

Nothing is trained again: each value of the weight decides anew what is done with each row, and the teams' metrics say
what comes of it. Only the decision moves. Where a metric names a weight (such as a fee), it keeps the shipped value:
otherwise the yardstick would move along with what it measures.

All points meet the same resamples of blocks, so that what the days have in common cancels out of a difference between
two of them. A point is dominated if another is no worse for any team that compares and better for one (Pareto).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from accord import bootstrap, intervals
from accord.bootstrap import Blocks, Counts, Statistic
from accord.errors import AccordError, nearest
from accord.intervals import Estimate
from accord.objective import limits, teams
from accord.objective.limits import Figure
from accord.objective.teams import Played
from accord.promotion import judge
from accord.schema.objective import Metric, Objective, Policy
from accord.sql.rows import columns_of

BETTER, WORSE, SAME, MIXED = "better", "worse", "same", "mixed"
N_STEPS = 21
SHIPPED_SLOPE = 0.1
"""The change of the weight that a sensitivity is about: 0.1 for a weight from 0 to 1, else this share of its value."""
EQUAL = 1e-9
"""Relative difference below which two values are one."""


@dataclass(frozen=True)
class Sweep:
    """The weight to move, and the values to try, ascending; the shipped one is among them."""

    weight: str
    shipped: float
    values: Sequence[float]
    slope: float
    """The change of the weight that a sensitivity is about."""


@dataclass(frozen=True, kw_only=True)
class MetricAt(Figure):
    """A metric at one value of the weight, beside the shipped one."""

    change: float | None
    verdict: str
    """Better or worse where that is sure, else the same."""
    keeps_limits: bool
    """Whether it doesn't surely break its hard limits."""


@dataclass(frozen=True)
class Point:
    """What comes of one value of the weight."""

    weight: float
    shipped: bool
    acted: float
    """The share of the rows that is acted on."""
    metrics: dict[str, MetricAt]
    teams: dict[str, str]
    """Each team's verdict from those of its metrics."""
    score: Estimate | None
    dominated_by: list[int] = field(default_factory=list)
    """The places of the points that dominate it."""


@dataclass(frozen=True)
class Moved:
    """A metric over the whole sweep."""

    name: str
    team: str
    description: str
    unit: str | None
    better: str
    min: float | None
    max: float | None
    weight: float
    scale: float
    compared: bool
    """Whether it counts in dominance."""
    sensitivity: Estimate
    """Its change as the weight rises by the slope."""


@dataclass(frozen=True)
class Expressions:
    """The policy's, as SQL."""

    score: str
    action: str


@dataclass(frozen=True)
class Levels(judge.Settings):
    promotion_level: float


@dataclass(frozen=True)
class Tradeoff:
    objective: str
    description: str
    weight: str
    """The one that moves."""
    shipped: float
    weights: dict[str, float]
    """All of the policy, as shipped."""
    policy: Expressions
    slope: float
    metrics: list[Moved]
    teams: list[str]
    points: list[Point]
    settings: Levels
    n_rows: int
    n_blocks: int


@dataclass(frozen=True)
class _Tried:
    """The policy at one value: the share acted on, and each metric, on the rows and the resamples (n_resamples,) too."""

    acted: float
    metrics: dict[str, Statistic]
    value: dict[str, float]
    resampled: dict[str, NDArray[np.float64]]


def policy_of(objective: Objective) -> Policy:
    """The objective's policy. Raises AccordError if it has none, or none that could be moved or judged."""
    if objective.policy is None or not objective.policy.weights:
        missing = "policy" if objective.policy is None else "weight in its policy"
        raise AccordError(
            f"The objective {objective.name} has no {missing}, so there is nothing to trade off; "
            f"give it policy.weights in conf/objective/{objective.name}.yaml, or choose another objective"
        )
    if not any(metric.builtin not in teams.MEASURED for metric in objective.metrics.values()):
        raise AccordError(
            f"The objective {objective.name} has no metric that rows decide, so no team wins or loses; "
            f"add metrics in conf/objective/{objective.name}.yaml"
        )
    return objective.policy


def sweep(
    policy: Policy, weight: str | None = None, begin: float | None = None, end: float | None = None,
    n_steps: int = N_STEPS,
) -> Sweep:  # fmt: skip
    """The values to try: from 0 to 1 for a weight shipped between them, else from 0 to twice the shipped value.

    Raises AccordError for an unknown weight and for an empty range.
    """
    weight = next(iter(policy.weights)) if weight is None else weight
    if weight not in policy.weights:
        raise AccordError(f"--weight: the policy has no weight '{weight}'; {nearest(weight, policy.weights)}")
    shipped = policy.weights[weight]
    is_share = 0 <= shipped <= 1
    ends = (0.0, 1.0) if is_share else (min(0.0, 2 * shipped), max(0.0, 2 * shipped))
    begin, end = (ends[0] if begin is None else begin), (ends[1] if end is None else end)
    if not (np.isfinite([begin, end]).all() and begin < end):
        raise AccordError(f"--from is {begin:g} and --to is {end:g}; expected --from below --to")
    if n_steps < 2:
        raise AccordError(f"--steps is {n_steps}; expected 2 or more")
    grid = {round(float(value), 12) for value in np.linspace(begin, end, n_steps)}
    if not any(np.isclose(value, shipped, rtol=EQUAL, atol=0) for value in grid):
        grid.add(shipped)
    return Sweep(weight, shipped, sorted(grid), SHIPPED_SLOPE * (1 if is_share else abs(shipped)))


def tradeoff(objective: Objective, played: Played, moved: Sweep, settings: judge.Settings) -> Tradeoff:
    """The report: a point per value of the weight, each metric's sensitivity at the shipped one. `played` holds the rows
    and the predictions; what was decided there doesn't count."""
    policy = policy_of(objective)
    counts = bootstrap.draw(played.n_blocks, settings.n_resamples, settings.seed)
    metrics = {n: m for n, m in objective.metrics.items() if m.builtin not in teams.MEASURED}
    fixed = {n for n, m in metrics.items() if not _follows_the_decision(m)}
    unmoved = _tried(objective, {n: metrics[n] for n in fixed}, played, policy, counts, settings)

    def at(value: float) -> _Tried:
        swept = policy.model_copy(update={"weights": {**policy.weights, moved.weight: value}})
        found = _tried(objective, {n: metrics[n] for n in metrics.keys() - fixed}, played, swept, counts, settings)  # fmt: skip
        return _Tried(
            found.acted,
            {**unmoved.metrics, **found.metrics},
            {**unmoved.value, **found.value},
            {**unmoved.resampled, **found.resampled},
        )

    shipped = at(moved.shipped)
    points = [
        _point(
            objective,
            metrics,
            at(value),
            shipped,
            settings,
            played.blocks,
            weight=value,
            is_shipped=_same(value, moved.shipped),
        )
        for value in moved.values
    ]
    by = dominated_by([values_of(point.metrics) for point in points], objective)
    slopes = _sensitivity(metrics, moved, at, settings.level, played.blocks)
    return Tradeoff(
        objective=objective.name,
        description=objective.description,
        weight=moved.weight,
        shipped=moved.shipped,
        weights=policy.weights,
        policy=Expressions(policy.score, policy.action),
        slope=moved.slope,
        metrics=[_moved(name, metric, slopes[name]) for name, metric in metrics.items()],
        teams=list(dict.fromkeys(metric.team for metric in metrics.values())),
        points=[replace(point, dominated_by=found) for point, found in zip(points, by, strict=True)],
        settings=Levels(**vars(settings), promotion_level=objective.promotion.level),
        n_rows=played.n,
        n_blocks=played.n_blocks,
    )


def _same(value: float, shipped: float) -> bool:
    return bool(np.isclose(value, shipped, rtol=EQUAL, atol=0))


def _moved(name: str, metric: Metric, slope: Estimate) -> Moved:
    return Moved(
        name, metric.team, metric.description, metric.unit, teams.better(metric), metric.min, metric.max,
        metric.weight, metric.scale, is_compared(metric), slope,
    )  # fmt: skip


def is_compared(metric: Metric) -> bool:
    """Whether a team compares models by the metric, so that it counts in dominance."""
    return metric.weight > 0 or metric.tolerance is not None


def score(objective: Objective, values: Mapping[str, float | None]) -> float | None:
    """The objective's score of these values, or None where one of its metrics is missing."""
    soft = [n for n, m in objective.metrics.items() if m.weight and m.builtin not in teams.MEASURED]
    known = [value for name in soft if (value := values.get(name)) is not None]
    if not soft or len(known) < len(soft):
        return None
    pairs = zip(soft, known, strict=True)
    return float(sum(judge.signed(objective.metrics[name], np.array([value]))[0] for name, value in pairs))


def values_of(metrics: Mapping[str, MetricAt]) -> dict[str, float | None]:
    return {name: found.value for name, found in metrics.items()}


def dominated_by(points: Sequence[Mapping[str, float | None]], objective: Objective) -> list[list[int]]:
    """For each point, given by its metrics' values, the places of those that dominate it.

    A point that lacks a value that teams compare neither dominates nor is dominated.
    """
    compared = {
        n: m for n, m in objective.metrics.items() if m.builtin not in teams.MEASURED and is_compared(m)
    }
    gains = np.array(
        [[_gain(metric, values.get(name)) for name, metric in compared.items()] for values in points]
    ).reshape(len(points), len(compared))
    return [[int(i) for i in dominators(gains, place)] for place in range(len(points))]


def dominators(gains: NDArray[np.float64], place: int) -> NDArray[np.intp]:
    """Which points are no worse than the one at `place` in any column, and better in one; more is better.

    >>> dominators(np.array([[1.0, 1.0], [2.0, 1.0], [0.0, 3.0]]), 0)
    array([1])
    """
    own = gains[place]
    slack = EQUAL * np.maximum(np.abs(gains), np.abs(own))
    no_worse, better = gains >= own - slack, gains > own + slack
    return np.flatnonzero(no_worse.all(axis=1) & better.any(axis=1))


def _gain(metric: Metric, value: float | None) -> float:
    if value is None:
        return float("nan")
    return float(judge.improvement(metric, np.array([value]), np.zeros(1))[0])


def _follows_the_decision(metric: Metric) -> bool:
    parts = [part for part in (metric.where, metric.sql) if part is not None]
    return any(columns_of(part, "metric") & {"score", "action"} for part in parts)


def _tried(
    objective: Objective, metrics: Mapping[str, Metric], played: Played, swept: Policy, counts: Counts,
    settings: judge.Settings,
) -> _Tried:  # fmt: skip
    """What comes of the swept policy, measured with the shipped policy's weights as constants."""
    number, action = teams.decided(swept, played, played.predictions)
    decided = replace(played, score=number, action=action)
    statistics, value, resampled = {}, {}, {}
    for name, metric in metrics.items():
        one = teams.statistic(name, metric, decided, objective.targets, objective.policy, settings.min_rows)
        statistics[name] = one
        value[name] = float(one(np.ones((1, played.n_blocks)))[0])
        resampled[name] = one(counts)
    return _Tried(float(action.mean()), statistics, value, resampled)


def _point(
    objective: Objective,
    metrics: Mapping[str, Metric],
    tried: _Tried,
    shipped: _Tried,
    settings: judge.Settings,
    blocks: Blocks,
    weight: float,
    is_shipped: bool,
) -> Point:
    level = objective.promotion.level
    verdicts = {
        name: _verdict(judge.improvement(metric, tried.resampled[name], shipped.resampled[name]), level)
        for name, metric in metrics.items()
    }
    figures = {
        name: limits.figure(metric, tried.metrics[name], blocks, settings.level)
        for name, metric in metrics.items()
    }
    found = {
        name: MetricAt(
            **vars(figures[name]),
            change=bootstrap.finite(tried.value[name] - shipped.value[name]),
            verdict=verdicts[name],
            keeps_limits=figures[name].limits != "broken",
        )
        for name, metric in metrics.items()
    }
    owners = dict.fromkeys(metric.team for metric in metrics.values())
    by_team = {
        team: [verdicts[name] for name, metric in metrics.items() if metric.team == team] for team in owners
    }
    soft = {n: m for n, m in metrics.items() if m.weight}
    total = score(objective, {n: bootstrap.finite(tried.value[n]) for n in soft})

    def summed(drawn: Counts) -> NDArray[np.float64]:
        return sum((judge.signed(m, tried.metrics[n](drawn)) for n, m in soft.items()), np.zeros(len(drawn)))

    return Point(
        weight,
        is_shipped,
        tried.acted,
        found,
        {team: _together(theirs) for team, theirs in by_team.items()},
        None if total is None else intervals.estimate(summed, blocks, settings.level),
    )


def _verdict(gain: NDArray[np.float64], level: float) -> str:
    """Whether the gain (n_resamples,) is surely above or below zero, by one-sided bounds."""
    gain = gain[np.isfinite(gain)]
    if not len(gain):
        return SAME
    low, high = np.quantile(gain, [1 - level, level])
    return BETTER if low > 0 else WORSE if high < 0 else SAME


def _together(verdicts: Sequence[str]) -> str:
    """A team's verdict from those of its metrics."""
    moved = set(verdicts) - {SAME}
    return MIXED if len(moved) > 1 else next(iter(moved), SAME)


def _sensitivity(
    metrics: Mapping[str, Metric], moved: Sweep, at: Callable[[float], _Tried], level: float, blocks: Blocks
) -> dict[str, Estimate]:
    """Each metric's change as the weight rises by the sweep's slope around the shipped value: a central difference,
    one-sided at the ends of a weight from 0 to 1."""
    low, high = moved.shipped - moved.slope / 2, moved.shipped + moved.slope / 2
    if 0 <= moved.shipped <= 1:
        low, high = max(0.0, low), min(1.0, high)
    below, above = at(low), at(high)
    factor = moved.slope / (high - low)

    def slope(name: str) -> Statistic:
        return lambda drawn: (above.metrics[name](drawn) - below.metrics[name](drawn)) * factor

    return {name: intervals.estimate(slope(name), blocks, level) for name in metrics}
