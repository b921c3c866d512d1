"""A table that has changed, beside the contract that there is: what would change in it, and what that means."""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from accord.config import compose, selection
from accord.data.advice import shown
from accord.data.casting import cast
from accord.data.infer import inference
from accord.data.infer.raw_table import whole
from accord.data.ingest import sources
from accord.errors import AccordError, nearest
from accord.files import write_text
from accord.onboarding import edits, raw_file, trial
from accord.onboarding.proposal import member
from accord.onboarding.written import column_line
from accord.paths import Paths
from accord.schema.config import Config
from accord.schema.data import WRITTEN, Column, Data
from accord.terminal import Lines, lines, table

WIDER = (
    "the champion refuses what the old contract did until a model with the new one is promoted",
    "the log keeps all it has",
)
MEANS = {
    "new": ("the champion refuses requests with it until a model that knows it is promoted", "rows of the log have none"),
    "gone": ("the champion needs it, unless it is nullable: only accord promote --reason replaces it", "the log keeps it, unread"),
    "type": ("it can't be compared, but for integer to number: accord promote --reason", "what can't be read in it stays in the log"),
    "values": ("it takes the level for a rare one", "drift, if many rows have it"),
    "min": WIDER,
    "max": WIDER,
    "nullable": WIDER,
    "": ("nothing", "nothing"),
}  # fmt: skip
"""For the champion, and for the log: docs/changing-a-contract.md."""


WRITTEN_KEYS = tuple(key for keys in WRITTEN.values() for key in keys)


@dataclass(frozen=True)
class Change:
    column: str
    kind: str
    """A key of MEANS; empty for what only has to be known."""
    said: str
    keys: dict[str, Any]
    """Of the column, as they would have to be."""


@dataclass(frozen=True)
class Update:
    name: str
    path: Path
    """The file in conf/data."""
    changes: tuple[Change, ...]
    diff: str
    """What would change in the file."""
    text: str
    raw: raw_file.Raw


def update(source: str, name: str, paths: Paths) -> Update:
    """What the table changes of the data set of this name. Nothing is written. Raises AccordError where it can't be read as the contract
    has it."""
    path = paths.conf / f"data/{name}.yaml"
    known = selection.options(paths.conf)["data"]
    if name not in known:
        raise AccordError(
            f"--update: there is no {path}; {nearest(name, known)}. Say which data set has changed: --name"
        )
    data = _data(name, paths)
    if data.joins is not None or data.as_of:
        raise AccordError(f"--update: {path} joins sources, and a single table is compared; edit it by hand")
    raw = raw_file.located(source, name, paths)
    written = data.sources[data.rows]
    frame = sources.read(data.rows, written.model_copy(update={"path": raw.found}), paths.root)
    before = _before(data, raw, paths)
    text = path.read_text(encoding="utf-8")
    changes = tuple(_changes(frame, before, data, _left_out(text)))
    changed = _edited(text, changes, frame, data)
    diff = "\n".join(
        difflib.unified_diff(
            _without_reasons(text),
            _without_reasons(changed),
            str(path),
            f"{path}, for the table",
            n=0,
            lineterm="",
        )
    )
    return Update(name, path, changes, diff, changed, raw)


def _without_reasons(text: str) -> list[str]:
    """The lines of a file in conf/data as a diff shows them: the comments behind them would hide what changes."""
    return [line.partition("  # ")[0] for line in text.splitlines()]


def write(found: Update, paths: Paths) -> None:
    """Writes the changed file, and takes the changed table in. Raises AccordError, with nothing written, if it can't be composed."""
    trial.compose_with({found.path: found.text}, [f"data={found.name}"], paths)
    found.raw.copy()
    write_text(found.path, found.text)


def as_text(found: Update, is_written: bool) -> Lines:
    changes = [change for change in found.changes if change.kind]
    rows = [(change.said, *MEANS[change.kind]) for change in found.changes]
    head = (
        f"{len(changes)} change{'s' * (len(changes) > 1)} of the contract in {found.path}"
        if changes
        else f"The contract in {found.path} holds as it is"
    )
    end = f"Wrote {found.path}; go on: accord run" if is_written else "Nothing is written; --force writes it"
    return lines([
        head,
        "",
        *table(("in the table", "for the champion", "for the log"), rows),
        "",
        *found.diff.splitlines(),
        *([end] if changes or found.raw.copies else []),
    ])  # fmt: skip


def _data(name: str, paths: Paths) -> Data:
    chosen = selection.read(paths)
    if chosen.groups["data"] != name:
        chosen = selection.with_words(chosen, [f"data={name}", "objective=quality"], paths.conf)
    return Config.model_validate(compose.composed(chosen, paths.conf)).data


def _before(data: Data, raw: raw_file.Raw, paths: Paths) -> pl.DataFrame | None:
    """The table as it was, if it is there still."""
    source = data.sources[data.rows]
    if source.path == raw.path and not raw.copies:
        return None
    try:
        return sources.read(data.rows, source, paths.root)
    except AccordError:
        return None


def _left_out(text: str) -> set[str]:
    """The columns, as the table calls them, that the file has left out."""
    found = re.findall(
        r'^ +# (\w+): \{type: \w+(?:, source: (?:"((?:[^"\\]|\\.)*)"|([^,}]*)))?', text, re.MULTILINE
    )
    return {name for names in found for name in names if name}


def _changes(
    frame: pl.DataFrame, before: pl.DataFrame | None, data: Data, left_out: set[str]
) -> Iterator[Change]:
    by_source = {column.source or name: (name, column) for name, column in data.columns.items()}
    for source in frame.columns:
        if source not in by_source and source not in left_out and source not in data.columns:
            yield Change(source, "new", f"{source} is new", {})
    for source, (name, column) in by_source.items():
        if source in frame.columns or name in frame.columns:
            found = frame[source if source in frame.columns else name]
            old = before[source] if before is not None and source in before.columns else None
            yield from _of_column(name, found, old, column, data)
        else:
            yield Change(name, "gone", f"{name} is gone", {})


def _of_column(
    name: str, found: pl.Series, old: pl.Series | None, column: Column, data: Data
) -> Iterator[Change]:
    limit = data.checks.max_quarantined_share
    values, lost = cast(found, column)
    n, n_lost = len(found), int(lost.sum())
    if n_lost > limit * n:
        [now] = inference.columns(whole(data.sources[data.rows], found.to_frame()))
        said = f"{n_lost:,} of {n:,} values of {name} are no {column.type}, such as {shown(found.filter(lost)[0])}: {now.guesses[0].reason}"
        read = {key: now.keys.get(key) for key in (*WRITTEN_KEYS, "min", "max", "values")}
        yield Change(name, "type", said, {"type": now.type, **read})
        return
    if n_lost:
        yield Change(name, "", f"{n_lost:,} values of {name} are no {column.type} and go to quarantine", {})
    if column.values is not None:
        new = values.filter(~values.is_in(column.values)).drop_nulls().value_counts(sort=True)
        levels = [level for level, k in new.iter_rows() if k > limit * n or k >= data.checks.leaks.level_rows]
        if levels:
            yield Change(
                name,
                "values",
                f"{name} has the new levels {', '.join(map(shown, levels))}",
                {"values": [*column.values, *levels]},
            )
    elif column.type == "category" and old is not None:
        levels = sorted({*values.drop_nulls().unique()} - {*cast(old, column)[0].drop_nulls().unique()})
        if levels and len(levels) <= data.checks.leaks.level_rows:
            yield Change(
                name,
                "",
                f"{name} has the new levels {', '.join(map(shown, levels[:10]))}, which any may be",
                {},
            )
    for key, bound, beyond in (
        (("min", column.min, values < column.min), ("max", column.max, values > column.max))
        if values.dtype.is_numeric()
        else ()
    ):
        n_beyond = 0 if bound is None else int(beyond.sum())
        if n_beyond:
            edge = values.min() if key == "min" else values.max()
            said = f"{n_beyond:,} values of {name} are beyond {key} {bound:g}, up to {shown(edge)}"
            is_many = n_beyond > limit * n
            yield Change(
                name,
                key if is_many else "",
                said if is_many else f"{said}, and go to quarantine",
                {key: edge} if is_many else {},
            )
    yield from _missing(name, values.null_count() - n_lost, n, old, column, data)


def _missing(
    name: str, n_missing: int, n: int, old: pl.Series | None, column: Column, data: Data
) -> Iterator[Change]:
    said = f"{n_missing:,} of {n:,} rows have no {name}"
    if not column.nullable and n_missing > data.checks.max_quarantined_share * n:
        yield Change(name, "nullable", said, {"nullable": True})
    elif not column.nullable and n_missing:
        yield Change(name, "", f"{said}, and go to quarantine", {})
    elif old is not None and len(old):
        share = cast(old, column)[0].null_count() / len(old)
        if abs(n_missing / n - share) > 0.05:
            yield Change(name, "", f"{said}, {n_missing / n:.1%} where there were {share:.1%}", {})


def _edited(text: str, changes: Sequence[Change], frame: pl.DataFrame, data: Data) -> str:
    columns = edits.section(text, "columns")
    done: list[edits.Edit] = []
    new = [change.column for change in changes if change.kind == "new"]
    if new:
        table = whole(data.sources[data.rows], frame.select(new))
        for inferred in inference.columns(table, taken=data.columns):
            one = member(inferred, ())
            done.append(edits.with_entry(text, columns, column_line(one)))
    for name in {change.column for change in changes if change.kind and change.kind != "new"}:
        mine = [change for change in changes if change.column == name]
        if any(change.kind == "gone" for change in mine):
            done.append(edits.without(text, columns, name))
        else:
            keys = {key: value for change in mine for key, value in change.keys.items()}
            done += edits.with_keys(text, columns, name, keys)
    gone = [change.column for change in changes if change.kind == "gone"]
    done += edits.without_words(text, ("slices", "groups"), gone)
    ranged = [f"{name}_in_range" for name in gone if f"{name}_in_range" in data.rules]
    done += [edits.without(text, edits.section(text, "rules"), rule) for rule in ranged]
    return edits.applied(text, done)
