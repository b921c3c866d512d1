"""Records as Polars frames: the one shape of what was logged, wherever it is kept."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
import polars as pl

from accord.traffic.records import Predicted, Record, Refused, Reported

Kind = Literal["predictions", "refusals", "outcomes"]
AT = pl.Datetime("us", "UTC")
SCHEMAS: dict[Kind, dict[str, pl.DataType]] = {
    "predictions": {
        "prediction_id": pl.String(),
        "at": AT,
        "latency_us": pl.Int64(),
        "model": pl.String(),
        "config": pl.String(),
        "key": pl.String(),
        "weights": pl.String(),  # JSON
        "score": pl.Float64(),
        "action": pl.Boolean(),
        "probability": pl.Float64(),
        "warnings": pl.List(pl.String()),
        "code": pl.String(),
    },
    "refusals": {
        "at": AT,
        "latency_us": pl.Int64(),
        "status": pl.Int64(),
        "reason": pl.String(),
        "n_bytes": pl.Int64(),
    },
    "outcomes": {
        "outcome_id": pl.String(),
        "at": AT,
        "prediction_id": pl.String(),
        "key": pl.String(),
    },
}
"""The columns that are always there. Predictions also have `predicted|TARGET` and `row|COLUMN`, outcomes
`outcome|COLUMN` and, of the key, `row|COLUMN`: names with a bar can't be the config's, so they never clash."""
BATCH_ROWS = 10_000
TYPES: dict[frozenset[str], pl.DataType] = {
    frozenset(): pl.Null(),
    frozenset({"bool"}): pl.Boolean(),
    frozenset({"int"}): pl.Int64(),
    frozenset({"float"}): pl.Float64(),
    frozenset({"int", "float"}): pl.Float64(),
}


def frames(records: Iterable[Record]) -> dict[Kind, pl.DataFrame]:
    """What was logged, with a row per predicted row, refused request or outcome. Not all records are held at once."""
    parts = {kind: [pl.DataFrame(schema=schema)] for kind, schema in SCHEMAS.items()}
    for batch in _batches(records):
        parts["predictions"].append(_predictions([r for r in batch if isinstance(r, Predicted)]))
        parts["refusals"].append(_refusals([r for r in batch if isinstance(r, Refused)]))
        parts["outcomes"].append(_outcomes([r for r in batch if isinstance(r, Reported)]))
    return {kind: together(several) for kind, several in parts.items()}


def together(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The parts, one below the other. Their columns and the types of these may differ."""
    return pl.concat(parts, how="diagonal_relaxed", rechunk=True)


def dtype(kinds: Iterable[str]) -> pl.DataType:
    """The type of a column whose values are of these Python types.

    >>> dtype(["int", "float"])
    Float64
    >>> dtype(["str", "int"])
    String
    """
    return TYPES.get(frozenset(kinds), pl.String())


def series(name: str, values: Sequence[Any], type_: pl.DataType | None = None) -> pl.Series:
    """Values as decoded from JSON in one type: the given one, or the one that suits them all, or text if no type does. Values
    that the given type can't hold become null."""
    if type_ is None:
        type_ = dtype({type(value).__name__ for value in values if value is not None})
        if type_ == pl.Int64 and any(not -(2**63) <= value < 2**63 for value in values if value is not None):
            type_ = pl.Float64()
    if type_ == pl.Float64:
        values = [float(value) if isinstance(value, int | float) else None for value in values]
    elif type_ == pl.String:
        values = [value if value is None or isinstance(value, str) else text(value) for value in values]
    return pl.Series(name, values, type_, strict=False)


def text(value: Any) -> str:
    """A value as JSON, the same for equal values."""
    return msgspec.json.encode(value, order="sorted").decode()


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    n_rows = 0
    for record in records:
        batch.append(record)
        n_rows += 1 if isinstance(record, Refused) else len(record.rows)
        if n_rows >= BATCH_ROWS:
            yield batch
            batch, n_rows = [], 0
    yield batch


def _predictions(records: Sequence[Predicted]) -> pl.DataFrame:
    rows = [(record, row) for record in records for row in record.rows]
    fixed = [
        (
            row.prediction_id, record.at, record.latency_us, record.model, record.config, row.key,
            None if record.weights is None else text(record.weights),
            row.score, row.action, row.probability, row.warnings, record.code,
        )
        for record, row in rows
    ]  # fmt: skip
    frame = pl.DataFrame(fixed, schema=SCHEMAS["predictions"], orient="row")
    return frame.with_columns(
        *_columns("predicted", [row.predictions for _, row in rows], pl.Float64()),
        *_columns("row", [row.row for _, row in rows]),
    )


def _outcomes(records: Sequence[Reported]) -> pl.DataFrame:
    rows = [(record, row) for record in records for row in record.rows]
    fixed = [(row.outcome_id, record.at, row.prediction_id, row.key) for record, row in rows]
    return pl.DataFrame(fixed, schema=SCHEMAS["outcomes"], orient="row").with_columns(
        *_columns("outcome", [row.outcome for _, row in rows]),
        *_columns("row", [row.row for _, row in rows]),
    )


def _columns(
    prefix: str, rows: Sequence[Mapping[str, Any]], type_: pl.DataType | None = None
) -> list[pl.Series]:
    """A column for each name that any row (n) has."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [series(f"{prefix}|{name}", [row.get(name) for row in rows], type_) for name in names]


def _refusals(records: Sequence[Refused]) -> pl.DataFrame:
    rows = [
        (record.at, record.latency_us, record.status, record.reason, record.n_bytes) for record in records
    ]
    return pl.DataFrame(rows, schema=SCHEMAS["refusals"], orient="row")
