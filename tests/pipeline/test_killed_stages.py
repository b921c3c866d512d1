"""Stages validate and split, killed while they write a chunk at a time: nothing is left half written, and the next run ends as
one that nothing disturbed."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable

import pytest
from projects import Project, program

from accord.data.splitting import SPLITS
from accord.files import sha256

pytestmark = pytest.mark.slow

N_KILLS = 4
WORDS = ("data=rides", "objective=quality", "engine.chunk_rows=150")
WRITTEN = {
    "validate": ("data/valid", "data/quarantine", "reports/validation.json"),
    "split": (*(f"data/splits/{name}" for name in SPLITS), "reports/accounting.json"),
}


@pytest.fixture(scope="module")
def project(new_project: Callable[[], Project]) -> Project:
    """One in which each stage ran, with all rows in memory."""
    made = new_project()
    for stage in ("compose", "ingest", "validate", "split"):
        made.run("python", "-m", f"accord.stages.{stage}", *WORDS[:2])
    return made


@pytest.mark.parametrize("stage", WRITTEN)
def test_a_stage_that_is_killed_leaves_nothing_half_written(project: Project, stage: str):
    expected = hashes(project, stage)
    command = [program("python"), "-m", f"accord.stages.{stage}", *WORDS]
    began = time.monotonic()
    project.run("python", *command[1:])
    seconds = time.monotonic() - began
    assert hashes(project, stage) == expected
    draw = random.Random(stage)
    for _ in range(N_KILLS):
        running = subprocess.Popen(
            command,
            cwd=project.root,
            env=project.environment,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(seconds * draw.uniform(0.3, 1.0))
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        assert hashes(project, stage).items() <= expected.items()
        project.run("python", *command[1:])
        assert hashes(project, stage) == expected
        assert not list((project.root / "data").rglob("*.tmp"))
        assert not list((project.root / ".accord/scratch").iterdir())


def hashes(project: Project, stage: str) -> dict[str, str]:
    """Of each file and folder that the stage writes, where there is one."""
    return {name: sha256(path) for name in WRITTEN[stage] if (path := project.root / name).exists()}
