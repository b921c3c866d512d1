"""What the columns of a table are: their names, types, words for missing values, and ranges."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import polars as pl

from accord.data.casting import WAYS, cast, kind
from accord.data.infer.distinct import Words
from accord.data.infer.guess import Guess, Inferred
from accord.data.infer.identifier_names import names
from accord.data.infer.ranges import ranges
from accord.data.infer.raw_table import Table
from accord.data.infer.types import Typed, plainly_numeric, typed
from accord.errors import AccordError, nearest
from accord.schema.data import Reading

MIN_FULL = 1000
"""Rows that must all have a value before the contract promises that every row has one."""
USUAL = frozenset(
    ("", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "n/a", "na", "\\N", "<NA>", "#N/A", "NaT")
)
"""Words that a source names for all of its columns."""
MAX_INTEGER = 2**63 - 1
Given = Mapping[str, Mapping[str, Any]]
"""For columns, by their name in the table or the contract, what somebody says of them: keys of a reading, and `day_first`."""
OF_ARROW = {"integer": "integer", "float": "number", "decimal": "number", "boolean": "boolean", "date": "datetime", "datetime": "datetime", "null": "category"}  # fmt: skip


def columns(table: Table, given: Given = MappingProxyType({}), taken: Iterable[str] = ()) -> list[Inferred]:
    """Each column that the contract can read, in the order of the table. What is `given` wins over what its values look like.
    Raises AccordError if it is about a column that isn't there."""
    own = dict(zip(table.names, names(table.names, taken), strict=True))
    said = _by_source(given, own)
    found = {
        column.name: _found(column, said.get(column.name, {}))
        for part in table.parts()
        for column in part.iter_columns()
        if WAYS[kind(column.dtype)]
    }
    common = _common(list(found.values())) if table.is_text else set()
    return [_inferred(name, own[name], found[name], common) for name in table.names if name in found]


@dataclass(frozen=True)
class _Found:
    """What is known of a column by itself."""

    how: Typed
    missing: Mapping[str, int]
    """How many rows have each word for a missing value."""
    own: frozenset[str]
    """Those that the source can't name for it, which compares whole fields, because blanks stand around them."""
    kept: frozenset[str]
    """Words that mean a missing value elsewhere, and are values here."""
    values: pl.Series
    n_lost: int
    """How many values its type doesn't hold."""


def _found(column: pl.Series, given: Mapping[str, Any]) -> _Found:
    if kind(column.dtype) != "text":
        how = _declared(column, given)
        values, lost = cast(column, Reading(**how.keys))
        n = values.null_count() - int(lost.sum())
        return _Found(how, {"": n} if n else {}, frozenset(), frozenset(), values, int(lost.sum()))
    column = column.cast(pl.String)
    plain = None if given else plainly_numeric(column)
    if plain:
        missing = {"": column.null_count()} if column.has_nulls() else {}
        return _Found(plain, missing, frozenset(), frozenset(), cast(column, Reading(**plain.keys))[0], 0)
    words = Words.of(column)
    how = typed(words, column.name, given)
    values, lost = cast(column, Reading(**how.keys, nulls=how.nulls or None))
    absent = words.where(words.text.is_in(["", *how.nulls]))
    counts = dict(sorted(zip(absent.text, absent.count, strict=True)))
    padded = frozenset(words.padded & {word for word in counts if word or how.keys["type"] == "category"})
    kept = frozenset(words.text.filter(words.text.is_in(list(USUAL)))) - set(how.nulls)
    return _Found(how, counts, padded, kept, values, int(lost.sum()))


def _declared(column: pl.Series, given: Mapping[str, Any]) -> Typed:
    """A column that has a type in the file."""
    if given.get("type"):
        return Typed({k: v for k, v in given.items() if k != "day_first"}, "as you said", [])
    reason = (
        f"the file has it as {str(column.dtype)[:60]}" if column.dtype != pl.Null else "no row has a value"
    )
    if column.dtype.is_integer() and int(column.max() or 0) > MAX_INTEGER:  # type: ignore[arg-type]
        return Typed(
            {"type": "category"}, f"{reason}, with values beyond what an integer holds", [], instead="number"
        )
    return Typed({"type": OF_ARROW[kind(column.dtype)]}, reason, [])


def unread(table: Table) -> dict[str, str]:
    """The columns of types that the contract can't read, with these types; only Parquet has such."""
    if table.is_text:
        return {}
    return {
        c.name: str(c.dtype) for part in table.parts() for c in part.iter_columns() if not WAYS[kind(c.dtype)]
    }


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


def _common(found: Sequence[_Found]) -> set[str]:
    """Words that the source names for all of its columns: programs write them for a missing value, and none has one as a value."""
    return {word for one in found for word in one.how.nulls if word in USUAL} - {
        word for one in found for word in one.kept
    }


def _inferred(source: str, name: str, found: _Found, common: set[str]) -> Inferred:
    how = found.how
    own = [word for word in how.nulls if word not in common or word in found.own]
    guesses = [Guess("type", how.keys["type"], how.reason, _option(source, how), how.is_open)]
    guesses += [
        Guess(key, value, "") for key, value in how.keys.items() if key != "type"
    ]  # the type's reason says it
    if own:
        guesses.append(Guess("nulls", own, how.why_null or _said(found.missing, own), "nulls: []"))
    guesses.append(_nullable(found))
    return Inferred(source, name, (*guesses, *ranges(source, found.values)), found.values, found.missing)


def _nullable(found: _Found) -> Guess:
    n = len(found.values)
    if found.missing:
        said = ", ".join(
            f"{count:,} have {repr(word) if word else 'none'}" for word, count in found.missing.items()
        )
        return Guess("nullable", True, f"of {n:,} rows {said}")
    if n < MIN_FULL:
        return Guess(
            "nullable", True, f"all {n:,} rows have a value, but so few don't promise it", "nullable: false"
        )
    return Guess("nullable", False, f"all {n:,} rows have a value", "nullable: true")


def _option(name: str, how: Typed) -> str:
    """What to type for another type; words can't be anything else."""
    other = how.instead or ("category" if how.keys["type"] != "category" else "")
    return f"--type {shlex.quote(f'{name}={other}')}" if other else ""


def _said(counts: Mapping[str, int], words: Sequence[str]) -> str:
    return ", ".join(f"'{word}' stands for no value in {counts.get(word, 0):,} rows" for word in words)
