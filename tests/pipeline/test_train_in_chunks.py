"""Stages featurize and train of a few rows at a time, and little memory: the same bytes."""

from pathlib import Path

import pytest
from projects import Project

from accord.config import lock
from accord.engines import mapped, memory
from accord.files import sha256
from accord.paths import Paths
from accord.stages.featurize import featurize
from accord.stages.train import train


@pytest.mark.parametrize("chunk_rows", [97, 1000])
def test_a_few_rows_at_a_time_give_the_same_features_and_models(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_rows: int
):
    monkeypatch.setattr(mapped, "MAX_BYTES", 0)
    config, paths = lock.load(project.paths), Paths(tmp_path)
    engine = config.engine.model_copy(update={"chunk_rows": chunk_rows, "memory": "500MB"})
    assert memory.limit(engine) < memory.limit(config.engine)
    paths.splits.parent.mkdir()
    paths.splits.symlink_to(project.paths.splits)
    featurize(config.model_copy(update={"engine": engine}), paths)
    assert sha256(paths.features) == sha256(project.paths.features)
    said = train(config.model_copy(update={"engine": engine}), paths)
    assert sha256(paths.trained) == sha256(project.paths.trained)
    assert said.endswith("memory for a model estimated at 0.3 GB, of 0.5 GB (engine.memory)")
    assert list((tmp_path / engine.scratch).iterdir()) == []
