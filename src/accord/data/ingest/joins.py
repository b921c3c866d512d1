"""Makes the rows of a data set: joins its sources by SQL, and as of the time when values were available."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from polars.exceptions import PolarsError

from accord.data import declared
from accord.data.advice import advice, quoted, shown
from accord.data.casting import cast
from accord.data.ingest import sources
from accord.errors import AccordError, nearest
from accord.schema.data import AVAILABLE, ROW_ID, AsOfJoin, Column, Data, Reading
from accord.sql.rows import parse, reason, with_floats

INSTANT = "decision|instant"
"""Names in the config can't hold a bar, so this never clashes with a column."""
EARLIER_ROW_ID = "row_id"
"""What SQL called the rows' number before its name had a bar; it still may where no source has a column of that name."""
Kind = Literal["integer", "number", "datetime"]
GUESSES: tuple[Kind, ...] = ("integer", "number", "datetime")
"""The types that an error proposes for a column of text, the narrowest first."""
ORDERING = re.compile(
    r"<(?!>)|(?<!<)>|\b(order\s+by|between|min|max|least|greatest|median|quantile_cont|quantile_disc)\b",
    re.IGNORECASE,
)
"""What in SQL depends on the order of values."""


@dataclass(frozen=True)
class Ingested:
    rows: pl.DataFrame
    """Sorted by event time and key, with the columns of the contract, each in its type if that loses no value."""
    left_aside: list[str]
    """The columns of the joined rows that the config doesn't list."""


def ingest(data: Data, root: Path) -> Ingested:
    """All rows of the data set. Paths of sources are relative to `root`.

    Raises AccordError for a source that can't be read, a query that fails, a join that adds or drops rows, and
    columns of the contract that aren't there.
    """
    frames = {name: _source(name, data, root, fed=True) for name in data.sources}
    joined = _joined(data, frames, root)
    frames = {name: frames[name] for name in data.as_of}
    if not data.key and ROW_ID not in joined.columns:
        raise AccordError(
            f"data.joins of {data.name} leaves out \"{ROW_ID}\", which numbers the rows of '{data.rows}'; select it too, or declare a key"
        )
    rows = declared.named(joined, data.columns)
    for name, join in data.as_of.items():
        rows = rows.drop(_named_alike(name, join, rows, joined, data))
        rows = _as_of(rows, name, join, frames[name], data)
    declared.refuse_missing(
        data.columns,
        [name for name in rows.columns if name != ROW_ID],
        f"the rows of {data.name}",
        f"Add them to the source or to `joins`, or mend conf/data/{data.name}.yaml",
    )
    kept = [*data.columns, *(f"{name}{AVAILABLE}" for name in data.as_of), *([] if data.key else [ROW_ID])]
    known = {*kept, *(column.source for column in data.columns.values())}
    left_aside = [name for name in joined.columns if name not in known and not _is_used(name, data)]
    typed = declared.typed(rows.select(kept), data.columns)
    return Ingested(in_order(typed, data), left_aside)


def _named_alike(
    name: str, join: AsOfJoin, rows: pl.DataFrame, joined: pl.DataFrame, data: Data
) -> list[str]:
    """Columns of the contract that the source gives, although the rows have one that only the contract calls so. Raises AccordError
    for one that the rows have by itself: of the two columns one would silently stand for the other."""
    fed = {column.source or own for own, column in data.columns.items()} | data.columns.keys()
    alike = [column for column in join.columns if column in rows.columns and column not in join.by]
    for column in alike:
        if column in fed and (column in joined.columns or column not in data.columns):
            raise AccordError(
                f"data.as_of.{name}.columns: '{column}' is a column of the rows too, so that it can't be told which is meant; leave it out "
                f"of the rows by `joins`, such as SELECT * EXCLUDE ({quoted(column)}) FROM {data.rows}, or out of `as_of`"
            )
    return alike


def in_order(rows: pl.DataFrame, data: Data) -> pl.DataFrame:
    """The rows, sorted by event time and key."""
    order = [*([data.time.event] if data.time else []), *data.identity]
    by = [cast(rows[name], data.columns[name])[0] if name in data.columns else rows[name] for name in order]
    return rows.sort(by, nulls_last=True, maintain_order=True)


def _source(name: str, data: Data, root: Path, fed: bool) -> pl.DataFrame:
    """The source with the types that it declares itself and, if `fed`, with those of the contract's columns that it feeds. The rows'
    own source is numbered before any join, which may change their order."""
    frame = sources.read(name, data.sources[name], root)
    for own in (ROW_ID, INSTANT, *(f"{other}{AVAILABLE}" for other in data.as_of)):
        if own in frame.columns:
            raise AccordError(
                f"source '{name}' of {data.name} has a column '{own}', as a column that is added to the rows is called; give it another name "
                "in the source"
            )
    frame = _with_declared_types(name, frame, data)
    if fed:
        frame = _with_contract_types(name, frame, data)
    if name == data.rows and not data.key:
        frame = frame.with_columns(pl.int_range(frame.height, eager=True).alias(ROW_ID))
    return frame


def _is_used(name: str, data: Data) -> bool:
    """Whether the config names a column that is none of the contract."""
    by = {column for join in data.as_of.values() for column in join.by}
    return name in {*data.sources[data.rows].columns, *by} or _names(data.joins or "", name)


def _names(sql: str, column: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(column)}(?!\w)", sql) is not None


def _joined(data: Data, frames: Mapping[str, pl.DataFrame], root: Path) -> pl.DataFrame:
    rows = frames[data.rows]
    if data.joins is None:
        return rows
    timeless = {name: frame for name, frame in frames.items() if data.sources[name].available_at is None}
    for name, frame in timeless.items():
        if name != data.rows and not data.sources[name].timeless:
            _refuse_times(name, frame, data)
    try:
        joined = _queried(data, timeless)
    except PolarsError as error:
        try:  # where SQL itself reads the text of a column, such as by strptime
            texts = {name: _source(name, data, root, fed=False) for name in timeless}
            joined = _queried(data, texts)
        except PolarsError:
            raise AccordError(
                f"data.joins of {data.name} fails: {reason(error)}. {_without_types(data, timeless)}Correct conf/data/{data.name}.yaml or "
                "the source"
            ) from error
        timeless = texts
    _refuse_doubtful_order(data, timeless, joined)
    if joined.height != rows.height:
        raise AccordError(
            f"data.joins of {data.name} gives {joined.height:,} rows; expected the {rows.height:,} of source '{data.rows}': "
            "joins may not add or drop rows. Join on a unique key, and leave rows out by a rule, which counts them"
        )
    return joined


def _queried(data: Data, frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    sql, rows = data.joins or "", frames[data.rows]
    is_taken = any(EARLIER_ROW_ID in frame.columns for frame in frames.values())
    if ROW_ID in rows.columns and _names(sql, EARLIER_ROW_ID) and not is_taken:
        frames = {**frames, data.rows: rows.rename({ROW_ID: EARLIER_ROW_ID})}
        return _executed(sql, frames).rename({EARLIER_ROW_ID: ROW_ID}, strict=False)
    return _executed(sql, frames)


def _executed(sql: str, frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    return pl.SQLContext(frames, eager=True).execute(with_floats(sql))


def _with_declared_types(name: str, frame: pl.DataFrame, data: Data) -> pl.DataFrame:
    """The source with the types that it declares itself. Raises AccordError for one that would lose a value."""
    source = data.sources[name]
    for column, reading in source.columns.items():
        if column not in frame.columns:
            raise AccordError(
                f"data.sources.{name}.columns: the source has no column '{column}'; {nearest(column, frame.columns)}"
            )
        value, lost = cast(frame[column], reading)
        if lost.any():
            raise AccordError(
                f"data.sources.{name}.columns.{column}: {lost.sum():,} values are no {reading.type}, the first in row "
                f"{lost.arg_max() + 1}: {shown(frame[column].filter(lost)[0])}. Mend the type in conf/data/{data.name}.yaml: "  # type: ignore[operator]
                f"{advice(quoted(column), reading, frame[column], lost)}"
            )
        frame = frame.with_columns(value)
    return frame


def _with_contract_types(name: str, frame: pl.DataFrame, data: Data) -> pl.DataFrame:
    """The source with columns of text as the contract's columns that they feed, by name, as long as that loses no value."""
    fed: dict[str, list[Column]] = {}
    for own, column in data.columns.items():
        fed.setdefault(column.source or own, []).append(column)
    texts = [
        n for n, found in frame.schema.items() if found == pl.String and n not in data.sources[name].columns
    ]
    return declared.typed(frame, {n: fed[n][0] for n in texts if len(fed.get(n, ())) == 1})


def _refuse_doubtful_order(data: Data, frames: Mapping[str, pl.DataFrame], joined: pl.DataFrame) -> None:
    """Raises AccordError if SQL sorts or compares numbers as text, in which 10 is less than 9, and that makes a difference."""
    if not ORDERING.search(data.joins or ""):
        return
    doubtful = {
        name: [
            *(n for n in _untyped(frame, data, GUESSES[:2]) if not _sorts_as_numbers(frame[n])),
            *_in_part_numbers(frame, data),
        ]
        for name, frame in frames.items()
    }
    if not any(doubtful.values()):
        return
    numbers = {
        name: frame.with_columns(pl.col(doubtful[name]).str.strip_chars().cast(pl.Float64, strict=False))
        for name, frame in frames.items()
    }
    try:
        other = _queried(data, numbers)
    except PolarsError:  # SQL has no other reading of them than text
        return
    if other.height != joined.height or not all(
        _say_the_same(joined[name], other[name]) for name in joined.columns
    ):
        types = _types_to_declare(data, frames, GUESSES[:2])
        in_part = [column for frame in frames.values() for column in _in_part_numbers(frame, data)]
        raise AccordError(
            f"data.joins of {data.name} sorts or compares text that may be meant as numbers, with another result",
            [
                *([f"{types}; or category, where text is meant"] if types else []),
                *(
                    f"column '{name}' has values that are no numbers; name them in its nulls, or mend the source"
                    for name in in_part
                ),
            ],
        )


def _in_part_numbers(frame: pl.DataFrame, data: Data) -> list[str]:
    """The columns that the SQL names and that feed a number of the contract, but have values that are none."""
    fed = {column.source or name for name, column in data.columns.items() if column.type in GUESSES[:2]}
    return [
        name
        for name, found in frame.schema.items()
        if found == pl.String
        and name in fed
        and _names(data.joins or "", name)
        and cast(frame[name], Reading(type="number"))[1].any()
    ]


def _sorts_as_numbers(text: pl.Series) -> bool:
    return text.drop_nulls().sort().str.strip_chars().cast(pl.Float64, strict=False).is_sorted()


def _say_the_same(one: pl.Series, other: pl.Series) -> bool:
    texts = (
        (one.cast(pl.String, strict=False), other.cast(pl.String, strict=False))
        if not one.dtype.is_nested()
        else (one, other)
    )
    differs = texts[0].ne_missing(texts[1])
    if not differs.any() or one.dtype.is_nested():
        return not differs.any()
    left, right = (text.filter(differs).str.strip_chars().cast(pl.Float64, strict=False) for text in texts)
    is_no_number = left.is_null() & texts[1].filter(differs).is_null()
    return bool(((left == right).fill_null(False) | is_no_number).all())


def _without_types(data: Data, frames: Mapping[str, pl.DataFrame]) -> str:
    """What to declare, if SQL failed for columns that are text in it although all their values are numbers or instants."""
    declared = _types_to_declare(data, frames, GUESSES)
    return f"{declared}. " if declared else ""


def _types_to_declare(data: Data, frames: Mapping[str, pl.DataFrame], kinds: Sequence[Kind]) -> str:
    sources = {name: _untyped(frame, data, kinds) for name, frame in frames.items()}
    lines = [
        f"{name}: {{columns: {{{', '.join(f'{_key(n)}: {{type: {kind}}}' for n, kind in columns.items())}}}}}"
        for name, columns in sources.items()
        if columns
    ]
    if not lines:
        return ""
    return f"A column of CSV is text in SQL, unless it has a type; declare those that it computes on under data.sources: {'; '.join(lines)}"


def _key(name: str) -> str:
    return name if name.isidentifier() else quoted(name)


def _untyped(frame: pl.DataFrame, data: Data, kinds: Sequence[Kind]) -> dict[str, Kind]:
    """The columns of text that the SQL names and whose values are all of one of these kinds, with the first of them."""
    fitting: dict[str, Kind] = {}
    for column in frame.iter_columns():
        is_named = column.dtype == pl.String and _names(data.joins or "", column.name)
        if is_named and column.null_count() < len(column) and column.name not in _categories(data):
            fits = [kind for kind in kinds if not cast(column, Reading(type=kind))[1].any()]
            fitting |= {column.name: fits[0]} if fits else {}
    return fitting


def _categories(data: Data) -> set[str]:
    """The columns of the sources that are declared to be text."""
    declared = {name: reading for source in data.sources.values() for name, reading in source.columns.items()}
    declared |= {column.source or name: column for name, column in data.columns.items()}
    return {name for name, reading in declared.items() if reading.type == "category"}


def _refuse_times(name: str, frame: pl.DataFrame, data: Data) -> None:
    """Raises AccordError if a source that is joined by SQL has times: its values may be from after the decision."""
    for column in frame.iter_columns():
        if _holds_times(column):
            raise AccordError(
                f"Possible leak: source '{name}' of {data.name} has times ('{column.name}') but does not say when its values "
                f"became available. Give it `available_at` and join it by `as_of`, or declare it `timeless: true` in conf/data/{data.name}.yaml"
            )


def _holds_times(column: pl.Series) -> bool:
    if column.dtype != pl.String:
        return column.dtype.is_temporal()
    try:
        return column.drop_nulls().head(1).str.to_datetime(strict=False).drop_nulls().len() > 0
    except PolarsError:
        return False


def _as_of(rows: pl.DataFrame, name: str, join: AsOfJoin, right: pl.DataFrame, data: Data) -> pl.DataFrame:
    assert data.time is not None
    decision = data.time.decision or data.time.event
    available = f"{name}{AVAILABLE}"
    named = declared.named(right, data.columns)
    for side, frame, needed in (
        (data.rows, rows, [decision, *join.by]),
        (name, named, [*join.by, *join.columns]),
    ):
        for column in needed:
            if column not in frame.columns:
                raise AccordError(
                    f"data.as_of.{name}: source '{side}' has no column '{column}'; {nearest(column, frame.columns)}"
                )
    by = {n: data.columns[n] for n in join.by if n in data.columns}
    left = declared.typed(rows, by).with_columns(
        cast(rows[decision], data.columns[decision])[0].alias(INSTANT)
    )
    try:
        available_at = data.sources[name].available_at or ""
        instant = parse(available_at, f"data.sources.{name}.available_at").cast(pl.Datetime("us"))
        times = right.select(instant.alias(available))
        right = times.with_columns(
            declared.typed(named.select(*dict.fromkeys([*join.by, *join.columns])), by)
        )
        right = right.drop_nulls(available)
        # Of two rows with the same time the later one in the source counts, whatever order the engine reads them in.
        right = right.unique([available, *join.by], keep="last", maintain_order=True).sort(
            available, maintain_order=True
        )
        return left.sort(INSTANT, maintain_order=True).join_asof(
            right, left_on=INSTANT, right_on=available, by=join.by or None, strategy="backward",
            tolerance=join.tolerance, coalesce=False, check_sortedness=False,
        ).drop(INSTANT)  # fmt: skip
    except PolarsError as error:
        raise AccordError(
            f"data.as_of.{name} fails: {reason(error)}. A column of CSV is text in SQL and by itself; declare those of other types, such as "
            f"data.sources.{name}: {{columns: {{observed_at: {{type: datetime}}}}}}. Correct conf/data/{data.name}.yaml or the source"
        ) from error
