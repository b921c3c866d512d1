"""Is a hard limit kept? Surely, surely not, or it can't be told.

A limit is broken where the one-sided bound of the metric is beyond it, and kept where the bound of the other side is within. In
between a window of days like these says nothing either way: of metrics just within their limit, as few break it as the
level allows.
"""

from dataclasses import dataclass
from typing import Literal

from accord import intervals
from accord.bootstrap import Blocks, Statistic
from accord.intervals import MIN_BLOCKS, Estimate
from accord.schema.objective import Metric

Verdict = Literal["kept", "broken", "no evidence"]


@dataclass(frozen=True, kw_only=True)
class Figure(Estimate):
    """A team's metric, beside its limits if it has any."""

    limits: Verdict | None = None
    """None without limits."""
    at_least: float | None = None
    """One-sided bound, as is `at_most`; None without limits."""
    at_most: float | None = None


def figure(metric: Metric, statistic: Statistic, blocks: Blocks, level: float) -> Figure:
    """The metric with its interval, and what that says of its limits. The level is that of the interval, and of each bound."""
    if metric.min is None and metric.max is None:
        return Figure(**vars(intervals.estimate(statistic, blocks, level)))
    found, bounds = intervals.estimates(statistic, blocks, [level, 2 * level - 1])
    verdict = judged(metric, bounds)
    return Figure(**vars(found), limits=verdict, at_least=bounds.low, at_most=bounds.high)


def judged(metric: Metric, bounds: Estimate) -> Verdict:
    """Whether a metric within these one-sided bounds keeps its limits. Few blocks may break a limit, and never keep it."""
    low, high = bounds.low, bounds.high
    if low is None or high is None:
        return "no evidence"
    if (metric.max is not None and low > metric.max) or (metric.min is not None and high < metric.min):
        return "broken"
    is_within = (metric.max is None or high <= metric.max) and (metric.min is None or low >= metric.min)
    return "kept" if is_within and bounds.n_blocks >= MIN_BLOCKS else "no evidence"


def missing(metric: Metric, found: Figure, unit: str) -> str:
    """What is missing where there is no evidence: in words that go on after the metric's name."""
    sides = ((metric.min, "at least"), (metric.max, "at most"))
    limit = " and ".join(f"{words} {side:g}" for side, words in sides if side is not None)
    if found.value is None:
        return f"has no value on these rows, so that it can't be told whether it is {limit}; more rows would tell"
    if found.n_blocks < MIN_BLOCKS:
        why = f"{found.n_blocks} {unit} are too few to be sure that it is {limit}; {MIN_BLOCKS} or more would tell"
    else:
        why = (
            f"on {found.n_blocks} {unit} it may be anything from {found.at_least:.4g} to {found.at_most:.4g}, so that it can't be told "
            f"whether it is {limit}; more {unit} would tell"
        )
    return f"is {found.value:.4g}, but {why}"


def unit(blocks: Blocks) -> str:
    """What blocks are, in a word."""
    return "groups of rows" if blocks.at is None else "days"
