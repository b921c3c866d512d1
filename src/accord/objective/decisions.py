"""Stage decide's work: what the policy does with the predictions, and what each team gets from that."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from accord.data import scored
from accord.data.scored import Columns, Rows
from accord.models.trained import baselines
from accord.objective import fairness, teams
from accord.objective.fairness import ByGroup
from accord.objective.limits import Figure
from accord.objective.teams import Played
from accord.schema.config import Config
from accord.schema.objective import Metric, Policy
from accord.tasks import registry

JUDGED = ("test", "holdout")
"""Splits that no model has learned from, on which teams look at it."""


@dataclass(frozen=True)
class Aims:
    """Of the objective what the teams' figures are of."""

    name: str
    description: str
    policy: Policy | None
    metrics: dict[str, Metric]


@dataclass(frozen=True)
class DecisionReport:
    """The report of stage decide, reports/teams.json."""

    teams: dict[str, dict[str, Figure]]
    """By judged split, then metric; those of the running service are left out."""
    fairness: list[ByGroup]
    """On test, by group column."""
    objective: Aims


@dataclass(frozen=True)
class Decided:
    report: DecisionReport
    metrics: dict[str, dict[str, float | None]]
    """Values on the judged splits alone, for `dvc metrics`."""
    decisions: dict[str, Columns]
    """The policy's score and action by split, in the order of the split's rows; no split without a policy."""
    baselines: dict[str, float]
    """By column of the targets' predictions what one would predict without a model."""

    @property
    def summary(self) -> str:
        found = ", ".join(
            f"{name} {value:.4g}" for name, value in self.metrics.get("test", {}).items() if value is not None
        )
        return found or "no metric of a team"


def decide(
    config: Config, rows: Mapping[str, Rows], predictions: Mapping[str, Columns], trained: Path
) -> Decided:
    """What becomes of the scored splits' rows, given each target's predictions for them."""
    objective = config.objective
    targets = registry.all_of(objective.targets).values()
    found = {name: float(values[0]) for name, values in baselines(targets, trained, 1).items()}
    played = {
        split: teams.stream(
            rows[split], objective.targets, objective.policy, predictions[split].of, found,
            scored.blocks(rows[split], config.data),
        )
        for split in JUDGED if split in rows
    }  # fmt: skip
    of_teams = {split: _of_teams(one, config) for split, one in played.items()}
    return Decided(
        report=DecisionReport(
            of_teams,
            _fairness(played["test"], config) if "test" in played else [],
            Aims(objective.name, objective.description, objective.policy, objective.metrics),
        ),
        metrics={
            split: {name: found.value for name, found in table.items()} for split, table in of_teams.items()
        },
        decisions=_decisions(objective.policy, rows, predictions, played),
        baselines=found,
    )


def _decisions(
    policy: Policy | None, rows: Mapping[str, Rows], predictions: Mapping[str, Columns],
    played: Mapping[str, Played],
) -> dict[str, Columns]:  # fmt: skip
    if policy is None:
        return {}
    known = {
        split: {"score": one.score, "action": one.action}
        for split, one in played.items()
        if one.score is not None and one.action is not None
    }
    others = rows.keys() - known.keys()
    names = ("score", "action")
    more = {
        split: dict(zip(names, teams.decided(policy, rows[split], predictions[split].of), strict=True))
        for split in others
    }
    return {split: Columns({**known, **more}[split]) for split in rows}


def _of_teams(played: Played, config: Config) -> dict[str, Figure]:
    objective, settings = config.objective, config.evaluation
    return teams.table(
        objective.metrics,
        played,
        objective.targets,
        objective.policy,
        settings.level,
        settings.min_slice_rows,
    )


def _fairness(played: Played, config: Config) -> list[ByGroup]:
    objective, settings = config.objective, config.evaluation
    return fairness.by_group(
        played,
        objective.targets,
        objective.policy,
        config.data.groups,
        settings.level,
        settings.min_slice_rows,
    )
