"""What a table's columns are, by a quick look at their values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from accord.data.casting import cast
from accord.data.infer.guess import Guess, Inferred
from accord.data.ingest import sources
from accord.schema.data import Reading, Source

MISSING = ["", "NA", "N/A", "?", "null", "NULL", "nan", "NaN", "-"]


@dataclass(frozen=True)
class Table:
    frame: pl.DataFrame
    guesses: tuple[Guess, ...]
    written: Mapping[str, Any]


def read(path: str, root: Path) -> Table:
    source = Source(path=path, nulls=[], separator=",", encoding="utf-8")
    return Table(sources.read("table", source, root), (), {})


def columns(table: Table, given: Mapping[str, Mapping[str, Any]]) -> list[Inferred]:
    return [_column(i, table.frame[name], given.get(name, {})) for i, name in enumerate(table.frame.columns)]


def _column(i: int, found: pl.Series, given: Mapping[str, Any]) -> Inferred:
    name = (
        "".join(c if c.isascii() and c.isalnum() else "_" for c in found.name).strip("_") or f"column_{i + 1}"
    )
    name = name if name[0].isalpha() else f"c_{name}"
    missing = {}
    nulls: list[str] = []
    if found.dtype == pl.String:
        counts = found.str.strip_chars().value_counts()
        missing = {w: n for w, n in counts.iter_rows() if w in MISSING}
        nulls = [w for w in missing if w]
    for kind in ("integer", "number", "datetime", "boolean", "category"):
        if given.get("type", kind) != kind:
            continue
        reading = Reading(
            type=kind, **({"nulls": nulls or None, **{k: v for k, v in given.items() if k != "type"}})
        )
        values, lost = cast(found, reading)
        if kind == "category":
            values = values.replace("", None)
        if not lost.any() and (kind == "category" or values.null_count() < len(values)):
            break
    guesses = [
        Guess("type", kind, f"all {len(values) - values.null_count():,} values are of it", "type: category")
    ]
    if name != found.name:
        guesses.append(Guess("source", found.name, "its name in the table"))
    if nulls:
        guesses.append(Guess("nulls", nulls, ", ".join(f"{n:,} times {w!r}" for w, n in missing.items())))
    if values.null_count():
        guesses.append(Guess("nullable", True, f"{values.null_count():,} values are missing"))
    if kind in ("integer", "number") and (values >= 0).all():
        guesses.append(Guess("min", 0, "no value is below 0"))
    return Inferred(found.name, name, tuple(guesses), values, missing)
