"""What is said of models and decisions does not depend on how many rows are in memory at once."""

from pathlib import Path
from typing import Any

import pytest
from projects import Project
from shipped import shipped

from accord.config import lock
from accord.engines import mapped
from accord.expectation import expectation
from accord.files import sha256
from accord.paths import Paths
from accord.schema.config import Config
from accord.schema.objective import Policy, Target
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
