"""Makes the rows of a data set: joins its sources by SQL, and as of the time when values were available."""

from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from accord.data import sources
from accord.data.contract import AVAILABLE
from accord.errors import AccordError, nearest
from accord.schema.data import AsOfJoin, Data
from accord.sql.rows import parse, reason, with_floats

ROW_ID = "row_id"
"""The column that numbers the rows of a data set without a key."""


def ingest(data: Data, root: Path) -> pl.DataFrame:
    """All rows of the data set, sorted by event time and key, with the columns of the contract. Paths of sources are
    relative to `root`.

    Raises AccordError for a source that can't be read, a query that fails, a join that adds or drops rows, and
    a column of the contract that isn't there.
    """
    texts = [name for name, column in data.columns.items() if column.type == "category"]
    frames = {name: sources.read(name, source, root, texts) for name, source in data.sources.items()}
    if not data.key:  # numbered before any join, which may change their order
        numbers = pl.int_range(frames[data.rows].height, eager=True)
        frames[data.rows] = frames[data.rows].with_columns(numbers.alias(ROW_ID))
    rows = _joined(data, frames)
    if not data.key and ROW_ID not in rows.columns:
        raise AccordError(
            f"data.joins of {data.name} leaves out row_id, which numbers the rows of '{data.rows}'; select it too, or declare a key"
        )
    for name, join in data.as_of.items():
        rows = _as_of(rows, name, join, frames[name], data)
    missing = [name for name in data.columns if name not in rows.columns]
    if missing:
        available = ", ".join(rows.columns)
        raise AccordError(
            f"Column '{missing[0]}' is missing from the rows of {data.name}; found {available}. "
            f"Add it to the source or to `joins`, or remove it from conf/data/{data.name}.yaml"
        )
    kept = [*data.columns, *(f"{name}{AVAILABLE}" for name in data.as_of), *([] if data.key else [ROW_ID])]
    return in_order(rows.select(kept), data)


def in_order(rows: pl.DataFrame, data: Data) -> pl.DataFrame:
    """The rows, sorted by event time and key."""
    order = [*([data.time.event] if data.time else []), *(data.key or [ROW_ID])]
    return rows.sort(order, nulls_last=True, maintain_order=True)


def _joined(data: Data, frames: dict[str, pl.DataFrame]) -> pl.DataFrame:
    rows = frames[data.rows]
    if data.joins is None:
        return rows
    timeless = {name: frame for name, frame in frames.items() if data.sources[name].available_at is None}
    for name, frame in timeless.items():
        if name != data.rows and not data.sources[name].timeless:
            _refuse_times(name, frame, data)
    try:
        joined = pl.SQLContext(timeless, eager=True).execute(with_floats(data.joins))
    except PolarsError as error:
        raise AccordError(
            f"data.joins of {data.name} fails: {reason(error)}. Correct conf/data/{data.name}.yaml or the source"
        ) from error
    if joined.height != rows.height:
        raise AccordError(
            f"data.joins of {data.name} gives {joined.height:,} rows; expected the {rows.height:,} of source '{data.rows}': "
            "joins may not add or drop rows. Join on a unique key, and leave rows out by a rule, which counts them"
        )
    return joined


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
    for side, frame, needed in (
        (data.rows, rows, [decision, *join.by]),
        (name, right, [*join.by, *join.columns]),
    ):
        for column in needed:
            if column not in frame.columns:
                raise AccordError(
                    f"data.as_of.{name}: source '{side}' has no column '{column}'; {nearest(column, frame.columns)}"
                )
    try:
        available_at = data.sources[name].available_at or ""
        instant = parse(available_at, f"data.sources.{name}.available_at").cast(pl.Datetime("us"))
        right = right.select(instant.alias(available), *join.by, *join.columns).drop_nulls(available)
        # Of two rows with the same time the later one in the source counts, whatever order the engine reads them in.
        right = right.unique([available, *join.by], keep="last", maintain_order=True).sort(
            available, maintain_order=True
        )
        return rows.with_columns(pl.col(decision).cast(pl.Datetime("us"))).sort(decision, maintain_order=True).join_asof(
            right, left_on=decision, right_on=available, by=join.by or None, strategy="backward",
            tolerance=join.tolerance, coalesce=False, check_sortedness=False,
        )  # fmt: skip
    except PolarsError as error:
        raise AccordError(
            f"data.as_of.{name} fails: {reason(error)}. Correct conf/data/{data.name}.yaml or the source"
        ) from error
