"""The type of a column of text, by every value that it has."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from accord.data.casting import cast
from accord.data.forms import TRUTHS
from accord.data.infer import dates, missing, numbers
from accord.data.infer.distinct import Words, edges
from accord.data.infer.numbers import Way
from accord.schema.data import WRITTEN, Reading

MAX_BROKEN = 0.005
"""The share of rows that may break a column's type, so that they go to quarantine: beyond it they are values of another type."""
MIN_ROWS = 200
"""Rows that are needed before one among them counts as broken."""
MAX_WORDS, MAX_WORDS_SHARE = 3, 0.3
"""How many words that nobody knows mean a missing value among numbers, and in which share of rows at most."""
SIGNS = {"decimal", "thousands", "percent", "currency"}
"""Keys of a reading that say how numbers are written."""
UNIX = (946_684_800, 2_051_222_400)
"""Seconds since 1970 of the years 2000 to 2034."""


@dataclass(frozen=True)
class Typed:
    """How a column of text is read."""

    keys: dict[str, Any]
    reason: str
    nulls: list[str]
    """The words that mean a missing value, as they are written."""
    why_null: str = ""
    instead: str = ""
    is_open: bool = False


def typed(words: Words, name: str, given: Mapping[str, Any]) -> Typed:
    """How the words are read; what is `given` of it wins."""
    day_first = given.get("day_first")
    given = {key: value for key, value in given.items() if key != "day_first"}
    nulls = sorted(given["nulls"] if "nulls" in given else missing.always(words))
    values = words.without([*nulls, ""])
    given = _type_of(given) | given
    if given.get("type"):
        return _as_given(values, nulls, dict(given), day_first)
    if not len(values.text):
        return Typed({"type": "category"}, "no row has a value", nulls)
    for attempt in (_boolean, _numeric, _instant):
        found = attempt(values, name, dict(given), day_first)
        if found:
            return _with_nulls(found, nulls)
    more = [] if "nulls" in given else missing.among_words(values)
    return _with_nulls(_words(values.without(more), more), nulls)


def plainly_numeric(column: pl.Series) -> Typed | None:
    """What `typed` finds for a column whose values are all plain numbers, without counting them; None if it may be another one."""
    found = numbers.plainly(column)
    if found is None:
        return None
    keys, reason = found
    seconds = _seconds(keys, column.cast(pl.Float64, strict=False)) if keys["type"] == "integer" else ""
    return Typed(keys, f"all {column.count():,} values {reason}{seconds}", [""] if column.has_nulls() else [])


def _type_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The type that keys are for which only one type has."""
    return next(
        (
            {"type": kinds[0]}
            for kinds, keys in WRITTEN.items()
            if len(kinds) == 1 and given.keys() & set(keys)
        ),
        {},
    )


def _with_nulls(found: Typed, nulls: list[str]) -> Typed:
    return replace(found, nulls=[*nulls, *found.nulls])


def _boolean(words: Words, name: str, given: dict[str, Any], day_first: bool | None) -> Typed | None:
    if len(words.text) > 12:
        return None
    more = [] if "nulls" in given else missing.among_words(words)
    values = words.without(more)
    found = sorted(set(values.text.str.to_lowercase()))
    for true, false in TRUTHS.items():
        if true != "1" and found and set(found) <= {true, false, "1", "0"} and set(found) & {true, false}:
            if set(found) == {"no"} or (set(found) <= {"t", "y", "n", "f", "on", "j"} and len(found) == 1):
                continue  # one letter alone may mean anything
            truths, lies = [w for w in found if w in (true, "1")], [w for w in found if w in (false, "0")]
            keys: dict[str, Any] = {"type": "boolean"}
            if set(found) - {"true", "false", "1", "0"}:
                keys |= {"true_words": truths or [true], "false_words": lies or [false]}
            shown = " and ".join(map(repr, found))
            return Typed(keys, f"all {values.n_rows:,} values are {shown}", more, instead="category")
    return None


def _numeric(words: Words, name: str, given: dict[str, Any], day_first: bool | None) -> Typed | None:
    as_number = words.text.cast(pl.Float64, strict=False)
    n_plain = words.rows(as_number.is_finite().fill_null(False))
    weak: list[str] = []
    if n_plain < words.n_rows and "nulls" not in given:
        weak = missing.among_numbers(words)
    values = words.without(weak)
    if not len(values.text):
        return None
    if n_plain > 0.5 * values.n_rows and not given.keys() & SIGNS:
        code = numbers.codes(values, name)
        compact = dates.ways(values) if not code else []
        if compact:
            return None
        if code:
            return Typed({"type": "category"}, code, missing.among_words(words), instead="integer")
        way = numbers.plain(values)
        found = _accepted(values, way, weak)
        if found:
            return _without_sentinels(values, found)
    ways = numbers.with_signs(values, {key: value for key, value in given.items() if key in SIGNS})
    if not ways or numbers.codes(values, name):
        return None
    if len(ways) > 1:
        return _open_number(values, ways, weak)
    found = _accepted(values, ways[0], weak)
    return _without_sentinels(values, found) if found else None


def _open_number(words: Words, ways: list[Way], weak: list[str]) -> Typed:
    read = [_numbers(words, way.keys) for way in ways]
    index = words.first((read[0] != read[1]).fill_null(False))
    example = words.text[index]
    said = [
        f"{_keys(way)} reads '{example}' as {values[index]:.17g}"
        for way, values in zip(ways, read, strict=True)
    ]
    return Typed(
        ways[0].keys, f"its numbers may be read in {len(ways)} ways: {', '.join(said)}", weak, is_open=True
    )


def _keys(way: Way) -> str:
    return ", ".join(f"{key} {value!r}" for key, value in way.keys.items() if key != "type") or "plain"


def _accepted(words: Words, way: Way, weak: list[str]) -> Typed | None:
    """The way, if the rows that it loses are few enough to be mistakes, or have few words that can only mean a missing value."""
    n_lost = words.rows(way.lost)
    if not n_lost:
        return Typed(
            way.keys, f"all {words.n_rows:,} values {way.reason}", weak, _null_words(weak), *_instead(way)
        )
    odd = words.where(way.lost)
    rest = words.where(~way.lost)
    if (
        not odd.matching(r"\d").any()
        and len(odd.text) <= MAX_WORDS
        and n_lost <= MAX_WORDS_SHARE * words.n_rows
        and len(rest.text) >= 10
    ):
        more = sorted(odd.text)
        shown = ", ".join(map(repr, more))
        return Typed(
            way.keys, f"all {rest.n_rows:,} values but {shown} {way.reason}", [*weak, *more],
            f"{shown} stand among numbers in {n_lost:,} rows and are taken for missing values", *_instead(way),
        )  # fmt: skip
    if n_lost > MAX_BROKEN * words.n_rows or rest.n_rows < MIN_ROWS or _are_codes(odd, rest):
        return None
    return Typed(
        way.keys, f"all {rest.n_rows:,} values but {n_lost:,} {way.reason}; those {n_lost:,}, such as {odd.examples(1)[0]!r}, go to quarantine",
        weak, _null_words(weak), "category", way.is_open,
    )  # fmt: skip


def _are_codes(odd: Words, rest: Words) -> bool:
    """Whether the odd ones are built like the others, but for a letter, as V12 beside 123."""
    return bool(odd.matching(r"^[A-Za-z]{1,3}[-.]?\d[\d.]*$|^\d+[A-Za-z]{1,2}$").any()) and bool(
        rest.matching(r"^\d{1,6}(\.\d{1,2})?$").all()
    )


def _instead(way: Way) -> tuple[str, bool]:
    return ", ".join(way.instead), way.is_open


def _null_words(weak: list[str]) -> str:
    return f"{', '.join(map(repr, weak))} stand among numbers" if weak else ""


def _without_sentinels(words: Words, found: Typed) -> Typed:
    """The same without the numbers that stand for a missing value, which may have been the only ones with a decimal point."""
    values = _numbers(words, found.keys)
    far = missing.sentinels(words, values)
    if not far:
        return replace(found, reason=found.reason + _seconds(found.keys, values))
    rest = words.without(far)
    way = numbers.plain(rest)
    if found.keys.keys() == {"type"} and not way.lost.any():
        found = replace(
            found, keys=way.keys, reason=f"all {rest.n_rows:,} values but {', '.join(far)} {way.reason}"
        )
    low, high = edges(_numbers(rest, found.keys))
    said = f"{', '.join(far)} stands in {words.n_rows - rest.n_rows:,} rows, far outside the rest, which is {low:g} to {high:g}"
    return replace(
        found, nulls=[*found.nulls, *far], why_null="; ".join(filter(None, (found.why_null, said)))
    )


def _numbers(words: Words, keys: dict[str, Any]) -> pl.Series:
    return cast(words.text, Reading(**keys))[0].cast(pl.Float64)


def _seconds(keys: dict[str, Any], values: pl.Series) -> str:
    if keys["type"] != "integer" or not values.count():
        return ""
    low, high = edges(values)
    is_unix = UNIX[0] <= low and high < UNIX[1]
    return "; if they are seconds since 1970, write them as instants in the source" if is_unix else ""


def _instant(words: Words, name: str, given: dict[str, Any], day_first: bool | None) -> Typed | None:
    weak = [] if "nulls" in given else missing.among_instants(words)
    values = words.without(weak)
    if not len(values.text):
        return None
    for way in dates.ways(values, day_first):
        found = _accepted(values, way, weak)
        if found:
            return found
    return None


def _words(words: Words, more: list[str]) -> Typed:
    if not len(words.text):
        return Typed({"type": "category"}, "no row has a value", more)
    number = words.text.cast(pl.Float64, strict=False).is_not_null()
    n_numbers = words.rows(number)
    if n_numbers == words.n_rows:
        reason = f"{len(words.text):,} different numbers, which can't be read as one kind, such as {words.examples(1)[0]!r}"
    elif n_numbers:
        examples = ", ".join(map(repr, words.where(~number).examples(2)))
        reason = f"{n_numbers:,} values are numbers and {words.n_rows - n_numbers:,} are not, such as {examples}; one type holds both"
    else:
        examples = ", ".join(map(repr, words.examples(2)))
        reason = f"{len(words.text):,} different words, such as {examples}"
    return Typed({"type": "category"}, reason, more)


def _as_given(words: Words, nulls: list[str], given: dict[str, Any], day_first: bool | None) -> Typed:
    """The type that somebody gave; how it is written is found out, as far as that isn't given too."""
    kind = given["type"]
    weak = [] if kind == "category" else missing.among_numbers(words)
    values = words.without(weak) if "nulls" not in given else words
    weak = weak if "nulls" not in given else []
    found: list[Way] = []
    if kind == "datetime" and "format" not in given:
        found = dates.ways(values, day_first)
    elif kind in ("integer", "number") and not given.keys() & SIGNS:
        found = [] if not cast(values.text, Reading(type=kind))[1].any() else numbers.with_signs(values, {})
    elif kind == "boolean" and "true_words" not in given:
        two = _boolean(values, "", {}, None)
        found = [Way(two.keys, pl.Series([], dtype=pl.Boolean), "")] if two else []
    keys = {**(found[0].keys if found else {}), **{k: v for k, v in given.items() if k != "nulls"}}
    lost = (
        words.rows(cast(values.text, Reading(**keys))[1])
        if len(values.text) == len(words.text)
        else values.rows(cast(values.text, Reading(**keys))[1])
    )
    said = f"; {lost:,} rows have no such value, as {_odd(values, keys)!r}" if lost else ""
    if found and found[0].is_open:
        return Typed(keys, f"as you said; it {found[0].reason}", [*nulls, *weak], is_open=True)
    if len(found) > 1:
        still_open = _open_number(values, found, weak)
        return _with_nulls(replace(still_open, keys={**still_open.keys, "type": kind}), nulls)
    return Typed(keys, f"as you said{said}", [*nulls, *weak])


def _odd(words: Words, keys: dict[str, Any]) -> str:
    return words.where(cast(words.text, Reading(**keys))[1]).examples(1)[0]
