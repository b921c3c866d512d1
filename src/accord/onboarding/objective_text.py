"""The text of an objective of a data set's own, where `quality` says too little: groups to watch, or an outcome that is rare."""

from collections.abc import Sequence

import numpy as np

from accord.losses import Vector
from accord.onboarding.written import in_yaml
from accord.tasks.task import Task

RARE = 0.05
"""Share of the rarer outcome below which ranking says more than the loss."""
PRECISION = "average_precision"


def text(name: str, task: Task, outcomes: Vector, groups: Sequence[str]) -> str | None:
    """The file in conf/objective, for a target with these outcomes (n,); None where objective=quality fits."""
    known = outcomes[np.isfinite(outcomes)]
    share = float(known.mean()) if task.outcome == "condition" and len(known) else 0.5
    is_rare = min(share, 1 - share) < RARE and PRECISION in task.metric_names
    if not is_rare and not groups:
        return None
    why = [f"{share:.1%} of the outcomes are positive"] if is_rare else []
    why += [f"people may differ by {', '.join(groups)}"] if groups else []
    lines = [
        "# yaml-language-server: $schema=../../docs/schema/objective.json",
        f"# Predict {name} well, as objective=quality does, and watch what it leaves out: {'; '.join(why)}.",
        "# Put together by `accord onboard`; yours to change. docs/objectives.md describes the keys.",
        "defaults: [quality, _self_]",
        f"name: {name}",
        f"description: {in_yaml(f'Prediction quality on {name}, with what its data call for')}",
        "metrics:",
    ]
    if is_rare:
        lines += _metric(
            "ranking", "data_science", "average precision: how far up the rare outcome stands", PRECISION
        )
        lines += ["    weight: 1", "    scale: 0.01", "    tolerance: 0.01"]
    for group in groups:
        said = f"largest difference in {task.leading.name} between values of {group}"
        lines += [*_metric(f"gap_{group}", "governance", said, task.leading.name), f"    group: {group}"]
    return "\n".join(lines) + "\n"


def _metric(name: str, team: str, description: str, builtin: str) -> list[str]:
    return [
        f"  {name}:",
        f"    team: {team}",
        f"    description: {in_yaml(description)}",
        f"    builtin: {builtin}",
    ]
