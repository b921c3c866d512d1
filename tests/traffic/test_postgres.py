"""Traffic in a real Postgres: each row once, through outages and kills."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg
import pytest
from postgres_server import Server
from shipped import shipped
from traffic_records import NOON, SETTINGS, predicted, refused, reported

from accord.errors import AccordError
from accord.schema.data import Data
from accord.schema.serving import Postgres, Traffic
from accord.traffic import compaction, outcomes
from accord.traffic.compaction import Kept, compact
from accord.traffic.forget import forget
from accord.traffic.outcomes import coverage, labelled
from accord.traffic.reading import find, scan_outcomes, scan_predictions, scan_refusals

Write = Callable[..., list[str]]


class KilledError(BaseException):
    """Stands for a kill: nothing catches it."""


def killed(path: Path) -> None:
    raise KilledError


@pytest.fixture
def settings(postgres: Postgres) -> Traffic:
    return SETTINGS.model_copy(update={"postgres": postgres})


def kept_now(folder: Path, settings: Traffic) -> Kept:
    kept = compact(folder, settings)
    assert kept is not None
    return kept


def ids(folder: Path, postgres: Postgres) -> list[str]:
    return sorted(scan_predictions(folder, postgres=postgres).collect()["prediction_id"])


def test_rows_in_postgres_read_as_those_in_files_do(folder: Path, write: Write, settings: Traffic):
    now = datetime.now(UTC)
    first = predicted({"a": 1, "b": None, "text": "north\0", "member": True}, {"a": 2.5}, at=now, key="k|1")
    first.weights, first.code = {"b": 1.0, "a": 0.5}, "5e4f"
    found = write(first, refused(at=now, reason="why\0"))
    before = scan_predictions(folder).collect()
    assert kept_now(folder, settings).problem is None
    assert scan_predictions(folder).collect().height == 0
    found += write(predicted({"c": 3}, at=now))
    rows = scan_predictions(folder, postgres=settings.postgres).collect()
    assert sorted(rows["prediction_id"]) == sorted(found)
    same = before.with_columns(pl.col("row|text").str.replace("\0", "\ufffd", literal=True))
    kept = rows.filter(pl.col("prediction_id").is_in(found[:2])).select(before.columns)
    assert kept.sort("prediction_id").to_dicts() == same.sort("prediction_id").to_dicts()
    assert kept.schema["row|a"] == pl.Float64
    assert scan_refusals(folder, postgres=settings.postgres).collect()["reason"].to_list() == ["why\ufffd"]
    assert (find(folder, found[0], settings.postgres) or {})["key"] == "k|1"
    assert (find(folder, found[2], settings.postgres) or {})["row|c"] == 3


def test_a_type_that_comes_while_rows_are_read_costs_no_other_value(
    folder: Path, write: Write, settings: Traffic
):
    write(predicted({"a": 1, "b": 1.5}))
    kept_now(folder, settings)
    rows = scan_predictions(folder, postgres=settings.postgres)
    write(predicted({"a": "far", "b": "far"}))
    kept_now(folder, settings)
    assert set(rows.select("row|a", "row|b").collect().rows()) == {(1, 1.5), (None, None)}


def test_a_table_of_before_gets_the_column_that_it_lacks(folder: Path, write: Write, settings: Traffic):
    assert settings.postgres is not None
    found = write(predicted({"a": 1}))
    assert kept_now(folder, settings).problem is None
    with psycopg.connect(settings.postgres.url) as connection:
        connection.execute(f"ALTER TABLE {settings.postgres.table} DROP COLUMN code")
    later = predicted({"a": 2})
    later.code = "5e4f"
    found += write(later)
    assert kept_now(folder, settings).problem is None
    rows = scan_predictions(folder, postgres=settings.postgres).collect()
    assert dict(rows.select("prediction_id", "code").iter_rows()) == dict(
        zip(found, [None, "5e4f"], strict=True)
    )


TABLES = "", "_refused", "_outcomes", "_columns"


def changed(postgres: Postgres, *statements: str) -> None:
    with psycopg.connect(postgres.url) as connection:
        for statement in statements:
            connection.execute(statement)


def test_columns_that_a_table_has_more_or_in_another_order_do_no_harm(
    folder: Path, write: Write, settings: Traffic
):
    assert kept_now(folder, settings).problem is None  # makes the tables
    postgres = settings.postgres
    assert postgres is not None
    for each in TABLES:
        changed(
            postgres,
            f"ALTER TABLE {postgres.table}{each} ADD COLUMN team text",
            f"ALTER TABLE {postgres.table}{each} ADD COLUMN noted bigint NOT NULL DEFAULT 5",
        )
    changed(
        postgres,
        f"ALTER TABLE {postgres.table} DROP COLUMN score, DROP COLUMN model",
        f"ALTER TABLE {postgres.table} ADD COLUMN model text, ADD COLUMN score double precision",
        f"ALTER TABLE {postgres.table}_refused DROP COLUMN reason",
        f"ALTER TABLE {postgres.table}_refused ADD COLUMN reason text",
        f"ALTER TABLE {postgres.table}_outcomes DROP COLUMN at",
        f"ALTER TABLE {postgres.table}_outcomes ADD COLUMN at timestamptz",
    )
    now = datetime.now(UTC)
    found = write(predicted({"a": 1}, {"a": 2.5}, at=now), refused(at=now, reason="why"))
    before = scan_predictions(folder).collect()
    assert kept_now(folder, settings).problem is None
    assert ids(folder, postgres) == sorted(found)
    rows = scan_predictions(folder, postgres=postgres).collect()
    same = [name for name in before.columns if name in rows.columns]
    assert rows.sort("prediction_id").select(same).equals(before.sort("prediction_id").select(same))
    assert scan_refusals(folder, postgres=postgres).collect()["reason"].to_list() == ["why"]


def test_a_column_that_was_dropped_is_said_in_one_line_and_segments_wait_for_it(
    folder: Path, write: Write, settings: Traffic
):
    assert kept_now(folder, settings).problem is None
    postgres = settings.postgres
    assert postgres is not None
    changed(postgres, f"ALTER TABLE {postgres.table} DROP COLUMN score")
    found = write(predicted({"a": 1}, at=datetime.now(UTC)))
    problem = kept_now(folder, settings).problem
    assert problem is not None
    assert problem.endswith(
        f'in the table {postgres.table} a column "score" does not exist; add it again, as it was before'
    )
    changed(postgres, f"ALTER TABLE {postgres.table} ADD COLUMN score double precision")
    assert kept_now(folder, settings).problem is None
    assert ids(folder, postgres) == found


def test_outcomes_in_postgres_stand_beside_their_predictions_as_those_in_files_do(
    folder: Path, write: Write, settings: Traffic
):
    first, second, third = (predicted({"ride": i}, key=f"{i}|x") for i in range(3))
    ids = write(first, second, third)
    now = datetime.now(UTC)
    write(
        reported(ids[0], delay=1, how="late\0"),
        reported(key="1|x", at=now, delay=None),
        reported(key="9|x", delay=3),
    )
    write(reported(key="0|x", at=now, row={"ride": 0}, delay=2.5))
    columns = ["prediction_id", "outcome_at", "outcome|delay"]
    before = labelled(folder).select(columns).collect().sort("prediction_id")
    assert before["outcome|delay"].to_list() == [2.5, None, None]
    assert before["outcome_at"].is_not_null().to_list() == [True, True, False]
    kept = kept_now(folder, settings)
    assert (kept.problem, kept.n_outcomes) == (None, 4)
    assert (
        labelled(folder, postgres=settings.postgres)
        .select(columns)
        .collect()
        .sort("prediction_id")
        .equals(before)
    )
    covered = coverage(folder, postgres=settings.postgres)
    assert covered.select(pl.exclude("day").sum()).rows() == [(3, 2, 1)]
    found = outcomes.of(folder, {"prediction_id": ids[0], "key": "0|x"}, settings.postgres)
    assert (found["outcome|delay"], found["outcome_at"]) == (2.5, now)
    assert forget(folder, folder / "none", settings, rides(["ride"]), "0").rows["Postgres"] == 3
    assert scan_outcomes(folder, postgres=settings.postgres).collect().height == 2


def rides(key: list[str]) -> Data:
    target = {"task": "regression", "sql": "ride"}
    columns = {name: {"type": "integer"} for name in key}
    return shipped(
        Data,
        name="rides",
        sources={"rides": {"path": "rides.csv"}},
        subject=key[0],
        key=key,
        columns=columns,
        targets={"late": target},
    )


def test_a_scan_fetches_what_is_asked_for(folder: Path, write: Write, settings: Traffic):
    found = write(*(predicted({"a": i}, at=NOON + timedelta(days=i)) for i in range(5)))
    kept_now(folder, settings)
    rows = scan_predictions(folder, NOON + timedelta(days=1), NOON + timedelta(days=3), settings.postgres)
    assert sorted(rows.collect()["prediction_id"]) == sorted(found[1:3])
    everything = scan_predictions(folder, postgres=settings.postgres)
    assert everything.select(pl.len()).collect().item() == 5
    assert everything.filter(pl.col("row|a") > 2).select("row|a").collect()["row|a"].sort().to_list() == [
        3,
        4,
    ]
    assert everything.head(2).collect().height == 2
    counts = everything.group_by("model").agg(n=pl.len()).collect(engine="streaming")
    assert counts.rows() == [("first", 5)]


def test_whatever_text_clients_send_moves_on(folder: Path, write: Write, settings: Traffic):
    long = "".join(chr(0x4E00 + 7919 * i % 20_000) for i in range(3000))  # no page of an index holds it
    found = write(predicted({"text": long, "nul": "a\0b"}, key=f"{long}|\0"), refused(reason=long))
    log = write(reported(f"a\0{long}", key=long, stops=1))
    assert log == []
    kept = kept_now(folder, settings)
    assert (kept.problem, kept.n_segments) == (None, 2)
    assert settings.postgres is not None
    assert ids(folder, settings.postgres) == found
    assert scan_outcomes(folder, postgres=settings.postgres).collect()["key"].to_list() == [long]


def test_what_keeps_postgres_away_is_reported_without_its_address_and_users(
    folder: Path, write: Write, settings: Traffic
):
    assert settings.postgres is not None
    elsewhere = Postgres(url="postgresql://somebody:secret@127.0.0.1:1/nowhere", table="t")
    write(predicted())
    problem = kept_now(folder, settings.model_copy(update={"postgres": elsewhere})).problem
    assert problem is not None
    assert problem.startswith("Postgres can't be used: ")
    assert "refused" in problem
    assert not any(word in problem for word in ("somebody", "secret", "127.0.0.1", "nowhere"))


def test_while_postgres_is_away_segments_wait_and_nothing_is_lost(
    folder: Path, write: Write, settings: Traffic, server: Server
):
    found = write(predicted(), refused())
    kept_now(folder, settings)
    assert settings.postgres is not None
    server.stop()
    try:
        for _ in range(2):
            found += write(predicted(), refused())
            kept = kept_now(folder, settings)
            assert "Postgres can't be used" in (kept.problem or "")
        with pytest.raises(AccordError, match="Postgres can't be used"):
            ids(folder, settings.postgres)
    finally:
        server.start()
    kept = kept_now(folder, settings)
    assert (kept.problem, kept.n_segments) == (None, 2)
    assert ids(folder, settings.postgres) == sorted(found)
    assert scan_refusals(folder, postgres=settings.postgres).collect().height == 3


def test_a_kill_between_commit_and_delete_leaves_each_row_once(
    folder: Path, write: Write, settings: Traffic, monkeypatch: pytest.MonkeyPatch
):
    assert settings.postgres is not None
    found = write(predicted(), refused())
    with monkeypatch.context() as patch:
        patch.setattr(compaction, "remove", killed)
        with pytest.raises(KilledError):
            compact(folder, settings)
    assert ids(folder, settings.postgres) == found
    assert scan_refusals(folder, postgres=settings.postgres).collect().height == 1
    kept_now(folder, settings)
    assert ids(folder, settings.postgres) == found
    assert scan_refusals(folder, postgres=settings.postgres).collect().height == 1


def test_what_files_by_day_hold_is_still_read_after_a_change_to_postgres(
    folder: Path, write: Write, settings: Traffic, monkeypatch: pytest.MonkeyPatch
):
    assert settings.postgres is not None
    found = write(predicted())
    kept_now(folder, SETTINGS)
    found += write(predicted())
    with monkeypatch.context() as patch:
        patch.setattr(compaction, "remove", killed)
        with pytest.raises(KilledError):
            compact(folder, SETTINGS)
    kept_now(folder, settings)
    assert ids(folder, settings.postgres) == sorted(found)


def test_rows_older_than_their_retention_are_deleted(folder: Path, write: Write, settings: Traffic):
    now = datetime.now(UTC)
    found = write(
        predicted(at=now), predicted(at=now - timedelta(days=5)), refused(at=now - timedelta(days=5))
    )
    kept_now(folder, settings)
    assert settings.postgres is not None
    short = settings.model_copy(update={"retention_days": 3})
    assert kept_now(folder, short).n_deleted == 2
    assert ids(folder, settings.postgres) == found[:1]


def test_a_wrong_url_is_reported_without_the_password(
    folder: Path, write: Write, monkeypatch: pytest.MonkeyPatch
):
    write(predicted())
    for url in ("nonsense:hush@host", "postgresql://me:hush@127.0.0.1:1/db", "postgresql://a:hush@[/x"):
        problem = kept_now(
            folder, SETTINGS.model_copy(update={"postgres": Postgres(url=url, table="t")})
        ).problem
        assert problem
        assert "hush" not in problem
    monkeypatch.delenv("ACCORD_POSTGRES", raising=False)
    unset = Postgres(url="${oc.env:ACCORD_POSTGRES}", table="t")
    problem = kept_now(folder, SETTINGS.model_copy(update={"postgres": unset})).problem
    assert problem == (
        "serving.traffic.postgres.url refers to the environment's ACCORD_POSTGRES, which is not set; "
        "set it, or choose another serving option"
    )
    assert scan_predictions(folder).collect().height == 1


def test_without_psycopg_segments_wait_and_one_line_says_why(
    folder: Path, write: Write, monkeypatch: pytest.MonkeyPatch
):
    write(predicted())
    monkeypatch.setitem(sys.modules, "psycopg", None)
    settings = SETTINGS.model_copy(update={"postgres": Postgres(url="postgresql://me@host/db", table="t")})
    assert "pip install 'psycopg[binary]'" in (kept_now(folder, settings).problem or "")
    assert scan_predictions(folder).collect().height == 1


def test_the_tables_are_made_once_by_many(settings: Traffic):
    from concurrent.futures import ThreadPoolExecutor

    from accord.traffic.postgres import Table

    assert settings.postgres is not None
    tables = [Table(settings.postgres) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda table: table.delete_before(NOON.date()), tables)) == [0] * 8
    with psycopg.connect(settings.postgres.url) as connection:
        indexes = connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename = %s", [settings.postgres.table]
        ).fetchall()
    assert len(indexes) == 3
