"""Rows that lack values, or have odd ones, end no command, wherever the log is kept."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import postgres_server
import pytest
import yaml
from projects import Project
from services import TOKEN, Home, Running, running
from traffic_records import SETTINGS
from uuid_utils import uuid7

from accord import cli
from accord.files import read_json
from accord.schema.serving import Postgres
from accord.traffic.log import TrafficLog
from accord.traffic.outcomes import labelled
from accord.traffic.records import LoggedOutcome, LoggedRow, Predicted, Refused, Reported, encode
from accord.traffic.segments import complete_all

Run = Callable[..., str]
INSTANTS = [
    "2024-03-12T09:00:00", "2024-03-12T09:00:00.123456", "2024-03-12 09:00:00Z", "2024-03-12T09:00:00+02:00",
    "1969-12-31T23:59:59.999999", "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999",
]  # fmt: skip
"""That the service takes."""
ODD = [
    ..., None, "", "far", 0, 1, 2.5, -1e308, 2**53 + 1, 2**70, True, "true", "12", [1], {"a": 1},
    "2016-12-31T23:59:60", "2024-02-30T00:00:00", "soon", *INSTANTS,
]  # fmt: skip
"""Of any contract that there ever was; `...` is no value at all."""
ROW = {"started_at": "2024-03-12T09:00:00", "station": "north", "member": True, "distance": 2.5, "rain": 0.5}
KEYS = [*range(100_000, 100_400)]


@pytest.fixture(scope="module", params=["segments", "files", "postgres"])
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def filled(store: str, project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service whose log, in one of its stores, has rows that lack each optional value in turn, and rows of contracts
    with other types."""
    root = tmp_path_factory.mktemp(store)
    project.run("cp", "--archive", ".", str(root))
    with contextlib.ExitStack() as stack:
        postgres = None
        if store == "postgres":
            server = stack.enter_context(postgres_server.started())
            postgres = Postgres(url=server.url, table="odd")
            config = yaml.safe_load((root / "conf.lock.yaml").read_text())
            config["serving"]["traffic"]["postgres"] = postgres.model_dump()
            (root / "conf.lock.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        settings = {"traffic": {"postgres": postgres and postgres.model_dump()}}
        service = stack.enter_context(running(Project(root), Home(root), settings))
        ask(service)
        log = TrafficLog(root / "data/traffic", SETTINGS)
        write(log, str(service.client.get("/model").json()["model_id"]))
        if store == "segments":  # a worker that still writes
            stack.callback(log.close)
        else:
            log.close()
            complete_all(root / "data/traffic", 30)
        yield service


def ask(service: Running) -> None:
    """Rows that the service takes: without each nullable and context column, with null there, and with each instant. Of
    the last the outcome is not known yet."""
    contract = service.client.get("/contract").json()["x-accord"]
    optional = [name for name, c in contract["columns"].items() if c["nullable"]] + list(contract["context"])
    assert {"ride", "started_at", "member", "rain"} <= set(optional)
    whole = {**ROW, "ride": KEYS[0]}
    rows = [{n: v for n, v in whole.items() if n != name} for name in optional]
    rows += [{**whole, name: None} for name in optional]
    rows += [{n: v for n, v in whole.items() if n not in optional}]
    rows += [{**whole, "station": ""}]
    waiting = [{**whole, "started_at": at, "ride": KEYS[1] + i} for i, at in enumerate(INSTANTS)]
    service.ask(*waiting)
    for row in rows:
        [answer] = service.ask(row)["rows"]
        for outcome in ({"prediction_id": answer["prediction_id"]}, {"ride": row.get("ride")}):
            if None not in outcome.values():
                body = {"outcomes": [{**outcome, "delay": 5}]}
                sent = service.client.post(
                    "/outcomes", json=body, headers={"authorization": f"Bearer {TOKEN}"}
                )
                assert sent.status_code == 200, sent.text


def write(log: TrafficLog, model: str) -> None:
    """Records as other contracts, and other programs, might have left them."""
    now = datetime.now(UTC) - timedelta(minutes=5)
    keys = iter(KEYS[50:])
    for name in (*ROW, "ride"):
        for value in ODD:
            key = next(keys)
            row = {n: v for n, v in {**ROW, "ride": key, name: value}.items() if v is not ...}
            for answered_by in (model, "of an old shape"):
                predictions = (
                    {"late": 0.25, "delay_minutes": 3.5} if answered_by == model else {"other": None}
                )
                logged = LoggedRow(str(uuid7()), row, predictions, key=None if name == "ride" else str(key))
                log.append(encode(Predicted(now, 120, answered_by, "c0", [logged])))
                outcome = {"delay": value} if value is not ... else {}
                reported = LoggedOutcome(str(uuid7()), outcome, logged.prediction_id)
                log.append(
                    encode(Reported(now, [reported, LoggedOutcome(str(uuid7()), outcome, None, str(key))]))
                )
    log.append(encode(Refused(now, 15, 422, "", 0)))


@pytest.fixture
def run(filled: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `accord` in the project of the service; what it prints."""
    monkeypatch.setenv("ACCORD_TOKEN", TOKEN)
    monkeypatch.chdir(filled.home.root)

    def words(*words: str, codes: tuple[int, ...] = (0,)) -> str:
        capsys.readouterr()
        code: Any = 0
        try:
            cli.main([str(word) for word in words])
        except SystemExit as exit_:
            code = exit_.code or 0
        printed = capsys.readouterr()
        assert code in codes, f"{words}: {code}\n{printed.out}{printed.err}"
        return printed.out + printed.err

    return words


def number(text: str, after: str) -> int:
    return int(text.partition(after)[2].split()[0].replace(",", ""))


@pytest.mark.slow
def test_every_command_that_reads_the_log_takes_them(
    store: str, filled: Running, run: Run, tmp_path: Path
) -> None:
    url = str(filled.client.base_url)
    assert "predictions" in run("traffic")
    of_log = filled.home.traffic
    assert bool(list(of_log.glob("segments/*.jsonl"))) == (store == "segments")
    assert bool(list(of_log.glob("predictions/*/*.parquet"))) == (store == "files")
    for _ in range(2):
        told = run("replay", "--from", "2024-03-12", "--to", "2024-03-16", "--url", url)
        assert "can't be read as datetime" in told
        assert "WARNING" not in told
    rows = pl.read_parquet("data/splits/*/*.parquet", hive_partitioning=False)
    stretch = rows.filter(
        pl.col("started_at").is_between(datetime(2024, 3, 12), datetime(2024, 3, 16), closed="left")
    )
    assert number(told, "sent") == 0
    assert number(told, "rows") == stretch.height

    log = TrafficLog(of_log, SETTINGS)  # an outcome of a replayed row that can't be read is none
    log.append(
        encode(
            Reported(
                datetime.now(UTC),
                [LoggedOutcome(str(uuid7()), {"delay": "far"}, None, str(stretch["ride"].min()))],
            )
        )
    )
    log.close()
    told = run("replay", "--from", "2024-03-12", "--to", "2024-03-16", "--url", url)
    assert number(told, "outcomes") == 1

    for words in (
        [],
        ["--rows", "5000"],
        ["--from", "0001-01-02"],
        ["--from", "2024-03-12", "--to", "2024-03-15"],
    ):
        assert "Wrote" in run("monitor", "--no-reports", *words, codes=(0, 3))
    assert "Wrote" in run("monitor", "--rows", "5000", codes=(0, 3))
    notes = read_json(Path("reports/decision.json"))["notes"]
    assert any("'distance' can't be read as number, and count as missing" in note for note in notes), notes

    postgres = Postgres(**lock) if (lock := settings_of_lock()) else None
    found = labelled(Path("data/traffic"), postgres=postgres).collect()
    for prediction_id in found["prediction_id"].to_list():
        assert f"Prediction  {prediction_id}" in run("explain", prediction_id)
    assert "No prediction" in run("explain", "ffffffff-ffff-7fff-bfff-ffffffffffff", codes=(2,))

    told = run("collect")
    assert "logged values of 'delay' can't be read as number; rows with such a value are left out" in told
    batch = pl.read_parquet("data/batches/*.parquet")
    assert batch.filter(pl.col("distance").is_null() & (pl.col("log|key") == str(KEYS[53]))).is_empty()
    assert batch["log|prediction_id"].is_unique().all()
    again = run("collect")
    assert "Nothing new to collect" in again
    assert "'delay' can't be read as number" in again

    (tmp_path / "more.csv").write_text(f"ride,delay\n{KEYS[1]},7.5\n{KEYS[2]},\n")
    refusal = run("outcomes", tmp_path / "more.csv", codes=(2,))
    assert refusal.startswith("accord: ")
    (tmp_path / "more.csv").write_text(f"ride,delay\n{KEYS[1]},7.5\n")
    run("outcomes", tmp_path / "more.csv")
    assert "1 rows to" in run("collect")

    run("retrain", codes=(0, 2))
    run("traffic")
    assert "Forgotten" in run("forget", str(KEYS[1]))
    assert "Found no rows" in run("forget", str(KEYS[1]))
    assert number(run("replay", "--from", "2024-03-12", "--to", "2024-03-16", "--url", url), "sent") == 0


def settings_of_lock() -> dict[str, Any] | None:
    config = yaml.safe_load(Path("conf.lock.yaml").read_text())
    return config["serving"]["traffic"]["postgres"]  # type: ignore[no-any-return]
