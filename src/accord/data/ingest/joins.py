"""Makes the rows of a data set: joins its sources by SQL, and as of the time when values were available."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from accord.data import declared
from accord.data.advice import advice, quoted, shown
from accord.data.casting import cast
from accord.data.ingest import doubtful_order, sources
from accord.data.ingest.doubtful_order import Table, Whole
from accord.errors import AccordError, nearest
from accord.schema.data import AVAILABLE, ROW_ID, AsOfJoin, Column, Data
from accord.sql.rows import parse, reason, with_floats

INSTANT = "decision|instant"
"""Names in the config can't hold a bar, so this never clashes with a column."""
EARLIER_ROW_ID = "row_id"
"""What SQL called the rows' number before its name had a bar; it still may where no source has a column of that name."""
Available = Callable[[str, pl.DataFrame], pl.DataFrame]
"""What of a source is joined as of a time to these rows: see `available`."""


@dataclass(frozen=True)
class Ingested:
    rows: pl.DataFrame
    """Sorted by event time and key, with the columns of the contract, each in its type if that loses no value."""
    left_aside: list[str]
    """The columns of the joined rows that the config doesn't list."""


def ingest(data: Data, root: Path, rows: pl.DataFrame | None = None) -> Ingested:
    """All rows of the data set. Paths of sources are relative to `root`. The rows of the source that has them may be read already.

    Raises AccordError for a source that can't be read, a query that fails, a join that adds or drops rows, and
    columns of the contract that aren't there.
    """
    frames = {
        name: prepared(name, frame, data, fed=True)
        for name in data.sources
        for frame in [rows if rows is not None and name == data.rows else _read(name, data, root)]
    }
    joined = _joined(data, frames, root)
    found = completed(joined, joined.columns, data, lambda name, _: available(name, frames[name], data))
    return Ingested(in_order(declared.typed(found, data.columns), data), left_aside(joined.columns, data))


def _read(name: str, data: Data, root: Path) -> pl.DataFrame:
    return sources.read(name, data.sources[name], root)


def completed(
    joined: pl.DataFrame, columns: Sequence[str], data: Data, right: Available, lost: Collection[str] = ()
) -> pl.DataFrame:
    """The joined rows with what is known of other sources as of their decision, in the columns of the contract, untyped. `columns` are
    all those of the joined rows, of which some may be left out already; those that are `lost` don't get the contract's type."""
    if not data.key and ROW_ID not in columns:
        raise AccordError(
            f"data.joins of {data.name} leaves out \"{ROW_ID}\", which numbers the rows of '{data.rows}'; select it too, or declare a key"
        )
    rows = declared.named(joined, data.columns)
    for name, join in data.as_of.items():
        rows = rows.drop(_named_alike(name, join, rows, columns, data))
        _refuse_unknown(name, data.rows, rows.columns, [decision(data), *join.by])
        rows = _as_of(rows, name, right(name, rows), data, lost)
    declared.refuse_missing(
        data.columns,
        [name for name in rows.columns if name != ROW_ID],
        f"the rows of {data.name}",
        f"Add them to the source or to `joins`, or mend conf/data/{data.name}.yaml",
    )
    return rows.select(kept(data))


def kept(data: Data) -> list[str]:
    """The columns of the rows of a data set."""
    return [*data.columns, *(f"{name}{AVAILABLE}" for name in data.as_of), *([] if data.key else [ROW_ID])]


def left_aside(columns: Sequence[str], data: Data) -> list[str]:
    """Those of the joined rows' columns that the config doesn't list."""
    known = {*kept(data), *(column.source for column in data.columns.values())}
    return [name for name in columns if name not in known and not _is_used(name, data)]


def _named_alike(
    name: str, join: AsOfJoin, rows: pl.DataFrame, joined: Sequence[str], data: Data
) -> list[str]:
    """Columns of the contract that the source gives, although the rows have one that only the contract calls so. Raises AccordError
    for one that the rows have by itself: of the two columns one would silently stand for the other."""
    fed = {column.source or own for own, column in data.columns.items()} | data.columns.keys()
    alike = [column for column in join.columns if column in rows.columns and column not in join.by]
    for column in alike:
        if column in fed and (column in joined or column not in data.columns):
            raise AccordError(
                f"data.as_of.{name}.columns: '{column}' is a column of the rows too, so that it can't be told which is meant; leave it out "
                f"of the rows by `joins`, such as SELECT * EXCLUDE ({quoted(column)}) FROM {data.rows}, or out of `as_of`"
            )
    return alike


def in_order(rows: pl.DataFrame, data: Data) -> pl.DataFrame:
    """The rows, sorted by event time and key."""
    return rows.sort(keys(rows, data), nulls_last=True, maintain_order=True)


def ordering(data: Data) -> list[str]:
    """The columns by which rows are sorted."""
    return list(dict.fromkeys([*([data.time.event] if data.time else []), *data.identity]))


def keys(rows: pl.DataFrame, data: Data) -> list[pl.Series]:
    """The values (n) by which rows are sorted."""
    return [
        cast(rows[name], data.columns[name])[0] if name in data.columns else rows[name]
        for name in ordering(data)
    ]


def prepared(
    name: str, frame: pl.DataFrame, data: Data, fed: bool, n_before: int | None = None
) -> pl.DataFrame:
    """The source, or the part of it behind so many rows, with the types that it declares itself and, if `fed`, with those of the contract's columns that it feeds. The rows'
    own source is numbered before any join, which may change their order."""
    frame = with_declared_types(name, frame, data, n_before)
    if fed:
        frame = declared.typed(frame, fed_columns(name, frame.schema, data))
    if name == data.rows and not data.key:
        frame = frame.with_columns(pl.int_range(frame.height, eager=True).alias(ROW_ID))
    return frame


def _is_used(name: str, data: Data) -> bool:
    """Whether the config names a column that is none of the contract."""
    by = {column for join in data.as_of.values() for column in join.by}
    return name in {*data.sources[data.rows].columns, *by} or doubtful_order.names(data.joins or "", name)


def _joined(data: Data, frames: Mapping[str, pl.DataFrame], root: Path) -> pl.DataFrame:
    rows = frames[data.rows]
    if data.joins is None:
        return rows
    timeless = {name: frames[name] for name in joined_by_sql(data)}
    refuse_times(timeless, data)
    try:
        joined = queried(data, timeless)
    except PolarsError as error:
        try:  # where SQL itself reads the text of a column, such as by strptime
            texts = {name: prepared(name, _read(name, data, root), data, fed=False) for name in timeless}
            joined = queried(data, texts)
        except PolarsError:
            raise failed(data, {name: Whole(frame) for name, frame in timeless.items()}, error) from error
        timeless = texts
    tables = {name: Whole(frame) for name, frame in timeless.items()}
    doubtful = doubtful_order.doubtful(data, tables)
    doubtful_order.refuse(data, tables, timeless, joined, partial(queried, data), doubtful)
    refuse_other_number(data, rows.height, joined.height)
    return joined


def joined_by_sql(data: Data) -> list[str]:
    """The sources that SQL may join: the others join as of a time."""
    return [name for name, source in data.sources.items() if source.available_at is None]


def failed(data: Data, tables: Mapping[str, Table], error: PolarsError) -> AccordError:
    """What to say if the SQL can't be run."""
    declaring = doubtful_order.to_declare(data, tables)
    return AccordError(
        f"data.joins of {data.name} fails: {reason(error)}. {f'{declaring}. ' if declaring else ''}Correct conf/data/{data.name}.yaml or "
        "the source"
    )


def refuse_other_number(data: Data, n_rows: int, n_joined: int) -> None:
    if n_joined != n_rows:
        raise AccordError(
            f"data.joins of {data.name} gives {n_joined:,} rows; expected the {n_rows:,} of source '{data.rows}': "
            "joins may not add or drop rows. Join on a unique key, and leave rows out by a rule, which counts them"
        )


def queried(data: Data, frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """What the SQL makes of these tables, in the order of the rows wherever Polars keeps it."""
    return query(data, frames).collect(engine="in-memory")


def query(data: Data, frames: Mapping[str, pl.DataFrame]) -> pl.LazyFrame:
    """The SQL over these tables; the rows as they are where there is none."""
    rows, sql = frames[data.rows], data.joins
    if sql is None:
        return rows.lazy()
    is_taken = any(EARLIER_ROW_ID in frame.columns for frame in frames.values())
    if ROW_ID in rows.columns and doubtful_order.names(sql, EARLIER_ROW_ID) and not is_taken:
        frames = {**frames, data.rows: rows.rename({ROW_ID: EARLIER_ROW_ID})}
        return _parsed(sql, frames).rename({EARLIER_ROW_ID: ROW_ID}, strict=False)
    return _parsed(sql, frames)


def _parsed(sql: str, frames: Mapping[str, pl.DataFrame]) -> pl.LazyFrame:
    return pl.SQLContext(frames, eager=False).execute(with_floats(sql))


def with_declared_types(
    name: str, frame: pl.DataFrame, data: Data, n_before: int | None = None
) -> pl.DataFrame:
    """The source, or the part of it behind so many rows, with the types that it declares itself. Raises AccordError for one that would
    lose a value, and for a column that is called as one that is added."""
    for own in (ROW_ID, INSTANT, *(f"{other}{AVAILABLE}" for other in data.as_of)):
        if own in frame.columns:
            raise AccordError(
                f"source '{name}' of {data.name} has a column '{own}', as a column that is added to the rows is called; give it another name "
                "in the source"
            )
    source, at_least = data.sources[name], "" if n_before is None else "at least "
    for column, reading in source.columns.items():
        if column not in frame.columns:
            raise AccordError(
                f"data.sources.{name}.columns: the source has no column '{column}'; {nearest(column, frame.columns)}"
            )
        value, lost = cast(frame[column], reading)
        if lost.any():
            raise AccordError(
                f"data.sources.{name}.columns.{column}: {at_least}{lost.sum():,} values are no {reading.type}, the first in row "
                f"{(n_before or 0) + lost.arg_max() + 1}: {shown(frame[column].filter(lost)[0])}. Mend the type in conf/data/{data.name}.yaml: "  # type: ignore[operator]
                f"{advice(quoted(column), reading, frame[column], lost)}"
            )
        frame = frame.with_columns(value)
    return frame


def fed_columns(name: str, schema: pl.Schema, data: Data) -> dict[str, Column]:
    """The source's columns of text with the contract's columns that they feed, by name. They get the types of these as long as that
    loses no value."""
    fed: dict[str, list[Column]] = {}
    for own, column in data.columns.items():
        fed.setdefault(column.source or own, []).append(column)
    texts = [n for n, found in schema.items() if found == pl.String and n not in data.sources[name].columns]
    return {n: fed[n][0] for n in texts if len(fed.get(n, ())) == 1}


def refuse_times(frames: Mapping[str, pl.DataFrame], data: Data) -> None:
    """Raises AccordError if a source that is joined by SQL has times: its values may be from after the decision."""
    others = [name for name in frames if name != data.rows and not data.sources[name].timeless]
    for name in others:
        if columns := [column for column in frames[name].iter_columns() if _holds_times(column)]:
            raise AccordError(
                f"Possible leak: source '{name}' of {data.name} has times ('{columns[0].name}') but does not say when its values "
                f"became available. Give it `available_at` and join it by `as_of`, or declare it `timeless: true` in conf/data/{data.name}.yaml"
            )


def _holds_times(column: pl.Series) -> bool:
    if column.dtype != pl.String:
        return column.dtype.is_temporal()
    try:
        return column.drop_nulls().head(1).str.to_datetime(strict=False).drop_nulls().len() > 0
    except PolarsError:
        return False


def available(name: str, source: pl.DataFrame, data: Data, lost: Collection[str] = ()) -> pl.DataFrame:
    """The columns of a source that are joined as of a time, and the time at which each row was available; rows without one are left
    out. Columns that are `lost` aren't put in the contract's types. Raises AccordError for a column that isn't there."""
    join = data.as_of[name]
    named, wanted = declared.named(source, data.columns), list(dict.fromkeys([*join.by, *join.columns]))
    _refuse_unknown(name, name, named.columns, wanted)
    at = parse(data.sources[name].available_at or "", f"data.sources.{name}.available_at")
    with _explained(name, data):
        times = source.select(at.cast(pl.Datetime("us")).alias(f"{name}{AVAILABLE}"))
        typed = declared.typed(named.select(wanted), _by(join, data, lost))
        return times.with_columns(typed).drop_nulls(f"{name}{AVAILABLE}")


def decided(rows: pl.DataFrame, data: Data) -> pl.Series:
    """The instant at which each row (n) is decided."""
    return cast(rows[decision(data)], data.columns[decision(data)])[0].alias(INSTANT)


def decision(data: Data) -> str:
    """The column that says when a row is decided."""
    assert data.time is not None
    return data.time.decision or data.time.event


def _as_of(
    rows: pl.DataFrame, name: str, right: pl.DataFrame, data: Data, lost: Collection[str] = ()
) -> pl.DataFrame:
    """The rows with what was the latest of the source's that was `available` when they were decided."""
    join, at = data.as_of[name], f"{name}{AVAILABLE}"
    left = declared.typed(rows, _by(join, data, lost)).with_columns(decided(rows, data))
    with _explained(name, data):
        # Of two rows with the same time the later one in the source counts, whatever order the engine reads them in.
        latest = right.unique([at, *join.by], keep="last", maintain_order=True)
        return left.sort(INSTANT, maintain_order=True).join_asof(
            latest.sort(at, maintain_order=True), left_on=INSTANT, right_on=at, by=join.by or None,
            strategy="backward", tolerance=join.tolerance, coalesce=False, check_sortedness=False,
        ).drop(INSTANT)  # fmt: skip


def _by(join: AsOfJoin, data: Data, lost: Collection[str]) -> dict[str, Column]:
    """The contract's columns that must be equal on both sides, in which no value is lost."""
    return {n: data.columns[n] for n in join.by if n in data.columns and n not in lost}


def _refuse_unknown(name: str, side: str, found: Sequence[str], needed: Sequence[str]) -> None:
    for column in needed:
        if column not in found:
            raise AccordError(
                f"data.as_of.{name}: source '{side}' has no column '{column}'; {nearest(column, found)}"
            )


@contextmanager
def _explained(name: str, data: Data) -> Iterator[None]:
    """Errors of Polars in words."""
    try:
        yield
    except PolarsError as error:
        raise AccordError(
            f"data.as_of.{name} fails: {reason(error)}. A column of CSV is text in SQL and by itself; declare those of other types, such as "
            f"data.sources.{name}: {{columns: {{observed_at: {{type: datetime}}}}}}. Correct conf/data/{data.name}.yaml or the source"
        ) from error
