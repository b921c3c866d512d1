"""Figures of the running service, taken while other processes want the machine too."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from projects import Project
from shipped import shipped

from accord.driving.measure import QUIET_SHARE, Processors, Round, Service, counting
from accord.files import read_json
from accord.schema.serving import Serving


@contextmanager
def load_beside() -> Iterator[None]:
    """Twice as many processes as there are cores, each of which takes what it gets."""
    burning = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))
    ]
    try:
        yield
    finally:
        for process in burning:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_limit_that_is_missed_under_load_is_no_evidence_against_the_model(
    new_project: Callable[[], Project],
) -> None:
    project = new_project()
    limit = "objective.metrics.latency={team: product, builtin: p99_ms, max: 0.001}"
    settings = ("serving.measure.rounds=1", "serving.measure.seconds=0.5")
    with load_beside():
        done = project.run(
            "accord", "run", "data=rides", "objective=quality", "model=baseline", limit, *settings
        )
    measured = read_json(project.root / "reports/measurement.json")
    assert measured["machine"]["others"] > QUIET_SHARE
    assert measured["machine"]["load"] > 0
    assert "The machine was busy: others took" in done.stdout
    card = read_json(project.root / "reports/scorecard.json")
    [row] = [row for row in card["rows"] if row["name"] == "latency"]
    assert row["verdict"] == "no evidence"
    assert card["verdict"] == "pass"
    assert "no evidence" in project.run("accord", "promote").stdout


def test_what_neither_the_services_nor_this_process_took_is_what_others_took() -> None:
    before = Processors(total=100, idle=50, own=20)
    assert Processors(total=120, idle=60, own=28).others_since(before) == pytest.approx(0.1)
    assert Processors(total=120, idle=70, own=20).others_since(before) == 0
    assert before.others_since(before) == 0


def turn(latency_ms: float, others: float) -> Round:
    return Round([latency_ms] * 10, 1000 / latency_ms, 1e-4, 8, others)


def service(*rounds: Round) -> Service:
    made = Service.__new__(Service)
    made.rounds = list(rounds)
    return made


def test_turns_that_were_quiet_for_every_service_alone_count_if_there_are_any() -> None:
    candidate = service(turn(50.0, 0.9), turn(1.0, 0.02), turn(1.2, 0.05), turn(1.1, 0.04))
    champion = service(turn(50.0, 0.0), turn(1.0, 0.02), turn(9.0, 0.50), turn(1.1, 0.04))
    assert counting([candidate, champion]) == [1, 3]
    assert counting([candidate]) == [1, 2, 3]
    assert counting([service(turn(50.0, 0.9), turn(60.0, 0.8))]) == [0, 1]


def test_the_more_rounds_differ_the_less_they_say() -> None:
    settings = shipped(Serving)
    alike = service(*(turn(ms, 0.0) for ms in (10.0, 10.1, 10.2))).best([0, 1, 2], settings)
    apart = service(*(turn(ms, 0.0) for ms in (6.0, 10.0, 14.0))).best([0, 1, 2], settings)
    assert 0 <= apart["p99_ms"] < alike["p99_ms"] < 10.2
    assert alike["requests_per_second"] > 1000 / 10.2
    assert service(turn(10.0, 0.0)).best([0], settings)["p99_ms"] is None, "one round says nothing of others"
