"""Values in the type that the contract declares: taken exactly, or not at all."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from accord.data.advice import advice
from accord.data.casting import cast, tells_days
from accord.schema.data import Column, Reading


def taken(values: list[Any] | pl.Series, **reading: Any) -> list[Any]:
    """The values, with `lost` where one was there that the type doesn't hold."""
    found, lost = cast(pl.Series("x", values, strict=False), Reading(**reading))
    return ["lost" if is_lost else value for value, is_lost in zip(found, lost, strict=True)]


NOON = datetime(2024, 3, 1, 12)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-03-01T12:00", NOON),
        ("2024-03-01T12:00:00", NOON),
        ("2024-03-01 12:00:00", NOON),
        ("2024-03-01T12:00:00.000000", NOON),
        ("2024-03-01T12:00:00.000000000", NOON),
        ("2024-03-01T12:00:00Z", NOON),
        ("2024-03-01T12:00Z", NOON),
        ("2024-03-01T14:00+02:00", NOON),
        ("2024-03-01T14:00:00+0200", NOON),
        ("2024-03-01 14:00:00.0+02", NOON),
        ("2024-03-01T06:30:00-05:30", NOON),
        (" 2024-03-01T12:00:00 ", NOON),
        ("2024-03-01", datetime(2024, 3, 1)),
        ("0001-01-01", datetime(1, 1, 1)),
        ("9999-12-31T23:59:59.999999", datetime(9999, 12, 31, 23, 59, 59, 999999)),
        ("2024-03-01T12:00:00.0000001", "lost"),  # more than a microsecond tells
        ("2024-3-1", "lost"),
        ("20240301", "lost"),
        ("2024-02-30", "lost"),
        ("2023-02-29", "lost"),
        ("2024-03-01T25:00", "lost"),
        ("01/02/2023", "lost"),
        ("01.02.2023", "lost"),
        ("2024/03/01", "lost"),
        ("2024-03-01T", "lost"),
        ("2024-03", "lost"),
        ("1709294400", "lost"),
        ("soon", "lost"),
        ("", None),
        ("  ", None),
    ],
)
@pytest.mark.parametrize(
    "beside", [[], ["2024-03-01"], ["2024-03-01T12:00:00"], ["2024-03-01T12:00:00Z"], ["odd"]]
)
def test_without_a_format_iso_8601_is_read_and_nothing_else(text: str, instant: Any, beside: list[str]):
    assert taken([text, *beside], type="datetime")[0] == instant


@pytest.mark.parametrize(
    ("text", "words", "instant"),
    [
        ("01/02/2023", "%m/%d/%Y", datetime(2023, 1, 2)),
        ("01/02/2023", "%d/%m/%Y", datetime(2023, 2, 1)),
        ("13/02/2023", "%m/%d/%Y", "lost"),
        ("2023-01-02", "%m/%d/%Y", "lost"),
        ("20230102", "%Y%m%d", datetime(2023, 1, 2)),
        ("1.2.23 8:05", "%d.%m.%y %H:%M", datetime(2023, 2, 1, 8, 5)),
        ("01/02/2023 1:05 PM", "%m/%d/%Y %I:%M %p", datetime(2023, 1, 2, 13, 5)),
        ("01/02/2023 01:05 +0200", "%d/%m/%Y %H:%M %z", datetime(2023, 1, 31, 23, 5)),
        ("2 January 2023", "%d %B %Y", datetime(2023, 1, 2)),
    ],
)
def test_a_format_says_how_instants_are_written(text: str, words: str, instant: Any):
    assert taken([text], type="datetime", format=words) == [instant]


@pytest.mark.parametrize(
    ("values", "reading", "expected"),
    [
        (["007", " 3", "+4", "-0"], {"type": "integer"}, [7, 3, 4, 0]),
        (["12.0", "1e3", "1.5", "x"], {"type": "integer"}, [12, 1000, "lost", "lost"]),
        (["9223372036854775807", "-9223372036854775808"], {"type": "integer"}, [2**63 - 1, -(2**63)]),
        (["9223372036854775808", "1e30", "inf"], {"type": "integer"}, ["lost"] * 3),
        (["nan", "NaN", "", " ", None], {"type": "integer"}, [None] * 5),
        (["9007199254740993", "9007199254740993.0"], {"type": "integer"}, [2**53 + 1, "lost"]),
        (["true", "1_000", "0x1f", "1,5"], {"type": "number"}, ["lost"] * 4),
        (["1.50", ".5", "1.", "1E5", "-inf"], {"type": "number"}, [1.5, 0.5, 1.0, 1e5, float("-inf")]),
        (["nan", "-NaN", " ", None], {"type": "number"}, [None] * 4),
        (["9007199254740993", "9007199254740992"], {"type": "number"}, ["lost", 2.0**53]),
        (["123456789012345680000", "1" * 400], {"type": "number"}, [123456789012345680000.0, float("inf")]),
        (["1.234,5", "1.234.567", "12,5", "1.23,5"], {"type": "number", "decimal": ",", "thousands": "."}, [1234.5, 1234567.0, 12.5, "lost"]),
        (["1,5", "1.5"], {"type": "number", "decimal": ","}, [1.5, "lost"]),
        (["1,234", "12,34", "1234"], {"type": "integer", "thousands": ","}, [1234, "lost", 1234]),
        (["0,500", "-0,500", "10,500", "0", "0.5"], {"type": "number", "thousands": ","}, ["lost", "lost", 10500.0, 0.0, 0.5]),
        (["1 234", "1 234 567.5"], {"type": "number", "thousands": " "}, [1234.0, 1234567.5]),
        (["1\u00a0234"], {"type": "integer", "thousands": "\u00a0"}, [1234]),
        (["1'234.5"], {"type": "number", "thousands": "'"}, [1234.5]),
        (["1^234", "1]234"], {"type": "number", "thousands": "^"}, [1234.0, "lost"]),
        (["12%", "12.5 %", "-3%", "12"], {"type": "number", "percent": True}, [0.12, 0.125, -0.03, "lost"]),
        (["$12", "12 $", "-$5", "$ 1,000.5", "x"], {"type": "number", "currency": "$", "thousands": ","}, [12.0, 12.0, -5.0, 1000.5, "lost"]),
        (["EUR 7", "7 EUR"], {"type": "integer", "currency": "EUR"}, [7, 7]),
        (["?", " ?", "NA", "-999", "3"], {"type": "integer", "nulls": ["?", "NA", "-999"]}, [None, None, None, None, 3]),
        ([-999, 3], {"type": "number", "nulls": ["-999", "?"]}, [None, 3.0]),
        ([-999.0, 3.0], {"type": "integer", "nulls": ["-999"]}, [None, 3]),
        (["?", " a", "a "], {"type": "category", "nulls": ["?"]}, [None, " a", "a "]),
        (["none", "2024-01-01"], {"type": "datetime", "nulls": ["none"]}, [None, datetime(2024, 1, 1)]),
        (["TRUE", "false", "1", "0", "1.0", "2", "yes"], {"type": "boolean"}, [True, False, True, False, True, "lost", "lost"]),
        (["Yes", " no", "true"], {"type": "boolean", "true_words": ["yes"], "false_words": ["no"]}, [True, False, "lost"]),
        (["007", "1E5", "1.50", "", " x"], {"type": "category"}, ["007", "1E5", "1.50", "", " x"]),
        ([2**53 + 1, 2**53, 2**60], {"type": "number"}, ["lost", 2.0**53, 2.0**60]),
        ([1e300, 3.0, 3.5, 2.0**53, float("nan"), float("inf")], {"type": "integer"}, ["lost", 3, "lost", "lost", None, "lost"]),
        ([Decimal("1.50"), Decimal("2.00")], {"type": "integer"}, ["lost", 2]),
        ([Decimal("0.10")], {"type": "number"}, [0.1]),
        ([Decimal("1.50")], {"type": "category"}, ["1.50"]),
        ([True, False], {"type": "datetime"}, ["lost", "lost"]),
        ([{"a": 1}], {"type": "category"}, ["lost"]),
        ([date(2024, 3, 1)], {"type": "category"}, ["2024-03-01"]),
        ([date(2024, 3, 1)], {"type": "boolean"}, ["lost"]),
    ],
)  # fmt: skip
def test_a_value_is_taken_exactly_or_lost(values: list, reading: dict, expected: list):
    assert taken(values, **reading) == expected


@pytest.mark.parametrize(
    ("unit", "ticks", "expected"),
    [
        ("ns", 1_000, datetime(1970, 1, 1, 0, 0, 0, 1)),
        ("ns", 1_001, "lost"),
        ("us", 1, datetime(1970, 1, 1, 0, 0, 0, 1)),
        ("ms", 1, datetime(1970, 1, 1, 0, 0, 0, 1000)),
        ("ms", 2**62, "lost"),
    ],
)
def test_instants_of_every_unit_are_taken_to_the_microsecond(unit: Any, ticks: int, expected: Any):
    assert taken(pl.Series("x", [ticks]).cast(pl.Datetime(unit)), type="datetime") == [expected]


@pytest.mark.parametrize(
    ("words", "fits"),
    [
        ("%m/%d/%Y", True), ("%d %b %y", True), ("%Y-%m-%dT%H:%M:%S%z", True), ("%Y%m%d%H", False),
        ("%m/%Y", False), ("m/d/y", False), ("%Q", False), ("%H:%M", False), ("%", False),
    ],
)  # fmt: skip
def test_a_format_has_to_tell_days(words: str, fits: bool):
    assert tells_days(words) == fits


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        ({"type": "number", "format": "%Y-%m-%d"}, "format needs a type of datetime, not number"),
        ({"type": "category", "decimal": ","}, "decimal needs a type of integer or number, not category"),
        ({"type": "datetime", "thousands": ","}, "thousands needs a type of integer or number"),
        ({"type": "integer", "percent": True}, "percent needs a type of number, not integer"),
        ({"type": "boolean", "currency": "$"}, "currency needs a type of integer or number"),
        (
            {"type": "category", "true_words": ["x"], "false_words": ["y"]},
            "true_words needs a type of boolean",
        ),
        ({"type": "boolean", "true_words": ["x"]}, "come together"),
        ({"type": "boolean", "true_words": ["x"], "false_words": ["X"]}, "stands twice"),
        ({"type": "number", "thousands": "."}, "both '.'"),
        ({"type": "number", "decimal": "5"}, "pattern"),
        ({"type": "boolean", "true_words": [True], "false_words": [False]}, "write the word in quotes"),
        ({"type": "category", "nulls": [False]}, "write the word in quotes"),
        ({"type": "integer", "nulls": [-999]}, 'write "-999"'),
    ],
)
def test_a_reading_that_does_not_suit_its_type_is_refused(reading: dict, said: str):
    with pytest.raises(ValidationError, match=said):
        Reading(**reading)


@pytest.mark.parametrize(
    ("values", "column", "said"),
    [
        (["01/02/2023", "04/07/2024"], {"type": "datetime"}, ['"%d/%m/%Y"} reads \'01/02/2023\' as 1 February 2023', '"%m/%d/%Y"} reads \'01/02/2023\' as 2 January 2023']),
        (["01/02/2023", "13/02/2023"], {"type": "datetime"}, ['x: {type: datetime, format: "%d/%m/%Y"}']),
        (["01/02/2023", "02/13/2023"], {"type": "datetime"}, ['x: {type: datetime, format: "%m/%d/%Y"}']),
        (["13.02.2023 08:05"], {"type": "datetime"}, ['x: {type: datetime, format: "%d.%m.%Y %H:%M"}']),
        (["20170204"], {"type": "datetime"}, ['x: {type: datetime, format: "%Y%m%d"}']),
        (["2024-01-01", "never"], {"type": "datetime"}, ['x: {type: datetime, nulls: ["never"]}']),
        (["13/02/2023", "02/13/2023"], {"type": "datetime"}, ["x: {type: datetime, format: ...}"]),
        (["3", "?"], {"type": "integer"}, ['x: {type: integer, nulls: ["?"]}']),
        (["3", "4.5"], {"type": "integer"}, ["x: {type: number}"]),
        (["12%", "5 %"], {"type": "number"}, ["x: {type: number, percent: true}"]),
        (["1,552", "4,836"], {"type": "number"}, ['thousands: ","} reads \'1,552\' as 1552', 'decimal: ","} reads \'1,552\' as 1.552']),
        (["1,552", "0,836"], {"type": "number"}, ['x: {type: number, decimal: ","}']),
        (["1,552", "4,836"], {"type": "integer"}, ['x: {type: integer, thousands: ","}']),
        (["1,234.5", "3"], {"type": "number"}, ['x: {type: number, thousands: ","}']),
        (["1.234,5", "3"], {"type": "number"}, ['x: {type: number, decimal: ",", thousands: "."}']),
        (["3,5", "12,25"], {"type": "number"}, ['x: {type: number, decimal: ","}']),
        (["$3", "$1,000"], {"type": "integer"}, ['x: {type: integer, thousands: ",", currency: "$"}']),
        (["yes", "no"], {"type": "boolean"}, ['x: {type: boolean, true_words: ["yes"], false_words: ["no"]}']),
        (["A1", "B2", "C3", "D4", "E5", "F6"], {"type": "integer"}, ["x: {type: category}"]),
        (["3", "inf"], {"type": "integer"}, ['x: {type: integer, nulls: ["inf"]}']),
        ([True], {"type": "datetime"}, ["x: {type: boolean}"]),
        ([date(2024, 1, 1)], {"type": "number"}, ["x: {type: datetime}"]),
        ([{"a": 1}], {"type": "number"}, ["fit no type of the contract"]),
    ],
)  # fmt: skip
def test_what_is_lost_is_met_with_the_line_of_yaml_that_mends_it(values: list, column: dict, said: list[str]):
    found = pl.Series("x", values)
    reading = Column(role="feature", **column)
    told = advice("x", reading, found, cast(found, reading)[1])
    assert all(part in told for part in said), told
