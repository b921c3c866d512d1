"""Outcomes, replay and collect with a real service and its log: what is sent twice counts once."""

import contextlib
import random
import re
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta

import polars as pl
import pytest
import yaml
from projects import Project, program
from services import TOKEN, Running
from traffic_records import NOON, SETTINGS, predicted, reported

from accord.client import Client, ServiceError
from accord.files import read_json
from accord.traffic.log import TrafficLog
from accord.traffic.outcomes import coverage, labelled
from accord.traffic.records import encode

Accord = Callable[..., str]
AUTHORIZED = {"authorization": f"Bearer {TOKEN}"}


def of_days(rides: pl.DataFrame, begin: str, end: str) -> pl.DataFrame:
    stretch = (datetime.fromisoformat(day) for day in (begin, end))
    return rides.filter(pl.col("started_at").is_between(*stretch, closed="left")).sort("ride")


def future(service: Running) -> pl.DataFrame:
    return pl.read_parquet(service.home.root / "data/splits/future/*.parquet")


def replay(accord: Accord, service: Running, begin: str, end: str) -> dict[str, list[int]]:
    """The numbers in each line of what a replay tells."""
    told = accord(service.home, "replay", "--from", begin, "--to", end, "--url", str(service.client.base_url))
    lines = (line.split(maxsplit=1) for line in told.splitlines())
    number = r"(?<![\d:-])\d[\d,]*(?![\d:-])"
    return {name: [int(n.replace(",", "")) for n in re.findall(number, rest)] for name, rest in lines}


def logged(service: Running, rows: pl.DataFrame) -> pl.DataFrame:
    """What the log has of these rides."""
    found = labelled(service.home.traffic).with_columns(ride=pl.col("key").cast(pl.Int64))
    return found.filter(pl.col("ride").is_in(rows["ride"].implode())).collect().sort("prediction_id")


def batches(project: Project) -> pl.DataFrame:
    return pl.read_parquet(project.root / "data/batches/*.parquet")


def test_the_loop_from_replay_to_a_batch_that_is_trained_on(accord: Accord, served: Running):
    project = Project(served.home.root)
    rows = of_days(future(served), "2024-03-12", "2024-03-22")
    known = of_days(rows, "2024-03-12", "2024-03-21")  # the label delay is a day
    told = replay(accord, served, "2024-03-12", "2024-03-22")
    assert (told["sent"], told["outcomes"]) == ([rows.height, rows.height, 0], [known.height])
    found = logged(served, rows)
    assert found["ride"].sort().to_list() == rows["ride"].to_list()
    with_outcome = found.drop_nulls("outcome_at").sort("ride")
    assert with_outcome.select("ride", delay="outcome|delay").equals(known.select("ride", "delay"))

    again = replay(accord, served, "2024-03-12", "2024-03-22")
    assert (again["rows"][-1], again["sent"], again["outcomes"]) == (rows.height, [0, 0, 0], [0])
    assert logged(served, rows).equals(found), "nothing has changed"

    assert f"{known.height:,} rows to data/batches/" in accord(project, "collect")
    assert "Nothing new to collect" in accord(project, "collect")
    batch = batches(project)
    valid = pl.read_parquet(project.root / "data/valid/*.parquet")
    assert batch.select(valid.columns).schema == valid.schema
    assert batch.select(valid.columns).sort("ride").equals(known.select(valid.columns))
    assert {"log|prediction_id", "log|model", "log|action", "log|probability", "predicted|late"} <= set(
        batch.columns
    )
    assert project.ran("dvc", "repro") == [], "what is not listed changes nothing"

    later = replay(accord, served, "2024-03-22", "2024-03-23")
    next_day = of_days(future(served), "2024-03-22", "2024-03-23")
    assert later["sent"][0] == next_day.height
    assert later["outcomes"] == [rows.height - known.height], "what was not known when the first replay ended"
    corrected = batch["ride"][0]
    project.write("late.csv", f"ride,delay\n{corrected},99.5\n")
    accord(project, "outcomes", "late.csv")
    accord(project, "outcomes", "late.csv")
    assert "1 of them corrected" in accord(project, "collect")

    from accord.retraining.collect import listed, pending, take_in

    paths = project.paths
    assert pending("flights", paths) == [], "of another data set"
    assert len(take_in("rides", paths)) == 2
    assert pending("rides", paths) == take_in("rides", paths) == []
    assert (len(listed(paths.batch_list, "rides")), listed(paths.batch_list, "flights")) == (2, [])
    n_rows = batches(project).height
    assert (
        f"2 batches with {n_rows:,} rows: {n_rows - 1:,} replace rows of the sources, 1 those of earlier batches, 0 are new"
        in project.run("dvc", "repro", "validate").stdout
    )
    now = pl.read_parquet(project.root / "data/valid/*.parquet")
    assert now.filter(ride=corrected)["delay"].to_list() == [99.5]
    assert now.filter(pl.col("ride") != corrected).equals(valid.filter(pl.col("ride") != corrected))
    project.run("python", "-m", "accord.stages.bundle")
    listed = read_json(project.root / "data/batches.json")["batches"]
    assert read_json(project.root / "models/bundle/manifest.json")["data"]["batches"] == listed

    for file in (project.root / "data/batches").glob("*.parquet"):
        file.unlink()
    assert "fetch them: dvc pull --recursive data/batches" in accord(project, "collect")
    assert "fetch them: dvc pull" in project.refused("python", "-m", "accord.stages.ingest")
    project.run("dvc", "pull", "--recursive", "data/batches")
    assert batches(project).height == n_rows


def test_outcomes_over_http_are_checked_logged_and_explained(accord: Accord, served: Running):
    before = coverage(served.home.traffic)["unmatched"].sum()
    ride = of_days(future(served), "2024-03-23", "2024-03-24").row(0, named=True)
    row = {name: value for name, value in ride.items() if name != "delay"}
    with Client(str(served.client.base_url), TOKEN) as client:
        [answer] = client.predict(row).rows
        given = [{"prediction_id": answer.prediction_id, "delay": 12.5}, {"ride": 99_999, "delay": 1}]
        assert client.outcomes(given) == 2
        with pytest.raises(ServiceError, match=r"outcomes\[0\].delay: is missing"):
            client.outcomes([{"prediction_id": answer.prediction_id}])
    assert "outcome     delay 12.5\nreceived    20" in accord(served.home, "explain", answer.prediction_id)
    assert coverage(served.home.traffic)["unmatched"].sum() == before + 1
    for body, headers, status, words in (
        ({"outcomes": [{"ride": 1, "delay": 1}]}, {}, 401, "Authorization"),
        ({"outcomes": [{"ride": 1, "delay": "x"}]}, AUTHORIZED, 422, "outcomes[0].delay: expected `float`"),
        ({"outcomes": [{"delay": 1}]}, AUTHORIZED, 422, "outcomes[0]: names no prediction"),
        ({"outcomes": []}, AUTHORIZED, 422, "outcomes"),
        ({"rows": []}, AUTHORIZED, 422, "rows: is no field"),
        ({}, AUTHORIZED, 422, "outcomes: is missing"),
    ):
        refused = served.client.post("/outcomes", json=body, headers=headers)
        assert (refused.status_code, words in refused.json()["error"]) == (status, True), refused.text
    assert served.client.get("/outcomes").status_code == 405
    document = served.client.get("/docs.json").json()
    assert document["paths"]["/outcomes"]["post"]["security"] == [{"token": []}]
    assert document["components"]["schemas"]["Outcomes"]["required"] == ["outcomes"]
    assert served.client.get("/contract").json()["x-accord"]["outcomes"]["delay"]["role"] == "outcome"


def test_a_replay_that_is_killed_goes_on(accord: Accord, served: Running):
    project = Project(served.home.root)
    words = ["replay", "--url", str(served.client.base_url), "--from", "2024-03-25", "--to", "2024-04-01"]
    rows = of_days(future(served), "2024-03-25", "2024-04-01")
    for share in (0.2, 0.6):
        process = subprocess.Popen(
            [program("accord"), *words, "--rate", "150"],
            cwd=project.root, env=project.environment, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        served.until(lambda share=share: logged(served, rows).height > share * rows.height, "rows are sent")
        process.kill()
        process.wait()
    told = replay(accord, served, "2024-03-25", "2024-04-01")
    assert 0 < told["sent"][0] < rows.height
    found = logged(served, rows)
    assert found["ride"].sort().to_list() == rows["ride"].to_list()
    assert found["outcome_at"].count() == of_days(rows, "2024-03-25", "2024-03-31").height


def test_refused_rows_are_counted_with_their_reasons(accord: Accord, served: Running):
    """Some rows are not what the served model's contract takes."""
    begin, end = "2024-04-02", "2024-04-06"
    is_far = (pl.col("ride") % 9 == 0) & pl.col("started_at").is_between(
        datetime(2024, 4, 2), datetime(2024, 4, 6)
    )
    for file in sorted((served.home.root / "data/splits/future").glob("*.parquet")):
        frame = pl.read_parquet(file)
        frame.with_columns(distance=pl.when(is_far).then(1000.0).otherwise("distance")).write_parquet(file)
    rows = of_days(future(served), begin, end)
    n_refused = rows.filter(is_far).height
    told = replay(accord, served, begin, end)
    assert told["sent"] == [rows.height, rows.height - n_refused, n_refused]
    assert told["refused"][0] == n_refused
    assert logged(served, rows).height == rows.height - n_refused


def test_a_replay_says_in_one_line_what_it_lacks(
    accord: Accord, served: Running, rides: Project, monkeypatch: pytest.MonkeyPatch
):
    def refused(*words: str, project: Project = rides) -> str:
        days = dict(zip(("--from", "--to", "--url"), words, strict=False))
        return accord(project, "replay", *(word for pair in days.items() for word in pair))

    days, url = ("2024-04-06", "2024-04-07"), str(served.client.base_url)
    assert "is no date; expected one such as 2013-07-01" in refused("july", "2024-04-01", url)
    assert "is not before --to" in refused("2024-04-01", "2024-04-01", url)
    assert "No service answers" in refused(*days, "http://127.0.0.1:9")
    monkeypatch.setenv("ACCORD_TOKEN", "wrong")
    told = refused(*days, url, project=Project(served.home.root))
    assert "with the service's token. The replay came to" in told
    monkeypatch.delenv("ACCORD_TOKEN")
    assert "set ACCORD_TOKEN" in refused(*days, url)
    change_lock(rides, lambda data: data.update(time=None))
    assert "Can't replay rides: its rows have no time" in refused(*days, url)


@pytest.mark.slow
def test_collect_killed_at_random_moments_has_each_row_once(accord: Accord, rides: Project):
    """It collects again and again while outcomes become known."""
    dice = random.Random()
    predictions(rides, 1800)
    waiting = labelled(rides.root / "data/traffic").collect()["prediction_id"].to_list()
    for _ in range(30):
        outcomes(accord, rides, {i: dice.uniform(0, 50) for i in waiting[:40]})
        waiting = waiting[30:]  # ten of them are corrected next time
        process = subprocess.Popen(
            [program("accord"), "collect"], cwd=rides.root, env=rides.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(dice.uniform(0.5, 4))
        process.kill()
        process.wait()
    accord(rides, "collect")
    known = labelled(rides.root / "data/traffic").collect().drop_nulls("outcome_at")
    found = batches(rides).sort("log|outcome_id")
    assert found.select("log|prediction_id", "delay").is_unique().all(), "with one outcome each is there once"
    latest = dict(found.select("log|prediction_id", "delay").iter_rows())
    assert latest == dict(known.select("prediction_id", "outcome|delay").iter_rows())
    assert "Nothing new to collect" in accord(rides, "collect")
    folder = rides.root / "data/batches"
    pointers = [str(path.relative_to(rides.root)) for path in folder.glob("*.dvc")]
    assert len(pointers) == len(list(folder.glob("*.parquet")))
    assert "up to date" in rides.run("dvc", "status", *pointers).stdout


def test_personal_columns_are_not_in_batches_and_collect_says_so(accord: Accord, rides: Project):
    predictions(rides, 3)
    ids = labelled(rides.root / "data/traffic").collect()["prediction_id"]
    outcomes(accord, rides, dict.fromkeys(ids, 1.5))
    change_lock(rides, lambda data: data["columns"]["station"].update(pii="hash"))
    assert "'station' is missing in 3 of them" in accord(rides, "collect")
    assert batches(rides)["station"].null_count() == 3
    assert batches(rides)["row|station"].to_list() == ["pseudonym"] * 3, "by which a person is forgotten"


def test_a_correction_counts_whatever_the_clock_said(accord: Accord, rides: Project):
    predictions(rides, 1)
    [prediction_id] = labelled(rides.root / "data/traffic").collect()["prediction_id"]
    for delay, at in ((1.0, NOON), (2.0, NOON - timedelta(hours=1))):  # the clock was put back
        log = TrafficLog(rides.root / "data/traffic", SETTINGS)
        log.append(encode(reported(prediction_id, at=at, delay=delay)))
        log.close()
        assert "1 rows" in accord(rides, "collect")
    assert "Nothing new to collect" in accord(rides, "collect")
    assert batches(rides).sort("log|outcome_id")["delay"].to_list() == [1.0, 2.0]


def test_columns_may_have_the_names_of_the_logs_own(accord: Accord, rides: Project):
    names = ["model", "key", "action", "probability", "prediction_id"]
    predictions(rides, 2, **{name: f"a {name}" for name in names})
    outcomes(
        accord, rides, dict.fromkeys(labelled(rides.root / "data/traffic").collect()["prediction_id"], 1.5)
    )
    change_lock(
        rides, lambda data: data["columns"].update({n: dict(data["columns"]["station"]) for n in names})
    )
    accord(rides, "collect")
    assert batches(rides).select(names).unique().rows() == [tuple(f"a {name}" for name in names)]
    assert "Nothing new to collect" in accord(rides, "collect")


def predictions(project: Project, n: int, **more: str) -> None:
    """Predictions in the log, as a service would have left them."""
    log = TrafficLog(project.root / "data/traffic", SETTINGS)
    for i in range(10_000, 10_000 + n):
        started_at = (datetime(2024, 3, 12) + timedelta(minutes=i)).isoformat()
        row = {"ride": i, "started_at": started_at, "station": "pseudonym", "distance": 2.5, **more}
        log.append(encode(predicted(row, key=str(i))))
    log.close()


def outcomes(accord: Accord, project: Project, delays: dict[str, float]) -> None:
    table = pl.DataFrame({"prediction_id": list(delays), "delay": list(delays.values())})
    table.write_parquet(project.root / "outcomes.parquet")
    accord(project, "outcomes", "outcomes.parquet")


def change_lock(project: Project, change: Callable[[dict], None]) -> None:
    config = yaml.safe_load(project.read("conf.lock.yaml"))
    change(config["data"])
    project.write("conf.lock.yaml", yaml.safe_dump(config, sort_keys=False))
