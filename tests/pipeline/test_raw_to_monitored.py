"""A raw file of each task, from one command to a served model that is monitored, explained and collected from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest
from loans import loans
from projects import Project
from services import TOKEN, Home, Running, json_rows, running

from accord.bundle.bundle import Bundle, load_bundle
from accord.client import Client
from accord.files import read_json

pytestmark = pytest.mark.slow

N_LOANS = 3000
TARGETS = {"binary": "paid back?", "regression": "rate in %", "multiclass": "Purpose of loan"}


@dataclass(frozen=True)
class Onboarded:
    project: Project
    bundle: Bundle
    service: Running
    task: str

    def __str__(self) -> str:
        return self.task


@pytest.fixture(scope="module", params=TARGETS)
def onboarded(request: pytest.FixtureRequest, new_project: Callable[[], Project]) -> Iterator[Onboarded]:
    project = new_project()
    project.write("raw.csv", loans(N_LOANS))
    project.run("accord", "onboard", "raw.csv", "--target", TARGETS[request.param], "--name", "loans")
    assert f"task: {request.param}" in project.read("conf/data/loans.yaml")
    done = project.run("accord", "run", "model.n_estimators=20", "evaluation.n_resamples=200")
    assert "WARNING" not in done.stderr
    project.run("accord", "promote", "--reason", "to be served")
    with running(project, Home(project.root)) as service:
        yield Onboarded(project, load_bundle(project.paths.bundle), service, request.param)


def test_the_service_and_a_file_give_the_same_bits(onboarded: Onboarded) -> None:
    project, bundle = onboarded.project, onboarded.bundle
    test = pl.read_parquet(project.root / "data/splits/test/*.parquet").select(
        *bundle.columns, *bundle.context
    )
    rows = json_rows(project, bundle)
    together = onboarded.service.ask(*rows)["rows"]
    alone = [onboarded.service.ask(row)["rows"][0] for row in rows[:20]]
    with Client(str(onboarded.service.client.base_url)) as client:
        table = client.predict_table(test)
    test.write_parquet(project.root / "rows.parquet")
    project.run("accord", "predict", "rows.parquet", "predicted.parquet")
    predicted = pl.read_parquet(project.root / "predicted.parquet")
    assert [row["predictions"] for row in together] == _predictions(predicted, together[0])
    assert [row["predictions"] for row in together] == _predictions(table, together[0])
    assert [row["predictions"] for row in alone] == [row["predictions"] for row in together[:20]]


def test_honest_rows_raise_no_alarm_and_are_explained_and_collected(onboarded: Onboarded) -> None:
    project, bundle = onboarded.project, onboarded.bundle
    answered = onboarded.service.ask(*json_rows(project, bundle))["rows"]
    identifiers = [row["prediction_id"] for row in answered]
    outcomes = pl.read_parquet(project.root / "data/splits/test/*.parquet").select(list(bundle.outcomes))
    known = [{"prediction_id": i, **row} for i, row in zip(identifiers, outcomes.to_dicts(), strict=True)]
    with Client(str(onboarded.service.client.base_url), TOKEN) as client:
        assert client.outcomes(known) == len(known)
    done = project.run("accord", "monitor", "--rows", str(len(known)))
    decision = read_json(project.paths.decision)
    assert decision["window"]["n_labelled"] == len(known), done.stdout
    assert decision["alarms"] == []
    assert "insufficient" not in done.stdout
    assert "same bits" in project.run("accord", "explain", identifiers[0]).stdout
    assert f"{len(known):,} rows to data/batches/" in project.run("accord", "collect").stdout
    assert "Nothing new to collect" in project.run("accord", "collect").stdout


def test_another_model_is_judged_beside_the_champion(onboarded: Onboarded) -> None:
    project = onboarded.project
    champion = read_json(project.paths.champion)["model_id"]
    said = project.run("accord", "run", "model=linear").stdout
    assert champion in said
    for page in ("index.html", "scorecard.html"):
        assert "loans" in project.read(f"reports/{page}")


def _predictions(frame: pl.DataFrame, like: dict[str, Any]) -> list[dict[str, float]]:
    return frame.select(list(like["predictions"])).to_dicts()
