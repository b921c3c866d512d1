"""`accord retrain` on a project of its own: what it decides, what it moves, and what a kill leaves behind."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from projects import Project, program

SELECTION = (
    "data=rides",
    "objective=quality",
    "model.n_estimators=30",
    "retraining=drift",
    "retraining.cooldown=1d",
)


@pytest.fixture(scope="module")
def served(new_project: Callable[[], Project]) -> Project:
    """A project with a champion of the rides up to 2024-02-26; its later rides are in the sources already."""
    project = new_project()
    project.run("accord", "run", *SELECTION, "data.split.cutoff=2024-02-26")
    project.run("accord", "promote")
    project.commit()
    return project


def decided(project: Project, *kinds: str, end: str = "2024-03-25T01:00:00") -> None:
    """Writes what the monitoring would have found."""
    alarms = [{"kind": kind, "what": "distance", "evidence": "it moved"} for kind in kinds]
    decision = {"model": champion(project), "window": {"end": end}, "alarms": alarms}
    project.write("reports/decision.json", json.dumps(decision))


def log(project: Project) -> list[dict[str, Any]]:
    path = project.root / "models/retraining.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def split(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(project.read("params.yaml"))["overrides"]["data"]["split"]
    return found


def champion(project: Project) -> str:
    return str(json.loads(project.read("models/champion.json"))["model_id"])


def reset(project: Project) -> None:
    """As `served` left it."""
    project.run("git", "checkout", "--quiet", ".")
    for made in ("models/retraining.jsonl", "reports/decision.json", ".accord/retraining.json"):
        (project.root / made).unlink(missing_ok=True)
    project.run("dvc", "checkout", "--quiet", "--force")


@pytest.mark.slow
def test_the_rule_asks_for_the_monitoring_first(served: Project) -> None:
    reset(served)
    assert "watch the traffic first: accord monitor" in served.refused("accord", "retrain")
    assert log(served) == []


@pytest.mark.slow
def test_not_to_train_is_a_decision_and_logged_too(served: Project) -> None:
    reset(served)
    decided(served, "drift")
    assert "Not trained: there is drift, but no loss of quality" in served.run("accord", "retrain").stdout
    (record,) = log(served)
    assert (record["action"], record["evidence"]["alarms"]) == ("kept", {"drift": 1})
    assert split(served) == {"cutoff": "2024-02-26"}


@pytest.mark.slow
def test_the_cutoff_never_goes_back(served: Project) -> None:
    reset(served)
    assert "would go back" in served.refused("accord", "retrain", "--now", "--cutoff", "2024-02-01")
    assert split(served) == {"cutoff": "2024-02-26"}


@pytest.mark.slow
def test_a_due_training_moves_the_cutoff_and_is_judged_against_the_champion(served: Project) -> None:
    reset(served)
    decided(served, "drift", "quality")
    before = champion(served)
    shown = served.run("accord", "retrain").stdout
    assert split(served) == {"cutoff": "2024-03-25", "train": None}
    (record,) = log(served)
    assert record["action"] in ("promoted", "refused")
    assert (champion(served) != before) == (record["action"] == "promoted")
    assert record["champion"] == before
    assert record["outcome"][0] in shown
    assert record["cpu_s"] > 0
    again = served.run("accord", "retrain").stdout
    assert "there is nothing newer than the rows of the last training" in again
    assert [line["action"] for line in log(served)] == [record["action"], "kept"]


@pytest.mark.slow
def test_a_pipeline_that_fails_is_logged_and_leaves_the_champion(served: Project) -> None:
    reset(served)
    decided(served, "drift", "quality", end="2024-03-26T00:00:00")
    before = champion(served)
    served.replace(
        "conf/data/rides.yaml", "members_ride_near: member IS NULL OR distance < 90", "near: distance < 2"
    )
    served.refused("accord", "retrain")
    assert [line["action"] for line in log(served)] == ["failed"]
    assert champion(served) == before
    served.replace(
        "conf/data/rides.yaml", "near: distance < 2", "members_ride_near: member IS NULL OR distance < 90"
    )
    served.run("accord", "retrain")
    assert [line["action"] for line in log(served)][1] in ("promoted", "refused")


@pytest.mark.slow
def test_a_decision_about_another_model_is_none(served: Project) -> None:
    reset(served)
    decided(served, "drift", "quality")
    decision = json.loads(served.read("reports/decision.json"))
    served.write("reports/decision.json", json.dumps({**decision, "model": "another"}))
    assert "is about another, but" in served.refused("accord", "retrain")
    assert log(served) == []


@pytest.mark.slow
def test_what_fails_after_the_training_is_tried_again(served: Project) -> None:
    reset(served)
    decided(served, "drift", "quality")
    releases = served.root / "models/releases"
    releases.rename(
        releases.with_name("away")
    )  # the candidate is made, and can't be judged against the champion
    try:
        assert "are not here" in served.refused("accord", "retrain")
    finally:
        releases.with_name("away").rename(releases)
    assert [line["action"] for line in log(served)] == ["failed"]
    served.run("accord", "retrain")
    assert [line["action"] for line in log(served)][1] in ("promoted", "refused")


@pytest.fixture(scope="module")
def undisturbed(served: Project) -> tuple[dict[str, Any], str]:
    """The line of the log of a retraining that nothing disturbs, and the champion after it."""
    reset(served)
    decided(served, "drift", "quality")
    served.run("accord", "retrain")
    (record,) = log(served)
    return record, champion(served)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(int(os.environ.get("ACCORD_KILLS", "3"))))
def test_after_a_kill_at_a_random_moment_the_next_call_brings_it_to_the_same_end(
    served: Project, undisturbed: tuple[dict[str, Any], str], seed: int
) -> None:
    wanted, ends = undisturbed
    reset(served)
    decided(served, "drift", "quality")
    process = subprocess.Popen(
        [program("accord"), "retrain"], cwd=served.root, env=served.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(random.Random(seed).uniform(0.5, 20))
    process.send_signal(signal.SIGKILL)
    process.wait()
    served.run("accord", "retrain")
    trained = [line for line in log(served) if line["action"] != "kept"]
    assert [line["action"] for line in trained] == [wanted["action"]]
    assert trained[0]["candidate"] == wanted["candidate"]
    assert champion(served) == ends
    assert split(served) == {"cutoff": "2024-03-25", "train": None}
    assert not (served.root / ".accord/retraining.json").exists()
    releases = [json.loads(line)["model_id"] for line in served.read("models/releases.jsonl").splitlines()]
    assert len(releases) == len(set(releases))
