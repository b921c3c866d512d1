"""Rows as the contract declares them: each column by its own name, and in its type. The service reads outcomes so too, which is
why the check of the contract, with the library for it, is a module of its own."""

import difflib
import re
from collections.abc import Mapping, Sequence

import polars as pl

from accord.data.advice import line
from accord.data.casting import cast
from accord.errors import AccordError
from accord.schema.data import Column

MAX_NAMES = 40


def named(rows: pl.DataFrame, columns: Mapping[str, Column]) -> pl.DataFrame:
    """The rows with each column that has another name in the sources by its own as well."""
    return rows.with_columns(
        rows[column.source].alias(name) for name, column in columns.items() if column.source in rows.columns
    )


def typed(rows: pl.DataFrame, columns: Mapping[str, Column]) -> pl.DataFrame:
    """The rows with each of the columns in its declared type, unless that would lose a value, which `check` has to see."""
    for name, column in columns.items():
        value, lost = cast(rows[name], column)
        if not lost.any():
            rows = rows.with_columns(value)
    return rows


def refuse_missing(columns: Mapping[str, Column], found: Sequence[str], where: str, remedy: str) -> None:
    """Raises AccordError that names all columns that aren't among those found, each with the name that it may have there."""
    missing = {name: column.source or name for name, column in columns.items() if name not in found}
    if not missing:
        return
    listed = ", ".join(f"'{wanted}'" for wanted in missing.values())
    # As the file has them, without the contract's own names.
    found = [name for name in found if name not in columns or columns[name].source not in found]
    shown = ", ".join(found[:MAX_NAMES]) + (", ..." if len(found) > MAX_NAMES else "")
    raise AccordError(
        f"{'Column' if len(missing) == 1 else 'Columns'} {listed} {'is' if len(missing) == 1 else 'are'} missing from {where}; found "
        f"{shown}. {remedy}",
        [mend for name, wanted in missing.items() if (mend := _likest(name, wanted, columns[name], found))],
    )


def _likest(name: str, wanted: str, column: Column, found: Sequence[str]) -> str | None:
    """The name most like the column's, other signs and cases aside, and the line of YAML that takes it."""
    plain = {re.sub(r"\W|_", "", other).lower(): other for other in reversed(found)}
    close = difflib.get_close_matches(re.sub(r"\W|_", "", wanted).lower(), plain, n=1)
    if not close:
        return None
    other = plain[close[0]]
    mended = line(name, column.model_copy(update={"source": other}))
    return f"did you mean '{other}'? As the contract has it: {mended}"
