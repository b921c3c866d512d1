"""What a worker knows of the others."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from shipped import shipped

from accord.schema.serving import Traffic
from accord.serving import counts
from accord.serving.counters import Metrics
from accord.traffic.log import TrafficLog

FEW = shipped(Traffic, min_free_mb=0, max_mb=1)
MANY = shipped(Traffic, min_free_mb=0, max_mb=1000)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Traffic], TrafficLog]]:
    """Makes logs of one folder, for workers of one supervisor."""
    memory = os.memfd_create("counts")
    monkeypatch.setenv(counts.VARIABLE, str(memory))
    logs: list[TrafficLog] = []

    def made(settings: Traffic) -> TrafficLog:
        logs.append(TrafficLog(tmp_path / "traffic", settings))
        return logs[-1]

    yield made
    for each in logs:
        each.close()
    os.close(memory)


def filled(folder: Path) -> Path:
    """A segment that takes more room than few megabytes."""
    segment = folder / "traffic/segments/ballast.jsonl"
    segment.parent.mkdir(parents=True, exist_ok=True)
    segment.write_bytes(bytes(2_000_000))
    return segment


def test_a_problem_of_any_workers_log_is_known_to_all_until_it_ends(
    log: Callable[[Traffic], TrafficLog], tmp_path: Path
) -> None:
    logs = log(MANY), log(FEW)
    first, second = Metrics(0, logs[0]), Metrics(1, logs[1])
    assert first.log_problem() is None
    ballast = filled(tmp_path)
    while logs[1].problem is None:
        time.sleep(0.01)
    second.not_logged(1)  # as before the answer to a request
    assert logs[0].problem is None
    assert "serving.traffic.max_mb" in str(first.log_problem())
    ballast.unlink()
    while logs[1].problem is not None:
        time.sleep(0.01)
    assert first.log_problem() is not None
    second.pass_on_problem()
    assert first.log_problem() is None


def test_a_worker_does_not_inherit_the_problem_of_the_one_whose_place_it_takes(
    log: Callable[[Traffic], TrafficLog], tmp_path: Path
) -> None:
    other = Metrics(0, log(MANY))
    ballast = filled(tmp_path)
    killed = Metrics(1, log(FEW))
    assert killed.log_problem() == other.log_problem() is not None
    ballast.unlink()
    Metrics(1, log(FEW))
    assert other.log_problem() is None
