"""Fairness: what happens to the people of each group, and how far the groups are apart.

Which rates are compared of a target, its task says. A group with fewer rows than asked is counted, but neither
scored nor part of a gap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from accord import intervals
from accord.intervals import Estimate
from accord.objective import teams
from accord.objective.grouping import grouped, title
from accord.objective.teams import Played
from accord.schema.objective import Metric, Policy, Target
from accord.tasks.registry import all_of


@dataclass(frozen=True)
class Group:
    """The people whose rows have one level of a group column, or the same of several at once."""

    level: str
    n_rows: int
    rates: dict[str, Estimate]
    """Empty where there are too few rows, which is no evidence."""


@dataclass(frozen=True)
class ByGroup:
    column: str
    levels: list[Group]
    gaps: dict[str, Estimate]


def rates(targets: Mapping[str, Target], has_policy: bool) -> dict[str, str]:
    """The rates that are compared, by name, as SQL aggregates."""
    found = {"selection rate": "AVG(action)"} if has_policy else {}
    for name, target in all_of(targets).items():
        found |= target.task.rates(name, has_policy)
    return found


def by_group(
    played: Played, targets: Mapping[str, Target], policy: Policy | None,
    columns: Sequence[str | Sequence[str]],
    level: float, min_rows: int,
) -> list[ByGroup]:  # fmt: skip
    """For each group column its levels with their rates, and each rate's gap: the largest less the smallest."""
    return [_by_column(played, targets, policy, column, level, min_rows) for column in columns]


def _by_column(
    played: Played, targets: Mapping[str, Target], policy: Policy | None, column: str | Sequence[str],
    level: float, min_rows: int,
) -> ByGroup:  # fmt: skip
    groups = grouped(played, column)
    counts = groups.counts()
    large = np.flatnonzero(counts >= min_rows)
    part = groups.parts(large, None, played.scratch)
    scored: dict[int, dict[str, Estimate]] = {int(number): {} for number in large}
    gaps = {}
    for name, sql in rates(targets, policy is not None).items():
        metric = Metric(team="governance", sql=sql, better="higher", weight=0, scale=1)
        found = teams.statistics(name, metric, played, part, len(large), targets, policy)
        for of_level, statistic in zip(scored.values(), found, strict=True):
            of_level[name] = intervals.estimate(statistic, played.blocks, level)
        gaps[name] = intervals.estimate(teams.gap(found), played.blocks, level)
    levels = [
        Group(name, int(n), scored.get(number, {}))
        for number, (name, n) in enumerate(zip(groups.names, counts, strict=True))
    ]
    return ByGroup(title(column), levels, gaps)


def restricted(played: Played, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> Played:
    """The rows where the mask (n,) holds; blocks keep their numbers."""

    def part(values: Mapping[str, teams.Vector]) -> dict[str, teams.Vector]:
        return {name: one[mask] for name, one in values.items()}

    return Played(
        played.rows.filter(mask), part(played.outcomes), part(played.predictions), part(played.baselines),
        None if played.score is None else played.score[mask], None if played.action is None else played.action[mask],
        played.block[mask], played.n_blocks, played.at,
    )  # fmt: skip
