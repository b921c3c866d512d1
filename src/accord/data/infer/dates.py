"""Dates and instants, however they are written: one order of day and month in each column."""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import polars as pl

from accord.data.casting import cast, tells_days
from accord.data.forms import CLOCKS, DAYS
from accord.data.infer.distinct import Words
from accord.data.infer.numbers import Way
from accord.schema.data import Reading

N_TRIED = 200
FIRST_YEAR, LAST_YEAR = 1800, 2200
COMPACT_YEARS = (1900, 2100)
MIN_COMPACT = 3
"""Distinct values that digits alone need, to be dates rather than numbers."""
MORE_DAYS = ("%Y-%m-%d", "%y/%m/%d", "%y-%m-%d", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y", "%d-%b-%Y", "%d-%b-%y", "%d/%b/%Y", "%b-%d-%Y", "%Y-%b-%d", "%d %b %y", "%b %d %Y", "%b %d, %Y", "%d %b, %Y", "%A, %B %d, %Y", "%a, %d %b %Y", "%B %d %Y", "%d. %B %Y")  # fmt: skip
MORE_CLOCKS = (
    " %H:%M:%S%.f",
    "T%H:%M",
    "T%H:%M:%SZ",
    " %H:%M:%S %z",
    " %H:%M:%S UTC",
    " %I:%M%p",
    ", %H:%M",
    ", %I:%M %p",
    ", %I:%M:%S %p",
)
WHOLE = (
    "%Y%m%d%H%M%S",
    "%Y%m%d%H%M",
    "%Y%m%dT%H%M%S",
    "%Y%m%dT%H%M%SZ",
    "%a %b %d %H:%M:%S %Y",
    "%d/%b/%Y:%H:%M:%S %z",
    "%d%b%Y",
    "%d%b%Y:%H:%M:%S",
)
DATE = r"\d{1,4}\s*[-/. ]\s*(?:\d{1,2}|\p{L}{3,12}\.?)\s*[-/. ,]\s*\d{2,4}|\p{L}{3,9}\.?[- ]\d{1,2},?[- ]\d{4}|\d{4}-\p{L}{3}-\d{2}|^\d{8}(?:\D?\d{4,6}Z?)?$|^\d{1,2}\p{L}{3}\d{4}"
"""What all of the forms have somewhere."""
TWO_DIGITS = re.compile(r"%y")
PADDED = r"^\d{2}\D\d{2}\D\d{2}(?:\D|$)|\p{L}"
"""Years of two digits are believed where days and months have two digits as well, so that versions such as 3.11.4 stay words."""
DAY_FIRST = re.compile(r"%d[^%]*%[mbB]")
MONTH_FIRST = re.compile(r"%[mbB][^%]*%d")


def ways(words: Words, day_first: bool | None = None) -> list[Way]:
    """The ways to read the words as instants; several if they differ in what they read, none if they are no instants."""
    if not len(words.text):
        return []
    sample = words.sample(N_TRIED)
    if sample.str.contains(DATE).mean() < 0.8:  # type: ignore[operator]
        return []
    iso = _read(words, None)
    if iso is not None and not iso[1].lost.any():
        return [iso[1]]
    signs = _signs(sample)
    formats = [
        form
        for form in _formats()
        if _signs_of(form) in signs and _agrees(form, day_first) and _fits(sample, form)
    ]
    read = [found for form in formats if (found := _read(words, form)) is not None]
    read = [*([iso] if iso is not None else []), *read]
    if not read:
        return []
    # A year in front is the other order of 13/02/24 turned round: only where nothing else reads the words.
    read = [(v, w) for v, w in read if not w.keys.get("format", "").startswith("%y")] or read
    least = min(words.rows(way.lost) for _, way in read)
    different: list[tuple[pl.Series, Way]] = []
    for values, way in read:
        if words.rows(way.lost) == least and not any(
            values.equals(other, null_equal=True) for other, _ in different
        ):
            different.append((values, way))
    if len(different) > 1:
        return [_open(words, different)]
    return [way for _, way in different]


@cache
def _formats() -> list[str]:
    days = dict.fromkeys((*DAYS, *MORE_DAYS))
    return [
        form
        for form in (*(day + clock for day in days for clock in (*CLOCKS, *MORE_CLOCKS)), *WHOLE)
        if tells_days(form)
    ]


def _signs(sample: pl.Series) -> set[frozenset[str]]:
    """The signs between digits and letters in each value, but those of zones and fractions."""
    return {frozenset(re.sub(r"\w|[+-]\d{2}:?\d{2}$", "", value)) for value in sample}


@cache
def _signs_of(form: str) -> frozenset[str]:
    return frozenset(re.sub(r"%z|%\.?\w|\w", "", form))


def _agrees(form: str, day_first: bool | None) -> bool:
    if day_first is None or form.startswith(("%Y", "%y")):
        return True
    return (DAY_FIRST.search(form) if day_first else MONTH_FIRST.search(form)) is not None


def _fits(sample: pl.Series, form: str) -> bool:
    parsed, lost = cast(sample, Reading(type="datetime", format=form))
    return bool(lost.mean() < 0.2) and bool(_sane(parsed, form, sample).mean() > 0.7)  # type: ignore[operator]


def _sane(parsed: pl.Series, form: str | None, text: pl.Series) -> pl.Series:
    compact = form is not None and form.startswith("%Y%m%d")
    first, last = COMPACT_YEARS if compact else (FIRST_YEAR, LAST_YEAR)
    sane = parsed.dt.year().is_between(first, last).fill_null(False)
    return sane & text.str.contains(PADDED) if form and TWO_DIGITS.search(form) else sane


def _read(words: Words, form: str | None) -> tuple[pl.Series, Way] | None:
    keys = {"type": "datetime"} | ({"format": form} if form else {})
    values, lost = cast(words.text, Reading.model_validate(keys))
    lost = lost | ~_sane(values, form, words.text)
    if words.rows(lost) > 0.2 * words.n_rows:
        return None
    compact = form is not None and form.startswith("%Y%m%d")
    if compact and (lost.any() or len(words.text) < MIN_COMPACT):
        return None
    said = f"are instants written as {form}" if form else "are instants in ISO 8601"
    if compact:
        said = f"are valid days from {_edge(values.min())} to {_edge(values.max())}, written as {form}"
    return values, Way(keys, lost, said, ["integer"] if compact else [])


def _edge(value: Any) -> str:
    return f"{value:%Y-%m-%d}"


def _open(words: Words, different: Sequence[tuple[pl.Series, Way]]) -> Way:
    """Both readings of a value that tells them apart, with none chosen."""
    one, other = (values for values, _ in different[:2])
    index = words.first((one != other).fill_null(False))
    example = words.text[index]
    readings = [
        f"{way.keys.get('format', 'ISO 8601')} reads '{example}' as {_day(values[index])}"
        for values, way in different
    ]
    first = different[0][1]
    return Way(
        first.keys, first.lost, f"may be read in {len(different)} orders of day and month: {', '.join(readings)}",
        [str(way.keys.get("format", "")) for _, way in different], is_open=True,
    )  # fmt: skip


def _day(value: datetime) -> str:
    return f"{value:%-d %B %Y}"
