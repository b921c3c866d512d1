"""The data contract: every row lands in exactly one frame, with the reasons if it is quarantine."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shipped import shipped

from accord.data.contract import Checked, check
from accord.schema.data import Column, Time
from accord.sql.rows import NotComputedError, with_derived


def checked(found: list[Any], **column: Any) -> Checked:
    """One column `x` of these values against the contract of it."""
    rows = pl.DataFrame({"n": range(len(found)), "x": pl.Series(found, strict=False)})
    return check(rows, {"x": shipped(Column, **column)})


def reasons(found: Checked) -> dict[int, list[str]]:
    return dict(found.quarantine.select("n", "reasons").rows())


@pytest.mark.parametrize(
    ("column", "values", "broken"),
    [
        ({"type": "integer", "min": 1}, [1, 0, 5], {1: ["x|min"]}),
        ({"type": "integer", "max": 5}, [1, 6, 5], {1: ["x|max"]}),
        ({"type": "number", "min": 0.5, "max": 1.5}, [0.5, 0.4, 1.6, 1.5], {1: ["x|min"], 2: ["x|max"]}),
        ({"type": "number"}, [1.0, float("inf"), -float("inf")], {1: ["x|inf"], 2: ["x|inf"]}),
        ({"type": "number"}, [1.0, None, float("nan")], {1: ["x|nullability"], 2: ["x|nullability"]}),
        ({"type": "number", "nullable": True}, [1.0, None, float("nan")], {}),
        ({"type": "category", "values": ["a", "b"]}, ["a", "c", "b"], {1: ["x|values"]}),
        ({"type": "category"}, ["a", "anything", ""], {}),
        ({"type": "category", "values": ["a"], "nullable": True}, ["a", None], {}),
        ({"type": "boolean"}, [True, False, None], {2: ["x|nullability"]}),
        ({"type": "boolean"}, ["true", "FALSE", "yes"], {2: ["x|nullability", "x|type"]}),
        ({"type": "boolean", "nullable": True}, ["true", "yes", None], {1: ["x|type"]}),
        ({"type": "boolean"}, [1, 0, 2], {2: ["x|nullability", "x|type"]}),
        ({"type": "integer", "nullable": True}, ["3", "three", None], {1: ["x|type"]}),
        ({"type": "integer", "nullable": True}, [3.0, 3.5, float("nan")], {1: ["x|type"]}),
        ({"type": "integer", "nullable": True}, [3.0, 1e300, -1e300], {1: ["x|type"], 2: ["x|type"]}),
        ({"type": "number", "nullable": True}, ["2.5", "2,5", "1e3"], {1: ["x|type"]}),
        ({"type": "datetime", "nullable": True}, ["2024-03-01T12:00:00", "2024-03-01 12:00:00", "soon"], {2: ["x|type"]}),
        ({"type": "datetime", "nullable": True}, [20240301, 1.5], {0: ["x|type"], 1: ["x|type"]}),
    ],
)  # fmt: skip
def test_a_rule_quarantines_the_rows_that_break_it(column: dict, values: list, broken: dict):
    found = checked(values, **column)
    assert {n: sorted(why) for n, why in reasons(found).items()} == broken
    assert found.valid["n"].to_list() == [n for n in range(len(values)) if n not in broken]
    counts: dict[str, int] = {}
    for why in broken.values():
        for rule in why:
            counts[rule] = counts.get(rule, 0) + 1
    assert found.broken == counts


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("integer", [3.0, -2.0], [3, -2]),
        ("integer", ["3", "-2"], [3, -2]),
        ("integer", [True, False], [1, 0]),
        ("number", [3, -2], [3.0, -2.0]),
        ("number", ["2.5", "-1e-3"], [2.5, -0.001]),
        ("category", [7, 8], ["7", "8"]),
        ("boolean", [1, 0], [True, False]),
        ("boolean", ["True", "false"], [True, False]),
        ("datetime", ["2024-03-01T12:30:00", "2024-03-02T00:00:00"], [datetime(2024, 3, 1, 12, 30), datetime(2024, 3, 2)]),
        ("datetime", ["2024-03-01 12:30:00.25"], [datetime(2024, 3, 1, 12, 30, 0, 250_000)]),
        ("datetime", [date(2024, 3, 1)], [datetime(2024, 3, 1)]),
        ("datetime", ["2024-03-01", "2024-03-02"], [datetime(2024, 3, 1), datetime(2024, 3, 2)]),
        ("datetime", ["2024-03-01T12:30:00Z"], [datetime(2024, 3, 1, 12, 30)]),
        ("datetime", ["2024-03-01T12:30:00+02:00"], [datetime(2024, 3, 1, 10, 30)]),
        ("datetime", [datetime(2024, 3, 1, 12, tzinfo=UTC)], [datetime(2024, 3, 1, 12)]),
    ],
)  # fmt: skip
def test_a_value_takes_the_type_that_the_contract_declares(kind: str, values: list, expected: list):
    found = checked(values, type=kind)
    assert reasons(found) == {}
    assert found.valid["x"].to_list() == expected


def test_an_instant_with_a_zone_is_converted_to_utc():
    rows = pl.DataFrame({"x": [datetime(2024, 3, 1, 12)]}).select(
        pl.col("x").dt.replace_time_zone("America/New_York")
    )
    assert check(rows, {"x": shipped(Column, type="datetime")}).valid["x"].to_list() == [
        datetime(2024, 3, 1, 17)
    ]


def test_quarantine_holds_rows_as_they_came():
    found = checked(["3", "three", None], type="integer")
    assert found.quarantine["x"].to_list() == ["three", None]
    assert found.valid.schema["x"] == pl.Int64


def test_columns_outside_of_the_contract_come_along():
    rows = pl.DataFrame({"extra": ["p", "q", "r"], "x": [1, -1, 3]})
    found = check(rows, {"x": shipped(Column, type="integer", min=0)})
    assert found.valid.rows() == [("p", 1), ("r", 3)]
    assert found.quarantine["extra"].to_list() == ["q"]


def test_all_rows_of_a_duplicate_key_are_quarantined():
    rows = pl.DataFrame({"day": [1, 1, 2, 1], "place": ["a", "b", "a", "a"]})
    columns = {"day": shipped(Column, type="integer"), "place": shipped(Column, type="category")}
    found = check(rows, columns, key=["day", "place"])
    assert found.valid.rows() == [(1, "b"), (2, "a")]
    assert found.quarantine["reasons"].to_list() == [["primary_key"], ["primary_key"]]


def test_a_key_is_never_null_whatever_the_column_says():
    found = check(
        pl.DataFrame({"x": [1, None]}), {"x": shipped(Column, type="integer", nullable=True)}, key=["x"]
    )
    assert found.valid["x"].to_list() == [1]
    assert found.quarantine["reasons"].to_list() == [["x|nullability"]]


def test_a_sql_rule_passes_null_as_a_check_in_sql_does():
    rows = pl.DataFrame({"low": [1, 5, None], "high": [2, 3, 1]})
    columns = {"low": shipped(Column, type="integer", nullable=True), "high": shipped(Column, type="integer")}
    found = check(rows, columns, rules={"ordered": "low <= high"})
    assert found.valid["high"].to_list() == [2, 1]
    assert found.quarantine["reasons"].to_list() == [["rule|ordered"]]


def test_a_sql_rule_sees_the_declared_types():
    found = check(
        pl.DataFrame({"x": ["10", "9"]}), {"x": shipped(Column, type="integer")}, rules={"big": "x >= 10"}
    )
    assert found.valid["x"].to_list() == [10]


@pytest.mark.parametrize("sql", ["x / 49 >= 1", "floor(x / 49) = 1", "x / 49 < 1"])
def test_a_rule_holds_for_a_row_alone_as_for_the_row_among_others(sql: str):
    one = pl.DataFrame({"x": [49.0]})
    frames = [one, pl.concat([one, one]), pl.DataFrame({"x": [49.0] * 1000})]
    columns = {"x": shipped(Column, type="number")}
    kept = {check(frame, columns, rules={"holds": sql}).valid.height == frame.height for frame in frames}
    assert kept == {with_derived(one, {"holds": sql})["holds"][0]}


def test_a_rule_without_a_value_names_its_row():
    rows = pl.DataFrame({"day": ["2024-02-29", "2023-02-29"]})
    with pytest.raises(NotComputedError, match=r"data\.rules\.late: .* from row 2"):
        check(
            rows, {"day": shipped(Column, type="category")}, rules={"late": "date(day) > DATE '2020-01-01'"}
        )


def test_a_decision_after_its_event_is_quarantined():
    rows = pl.DataFrame({
        "event": [datetime(2024, 1, 2)] * 3,
        "decided": [datetime(2024, 1, 1), datetime(2024, 1, 2), datetime(2024, 1, 3)],
    })  # fmt: skip
    columns = {name: shipped(Column, type="datetime") for name in rows.columns}
    found = check(rows, columns, time=shipped(Time, event="event", decision="decided"))
    assert found.valid.height == 2
    assert found.quarantine["reasons"].to_list() == [["decision|after_event"]]


def test_a_row_that_breaks_several_rules_has_every_reason():
    rows = pl.DataFrame({"a": [-1], "b": ["?"]})
    columns = {
        "a": shipped(Column, type="integer", min=0),
        "b": shipped(Column, type="category", values=["x"]),
    }
    assert sorted(check(rows, columns).quarantine["reasons"][0]) == ["a|min", "b|values"]


def test_no_rows_are_no_rows_on_either_side():
    found = check(pl.DataFrame(schema={"x": pl.Int64}), {"x": shipped(Column, type="integer", min=0)})
    assert (found.valid.height, found.quarantine.height, found.broken) == (0, 0, {})
    assert "reasons" in found.quarantine.columns


def test_rows_that_all_break_a_rule_leave_typed_columns():
    found = checked(["?"], type="integer")
    assert found.valid.schema["x"] == pl.Int64
    assert found.valid.is_empty()


COLUMNS = {
    "key": shipped(Column, type="integer"),
    "number": shipped(Column, type="number", min=0, max=10, nullable=True),
    "level": shipped(Column, type="category", values=["a", "b"]),
    "count": shipped(Column, type="integer", nullable=True),
}
ROW = st.tuples(
    st.integers(0, 6),
    st.none() | st.just(float("nan")) | st.floats(-5, 15),
    st.none() | st.sampled_from(["a", "b", "c", ""]),
    st.none() | st.sampled_from([1.0, 2.0, 2.5, float("nan"), float("inf")]),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(ROW, max_size=12))
def test_every_row_lands_in_exactly_one_frame(values: list[tuple]):
    schema = {"key": pl.Int64, "number": pl.Float64, "level": pl.String, "count": pl.Float64}
    rows = pl.DataFrame(values, schema=schema, orient="row").with_row_index("n")
    found = check(rows, COLUMNS, key=["key"], rules={"near": "number < key * 3"})
    assert sorted([*found.valid["n"], *found.quarantine["n"]]) == list(range(len(values)))
    assert found.valid["n"].is_sorted()
    assert found.quarantine["n"].is_sorted()
    assert all(found.quarantine["reasons"].list.len() > 0)
    assert found.quarantine.drop("reasons").equals(
        rows.filter(pl.col("n").is_in(found.quarantine["n"].implode()))
    )
    assert found.valid.drop("n").columns == list(COLUMNS)
    assert sum(found.broken.values()) == found.quarantine["reasons"].list.len().sum()
    assert found.valid["key"].is_unique().all()
    again = check(found.valid, COLUMNS, key=["key"], rules={"near": "number < key * 3"})
    assert again.valid.equals(found.valid)


VALUES = {
    "integer": st.integers(-3, 9),
    "number": st.sampled_from([-3.5, -0.0, 0.0, 2.5, 9.0, float("nan"), float("inf"), -float("inf")]),
    "category": st.sampled_from(["a", "b", "c", ""]),
    "boolean": st.booleans(),
}


@given(data=st.data(), kind=st.sampled_from([*VALUES]), is_rule_kept=st.sampled_from([True, None, False]))
@settings(max_examples=300, deadline=None)
def test_rows_that_all_keep_the_contract_are_told_from_others_as_by_looking_at_each(
    data: st.DataObject, kind: str, is_rule_kept: bool | None
):
    found = data.draw(st.lists(st.none() | VALUES[kind], max_size=5))
    given: dict[str, Any] = {"type": kind, "nullable": data.draw(st.booleans())}
    if kind in ("integer", "number"):
        bounds = sorted(data.draw(st.lists(st.sampled_from([-3.0, 0.0, 2.0, 8.0]), min_size=2, max_size=2)))
        given |= {
            name: at for name, at in zip(("min", "max"), bounds, strict=True) if data.draw(st.booleans())
        }
    if kind == "category" and data.draw(st.booleans()):
        given["values"] = ["a", "b"]
    dtype = {"integer": pl.Int64, "number": pl.Float64, "category": pl.String, "boolean": pl.Boolean}[kind]
    rows = pl.DataFrame(
        {"n": range(len(found)), "x": pl.Series(found, dtype=dtype), "kept": [is_rule_kept] * len(found)}
    )
    columns = {
        "n": shipped(Column, type="integer"), "x": shipped(Column, **given),
        "kept": shipped(Column, type="boolean", nullable=True),
    }  # fmt: skip
    quick, by_row = (check(rows, columns, key, {"holds": "kept"}) for key in ((), ("n",)))
    assert quick.valid.equals(by_row.valid)
    assert quick.quarantine.equals(by_row.quarantine)
    assert quick.quarantine.schema == by_row.quarantine.schema
    assert (quick.broken, quick.is_broken.to_list()) == (by_row.broken, by_row.is_broken.to_list())
