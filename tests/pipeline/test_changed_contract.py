"""A contract that changes after launch, with a champion and a log that know the old one: each command ends right, or in one line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import Project
from services import TOKEN, Home, running

from accord.files import read_json

pytestmark = pytest.mark.slow

DATA, RAW = "conf/data/rides.yaml", "data/raw/rides.csv"
RAIN = "rain: {type: number, unit: mm in the hour, min: 0, max: 50, nullable: true}"
ASKED = {
    "station": "south",
    "member": True,
    "distance": 3.0,
    "rain": 1.0,
    "started_at": "2024-03-12T00:00:00",
    "ride": 1,
}
SPAN = ("--from", "2024-03-12", "--to", "2024-03-25")


@pytest.fixture(scope="module")
def launched(new_project: Callable[[], Project]) -> tuple[Project, str]:
    """A project with a champion and a log, and the id of a prediction that was logged."""
    project = new_project()
    project.run(
        "accord",
        "run",
        "data=rides",
        "objective=quality",
        "model.n_estimators=10",
        "evaluation.n_resamples=50",
    )
    project.commit()
    project.run("accord", "promote", "--commit")
    with pytest.MonkeyPatch.context() as patch, running(project, Home(project.root)) as service:
        patch.setenv("ACCORD_TOKEN", TOKEN)
        prediction_id = service.ask(ASKED)["rows"][0]["prediction_id"]
        project.run("accord", "replay", "--url", str(service.client.base_url), *SPAN)
    project.commit()
    return project, prediction_id


def with_wind(lines: list[str]) -> list[str]:
    return [f"{lines[0]},wind", *(f"{line},{i % 7}" for i, line in enumerate(lines[1:]))]


def without_rain(lines: list[str]) -> list[str]:
    place = lines[0].split(",").index("rain")
    return [",".join(part for i, part in enumerate(line.split(",")) if i != place) for line in lines]


def as_before(lines: list[str]) -> list[str]:
    return lines


COMPARED = "surely by"
Change = tuple[list[tuple[str, str]], Callable[[list[str]], list[str]], str, str, str]
CHANGES: dict[str, Change] = {
    "a new required column": (
        [("  delay: {", "  wind: {type: number}\n  delay: {")], with_wind,
        COMPARED, "WARNING: 'wind' is missing in", "",
    ),
    "a dropped field": (
        [(f"  {RAIN}\n", "")], without_rain,
        "the champion needs column 'rain', which the data contract no longer has", "rows to data/batches", "Column 'rain' is missing",
    ),
    "another type": (
        [("member: {type: boolean", "member: {type: category")], as_before,
        "the champion reads column 'member' as boolean, and the data contract has it as category now", "rows to data/batches", "",
    ),
    "a renamed outcome": (
        [("  delay: {type", "  lateness: {source: delay, type"), ("sql: delay > 10", "sql: lateness > 10"), ("sql: delay,", "sql: lateness,")],
        as_before, COMPARED, "outcomes have other columns than the contract's, lateness: it has changed since", "Column 'delay' is missing",
    ),
}  # fmt: skip
"""What changes in the contract and in the rides, and what is said of it: by the judge, by collect, and by a replay to the champion."""


@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_each_command_ends_right_or_in_one_line(
    launched: tuple[Project, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
):
    base, prediction_id = launched
    monkeypatch.setenv("ACCORD_TOKEN", TOKEN)
    project = Project(tmp_path / "project")
    shutil.copytree(base.root, project.root, symlinks=True)
    replaced, rows, judged, collected, replayed = CHANGES[change]
    for old, new in replaced:
        project.replace(DATA, old, new)
    project.write(RAW, "\n".join(rows(project.read(RAW).splitlines())) + "\n")
    project.run("accord", "run")
    assert judged in project.run("accord", "judge").stdout
    champion = read_json(project.paths.champion)["model_id"]
    assert champion in project.run("accord", "explain", prediction_id).stdout
    assert project.run("accord", "monitor", "--no-reports", ok=False).returncode in (0, 3)
    decision = read_json(project.paths.decision)
    assert (decision["model"], decision["skew"]["n_different"]) == (champion, 0)
    assert decision["window"]["n_labelled"] > 0, "the log is read by the champion's contract"
    assert collected in project.run("accord", "collect").stdout
    if replayed:
        with running(project, Home(project.root)) as service:
            url = str(service.client.base_url)
            assert service.client.get("/model").json()["model_id"] == champion
            assert replayed in project.refused("accord", "replay", "--url", url, *SPAN)
    project.run("accord", "promote", "--reason", "the contract has changed")
    assert champion in project.run("accord", "explain", prediction_id).stdout
    project.run("accord", "rollback")
    assert read_json(project.paths.champion)["model_id"] == champion
