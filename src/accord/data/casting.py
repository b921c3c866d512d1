"""Values in the type that the contract declares: taken exactly, or not at all. docs/data.md has the table."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

import polars as pl
from polars.exceptions import PolarsError

from accord.schema.data import Reading
from accord.sql.rows import TYPES

MAX_EXACT = 2**53
"""Below this a float holds every integer, so that one it holds is the one that was written."""
ISO = r"^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6}0*)?)?(?:Z|[+-]\d{2}(?::?\d{2})?)?)?$"
"""ISO 8601 in its extended form, to the microsecond."""
BOOLEANS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
NOT_A_NUMBER = ["", "nan", "+nan", "-nan"]
"""What programs write for a missing number or instant, whatever the config says: blanks alone, and the float without a value."""


def cast(values: pl.Series, reading: Reading) -> tuple[pl.Series, pl.Series]:
    """The values (n) in their declared type, and where one was there that the type doesn't hold exactly: it is null."""
    found = _without_missing(values, reading)
    if found.dtype == TYPES[reading.type]:
        return found, pl.Series(values.name, [False]).new_from_index(0, len(values))
    way = WAYS[kind(found.dtype)].get(reading.type)
    if way is None:
        taken = pl.Series(values.name, [None], TYPES[reading.type]).new_from_index(0, len(values))
    else:
        taken = way.take(found, reading)
        if (
            kind(found.dtype) == "text"
            and taken.null_count() > found.null_count()
            and reading.type != "category"
        ):
            text = found.cast(pl.String).str.strip_chars()
            found = _nulled(text, text.str.to_lowercase().is_in(NOT_A_NUMBER))
            taken = way.take(found, reading)
    return taken.rename(values.name), found.is_not_null() & taken.is_null()


def kind(found: pl.DataType) -> str:
    """The row of the table that a type of Polars, in which Parquet and Arrow are read, belongs to."""
    if found.is_integer():
        return "integer"
    if found.is_float():
        return "float"
    if found.is_decimal():
        return "decimal"
    if found.is_nested():
        return "nested"
    return KINDS.get(found.base_type(), "other")


KINDS = {
    pl.Boolean: "boolean", pl.String: "text", pl.Categorical: "text", pl.Enum: "text", pl.Date: "date",
    pl.Datetime: "datetime", pl.Time: "time", pl.Duration: "duration", pl.Binary: "bytes", pl.Null: "null",
}  # fmt: skip


def _without_missing(values: pl.Series, reading: Reading) -> pl.Series:
    if values.dtype.is_float():
        values = values.fill_nan(None)
    if not reading.nulls or kind(values.dtype) not in ("text", "integer", "float", "decimal"):
        return values
    if kind(values.dtype) == "text":
        return _nulled(
            values, values.cast(pl.String).str.strip_chars().is_in([word.strip() for word in reading.nulls])
        )
    numbers = pl.Series(reading.nulls, dtype=pl.String).cast(pl.Float64, strict=False).drop_nulls()
    return _nulled(values, values.cast(pl.Float64, strict=False).is_in(numbers.implode()))


def _nulled(values: pl.Series, where: pl.Series) -> pl.Series:
    return values.zip_with(~where.fill_null(False), values.clear(1)) if where.any() else values


def _whole(values: pl.Series, reading: Reading) -> pl.Series:
    """Floats and decimals that are integers, as far as a float tells one integer from the next."""
    floats = values.cast(pl.Float64, strict=False) if values.dtype.is_float() else values
    is_whole = (floats == floats.round()).fill_null(False)
    if values.dtype.is_float():
        is_whole &= (floats.abs() < MAX_EXACT).fill_null(False)
    return _nulled(values, ~is_whole).cast(pl.Int64, strict=False)


def _exact(values: pl.Series, reading: Reading) -> pl.Series:
    """Integers that a float holds."""
    floats = values.cast(pl.Float64)
    if not (floats.abs() >= MAX_EXACT).any():
        return floats
    return _nulled(floats, floats.cast(pl.Int128, strict=False) != values.cast(pl.Int128, strict=False))


def _zero_or_one(values: pl.Series, reading: Reading) -> pl.Series:
    ones = values == 1
    return _nulled(ones, ~(ones | (values == 0)))


def _nearest(values: pl.Series, reading: Reading) -> pl.Series:
    """Decimals as the float next to them, as the same digits in CSV."""
    return values.cast(pl.String).cast(pl.Float64, strict=False)


def _utc(values: pl.Series, reading: Reading) -> pl.Series:
    """Instants to the microsecond: one that says more is not taken, nor one that is out of range."""
    if values.dtype.time_zone is not None:  # type: ignore[attr-defined]
        values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    taken = values.cast(TYPES["datetime"], strict=False)
    return _nulled(taken, taken.cast(values.dtype, strict=False).ne_missing(values))


def _text_as_integer(values: pl.Series, reading: Reading) -> pl.Series:
    text = _plain(values.cast(pl.String), reading)
    taken = text.cast(pl.Int64, strict=False)
    if taken.null_count() == text.null_count():
        return taken
    return taken.fill_null(_whole(text.cast(pl.Float64, strict=False).fill_nan(None), reading))


def _text_as_number(values: pl.Series, reading: Reading) -> pl.Series:
    text = _plain(values.cast(pl.String), reading)
    taken = text.cast(pl.Float64, strict=False).fill_nan(None)
    large = (taken.is_finite() & (taken.abs() >= MAX_EXACT)).fill_null(False)
    if large.any():
        rounded = large & text.str.contains(r"^[+-]?\d+$").fill_null(False)
        exact = pl.Series(
            [
                _is_exact(one, value)
                for one, value in zip(text.filter(rounded), taken.filter(rounded), strict=True)
            ],
            dtype=pl.Boolean,
        )
        taken = _nulled(taken, rounded.scatter(rounded.arg_true(), ~exact) if len(exact) else rounded)
    return taken / 100 if reading.percent else taken


def _is_exact(text: str, value: float) -> bool:
    """Whether an integer in digits is what the float holds, or what the float is written as."""
    return int(text) in (int(value), int(Decimal(repr(value))))


def _plain(text: pl.Series, reading: Reading) -> pl.Series:
    """Numbers as they are written in programs; null where a number isn't written as the reading says."""
    if reading.currency:
        text = text.str.strip_chars().str.replace(reading.currency, "", literal=True).str.strip_chars()
        text = text.str.replace(r"^([+-])\s+", "$1")
    if reading.percent:
        text = _nulled(text, ~text.str.contains(r"%\s*$"))
        text = text.str.replace(r"\s*%\s*$", "")
    point = reading.decimal or "."
    if reading.thousands:
        groups, mark = (
            _literal(reading.thousands),
            _literal(point),
        )  # groups don't begin with 0: 0,500 is no 500
        grouped = rf"^\s*[+-]?(?:[1-9]\d{{0,2}}(?:{groups}\d{{3}})+|\d*)(?:{mark}\d*)?(?:[eE][+-]?\d+)?\s*$"
        text = _nulled(text, ~text.str.contains(grouped)).str.replace_all(reading.thousands, "", literal=True)
    if point != ".":
        text = _nulled(text, text.str.contains(".", literal=True)).str.replace(point, ".", literal=True)
    return text


def _literal(character: str) -> str:
    return f"[{character}]" if character not in "^]\\" else f"\\{character}"


def _text_as_boolean(values: pl.Series, reading: Reading) -> pl.Series:
    words = BOOLEANS
    if reading.true_words is not None and reading.false_words is not None:
        words = {word.strip().lower(): True for word in reading.true_words}
        words |= {word.strip().lower(): False for word in reading.false_words}
    return (
        values.cast(pl.String).str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.Boolean)
    )


def _text_as_instant(values: pl.Series, reading: Reading) -> pl.Series:
    text = values.cast(pl.String)
    if reading.format is not None:
        return _parsed(text, reading.format)
    text = _nulled(text, ~text.str.contains(ISO))
    taken = _parsed(text.str.slice(0, 10), "%Y-%m-%d")
    if (text.str.len_bytes().max() or 0) <= 10:  # type: ignore[operator]
        return taken
    # One form of all: a T, seconds, and an offset with minutes.
    clock = text.str.slice(11).str.replace(r"^(\d{2}:\d{2})($|[Z+-])", "${1}:00$2")
    whole = text.str.slice(0, 10) + "T" + clock
    local, elsewhere = _parsed(whole, "%Y-%m-%dT%H:%M:%S%.f"), None
    if local.null_count() + (text.str.len_bytes() == 10).sum() > text.null_count():
        elsewhere = _parsed(whole, "%Y-%m-%dT%H:%M:%S%.f%#z")
    at = local if elsewhere is None else local.fill_null(elsewhere)
    return at.zip_with(text.str.len_bytes() > 10, taken)


def _parsed(text: pl.Series, words: str) -> pl.Series:
    """Instants in UTC by the words of strptime; null where the text is another."""
    parsed = text.str.to_datetime(words, time_unit="us", strict=False)
    zone = parsed.dtype.time_zone  # type: ignore[attr-defined]
    return parsed if zone is None else parsed.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def tells_days(words: str) -> bool:
    """Whether words of strptime say year, month and day, so that instants can be read by them."""
    day = datetime(2024, 2, 13, tzinfo=UTC)
    try:
        return _parsed(pl.Series([day.strftime(words)]), words).dt.date().to_list() == [day.date()]
    except (PolarsError, ValueError):
        return False


class Way(NamedTuple):
    take: Callable[[pl.Series, Reading], pl.Series]
    which: str
    """Which values are taken, and as what, in the words of docs/data.md."""


def _as(wanted: pl.DataType, which: str) -> Way:
    return Way(lambda values, reading: values.cast(wanted, strict=False), which)


INTEGER, NUMBER, TEXT, BOOLEAN, INSTANT = (
    TYPES[name] for name in ("integer", "number", "category", "boolean", "datetime")
)
ZERO_OR_ONE = Way(_zero_or_one, "0 and 1")
WAYS: dict[str, dict[str, Way]] = {
    "integer": {
        "integer": _as(INTEGER, "up to 2^63 - 1"),
        "number": Way(_exact, "what a float holds"),
        "category": _as(TEXT, "the digits"),
        "boolean": ZERO_OR_ONE,
    },
    "float": {
        "integer": Way(_whole, "whole, below 2^53"),
        "number": _as(NUMBER, "all"),
        "category": _as(TEXT, "the digits, such as 1.5"),
        "boolean": ZERO_OR_ONE,
    },
    "decimal": {
        "integer": Way(_whole, "whole"),
        "number": Way(_nearest, "the nearest float"),
        "category": _as(TEXT, "the digits, such as 1.50"),
        "boolean": ZERO_OR_ONE,
    },
    "boolean": {
        "integer": _as(INTEGER, "as 1 and 0"),
        "number": _as(NUMBER, "as 1 and 0"),
        "category": _as(TEXT, "as true and false"),
        "boolean": _as(BOOLEAN, "all"),
    },
    "text": {
        "integer": Way(_text_as_integer, "as CSV"),
        "number": Way(_text_as_number, "as CSV"),
        "category": _as(TEXT, "all"),
        "boolean": Way(_text_as_boolean, "as CSV"),
        "datetime": Way(_text_as_instant, "as CSV"),
    },
    "date": {"category": _as(TEXT, "as 2024-03-01"), "datetime": _as(INSTANT, "midnight in UTC")},
    "datetime": {"datetime": Way(_utc, "in UTC, to the microsecond")},
    "time": {},
    "duration": {},
    "bytes": {},
    "nested": {},
    "other": {},
    "null": {name: _as(wanted, "as missing") for name, wanted in TYPES.items()},
}
"""For each kind of values the types that take them, and how. What isn't here is refused, value by value, as in CSV."""
ARROW = {
    "integer": "int8 to int64, uint8 to uint64",
    "float": "float16, float32, float64",
    "decimal": "decimal32 to decimal256, up to 38 digits",
    "boolean": "bool",
    "text": "string, large_string, string_view, dictionary of text (categorical, enum)",
    "date": "date32",
    "datetime": "date64, timestamp of any unit, with and without zone",
    "time": "time32, time64",
    "duration": "duration",
    "bytes": "binary, large_binary, binary_view, fixed_size_binary",
    "nested": "list, large_list, fixed_size_list, struct, map",
    "null": "null",
}
"""The types of Arrow and Parquet that each kind stands for. A dictionary of other values is what its values are."""
