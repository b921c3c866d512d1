"""A packaged model of the rides with a column of every type, and its service."""

import csv
import io
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from projects import RIDES, Project, program, rides
from services import MODELS, Home, Running, home_with, make_bundle, running

Serve = Callable[..., AbstractContextManager[httpx.Client]]
MORE_COLUMNS = """
  bike: {type: category}
  seats: {type: integer, min: 1}
  helmets: {type: integer, nullable: true}
  booked_at: {type: datetime, nullable: true}
"""


@pytest.fixture(scope="session")
def packaged(new_project: Callable[[], Project]) -> Project:
    """A project that ran on rides with more columns; tests share it and leave it as it is."""
    project = new_project()
    declared = RIDES.replace(
        "{type: category, description", "{type: category, values: [north, south, harbour], description"
    )
    project.write("conf/data/rides.yaml", declared.replace("\nderived:", MORE_COLUMNS + "derived:"))
    project.write("data/raw/rides.csv", with_more_columns(rides()))
    project.run(
        "accord",
        "run",
        "data=rides",
        "objective=quality",
        "model.n_estimators=20",
        "evaluation.n_resamples=50",
    )
    project.commit()
    return project


@pytest.fixture(scope="session")
def service(packaged: Project, serve: Serve) -> Iterator[httpx.Client]:
    """A client of the running service."""
    with serve(packaged) as client:
        yield client


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Serves a project's Bento while a block runs."""
    return serving


@pytest.fixture(scope="session")
def released(packaged: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bundle of each model, all with a policy and with columns that could identify a person."""
    folder = tmp_path_factory.mktemp("released")
    return {model: make_bundle(packaged, folder / model, model) for model in MODELS}


@pytest.fixture
def home(tmp_path: Path, released: dict[str, Path]) -> Home:
    """A project folder whose champion is lightgbm, with the other models released too."""
    return home_with(released, tmp_path / "home")


@pytest.fixture(scope="module")
def live(
    packaged: Project, released: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A service of lightgbm for a module's tests. Each leaves the champion and the policy as it found them."""
    home = home_with(released, tmp_path_factory.mktemp("live") / "home")
    with running(packaged, home, {"timeout_s": 2, "max_mb": 1, "traffic": {"max_mb": 100}}) as service:
        yield service


def with_more_columns(text: str) -> str:
    """The rides with a bike, seats, helmets and the time of booking beside each, from its number alone."""
    rows = list(csv.DictReader(io.StringIO(text)))
    for row in rows:
        ride = int(row["ride"])
        booked = datetime.fromisoformat(row["started_at"]) - timedelta(minutes=ride % 1000, microseconds=ride)
        row |= {
            "bike": f"bike {ride % 7}",
            "seats": str(1 + ride % 2),
            "helmets": "" if ride % 5 == 0 else str(ride % 3),
            "booked_at": "" if ride % 11 == 0 else booked.isoformat(sep=" ", timespec="microseconds"),
        }
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


@contextmanager
def serving(project: Project, *words: str, **environment: str) -> Iterator[httpx.Client]:
    """`accord serve` as a user starts it, on a port of its own; all its processes are gone afterwards."""
    port = free_port()
    log = project.root / "serve.log.tmp"
    with log.open("w") as out:
        server = subprocess.Popen(
            [program("accord"), "serve", "--port", str(port), *words],
            cwd=project.root, env={**project.environment, **environment}, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            wait_until_ready(client, server, log.read_text)
            yield client
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # killed outright, the server would leave its workers behind
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def wait_until_ready(client: httpx.Client, server: subprocess.Popen[bytes], log: Callable[[], str]) -> None:
    for _ in range(600):
        assert server.poll() is None, log()
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"not ready:\n{log()}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
