"""A logged value reads in the contract's type whatever else was ever logged in its column."""

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shipped import shipped
from traffic_records import predicted, reported

from accord.schema.data import Column
from accord.traffic.frames import frames
from accord.traffic.typed import as_declared, is_of_another_contract, is_unread, n_unread, outcome_at

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(-(2**53) + 1, 2**53 - 1),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "category": st.text(st.characters(codec="utf-8"), max_size=5),
    "boolean": st.booleans(),
    "datetime": st.datetimes(timezones=st.just(UTC) | st.none()) | st.datetimes(
        datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.sampled_from([timezone(timedelta(hours=h)) for h in (-5, 2)])
    ),
}  # fmt: skip
NEIGHBOURS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=3)


def read(parts: Sequence[Sequence[Any]], type_: str) -> pl.DataFrame:
    """The values as they were logged, each part in a file of its own, as `x`, and whether one couldn't be read. The
    filter goes down into the Parquet reader."""
    column = shipped(Column, type=type_)
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for i, values in enumerate(parts):
            rows = [{} if value is ... else {"x": value} for value in values]
            rows = msgspec.json.decode(msgspec.json.encode(rows))
            files.append(Path(folder) / f"{i}.parquet")
            frames([predicted(*rows)])["predictions"].with_row_index("i").write_parquet(files[-1])
        log = pl.concat([pl.scan_parquet(file) for file in files], how="diagonal_relaxed")
        schema = log.collect_schema()
        value = as_declared("x", column, schema)
        chosen = log.filter(value.is_null() | value.is_not_null())
        found = chosen.select(value, unread=is_unread("x", column, schema)).collect(engine="streaming")
        for one in found["x"].drop_nulls().unique():
            chosen = log.filter(value == pl.lit(one, found["x"].dtype))
            assert chosen.collect(engine="streaming").height == (found["x"] == one).sum()
        assert n_unread(log, {"x": column}).get("x", 0) == found["unread"].sum()
        return found


@pytest.mark.parametrize("type_", VALUES)
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_value_reads_the_same_whatever_stands_beside_it(type_: str, data: st.DataObject):
    values = data.draw(st.lists(VALUES[type_], min_size=1, max_size=3))
    own, others = (data.draw(st.lists(NEIGHBOURS | st.just(...), max_size=3)) for _ in range(2))
    found = read([[*values, *own], others], type_)["x"].to_list()[: len(values)]
    expected = [v.astimezone(UTC).replace(tzinfo=None) if getattr(v, "tzinfo", None) else v for v in values]
    assert found == expected


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("datetime", ""), ("datetime", "soon"), ("datetime", 1_372_665_600), ("datetime", True), ("datetime", "2013-02-30T00:00:00"),
        ("integer", ""), ("integer", "x"), ("integer", 1.5), ("integer", 1e300), ("integer", "9223372036854775808"),
        ("number", ""), ("number", "far"), ("number", "nan"), ("number", "inf"),
        ("boolean", ""), ("boolean", "yes"), ("boolean", 2), ("boolean", 0.5),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_null_and_counted(type_: str, value: Any):
    found = read([[value], [None], [...]], type_)
    assert found["x"].to_list() == [None, None, None]
    assert found["unread"].to_list() == [True, False, False]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2013-07-01T09:00:00", datetime(2013, 7, 1, 9)),
        ("2013-07-01T09:00:00Z", datetime(2013, 7, 1, 9)),
        ("2013-07-01T09:00:00.123456+02:00", datetime(2013, 7, 1, 7, 0, 0, 123456)),
        ("1969-12-31T23:59:59.5", datetime(1969, 12, 31, 23, 59, 59, 500_000)),
        ("0001-01-01T00:00:00", datetime(1, 1, 1)),
        ("9999-12-31T23:59:59.999999", datetime.max),
        ("2016-12-31T23:59:60", datetime(2017, 1, 1)),  # a leap second
    ],
)
def test_instants_read_however_json_writes_them(text: str, instant: datetime):
    assert read([[text, None], [...]], "datetime")["x"].to_list() == [instant, None, None]


def test_a_personal_column_is_null_and_no_fault_of_the_log():
    log = frames([predicted({"x": "a pseudonym"})])["predictions"].lazy()
    column = shipped(Column, type="datetime", pii="hash")
    assert log.select(as_declared("x", column, log.collect_schema())).collect()["x"].to_list() == [None]
    assert n_unread(log, {"x": column}) == {}


def test_an_outcome_is_read_from_where_outcomes_are_logged():
    log = frames([reported("a", row={"x": "no"}, x="1.5")])["outcomes"]
    column = shipped(Column, type="number", role="outcome")
    assert log.select(as_declared("x", column, log.schema))["x"].to_list() == [1.5]


def test_an_outcome_reported_under_another_contract_is_not_known_rather_than_null():
    """Null is a value: of a flight that was cancelled, say. A column that has another name by now says nothing of the kind."""
    rows = [
        {"outcome|delay": 3.0, "outcome|lateness": None},
        {"outcome|delay": None, "outcome|lateness": 4.0},
        {"outcome|delay": None, "outcome|lateness": None},
    ]
    log = pl.DataFrame(rows, schema=dict.fromkeys(rows[0], pl.Float64)).with_columns(
        outcome_at=pl.lit("then")
    )
    now = {"lateness": shipped(Column, type="number", role="outcome", nullable=True)}
    found = log.select(foreign=is_of_another_contract(now, log.schema), at=outcome_at(now, log.schema))
    assert found.rows() == [(True, None), (False, "then"), (False, "then")]
    before = log.drop("outcome|lateness")
    assert before.select(is_of_another_contract(now, before.schema)).to_series().to_list() == [
        True,
        False,
        False,
    ]
