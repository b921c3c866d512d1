"""Rows joined from sources, with nothing from after the decision."""

import copy
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from shipped import shipped

from accord.data import partitions
from accord.data.ingest.joins import ingest
from accord.errors import AccordError
from accord.schema.data import AVAILABLE, ROW_ID, Data

HERE = Path()  # the sources' paths are absolute


def rows_of(settings: dict[str, Any]) -> pl.DataFrame:
    return ingest(shipped(Data, **settings), HERE).rows.sort("ride")


def test_a_row_gets_the_latest_value_that_was_available_at_its_decision(rides: dict):
    rows = rows_of(rides)
    # Ride 1 is decided at 09:00: the observation of 08:00, there from 08:30, and not the one of 09:00, there from 09:30.
    # Ride 2, at 11:00: the one of 09:00. The one of 11:00 was made, but not there before 11:30.
    assert rows["rain"].to_list() == [0.0, 1.0, 3.0, None]
    assert (rows[f"weather{AVAILABLE}"] <= rows["decided"]).drop_nulls().all()


def test_a_value_available_at_the_very_decision_counts(rides: dict):
    rides["sources"]["weather"]["available_at"] = "strptime(hour, '%Y-%m-%dT%H:%M:%SZ')"
    assert rows_of(rides)["rain"].to_list()[:2] == [1.0, 2.0]


def test_without_a_decision_time_the_event_counts(rides: dict):
    del rides["time"]["decision"]
    assert rows_of(rides)["rain"].to_list()[:2] == [1.0, 2.0]


def test_a_value_older_than_the_tolerance_is_not_used(rides: dict):
    rides["as_of"]["weather"]["tolerance"] = "1h"
    assert rows_of(rides)["rain"].to_list() == [0.0, None, None, None]
    rides["as_of"]["weather"]["tolerance"] = "1d"
    assert rows_of(rides)["rain"].to_list() == [0.0, 1.0, 3.0, 3.0]


def test_a_value_of_another_place_is_not_used(rides: dict):
    assert rows_of(rides)["rain"].to_list()[2] == 3.0
    rides["as_of"]["weather"]["by"] = []
    assert rows_of(rides)["rain"].to_list()[2] == 0.0


def test_an_observation_without_an_instant_is_not_used(rides: dict):
    path = Path(rides["sources"]["weather"]["path"])
    path.write_text(path.read_text() + "south,,99.0\n")
    assert 99.0 not in rows_of(rides)["rain"].to_list()


def test_of_two_observations_of_one_instant_the_later_in_the_source_counts(rides: dict):
    path = Path(rides["sources"]["weather"]["path"])
    path.write_text(path.read_text() + "south,2024-03-01T07:00:00Z,4.0\n")
    assert rows_of(rides)["rain"].to_list()[2] == 4.0


def test_the_order_of_a_source_does_not_change_the_rows(rides: dict):
    before = rows_of(rides)
    for name in ("rides", "weather", "places"):
        path = Path(rides["sources"][name]["path"])
        if path.suffix == ".csv":
            pl.read_csv(path).reverse().write_csv(path)
        else:
            pl.read_parquet(path).reverse().write_parquet(path)
    assert rows_of(rides).equals(before)


def test_rows_come_in_the_order_of_event_time_and_key(rides: dict):
    rows = ingest(shipped(Data, **rides), HERE).rows
    assert rows["ride"].to_list() == [1, 3, 2, 4]
    assert rows.columns == [*rides["columns"], f"weather{AVAILABLE}"]


def test_rows_without_a_key_are_numbered_in_the_order_of_the_source(rides: dict):
    rides["key"] = []
    rows = ingest(shipped(Data, **rides), HERE).rows
    assert dict(zip(rows["ride"], rows[ROW_ID], strict=True)) == {1: 0, 2: 1, 3: 2, 4: 3}


@pytest.mark.parametrize(
    ("change", "n_rows"),
    [
        ("north,11\n", "6 rows"),
        (None, "3 rows"),
    ],
    ids=["duplicates", "drops"],
)
def test_a_join_may_not_add_or_drop_rows(rides: dict, change: str | None, n_rows: str):
    if change:
        path = Path(rides["sources"]["places"]["path"])
        path.write_text(path.read_text() + change)
    else:
        rides["joins"] += " WHERE r.ride < 4"
    with pytest.raises(
        AccordError, match=rf"data\.joins of rides gives {n_rows}; expected the 4 of source 'rides'"
    ):
        rows_of(rides)


def test_a_number_with_decimals_loses_no_digits_in_a_join(rides: dict):
    rides["joins"] = "SELECT r.*, r.ride * 1.0 / 3.0 AS height FROM rides AS r -- it's 1.5"
    found = rows_of(rides)
    assert found["height"].to_list() == pytest.approx((found["ride"] / 3).to_list(), rel=1e-15)


@pytest.mark.parametrize("kind", ["date", "text"])
def test_a_source_with_times_but_no_availability_is_refused(rides: dict, kind: str):
    path = Path(rides["sources"]["places"]["path"]).with_suffix(".parquet")
    rides["sources"]["places"]["path"] = str(path)
    when = [datetime(2024, 2, 1), None] if kind == "date" else [None, "2024-02-01T12:00:00Z"]
    pl.DataFrame({"name": ["north", "south"], "height": [10.0, 20.0], "opened": when}).write_parquet(path)
    with pytest.raises(AccordError, match=r"Possible leak: source 'places' .*'opened'.*timeless"):
        rows_of(rides)
    rides["sources"]["places"]["timeless"] = True
    assert rows_of(rides)["height"].to_list() == [10.0, 10.0, 20.0, 20.0]


@pytest.mark.parametrize("join", ["LEFT JOIN weather AS w ON w.place = r.place", ", weather AS w"])
def test_sql_never_sees_a_source_that_becomes_available_over_time(rides: dict, join: str):
    rides["joins"] = f"SELECT r.*, 1.0 AS height FROM rides AS r {join}"
    with pytest.raises(AccordError, match=r"data\.joins of rides fails"):
        rows_of(rides)


@pytest.mark.parametrize("sql", ["SELECT nope FROM rides", "SELEC * FROM rides", "SELECT * FROM nope"])
def test_a_query_that_fails_is_one_error(rides: dict, sql: str):
    rides["joins"] = sql
    with pytest.raises(AccordError, match=r"data\.joins of rides fails") as error:
        rows_of(rides)
    assert "\n" not in str(error.value)


def test_a_missing_column_of_the_contract_says_what_was_found(rides: dict):
    rides["columns"]["speed"] = {"type": "number"}
    with pytest.raises(
        AccordError,
        match=r"Column 'speed' is missing from the rows of rides; found ride, place, .*conf/data/rides\.yaml",
    ):
        rows_of(rides)


@pytest.mark.parametrize(("key", "name", "side"), [("by", "plaze", "rides"), ("columns", "rian", "weather")])
def test_a_column_missing_from_an_as_of_join_is_met_with_the_nearest(
    rides: dict, key: str, name: str, side: str
):
    rides["as_of"]["weather"][key] = [name]
    with pytest.raises(
        AccordError, match=rf"data\.as_of\.weather: source '{side}' has no column '{name}'; did you mean"
    ):
        rows_of(rides)


def test_an_instant_that_can_not_be_read_is_one_error(rides: dict):
    rides["sources"]["weather"]["available_at"] = "strptime(rain, '%Y')"
    with pytest.raises(AccordError, match=r"data\.as_of\.weather fails"):
        rows_of(rides)
    rides["sources"]["weather"]["available_at"] = "strptime("
    with pytest.raises(AccordError, match=r"data\.sources\.weather\.available_at: not a SQL expression"):
        rows_of(rides)


def test_ingesting_leaves_the_settings_untouched(rides: dict):
    before = copy.deepcopy(rides)
    rows_of(rides)
    assert rides == before


def test_partitions_are_the_months_of_the_data_s_own_zone(data_with, tmp_path: Path):
    rows = pl.DataFrame(
        {"at": [datetime(2024, 1, 31, 20), datetime(2024, 2, 1, 2), datetime(2024, 2, 1, 6), None]}
    )
    time = data_with(time={"event": "at", "zone": "America/New_York"}).time
    rows = rows.cast({"at": pl.Datetime("us")})
    partitions.write(tmp_path / "rows", rows, time)
    assert partitions.names(tmp_path / "rows") == ["2024-01", "2024-02", "unknown"]
    assert [chunk.height for chunk in partitions.chunks(tmp_path / "rows", 2)] == [2, 2]
    assert partitions.read(tmp_path / "rows").equals(rows)
