"""The line of YAML that mends a column whose values aren't of the type that the contract declares."""

import re
import unicodedata
from datetime import date, datetime, time
from math import nan
from typing import Any

import polars as pl

from accord.data.casting import cast, kind
from accord.data.forms import CLOCKS, CURRENCIES, DAYS, MARKS, TRUTHS
from accord.schema.data import WRITTEN, Reading

N_TRIED = 1000
MAX_SHOWN = 80
ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}


def advice(name: str, reading: Reading, found: pl.Series, lost: pl.Series) -> str:
    """What to write in the config for the lost ones among the values found, as `NAME: {...}`; what to look at, if that can't be
    told from the values."""
    values = found.filter(lost)
    if kind(found.dtype) != "text":
        other = {
            "integer": "integer", "float": "number", "decimal": "number", "boolean": "boolean", "date": "datetime", "datetime": "datetime",
        }.get(kind(found.dtype))  # fmt: skip
        if other is None:
            return f"values of the type {_short(found.dtype)} fit no type of the contract; write them otherwise in the source"
        return line(name, reading, type=other if other != reading.type else "number")
    texts = values.cast(pl.String).str.strip_chars()
    whole = found.cast(pl.String).str.strip_chars()
    if reading.type == "datetime":
        return _of_instants(name, reading, whole, texts)
    if reading.type == "boolean":
        return _of_booleans(name, reading, whole)
    return _of_numbers(name, reading, texts)


def _of_instants(name: str, reading: Reading, whole: pl.Series, texts: pl.Series) -> str:
    fits = []
    if reading.format is None:
        sample, lost = texts.unique(maintain_order=True).head(N_TRIED), texts.drop_nulls()
        tried = [day + clock for day in DAYS for clock in CLOCKS]
        fits = [words for words in tried if _reads(sample, words) and _reads(lost, words)]
    lines = [line(name, reading, format=words) for words in fits]
    if len(lines) > 1:
        days = [_days(sample, words) for words in fits]
        telling = next((i for i, read in enumerate(zip(*days, strict=True)) if len(set(read)) > 1), 0)
        readings = [
            f"{one} reads '{sample[telling]}' as {read[telling]:%-d %B %Y}"
            for one, read in zip(lines, days, strict=True)
        ]
        return f"the dates are ambiguous: {', or '.join(readings)}"
    if lines:
        return lines[0]
    rest = _few_words(texts, whole)
    if rest:
        return line(name, reading, nulls=rest)
    written = f"as {reading.format}" if reading.format else "in ISO 8601, such as 2024-03-01T12:30:00Z"
    return f"expected instants {written}; if all are written in another way, say so: {name}: {{type: datetime, format: ...}}"


def _days(texts: pl.Series, words: str) -> list[datetime]:
    return cast(texts, Reading(type="datetime", format=words))[0].to_list()


def _reads(texts: pl.Series, words: str) -> bool:
    return cast(texts, Reading(type="datetime", format=words))[1].sum() == 0


def _of_booleans(name: str, reading: Reading, whole: pl.Series) -> str:
    words = whole.drop_nulls().str.to_lowercase().unique(maintain_order=True).to_list()
    truths = [w for w in words if w in TRUTHS or w in ("x", "positive")]
    if len(words) == 2 and len(truths) == 1:
        return line(name, reading, true_words=truths, false_words=[w for w in words if w not in truths])
    if len(words) == 2:
        return f"say which word is which: {name}: {{type: boolean, true_words: [...], false_words: [...]}}"
    return f"{line(name, reading, type='category')}, or say the words: {name}: {{type: boolean, true_words: [...], false_words: [...]}}"


def _of_numbers(name: str, reading: Reading, texts: pl.Series) -> str:
    sample = texts.unique(maintain_order=True).head(N_TRIED)
    given = {
        key: value for key in ("decimal", "thousands", "percent", "currency", "nulls")
        if (value := getattr(reading, key)) is not None
    }  # fmt: skip
    signs = [sign for sign in CURRENCIES if sample.str.contains(sign, literal=True).any()]
    percent = sample.str.contains("%", literal=True).any()
    more = {**({"percent": True} if percent else {}), **({"currency": signs[0]} if signs else {})}
    fits: dict[tuple[float, ...], str] = {}  # each reading that has other values than those before it
    for kind_of in dict.fromkeys((reading.type, "number")):
        if percent and kind_of == "integer":
            continue
        for way in MARKS:
            tried = {"type": kind_of, **given, **way, **more}
            if tried.get("thousands") == tried.get("decimal", "."):
                continue
            value, lost = cast(sample, Reading(**tried))
            if not lost.any() and not value.cast(pl.Float64).is_infinite().any():
                fits.setdefault(tuple(value.cast(pl.Float64).fill_null(nan)), line(name, reading, **tried))
        if len(fits) > 1:
            readings = [f"{one} reads '{sample[0]}' as {values[0]:.17g}" for values, one in fits.items()]
            return f"the numbers are ambiguous: {', or '.join(readings)}"
        if fits:
            return next(iter(fits.values()))
    words = sample.filter(~sample.str.contains(r"^[^A-Za-z]*\d")).to_list()
    if (words and len(words) == len(sample) <= 5) or (
        len(sample) <= 3 and not any(re.search(r"[.,]\d", w) for w in sample)
    ):
        return line(name, reading, nulls=[*(reading.nulls or ()), *sample.to_list()])
    return f"{line(name, reading, type='category')} if these are codes; else correct the values, or name those that mean nothing: nulls: [...]"


def _few_words(texts: pl.Series, whole: pl.Series) -> list[str]:
    """Words that stand for a missing value, if the lost ones are few words without a digit among many values."""
    words = texts.unique(maintain_order=True).to_list()
    return (
        words
        if len(words) <= 5 and not any(re.search(r"\d", word) for word in words) and len(whole) > len(texts)
        else []
    )


def line(name: str, reading: Reading, **changed: Any) -> str:
    """The column's line in the config with these keys changed."""
    keys = {"type": reading.type, **reading.model_dump(exclude_defaults=True), **changed}
    if keys.get("role") == "feature":
        del keys["role"]
    dropped = () if keys["type"] in ("integer", "number") else ("min", "max", *WRITTEN[("integer", "number")])
    return f"{name}: {{{', '.join(f'{key}: {_yaml(value)}' for key, value in keys.items() if key not in dropped)}}}"


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}" if value == float(f"{value:g}") else str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(quoted, value))}]"
    return value if re.fullmatch(r"[a-z]+", value) else quoted(value)


def quoted(text: str) -> str:
    """The text as YAML has it in double quotes."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    """What can't be told from something else on a terminal is written as a number: other blanks than the space, accents alone."""
    if character in ESCAPES:
        return ESCAPES[character]
    is_plain = character.isprintable() and not unicodedata.combining(character)
    return (
        character
        if is_plain
        else f"\\U{ord(character):08x}"
        if ord(character) > 0xFFFF
        else f"\\u{ord(character):04x}"
    )


def shown(value: Any) -> str:
    """A value as an error shows it, however long it is.

    >>> shown(date(2024, 1, 1)), shown("far")
    ('2024-01-01', "'far'")
    """
    text = str(value) if isinstance(value, date | time) else repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _short(found: pl.DataType) -> str:
    return str(found)[:60]
