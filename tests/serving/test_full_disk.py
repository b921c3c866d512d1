"""A disk without room, where the whole project lies on it: what `when_full` promises is kept for as long as it lasts, by
processes that live, and when there is room again nothing is lost or there twice."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from projects import Project
from services import TOKEN, Home, Running, is_running, json_rows, running

from accord.bundle.bundle import load_bundle
from accord.traffic.log import LOOK_EVERY_S

pytestmark = pytest.mark.slow
N_ASKED = 40
AUTHORISED = {"authorization": f"Bearer {TOKEN}"}
Rows = list[dict[str, Any]]


def mounted(folder: Path, options: str) -> None:
    """Mounts a small disk, or skips the test where that isn't possible."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True) if os.getuid() == 0 else None
    if done is None or done.returncode:
        pytest.skip("a small disk can't be mounted here: it takes root" if done is None else done.stderr)


@pytest.fixture
def on_small_disk(packaged: Project, released: dict[str, Path], tmp_path: Path) -> Iterator[Project]:
    """The project with its Bento and its traffic, on a disk of its own with some room."""
    mounted(tmp_path / "disk", "size=200m,nr_inodes=20000")
    project = Project(tmp_path / "disk/project")
    try:
        for name in ("models/bundle", ".bentoml"):
            shutil.copytree(packaged.root / name, project.root / name, symlinks=True)
        Home(project.root).release(released["lightgbm"])
        Home(project.root).name_champion(released["lightgbm"].name)
        (project.root / "tmp").mkdir()
        yield project
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path / "disk")], check=True)


@pytest.fixture(scope="module")
def rows(packaged: Project, released: dict[str, Path]) -> Rows:
    return json_rows(packaged, load_bundle(released["lightgbm"]))[:N_ASKED]


def fill(file: Path) -> None:
    """Takes all that is left, to the last byte."""
    with file.open("wb", buffering=0) as out:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while out.write(bytes(size)) == size:
                    pass


def take_names(folder: Path) -> None:
    """Takes all names of files that the disk has left."""
    folder.mkdir()
    with contextlib.suppress(OSError):
        for i in range(1_000_000):
            (folder / str(i)).touch()


def asked(service: Running, rows: Rows) -> list[tuple[int, list[str]]]:
    """The status of a request for each row, by a connection of its own, and the ids of what was predicted."""
    found = []
    for row in rows:
        answer = service.client.post("/predict", json={"rows": [row]}, headers={"connection": "close"})
        found.append((answer.status_code, [one["prediction_id"] for one in answer.json().get("rows", [])]))
    return found


def kill(pid: int, service: Running, row: dict[str, Any]) -> None:
    """Kills a process of the service, and its workers with the supervisor, and waits until answers come again."""
    ending = [pid, *(service.workers() if pid == service.supervisor() else [])]
    os.kill(pid, signal.SIGKILL)
    service.until(lambda: not any(map(is_running, ending)), "gone")
    body = {"rows": [row]}
    service.until(lambda: service.client.post("/explain", json=body).status_code == 200, "answers")


def problems(service: Running) -> list[str]:
    """What is wrong with any worker, whichever answers."""
    return list(service.client.get("/readyz").json()["problems"])


@pytest.mark.parametrize("when_full", ["refuse", "answer"])
def test_what_is_promised_for_a_full_disk_is_kept_for_as_long_as_it_lasts(
    on_small_disk: Project, rows: Rows, when_full: str
) -> None:
    home, ballast = Home(on_small_disk.root), on_small_disk.root / "ballast"
    promised = {200, 503} if when_full == "refuse" else {200}  # what is left of a page may take some records
    settings = {"workers": 2, "traffic": {"when_full": when_full, "max_mb": 1000}}
    with running(on_small_disk, home, settings, TMPDIR=str(on_small_disk.root / "tmp")) as service:
        before = asked(service, rows)
        fill(ballast)
        workers, full = set(service.workers()), []
        for _ in range(20):
            full += asked(service, rows)
        assert set(service.workers()) == workers  # none has died of it
        for pid in workers:
            kill(pid, service, rows[0])
            full += asked(service, rows)
        logged = home.predicted()
        n_unlogged = sum(status == 503 or ids[0] not in logged for status, ids in full)
        assert n_unlogged > len(full) / 2
        assert (
            service.metrics()["accord_unlogged_rows_total"] == n_unlogged
        )  # a killed worker's are among them
        change = service.client.post("/policy", json={"weights": {"w": 1.0}}, headers=AUTHORISED)
        assert change.status_code == 503
        kill(service.supervisor() or 0, service, rows[0])
        full += asked(service, rows)
        assert {status for status, _ in full} == promised
        assert problems(service)
        ballast.unlink()
        service.until(lambda: not problems(service), "room again")
        after = asked(service, rows)
        assert {status for status, _ in before + after} == {200}
        assert service.client.get("/policy").json()["changed"] is False
        log = home.predicted()
        promised_ids = [i for _, ids in (full if when_full == "refuse" else []) + before + after for i in ids]
        assert [i for i in promised_ids if len(log.get(i, [])) != 1] == []
        assert {len(found) for found in log.values()} == {1}


@pytest.mark.parametrize("cause", ["names", "read-only"])
def test_a_disk_that_takes_no_file_though_it_has_room_is_noted_until_it_takes_one(
    on_small_disk: Project, rows: Rows, cause: str
) -> None:
    home, names = Home(on_small_disk.root), on_small_disk.root / "names"
    home.traffic.mkdir(parents=True)
    (home.traffic / "segments").mkdir()
    with running(on_small_disk, home) as service:
        if cause == "names":
            take_names(names)
        else:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(home.traffic)], check=True)
        for _ in range(5):
            assert {status for status, _ in asked(service, rows[:5])} == {503}
            time.sleep(LOOK_EVERY_S)
            assert service.client.get("/readyz").status_code == 503
        assert "can't be written" in problems(service)[0]
        if cause == "names":
            shutil.rmtree(names)
        else:
            subprocess.run(["umount", str(home.traffic)], check=True)
        service.until_ready()
        [(status, [prediction_id])] = asked(service, rows[:1])
        assert status == 200
        assert prediction_id in home.predicted()
