"""What the columns of a table are: their names, types, words for missing values, and ranges."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import polars as pl

from accord.data.casting import WAYS, cast, kind
from accord.data.infer.distinct import Words
from accord.data.infer.guess import Guess, Inferred
from accord.data.infer.names import names
from accord.data.infer.ranges import ranges
from accord.data.infer.raw_table import Table
from accord.data.infer.types import Typed, typed
from accord.errors import AccordError, nearest
from accord.schema.data import Reading

MIN_FULL = 1000
"""Rows that must all have a value before the contract promises that every row has one."""
Given = Mapping[str, Mapping[str, Any]]
"""For columns, by their name in the table or the contract, what somebody says of them: keys of a reading, and `day_first`."""
OF_ARROW = {"integer": "integer", "float": "number", "decimal": "number", "boolean": "boolean", "date": "datetime", "datetime": "datetime", "null": "category"}  # fmt: skip


def columns(table: Table, given: Given = MappingProxyType({}), taken: Iterable[str] = ()) -> list[Inferred]:
    """Each column that the contract can read, in the order of the table. What is `given` wins over what its values look like.
    Raises AccordError if it is about a column that isn't there."""
    own = dict(zip(table.names, names(table.names, taken), strict=True))
    said = _by_source(given, own)
    found = [
        (column, _typed(column, own[column.name], said.get(column.name, {})))
        for column in table.columns()
        if WAYS[kind(column.dtype)]
    ]
    common = _common([column for _, column in found]) if table.is_text else set()
    return [_inferred(column, own[column.name], how, common) for column, how in found]


def source_nulls(columns: Sequence[Inferred]) -> list[str]:
    """The words for missing values that the source in the config names, because no column has one of them as a value."""
    words = {word for column in columns for word in column.missing}
    return sorted(
        {"", *(word for word in words if not any(word in column.keys.get("nulls", ()) for column in columns))}
    )


def _by_source(given: Given, own: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    sources = {name: source for source, name in own.items()} | {source: source for source in own}
    unknown = next((name for name in given if name not in sources), None)
    if unknown is not None:
        raise AccordError(f"The table has no column '{unknown}'; {nearest(unknown, own)}")
    return {sources[name]: values for name, values in given.items()}


def _typed(column: pl.Series, name: str, given: Mapping[str, Any]) -> tuple[Words, Typed]:
    if kind(column.dtype) == "text":
        words = Words.of(column.cast(pl.String))
        return words, typed(words, column.name, given)
    words = Words(pl.Series([""]), pl.Series([column.null_count()]))
    if given.get("type"):
        return words, Typed({k: v for k, v in given.items() if k != "day_first"}, "as you said", [])
    is_bare = kind(column.dtype) != "null"
    reason = f"the file has it as {str(column.dtype)[:60]}" if is_bare else "no row has a value"
    return words, Typed({"type": OF_ARROW[kind(column.dtype)]}, reason, [])


def _common(found: Sequence[tuple[Words, Typed]]) -> set[str]:
    """Words that mean a missing value in several columns, or that programs write for one, and are a value in none."""
    as_null = Counter(word for _, how in found for word in how.nulls)
    odd = {word for word, n in as_null.items() if n > 1 or _is_usual(word)}
    for words, how in found:
        odd -= set(words.text.filter(words.text.is_in(list(odd)))) - set(how.nulls)
    return odd - {word for word in odd if any(c.isdigit() for c in word)}


def _is_usual(word: str) -> bool:
    return word in (
        "",
        "?",
        "NA",
        "N/A",
        "NaN",
        "nan",
        "null",
        "NULL",
        "n/a",
        "na",
        "\\N",
        "<NA>",
        "#N/A",
        "NaT",
    )


def _inferred(column: pl.Series, name: str, found: tuple[Words, Typed], common: set[str]) -> Inferred:
    words, how = found
    counts = _counts(words, ["", *how.nulls])
    own = [word for word in how.nulls if word not in common and word]
    guesses = [Guess("type", how.keys["type"], how.reason, _option(column.name, how), how.is_open)]
    guesses += [
        Guess(key, value, "its values are written so", f"--type {column.name}=category")
        for key, value in how.keys.items()
        if key != "type"
    ]
    if own:
        guesses.append(Guess("nulls", own, how.why_null or _said(counts, own), f"--nulls {column.name}="))
    values, lost = cast(column, Reading(**how.keys, nulls=[*own, *common] or None))
    missing = {word: n for word, n in counts.items() if n}
    guesses.append(_nullable(values, lost, missing))
    return Inferred(column.name, name, (*guesses, *ranges(column.name, values)), values, missing)


def _nullable(values: pl.Series, lost: pl.Series, missing: Mapping[str, int]) -> Guess:
    if values.null_count() > lost.sum():
        return Guess("nullable", True, _missing(missing, len(values)))
    if len(values) < MIN_FULL:
        return Guess(
            "nullable",
            True,
            f"all {len(values):,} rows have a value, but so few don't promise it",
            "nullable: false",
        )
    return Guess("nullable", False, f"all {len(values):,} rows have a value", "nullable: true")


def _counts(words: Words, nulls: Sequence[str]) -> dict[str, int]:
    mine = words.where(words.text.is_in(list(nulls)))
    return dict(sorted(zip(mine.text, mine.count, strict=True)))


def _option(name: str, how: Typed) -> str:
    return f"--type {name}={how.instead or ('number' if how.keys['type'] == 'category' else 'category')}"


def _said(counts: Mapping[str, int], words: Sequence[str]) -> str:
    return ", ".join(f"'{word}' stands for no value in {counts.get(word, 0):,} rows" for word in words)


def _missing(missing: Mapping[str, int], n: int) -> str:
    said = ", ".join(f"{count:,} have {repr(word) if word else 'none'}" for word, count in missing.items())
    return f"of {n:,} rows {said}"
