"""`accord run`, `retrain`, `promote` and `collect`, killed with all that they have started, at any moment: the next command
works, and what it ends with is what an undisturbed one ends with."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from projects import Project, program
from traffic_records import SETTINGS, predicted, reported

from accord.traffic.log import TrafficLog
from accord.traffic.records import encode

pytestmark = pytest.mark.slow

N_KILLS = int(os.environ.get("ACCORD_KILLS", "15"))
"""Of each command."""
N_LOGGED = 200
QUICK = ("data=rides", "objective=quality", "experiment=quick")
COMMANDS = {
    "run": ("run", *QUICK),
    "retrain": ("retrain", "--now", "--cutoff", "2024-03-25"),
    "promote": ("promote", "--commit"),
    "collect": ("collect",),
}
COMPARED = (
    "conf.lock.yaml", "dvc.lock", "params.yaml", "data/features", "data/predictions", "data/rows", "data/splits",
    "data/valid", "models/bundle", "models/trained",
    "reports/accounting.json", "reports/evaluation.json", "reports/metrics.json", "reports/plots", "reports/validation.json",
)  # fmt: skip
LEFTOVERS = (
    "**/*.tmp",
    ".bentoml/building-*",
    ".git/*.lock",
    ".git/refs/**/*.lock",
)


@dataclass
class Undisturbed:
    seconds: float
    ends: dict[str, Any]


@pytest.fixture(scope="module")
def states(
    new_project: Callable[[], Project], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Project]:
    """The projects in which the commands start."""
    fresh = new_project()
    ran = copied(fresh, tmp_path_factory.mktemp("ran"))
    ran.run("accord", "run", *QUICK, "data.split.cutoff=2024-02-26")
    ran.commit()
    served = copied(ran, tmp_path_factory.mktemp("served"))
    logged(served)
    released = copied(ran, tmp_path_factory.mktemp("released"))
    released.run("accord", "run", "model=baseline")
    released.run("accord", "promote")
    released.run("accord", "run", *QUICK, "model=lightgbm")
    released.commit()
    return {"run": fresh, "retrain": released, "promote": ran, "collect": served}


@pytest.fixture(scope="module")
def undisturbed(
    states: dict[str, Project], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Undisturbed]:
    """How long a command takes that nothing disturbs, and what it ends with."""
    known: dict[str, Undisturbed] = {}

    def of(name: str) -> Undisturbed:
        if name not in known:
            project = copied(states[name], tmp_path_factory.mktemp("undisturbed"))
            began = time.monotonic()
            project.run("accord", *COMMANDS[name])
            known[name] = Undisturbed(time.monotonic() - began, ends(project))
        return known[name]

    return of


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    shutil.rmtree(tmp_path)  # sixty of them would be much


@pytest.mark.parametrize("kill", range(N_KILLS))
@pytest.mark.parametrize("name", COMMANDS)
def test_after_a_kill_the_next_command_ends_as_an_undisturbed_one(
    states: dict[str, Project],
    undisturbed: Callable[[str], Undisturbed],
    place: Path,
    name: str,
    kill: int,
):
    wanted = undisturbed(name)
    after = wanted.seconds * (kill + random.Random(f"{name} {kill}").random()) / N_KILLS
    project = copied(states[name], place)
    while not killed(project, COMMANDS[name], after):  # the machine was busier when it was measured
        shutil.rmtree(project.root)
        project, after = copied(states[name], place), 0.8 * after
    project.run("accord", *(("package",) if is_done(name, project) else COMMANDS[name]))
    project.run("dvc", "status")
    assert ends(project) == wanted.ends


def copied(project: Project, folder: Path) -> Project:
    """A copy whose release store is its own."""
    return Project(Path(shutil.copytree(project.root, folder / "project", symlinks=True)))


def killed(project: Project, words: tuple[str, ...], after: float) -> bool:
    """Starts the command and kills it after that time; whether it had not ended yet."""
    process = subprocess.Popen(
        [program("accord"), *words], cwd=project.root, env=project.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    time.sleep(after)
    os.killpg(process.pid, signal.SIGKILL)  # it is not waited for yet, so that the group is still its own
    return process.wait() != 0


def is_done(name: str, project: Project) -> bool:
    """Whether the command had done all it does, so that the same again would be another promotion or training."""
    if name == "promote":
        log = project.run("git", "log", "-1", "--format=%s").stdout
        return log.startswith("Promote") and not project.run("git", "status", "--porcelain", "models").stdout
    decided = bool(lines(project, "models/retraining.jsonl"))
    return name == "retrain" and decided and not (project.root / ".accord/retraining.json").exists()


def ends(project: Project) -> dict[str, Any]:
    """What a project holds, without what says when and by whom, and what was begun in it and not finished."""
    champion = json.loads(project.read("models/champion.json"))
    scorecard = project.root / "reports/scorecard.json"
    judged = json.loads(scorecard.read_text()) if scorecard.exists() else {}
    return {
        "files": {name: contents(project.root / name) for name in COMPARED},
        "champion": (champion.get("model_id"), champion.get("reason")),
        "released": [line["model_id"] for line in lines(project, "models/releases.jsonl")],
        "decided": [
            (line["action"], line["candidate"], line["outcome"])
            for line in lines(project, "models/retraining.jsonl")
        ],
        "verdict": (judged.get("candidate"), judged.get("champion"), judged.get("verdict")),
        "collected": collected(project),
        "stored": sorted(contents(project.root / ".releases/files")),
        "bentos": sorted(path.name for path in (project.root / ".bentoml/bentos/accord").glob("[0-9a-f]*")),
        "git": project.run("git", "status", "--porcelain").stdout.replace("data/batches/", "").count("\n"),
        "begun": [
            path.relative_to(project.root) for pattern in LEFTOVERS for path in project.root.glob(pattern)
        ],
    }


def contents(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {path.name: path.read_bytes()}
    return {
        file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }


def lines(project: Project, path: str) -> list[dict[str, Any]]:
    file = project.root / path
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def collected(project: Project) -> list[tuple[Any, ...]]:
    """The rows of all batches, each of which DVC tracks."""
    files = sorted((project.root / "data/batches").glob("*.parquet"))
    assert [f"{file.name}.dvc" for file in files] == sorted(
        path.name for path in (project.root / "data/batches").glob("*.dvc")
    )
    return pl.read_parquet(files).select("ride", "delay").sort("ride").rows() if files else []


def logged(project: Project) -> None:
    """Puts predictions with their outcomes into the log, as a service would have left them."""
    log = TrafficLog(project.root / "data/traffic", SETTINGS)
    for ride in range(10_000, 10_000 + N_LOGGED):
        started_at = (datetime(2024, 3, 12) + timedelta(minutes=ride)).isoformat()
        row = {
            "ride": ride,
            "started_at": started_at,
            "station": "north",
            "member": True,
            "distance": 2.5,
            "rain": 0.5,
        }
        record = predicted(row, key=str(ride))
        log.append(encode(record))
        log.append(encode(reported(record.rows[0].prediction_id, delay=float(ride % 30))))
    log.close()
