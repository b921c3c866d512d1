"""The log as one table, each row once, wherever the row is."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from traffic_records import NOON, SETTINGS, predicted, refused

from accord.traffic import reading
from accord.traffic.compaction import compact
from accord.traffic.log import TrafficLog
from accord.traffic.reading import find, scan_predictions, scan_refusals
from accord.traffic.records import encode

Write = Callable[..., list[str]]


def ids(rows: pl.LazyFrame) -> list[str]:
    return sorted(rows.collect()["prediction_id"])


def test_an_empty_log_has_no_rows_but_its_columns(folder: Path):
    assert scan_predictions(folder).collect().height == 0
    assert scan_refusals(folder).collect().columns == ["at", "latency_us", "status", "reason", "n_bytes"]
    assert find(folder, "01990000-0000-7000-8000-000000000000") is None


def test_a_row_reads_back_as_it_was_logged(folder: Path, write: Write):
    now = datetime.now(UTC)
    record = predicted(
        {"distance": 2, "rain": None, "member": True, "station": "a|b\n"}, at=now, key="7|x", probability=0.5
    )
    record.weights, record.code = {"b": 1.0, "a": 0.5}, "5e4f"
    write(record)
    expected = {
        "prediction_id": record.rows[0].prediction_id, "at": now, "latency_us": 120, "model": "first", "config": "c0",
        "key": "7|x", "weights": '{"a":0.5,"b":1.0}', "score": 1.5, "action": True, "probability": 0.5,
        "warnings": ["careful"], "code": "5e4f", "predicted|late": 0.25, "row|distance": 2, "row|rain": None, "row|member": True,
        "row|station": "a|b\n",
    }  # fmt: skip
    assert scan_predictions(folder).collect().to_dicts() == [expected]
    compact(folder, SETTINGS)
    assert scan_predictions(folder).collect().to_dicts() == [expected]
    assert find(folder, expected["prediction_id"]) == expected


def test_whole_lines_of_a_segment_that_is_still_written_are_read(folder: Path):
    log = TrafficLog(folder, SETTINGS)
    record = predicted()
    log.append(encode(record))
    [segment] = (folder / "segments").iterdir()
    with segment.open("ab") as file:
        file.write(encode(predicted())[:50])
    assert ids(scan_predictions(folder)) == [record.rows[0].prediction_id]
    kept = compact(folder, SETTINGS)
    assert kept is not None
    assert kept.n_segments == 0
    assert segment.exists()
    log.close()
    kept = compact(folder, SETTINGS)
    assert kept is not None
    assert (kept.n_segments, kept.n_predictions, kept.n_torn) == (1, 1, 1)
    assert ids(scan_predictions(folder)) == [record.rows[0].prediction_id]


def test_columns_of_different_segments_and_models_are_united(folder: Path, write: Write):
    write(predicted({"a": 1, "b": True, "c": None}, {"a": 2.5}))
    compact(folder, SETTINGS)
    write(predicted({"a": 3, "d": "text", "c": 4, "huge": 2**70}, model="second"))
    compact(folder, SETTINGS)
    write(predicted({"a": 4, "c": 0.5}), refused())
    rows = scan_predictions(folder).collect()
    assert rows.select("row|a", "row|b", "row|c", "row|d", "row|huge").to_dict(as_series=False) == {
        "row|a": [1.0, 2.5, 3.0, 4.0],
        "row|b": [True, None, None, None],
        "row|c": [None, None, 4.0, 0.5],
        "row|d": [None, None, "text", None],
        "row|huge": [None, None, float(2**70), None],
    }
    assert scan_refusals(folder).collect()["reason"].to_list() == ["rows: found 0; expected 1"]


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_stretch_of_time_has_its_begin_and_not_its_end(folder: Path, write: Write, is_kept: bool):
    instants = [NOON + timedelta(hours=hours) for hours in (-24, 0, 11, 12, 36)]
    found = write(*(predicted(at=at) for at in instants))
    if is_kept:
        compact(folder, SETTINGS)
    assert ids(scan_predictions(folder, NOON, NOON + timedelta(hours=12))) == sorted(found[1:3])
    assert ids(scan_predictions(folder, begin=(NOON + timedelta(hours=12)).replace(tzinfo=None))) == found[3:]
    assert ids(scan_predictions(folder, end=NOON)) == found[:1]


def test_files_by_day_are_scanned_lazily_and_only_those_of_the_days_asked_for(folder: Path, write: Write):
    write(predicted(), predicted(at=NOON + timedelta(days=1)), predicted(at=NOON + timedelta(days=9)))
    compact(folder, SETTINGS)
    plan = scan_predictions(folder, NOON, NOON + timedelta(days=2)).select("at").explain()
    assert "Parquet SCAN" in plan
    assert re.findall(r"day=[-0-9]+", plan) == ["day=2024-05-31", "day=2024-06-01"]


def test_what_moves_on_while_it_is_read_is_read_once(
    folder: Path, write: Write, monkeypatch: pytest.MonkeyPatch
):
    found = write(predicted()) + write(predicted())
    listed = reading.listed

    def listed_and_then_kept(where: Path) -> list[Path]:
        segments = listed(where)
        compact(folder, SETTINGS)
        return segments

    monkeypatch.setattr(reading, "listed", listed_and_then_kept)
    assert ids(scan_predictions(folder)) == sorted(found)


def test_what_is_merged_while_it_is_read_is_read_once(
    folder: Path, write: Write, monkeypatch: pytest.MonkeyPatch
):
    found = write(predicted()) + write(predicted())
    decoded = reading.frames

    def decoded_and_then_merged(records: Any) -> Any:
        known = decoded(records)
        compact(folder, SETTINGS)
        return known

    monkeypatch.setattr(reading, "frames", decoded_and_then_merged)
    rows = scan_predictions(folder)
    assert list((folder / "predictions").glob("*/merged-*.parquet"))
    assert ids(rows) == sorted(found)


def test_a_prediction_is_found_by_its_id_in_segments_and_files(folder: Path, write: Write):
    now = datetime.now(UTC)
    [kept] = write(predicted({"a": 1}, at=now))
    compact(folder, SETTINGS)
    [waiting] = write(predicted({"a": 2}, at=now))
    assert (find(folder, kept) or {})["row|a"] == 1
    assert (find(folder, waiting) or {})["row|a"] == 2
    assert find(folder, "no id") is None
    assert find(folder, "ffffffff-ffff-7fff-bfff-ffffffffffff") is None, "an id of the year 10889"
