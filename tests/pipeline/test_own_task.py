"""A task that the project brings itself, with three columns of predictions, from training to the explanation of a logged row."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from projects import Project, program
from services import TOKEN, Home, Running, json_rows, running

from accord.bundle.bundle import load_bundle
from accord.files import read_json

pytestmark = pytest.mark.slow

COLUMNS = ["delay_high", "delay_low", "delay_middle"]
POLICY = "{weights: {w: 0.5}, score: delay_high - w * delay_low - 2 * late, action: score > 10}"
METRICS = """
  covered: {team: science, builtin: coverage, min: 0.2}
  pinball: {team: science, builtin: pinball, tolerance: 1}
  width: {team: operations, sql: AVG(delay_high - delay_low), better: lower}
  paid: {team: operations, sql: AVG(actual_delay) FILTER (WHERE action), better: lower}"""
TOY = Path(__file__).parents[1] / "toy_tasks.py"


@pytest.fixture(scope="module")
def own(new_project: Callable[[], Project]) -> Project:
    """A project that has run with a module of its own beside src/accord."""
    project = new_project()
    shutil.copy(TOY, project.root / "src/mytasks.py")
    project.run("python", "-m", "accord.code")
    target = "delay: {task: mytasks.LEVELS, sql: delay, owner: operations, unit: minutes}"
    project.replace(
        "conf/data/rides.yaml",
        "delay_minutes: {task: regression, sql: delay, owner: operations, unit: minutes}",
        target,
    )
    project.replace("conf/data/rides.yaml", "slices: [station]", "slices: [station]\ngroups: [station]")
    project.replace("conf/objective/quality.yaml", "metrics:", f"policy: {POLICY}\nmetrics:{METRICS}")
    project.run("accord", "run", "data=rides", "objective=quality", "model.n_estimators=20")
    return project


@pytest.fixture(autouse=True)
def _importable(own: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The module for this process too, which loads the bundle."""
    monkeypatch.syspath_prepend(own.root / "src")
    yield
    sys.modules.pop("mytasks", None)


@pytest.fixture(scope="module")
def service(own: Project, tmp_path_factory: pytest.TempPathFactory):
    with running(own, Home(own.root)) as service:
        yield service


def test_it_is_trained_and_evaluated_with_its_own_metrics(own: Project) -> None:
    lock = own.read("conf.lock.yaml")
    assert "loss: pinball" in lock
    report = read_json(own.paths.evaluation)["targets"]["delay"]
    assert set(report["metrics"]["test"]) == {"pinball", "coverage"}
    assert report["metrics"]["test"]["pinball"]["value"] < report["metrics"]["test"]["pinball"]["baseline"]
    predictions = pl.read_parquet(own.root / "data/predictions/test.parquet")
    assert set(predictions.columns) == {*COLUMNS, "late"}
    html = own.read("reports/index.html")
    assert "pinball loss" in html


def test_it_is_judged_by_them(own: Project) -> None:
    card = read_json(own.paths.scorecard)
    rows = {row["name"]: row for row in card["rows"]}
    assert (rows["covered"]["verdict"], rows["covered"]["better"], rows["pinball"]["better"]) == (
        "pass",
        "higher",
        "lower",
    )
    assert rows["width"]["value"] > 0
    assert rows["skill"]["value"] > 0


def test_a_row_alone_a_batch_a_file_and_the_service_give_the_same_bits(
    own: Project, service: Running
) -> None:
    bundle = load_bundle(own.paths.bundle)
    rows = json_rows(own, bundle)
    alone = [service.ask(row)["rows"][0] for row in rows[:50]]
    together = service.ask(*rows)["rows"]
    frame = pl.read_parquet(own.root / "data/splits/test/*.parquet")
    expected = bundle.answer(frame.select(list(bundle.columns)))
    for i, row in enumerate(together):
        assert row["predictions"] == {name: expected[name][i] for name in [*COLUMNS, "late"]}
        assert (row["score"], row["action"]) == (expected["score"][i], expected["action"][i])
    for one, other in zip(alone, together, strict=False):
        assert {**one, "prediction_id": ""} == {**other, "prediction_id": ""}
    frame.write_parquet(own.root / "rows.parquet")
    own.run("accord", "predict", "rows.parquet", "out.parquet", "--explain")
    written = pl.read_parquet(own.root / "out.parquet")
    assert {*COLUMNS, "late", "delay_low|distance"} <= set(written.columns)
    assert (
        written["delay_high"].to_numpy().tobytes() == np.ascontiguousarray(expected["delay_high"]).tobytes()
    )


def test_what_is_asked_of_the_service_names_its_columns(own: Project, service: Running) -> None:
    bundle = load_bundle(own.paths.bundle)
    explained = service.client.post("/explain", json={"rows": [bundle.example]}).json()["rows"][0]
    assert set(explained["contributions"]) == {*COLUMNS, "late"}
    assert sum(explained["contributions"]["delay_low"].values()) == pytest.approx(
        explained["predictions"]["delay_low"]
    )
    document = service.client.get("/docs.json").json()
    assert set(COLUMNS) <= set(msgspec.json.encode(document).decode().split('"'))


def test_its_traffic_is_logged_monitored_and_explained(own: Project, service: Running) -> None:
    url = str(service.client.base_url)
    environment = own.environment | {"ACCORD_TOKEN": TOKEN}
    done = subprocess.run(
        [program("accord"), "replay", "--from", "2024-03-12", "--to", "2024-04-05", "--url", url],
        cwd=own.root, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    logged = service.home.predicted()
    [identifier, *_] = logged
    assert set(logged[identifier][0]["predictions"]) == {*COLUMNS, "late"}
    done = own.run("accord", "monitor", ok=False)
    assert done.returncode in (0, 3), done.stderr
    decision = json.loads(own.read("reports/decision.json"))
    assert {"predicted|delay_low", "predicted|delay_high", "actual|delay"} <= {
        row["column"] for row in decision["drift"]
    }
    assert {"pinball", "coverage"} <= {
        row["metric"] for row in decision["quality"] if row["target"] == "delay"
    }
    assert {row["metric"] for row in decision["estimated"] if row["target"] == "delay"} == {"mean_outcome"}
    assert decision["skew"]["n_compared"] > 0
    assert decision["skew"]["n_different"] == 0
    text = own.run("accord", "explain", identifier).stdout
    assert "same bits" in text
    assert "What adds up to delay_middle" in text
    assert "minutes" in text.split("delay_high")[1].splitlines()[0]


def test_an_edit_of_its_module_makes_the_stages_stale_that_ask_it(own: Project) -> None:
    text = own.read("src/mytasks.py")
    try:
        own.write("src/mytasks.py", f"{text}# an edit\n")
        stale = json.loads(own.run("dvc", "status", "--json").stdout)
    finally:
        own.write("src/mytasks.py", text)
    assert set(stale) == {"compose", "validate", "train", "evaluate", "decide", "bundle"}


def test_a_model_that_cannot_learn_it_says_so_before_anything_runs(own: Project) -> None:
    said = own.refused("accord", "run", "model=linear")
    assert (
        "objective.targets.delay: Linear can't minimise the loss pinball of the task mytasks.LEVELS" in said
    )
    assert "model=baseline" in said


def test_columns_of_predictions_have_names_of_their_own(own: Project) -> None:
    said = own.refused(
        "accord", "run", "+objective.targets.delay_low={task: regression, sql: delay, owner: x}"
    )
    assert "delay_low" in said
