"""A model and a log of an earlier version of this code, kept in tests/earlier, live on: served, judged against, rolled back
to, monitored and explained."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from projects import Project
from services import Home, running

from accord import jsonl
from accord.bundle.bundle import load_bundle
from accord.files import write_json
from accord.paths import Paths
from accord.promotion import releases
from accord.sql.rows import TYPES

EARLIER = Path(__file__).parents[1] / "earlier"
ID = "74e7f75338d11ba4"
"""The earlier model's."""
ASKED: dict[str, Any] = json.loads((EARLIER / "answers.json").read_text(encoding="utf-8"))
"""Rows, and what the earlier service answered."""


@pytest.fixture(scope="module")
def living(new_project: Callable[[], Project]) -> Project:
    """A project of today whose champion, releases and traffic are the earlier ones, with a candidate of today's code."""
    project = new_project()
    root = project.root
    shutil.copytree(EARLIER / "bundle", root / "models/releases" / ID)
    shutil.copytree(EARLIER / "traffic", root / "data/traffic")
    for name in ("champion.json", "releases.jsonl"):
        shutil.copy(EARLIER / name, root / "models" / name)
    shutil.copy(EARLIER / "objective.yaml", root / "conf/objective/rides.yaml")
    project.run("accord", "run", "data=rides", "objective=rides", "model.n_estimators=12")
    return project


def test_it_answers_a_file_of_rows_with_the_same_bits():
    bundle = load_bundle(EARLIER / "bundle")
    schema = {name: TYPES[kind] for name, kind in bundle.types.items()}
    found = bundle.answer(pl.DataFrame(ASKED["rows"], schema=schema))
    for i, row in enumerate(ASKED["answer"]["rows"]):
        assert {name: found[name][i] for name in row["predictions"]} == row["predictions"]
        assert (found["score"][i], found["action"][i]) == (row["score"], row["action"])


def test_its_releases_are_read_and_keep_their_bytes(tmp_path: Path):
    paths = Paths(tmp_path)
    paths.release_log.parent.mkdir()
    for name in ("champion.json", "releases.jsonl"):
        shutil.copy(EARLIER / name, paths.release_log.with_name(name))
    [release] = releases.history(paths)
    assert (release.model_id, release.action, release.previous) == (ID, "promote", None)
    write_json(tmp_path / "again.json", releases.champion(paths))
    assert (tmp_path / "again.json").read_bytes() == (EARLIER / "champion.json").read_bytes()
    jsonl.append(paths.release_log, release)
    first, second = paths.release_log.read_bytes().splitlines(keepends=True)
    assert first == second == (EARLIER / "releases.jsonl").read_bytes()


def test_it_is_served(living: Project, tmp_path: Path):
    home = Home(tmp_path)
    home.name_champion(home.release(living.root / "models/releases" / ID))
    with running(living, home) as service:
        service.until_model(ID)
        answered = service.ask(*ASKED["rows"])
    for row in answered["rows"]:
        del row["prediction_id"]
    assert answered == ASKED["answer"]


def test_it_is_judged_against(living: Project):
    card = json.loads(living.read("reports/scorecard.json"))
    assert card["champion"] == ID
    assert all(row["champion"] is not None for row in card["rows"] if row["name"] == "offered")


def test_its_traffic_is_monitored(living: Project):
    done = living.run("accord", "monitor", "--no-reports", ok=False)
    assert done.returncode in (0, 3), done.stderr
    decision = json.loads(living.read("reports/decision.json"))
    assert (decision["model"], decision["window"]["n_rows"]) == (ID, 300)
    assert {row["column"] for row in decision["drift"]} >= {
        "distance",
        "predicted|late",
        "action",
        "actual|late",
    }


def test_its_logged_predictions_are_explained(living: Project):
    logged = pl.read_parquet(f"{living.root}/data/traffic/predictions/*/*.parquet")["prediction_id"][0]
    assert "recomputed: same bits" in living.run("accord", "explain", logged).stdout


def test_it_is_rolled_back_to(living: Project):
    living.run("accord", "promote", "--reason", "to go back from it")
    assert json.loads(living.read("models/champion.json"))["model_id"] != ID
    living.run("accord", "rollback")
    assert json.loads(living.read("models/champion.json"))["model_id"] == ID
