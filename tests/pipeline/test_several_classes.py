"""A target with classes, whose names are any text, from training to the explanation of a logged row."""

import json
import subprocess
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from projects import Project, program
from services import TOKEN, Home, Running, json_rows, running

from accord.bundle.bundle import load_bundle
from accord.client import Client
from accord.files import read_json

pytestmark = pytest.mark.slow

CLASSES = ["on time", "late", "> 12 min"]
COLUMNS = ["pace_on_time", "pace_late", "pace_12_min"]
TARGET = """pace:
    task: multiclass
    sql: CASE WHEN delay > 12 THEN '> 12 min' WHEN delay > 8 THEN 'late' ELSE 'on time' END
    classes: [on time, late, "> 12 min"]
    owner: operations"""
POLICY = "{weights: {w: 0.5}, score: 'pace.\"> 12 min\" + w * pace.late - 0.1 * late_', action: score > 0.2}"
METRICS = """
  balanced: {team: science, builtin: balanced_accuracy, min: 0.2}
  surprise: {team: science, builtin: log_loss, target: pace, tolerance: 0.1}
  found: {team: operations, sql: "AVG(pace_late) FILTER (WHERE actual_pace = 'late')", better: higher}
  acted: {team: operations, sql: "AVG(action) FILTER (WHERE actual_pace <> 'on time')", better: higher}"""


@pytest.fixture(scope="module")
def made(new_project: Callable[[], Project]) -> Project:
    project = new_project()
    target = "delay_minutes: {task: regression, sql: delay, owner: operations, unit: minutes}"
    project.replace("conf/data/rides.yaml", target, TARGET)
    project.replace("conf/data/rides.yaml", "late: {task", "late_: {task")
    project.replace("conf/data/rides.yaml", "slices: [station]", "slices: [station]\ngroups: [station]")
    project.replace("conf/objective/quality.yaml", "metrics:", f"policy: {POLICY}\nmetrics:{METRICS}")
    project.run(
        "accord",
        "run",
        "data=rides",
        "objective=quality",
        "model.n_estimators=20",
        "evaluation.min_slice_rows=50",
    )
    return project


@pytest.fixture(scope="module")
def service(made: Project):
    with running(made, Home(made.root)) as service:
        yield service


def test_it_is_trained_and_evaluated(made: Project) -> None:
    report = read_json(made.paths.evaluation)["targets"]["pace"]
    found = report["metrics"]["test"]
    assert found["log_loss"]["high"] < found["log_loss"]["baseline"]
    assert found["auc"]["low"] > found["auc"]["baseline"] == 0.5
    assert {"auc_late", "calibration_error_12_min", "balanced_accuracy", "accuracy"} <= found.keys()
    assert report["mean_outcome"]["test"] is None
    predictions = pl.read_parquet(made.root / "data/predictions/test.parquet")
    assert set(predictions.columns) == {*COLUMNS, "late_"}
    total = predictions.select(pl.sum_horizontal(COLUMNS)).to_series()
    assert np.allclose(total.to_numpy(), 1)
    confusion = pl.read_csv(made.root / "reports/plots/confusion/pace.csv")
    assert confusion.height == report["n_rows"]["test"]
    right = confusion["actual"] == confusion["likeliest"]
    assert right.mean() == pytest.approx(found["accuracy"]["value"])
    assert {path.stem for path in (made.root / "reports/plots/calibration").glob("*.csv")} == {
        *COLUMNS,
        "late_",
    }
    html = made.read("reports/index.html")
    assert "Confusion" in html
    assert "Calibration, &gt; 12 min" in html


def test_it_is_judged_and_groups_are_compared(made: Project) -> None:
    rows = {row["name"]: row for row in read_json(made.paths.scorecard)["rows"]}
    assert (rows["balanced"]["verdict"], rows["balanced"]["better"]) == ("pass", "higher")
    assert 0 < rows["found"]["value"] < 1
    assert rows["acted"]["value"] > 0
    [by_station] = read_json(made.paths.teams)["fairness"]
    assert "recall, pace > 12 min" in by_station["gaps"]
    assert by_station["gaps"]["recall, pace on time"]["value"] is not None


def test_a_row_alone_a_batch_a_file_and_the_service_give_the_same_bits(
    made: Project, service: Running
) -> None:
    bundle = load_bundle(made.paths.bundle)
    rows = json_rows(made, bundle)
    alone = [service.ask(row)["rows"][0] for row in rows[:50]]
    together = service.ask(*rows)["rows"]
    frame = pl.read_parquet(made.root / "data/splits/test/*.parquet")
    expected = bundle.answer(frame.select(list(bundle.columns)))
    for i, row in enumerate(together):
        assert row["predictions"] == {name: expected[name][i] for name in [*COLUMNS, "late_"]}
        assert (row["score"], row["action"]) == (expected["score"][i], expected["action"][i])
        shares = [row["predictions"][name] for name in COLUMNS]
        assert row["classes"] == {
            "pace": {
                "class": CLASSES[int(np.argmax(shares))],
                "probabilities": dict(zip(CLASSES, shares, strict=True)),
            }
        }
    for one, other in zip(alone, together, strict=False):
        assert {**one, "prediction_id": ""} == {**other, "prediction_id": ""}
    frame.write_parquet(made.root / "rows.parquet")
    made.run("accord", "predict", "rows.parquet", "out.parquet", "--explain")
    written = pl.read_parquet(made.root / "out.parquet")
    assert written["pace"].to_list() == [row["classes"]["pace"]["class"] for row in together]
    assert "pace_late|distance" in written.columns
    with Client(str(service.client.base_url)) as client:
        table = client.predict_table(frame.select([*bundle.columns, *bundle.context]))
        assert table["pace"].to_list() == written["pace"].to_list()
        [answer] = client.predict(rows[0]).rows
        assert answer.classes["pace"].likeliest == table["pace"][0]
        assert sum(answer.classes["pace"].probabilities.values()) == pytest.approx(1)


def test_the_service_describes_its_classes(made: Project, service: Running) -> None:
    bundle = load_bundle(made.paths.bundle)
    explained = service.client.post("/explain", json={"rows": [bundle.example]}).json()["rows"][0]
    assert set(explained["contributions"]) == {*COLUMNS, "late_"}
    assert explained["classes"]["pace"]["class"] in CLASSES
    document = service.client.get("/docs.json").json()
    answer = document["components"]["schemas"]["Answer"]
    assert answer["properties"]["classes"]["properties"]["pace"]["properties"]["class"]["enum"] == [
        *CLASSES,
        None,
    ]
    assert "classes" in answer["required"]
    assert service.client.get("/contract").json()["x-accord"]["targets"]["pace"]["classes"] == CLASSES


def test_its_traffic_is_logged_monitored_and_explained(made: Project, service: Running) -> None:
    url = str(service.client.base_url)
    environment = made.environment | {"ACCORD_TOKEN": TOKEN}
    done = subprocess.run(
        [program("accord"), "replay", "--from", "2024-03-12", "--to", "2024-04-05", "--url", url],
        cwd=made.root, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    logged = service.home.predicted()
    [identifier, *_] = logged
    assert set(logged[identifier][0]["predictions"]) == {*COLUMNS, "late_"}
    done = made.run("accord", "monitor", ok=False)
    assert done.returncode in (0, 3), done.stderr
    decision = json.loads(made.read("reports/decision.json"))
    drift = {row["column"]: row["score"] for row in decision["drift"] if row["score"] != "missing"}
    assert (drift["predicted|pace_late"], drift["actual|pace"]) == ("wasserstein", "jensenshannon")
    quality = {row["metric"]: row for row in decision["quality"] if row["target"] == "pace"}
    assert {"log_loss", "auc", "balanced_accuracy", "accuracy"} == quality.keys()
    assert quality["log_loss"]["low"] < quality["log_loss"]["value"]
    estimated = {row["metric"]: row for row in decision["estimated"] if row["target"] == "pace"}
    assert {"log_loss", "balanced_accuracy", "mean_outcome_late", "mean_outcome_on_time"} <= estimated.keys()
    assert abs(estimated["log_loss"]["error"]) < 0.3
    assert {"actual|pace_late", "predicted|pace_late"} <= {row["column"] for row in decision["shifts"]}
    assert decision["skew"]["n_compared"] > 0
    assert decision["skew"]["n_different"] == 0
    teams = {row["metric"]: row["value"] for row in decision["teams"]}
    assert teams["found"] > 0
    text = made.run("accord", "explain", identifier).stdout
    assert "same bits" in text
    likeliest = next(line for line in text.splitlines() if "the likeliest class" in line)
    column = COLUMNS[CLASSES.index(likeliest.split(maxsplit=1)[1].removesuffix(", the likeliest class"))]
    assert text.index(f"What adds up to {column}") == text.index("What adds up to pace_")


def test_an_outcome_that_is_no_class_goes_into_quarantine(made: Project) -> None:
    made.replace("conf/data/rides.yaml", "THEN 'late'", "THEN 'tardy'")
    try:
        said = made.refused("accord", "run")
        assert "most of them the rule pace is one of its classes" in said
        assert "data.checks.max_quarantined_share" in said
    finally:
        made.run("git", "checkout", "--quiet", "conf/data/rides.yaml")
