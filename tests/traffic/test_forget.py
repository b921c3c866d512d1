"""A forgotten person's rows are gone from everywhere, and nobody else's."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from postgres_server import Server
from shipped import shipped
from traffic_records import SETTINGS, predicted, refused, reported

from accord import jsonl
from accord.commands.forget import as_text
from accord.errors import AccordError
from accord.paths import Paths
from accord.schema.data import Column, Data
from accord.schema.serving import Postgres
from accord.traffic import days
from accord.traffic.compaction import compact
from accord.traffic.forget import Forgotten, forget
from accord.traffic.log import TrafficLog
from accord.traffic.pii import Pseudonyms
from accord.traffic.reading import scan_outcomes, scan_predictions
from accord.traffic.records import encode, key_text

Write = Callable[..., list[str]]
ROOT = Path(__file__).parents[2]


def data(subject: str | None = "rider", key: list[str] | None = None, pii: str | None = None) -> Data:
    columns = {
        "rider": shipped(Column, type="category", pii=pii),
        "number": shipped(Column, type="integer"),
        "started_at": shipped(Column, type="datetime"),
    }
    target = {"task": "regression", "sql": "number"}
    return shipped(
        Data,
        name="rides",
        sources={"rides": {"path": "rides.csv"}},
        subject=subject,
        key=key or [],
        columns=columns,
        targets={"late": target},
    )


@pytest.fixture
def batches(tmp_path: Path) -> Path:
    return tmp_path / "batches"


def riders(folder: Path, postgres: Postgres | None = None) -> list[str]:
    return sorted(scan_predictions(folder, postgres=postgres).collect()["row|rider"])


def contents(*folders: Path) -> bytes:
    """What the files hold in plain sight."""
    found = []
    for file in (file for folder in folders for file in folder.rglob("*") if file.is_file()):
        found.append(
            str(pl.read_parquet(file).to_dicts()).encode() if file.suffix == ".parquet" else file.read_bytes()
        )
    return b"".join(found)


def test_rows_go_from_segments_files_damaged_lines_and_batches(folder: Path, batches: Path, write: Write):
    write(predicted({"rider": "ann", "number": 1}), predicted({"rider": "bob", "number": 2}))
    write(predicted({"rider": "ann"}, {"rider": "cid"}))
    compact(folder, SETTINGS)  # merged, and the replaced files still there
    write(predicted({"rider": "ann"}), refused())
    [segment] = (folder / "segments").iterdir()
    segment.write_bytes(b'{"half": "bob"}\n{"half": "ann"}\n' + segment.read_bytes())
    batches.mkdir()
    rows = pl.DataFrame({"rider": ["ann", "bob", None], "y": [1, 2, 3]})
    rows.write_parquet(batches / "one.parquet")
    rows.filter(pl.col("rider") == "bob").write_parquet(batches / "two.parquet")
    untouched = (batches / "two.parquet").stat()
    record = forget(folder, batches, SETTINGS, data(), "ann")
    assert record.rows == {"files by day": 3, "damaged": 1, "batches": 1}
    assert riders(folder) == ["bob", "cid"]
    assert pl.read_parquet(batches / "one.parquet")["y"].to_list() == [2, 3]
    assert (batches / "two.parquet").stat().st_mtime_ns == untouched.st_mtime_ns
    assert b"ann" not in contents(folder, batches)
    assert b"bob" in contents(folder / "damaged")
    assert "dvc gc" in as_text(record, Paths(folder.parent))
    again = forget(folder, batches, SETTINGS, data(), "ann")
    assert again.rows == {"files by day": 0, "damaged": 0, "batches": 0}
    records = jsonl.read(folder / "forgotten.jsonl", Forgotten)
    assert records == [record, again]


def test_a_hashed_person_is_known_by_name_and_by_pseudonym(folder: Path, batches: Path, write: Write):
    of = Pseudonyms(folder).of
    write(*(predicted({"rider": of(name)}) for name in ("ann", "bob", "cid")))
    assert forget(folder, batches, SETTINGS, data(pii="hash"), "ann").rows["files by day"] == 1
    assert forget(folder, batches, SETTINGS, data(pii="hash"), str(of("bob"))).rows["files by day"] == 1
    assert riders(folder) == [of("cid")]


def test_outcomes_go_by_the_predictions_they_are_of_and_by_their_keys(
    folder: Path, batches: Path, write: Write
):
    of = Pseudonyms(folder).of
    rides = data("rider", ["number", "started_at"], "hash")
    ann, bob = predicted({"rider": of("ann")}, key="1|x"), predicted({"rider": of("bob")}, key="2|x")
    write(ann, bob)
    for record, key in ((ann, "1|x"), (bob, "2|x")):
        write(reported(record.rows[0].prediction_id, delay=1), reported(key=key, delay=2))
    batches.mkdir()
    ids = [record.rows[0].prediction_id for record in (ann, bob)]
    pl.DataFrame({"log|prediction_id": ids, "rider": None, "row|rider": None}).write_parquet(
        batches / "one.parquet"
    )
    later = {"log|prediction_id": ["gone"] * 2, "rider": None, "row|rider": [of("ann"), of("bob")]}
    pl.DataFrame(later, schema_overrides={"rider": pl.String}).write_parquet(batches / "two.parquet")
    rows = forget(folder, batches, SETTINGS, rides, "ann").rows
    assert (rows["files by day"], rows["batches"]) == (3, 2)
    left = scan_outcomes(folder).collect()
    assert left.select("prediction_id", "key").rows() == [(ids[1], None), (None, "2|x")]
    assert pl.read_parquet(batches / "one.parquet")["log|prediction_id"].to_list() == ids[1:]
    assert pl.read_parquet(batches / "two.parquet")["row|rider"].to_list() == [of("bob")]


def test_outcomes_without_a_prediction_go_by_what_their_key_says(folder: Path, batches: Path, write: Write):
    write(
        reported(key="ann|1", row={"rider": "ann", "number": 1}, delay=1),
        reported(key="bob|1", row={"rider": "bob"}, delay=1),
    )
    rides = data("rider", ["rider", "number"])
    assert forget(folder, batches, SETTINGS, rides, "ann").rows["files by day"] == 1
    assert scan_outcomes(folder).collect()["key"].to_list() == ["bob|1"]
    assert (
        forget(folder, batches, SETTINGS, data(None, ["rider", "number"]), "bob|1").rows["files by day"] == 1
    )


def test_a_person_may_be_a_number(folder: Path, batches: Path, write: Write):
    write(predicted({"number": 7}), predicted({"number": 70}), predicted({"number": None}))
    compact(folder, SETTINGS)
    write(predicted({"number": 7.0}), predicted({"number": 7.5}))
    assert forget(folder, batches, SETTINGS, data("number"), "7").rows["files by day"] == 2
    assert scan_predictions(folder).collect()["row|number"].sort().to_list() == [None, 7.5, 70.0]


@pytest.mark.parametrize("number", [1234567890123456789, 2**63 - 1, -(2**63)])
def test_a_person_may_be_a_number_of_64_bits(folder: Path, batches: Path, write: Write, number: int):
    others = [1234567890123456788, 2**63 - 2]
    write(*(predicted({"number": n}) for n in (number, *others)))
    compact(folder, SETTINGS)
    assert forget(folder, batches, SETTINGS, data("number"), str(number)).rows["files by day"] == 1
    assert scan_predictions(folder).collect()["row|number"].sort().to_list() == others


def test_without_a_subject_rows_go_by_their_key(folder: Path, batches: Path, write: Write):
    rides = data(None, ["rider", "started_at"], "hash")
    of = Pseudonyms(folder).of
    instant = datetime(2024, 5, 31, 9)
    keys = [key_text([of(name), instant]) for name in ("a|nn", "bob", "cid")]
    write(*(predicted({"rider": "x"}, key=key) for key in keys))
    batches.mkdir()
    rows = pl.DataFrame({"rider": [of("a|nn"), of("bob")], "started_at": [instant] * 2, "y": [1, 2]})
    rows.write_parquet(batches / "one.parquet")
    found = forget(folder, batches, SETTINGS, rides, "a\\|nn|2024-05-31T09:00:00").rows
    assert (found["files by day"], found["batches"]) == (1, 1)
    assert forget(folder, batches, SETTINGS, rides, keys[1]).rows["files by day"] == 1
    assert scan_predictions(folder).collect()["key"].to_list() == [keys[2]]
    with pytest.raises(AccordError, match=r"found 1 values, expected 2.*rider\|started_at"):
        forget(folder, batches, SETTINGS, rides, "ann")


def test_forgetting_says_when_the_config_names_no_person(folder: Path, batches: Path):
    with pytest.raises(AccordError, match=r"neither data.subject nor data.key"):
        forget(folder, batches, SETTINGS, data(None), "ann")
    with pytest.raises(AccordError, match="empty"):
        forget(folder, batches, SETTINGS, data(), "")


def test_workers_complete_their_segments_and_go_on_logging(folder: Path, batches: Path):
    log = TrafficLog(folder, SETTINGS)
    log.append(encode(predicted({"rider": "ann"}, {"rider": "bob"})))
    assert forget(folder, batches, SETTINGS, data(), "ann").rows["files by day"] == 1
    log.append(encode(predicted({"rider": "cid"})))
    assert riders(folder) == ["bob", "cid"]
    log.close()


def test_a_worker_that_hangs_is_named_and_nothing_is_said_to_be_forgotten(folder: Path, batches: Path):
    hung = TrafficLog(folder, SETTINGS)
    hung.append(encode(predicted({"rider": "ann"})))
    hung._stopping.set()
    hung._thread.join()
    with pytest.raises(AccordError, match=r"segments/.* is still written"):
        forget(folder, batches, SETTINGS, data(), "ann", timeout_s=0.2)
    assert not (folder / "forgotten.jsonl").exists()
    hung.close()


def test_it_waits_for_the_compaction(folder: Path, batches: Path, write: Write):
    from accord.traffic.compaction import alone

    write(predicted({"rider": "ann"}))
    with alone(folder, 0):
        thread = threading.Thread(target=forget, args=(folder, batches, SETTINGS, data(), "ann"))
        thread.start()
        time.sleep(0.2)
        assert riders(folder) == ["ann"]
    thread.join()
    assert riders(folder) == []


def test_killed_half_way_it_is_finished_by_another_run(
    folder: Path, batches: Path, write: Write, monkeypatch: pytest.MonkeyPatch
):
    class KilledError(BaseException):
        pass

    n_written = 0

    def killed_after_one(path: Path) -> object:
        nonlocal n_written
        n_written += 1
        if n_written == 2:
            raise KilledError
        return placing(path)

    now = datetime.now(UTC)  # so that nothing is merged
    for _ in range(3):
        write(predicted({"rider": "ann"}, {"rider": "bob"}, at=now))
    compact(folder, SETTINGS)
    placing = days.placing
    with monkeypatch.context() as patch:
        patch.setattr(days, "placing", killed_after_one)
        with pytest.raises(KilledError):
            forget(folder, batches, SETTINGS, data(), "ann")
    assert riders(folder) == ["ann", "ann", "bob", "bob", "bob"]
    assert forget(folder, batches, SETTINGS, data(), "ann").rows["files by day"] == 2
    assert riders(folder) == ["bob"] * 3


def test_rows_go_from_postgres_and_from_files_of_the_time_before_it(
    folder: Path, batches: Path, write: Write, postgres: Postgres, server: Server
):
    settings = SETTINGS.model_copy(update={"postgres": postgres})
    write(predicted({"rider": "ann"}), predicted({"rider": "bob"}))
    compact(folder, SETTINGS)
    write(
        predicted({"rider": "ann", "number": 7}, key="k|1"),
        predicted({"rider": "cid", "number": 7.5}, key="k|2"),
    )
    server.stop()
    try:
        with pytest.raises(AccordError, match=r"Nothing is forgotten yet: Postgres can't be used"):
            forget(folder, batches, settings, data(), "ann")
    finally:
        server.start()
    rows = forget(folder, batches, settings, data(), "ann").rows
    assert rows == {"files by day": 1, "Postgres": 1, "damaged": 0, "batches": 0}
    assert riders(folder, postgres) == ["bob", "cid"]
    write(predicted({"rider": "dee", "number": 7}), predicted({"rider": "eve", "number": "7"}))
    assert forget(folder, batches, settings, data("number"), "7").rows["Postgres"] == 2
    assert riders(folder, postgres) == ["bob", "cid"]
    assert forget(folder, batches, settings, data(None, ["rider", "number"]), "k|2").rows["Postgres"] == 1
    assert riders(folder, postgres) == ["bob"]


@pytest.mark.slow
def test_killed_at_any_moment_it_is_finished_by_another_run(folder: Path, batches: Path, write: Write):
    now = datetime.now(UTC)
    batches.mkdir()
    for i in range(20):
        write(*(predicted({"rider": rider, "i": i}, at=now) for rider in ("ann", "bob") for _ in range(50)))
        pl.DataFrame({"rider": ["ann", "bob"] * 1000}).write_parquet(batches / f"{i}.parquet")
    script = (
        "from pathlib import Path; from accord.traffic.forget import forget; "
        "from accord.schema.data import Data; from accord.schema.serving import Traffic; import sys; "
        "forget(Path(sys.argv[1]), Path(sys.argv[2]), Traffic.model_validate_json(sys.argv[3]), Data.model_validate_json(sys.argv[4]), 'ann')"
    )
    words = [str(folder), str(batches), SETTINGS.model_dump_json(), data().model_dump_json()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    for i in range(12):
        process = subprocess.Popen([sys.executable, "-c", script, *words], env=environment)
        time.sleep(0.5 + i / 30)
        process.kill()
        process.wait()
        assert riders(folder).count("bob") == 1000
    forget(folder, batches, SETTINGS, data(), "ann")
    assert riders(folder) == ["bob"] * 1000
    assert b"ann" not in contents(folder, batches)
    assert sum(pl.read_parquet(file).height for file in batches.glob("*.parquet")) == 20_000
