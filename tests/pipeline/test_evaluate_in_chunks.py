"""What is said of models and decisions does not depend on how many rows are in memory at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from projects import Project
from shipped import shipped

from accord.bundle.bundle import load_bundle
from accord.config import lock
from accord.engines import mapped
from accord.expectation import expectation
from accord.files import sha256
from accord.objective import teams
from accord.paths import Paths
from accord.promotion import pairs
from accord.schema.config import Config
from accord.schema.objective import Metric, Policy, Target
from accord.stages import decide, evaluate

LATE = "CASE WHEN rain IS NOT NULL THEN delay > 10 END"
TARGETS = {
    "late": {
        "task": "binary", "sql": LATE, "owner": "riders",
        "alternatives": {"very": {"description": "by more", "rows": "delay BETWEEN 10 AND 20", "sql": "delay > 20"}},
    },
    "delay_minutes": {"task": "regression", "sql": "delay", "owner": "operations"},
}  # fmt: skip
POLICY = {"weights": {"w": 0.5}, "score": "delay_minutes - w * distance", "action": "score > late"}
DATA: dict[str, dict[str, Any]] = {
    "time": {},
    "many groups": {"time": None},
    "few groups": {"time": None, "subject": "station"},
}


def configured(project: Project, chunk_rows: int | None, data: dict[str, Any]) -> Config:
    config = lock.load(project.paths)
    targets = {name: shipped(Target, **target) for name, target in TARGETS.items()}
    more = {
        "slices": ["station", "member", "is_long", "rain"],
        "groups": ["station", ["member", "is_long"]],
        **data,
    }
    return config.model_copy(
        update={
            "engine": config.engine.model_copy(update={"chunk_rows": chunk_rows}),
            "data": config.data.model_copy(update=more),
            "objective": config.objective.model_copy(
                update={"targets": targets, "policy": Policy.model_validate(POLICY)}
            ),
        }
    )


def outputs(project: Project, folder: Path, config: Config) -> dict[str, str]:
    """The hash of all that stages evaluate and decide write, from the rows and models of the project."""
    paths, made = Paths(folder), Paths(project.root)
    for path, linked in (
        (paths.splits, made.splits),
        (paths.features, made.features),
        (paths.trained, made.trained),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(linked)
    for stage in (evaluate.evaluate, decide.decide):
        stage(config, paths)
    written = (
        paths.predictions, paths.decisions, paths.evaluated, paths.decided, paths.evaluation, paths.metrics, paths.teams,
        paths.team_metrics, paths.plots,
    )  # fmt: skip
    return {paths.in_root(path): sha256(path) for path in written}


@pytest.mark.parametrize("data", DATA)
def test_chunks_of_rows_change_no_byte(
    project: Project, tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = outputs(project, tmp_path / "whole", configured(project, None, DATA[data]))
    monkeypatch.setattr(mapped, "MAX_BYTES", 0)
    monkeypatch.setattr(expectation, "MAX_CELLS", 0)
    for rows in (7 if data == "time" else 101, 1000):
        config = configured(project, rows, DATA[data])
        assert outputs(project, tmp_path / str(rows), config) == whole
    assert not [*(tmp_path / "1000" / config.engine.scratch).glob("*")]


def test_chunks_of_rows_change_no_bit_of_what_models_are_judged_on(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = load_bundle(project.paths.bundle)

    def judged(chunk_rows: int | None) -> list[Any]:
        config = configured(project, chunk_rows, {})
        pair = pairs.pair_on(config, "holdout", bundle, bundle, project.paths)
        assert pair is not None
        once = np.ones((1, pair.candidate.n_blocks))
        metrics = {"width": "AVG(delay_minutes * late)", "gap": "AVG(actual_late)"}
        found = [
            teams.statistic(
                name, shipped(Metric, team="riders", better="higher", sql=sql, group="station" if name == "gap" else None),
                pair.candidate, config.objective.targets, None, 1,
            )(once).tolist()
            for name, sql in metrics.items()
        ]  # fmt: skip
        assert pair.champion is not None
        return [pair.candidate.n, pair.champion.n, found]

    whole = judged(None)
    monkeypatch.setattr(mapped, "MAX_BYTES", 0)
    assert judged(7) == whole
