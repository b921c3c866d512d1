"""Stage decide's work: what the policy does with the predictions, and what each team gets from that."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from accord.data import splitting
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
    decisions: dict[str, pl.DataFrame]
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
    config: Config,
    rows: Mapping[str, pl.DataFrame],
    predictions: Mapping[str, pl.DataFrame],
    trained: Path,
) -> Decided:
    """What becomes of the scored splits' rows, with derived features, given each target's predictions for them."""
    objective, dealt_by = config.objective, config.data.dealt_by
    targets = registry.all_of(objective.targets).values()
    played = {
        split: teams.play(
            frame, objective.targets, objective.policy,
            {name: predictions[split][name].to_numpy() for target in targets for name in target.columns},
            baselines(targets, trained, frame.height), splitting.blocks(frame, dealt_by, config.data.time),
        )
        for split, frame in rows.items()
    }  # fmt: skip
    of_teams = {split: _of_teams(played[split], config) for split in JUDGED if split in played}
    return Decided(
        report=DecisionReport(
            of_teams,
            _fairness(played["test"], config) if "test" in played else [],
            Aims(objective.name, objective.description, objective.policy, objective.metrics),
        ),
        metrics={
            split: {name: found.value for name, found in table.items()} for split, table in of_teams.items()
        },
        decisions={
            split: pl.DataFrame({"score": one.score, "action": one.action})
            for split, one in played.items()
            if one.action is not None
        },
        baselines={name: float(values[0]) for name, values in baselines(targets, trained, 1).items()},
    )


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
