"""Records as Polars frames: the one shape of what was logged, wherever it is kept."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec
import polars as pl

from accord.traffic.records import Predicted, Record, Refused

Kind = Literal["predictions", "refusals"]
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
    },
    "refusals": {
        "at": AT,
        "latency_us": pl.Int64(),
        "status": pl.Int64(),
        "reason": pl.String(),
        "n_bytes": pl.Int64(),
    },
}
"""The columns that are always there. Predictions also have `predicted|TARGET` and `row|COLUMN`: names with a bar can't
be the config's, so they never clash."""
BATCH_ROWS = 10_000
TYPES: dict[frozenset[str], pl.DataType] = {
    frozenset(): pl.Null(),
    frozenset({"bool"}): pl.Boolean(),
    frozenset({"int"}): pl.Int64(),
    frozenset({"float"}): pl.Float64(),
    frozenset({"int", "float"}): pl.Float64(),
}


def frames(records: Iterable[Record]) -> dict[Kind, pl.DataFrame]:
    """What was logged, a line a predicted row and a line a refused request. Not all records are held at once."""
    predictions = [pl.DataFrame(schema=SCHEMAS["predictions"])]
    refusals = [pl.DataFrame(schema=SCHEMAS["refusals"])]
    for batch in _batches(records):
        predictions.append(_predictions([record for record in batch if isinstance(record, Predicted)]))
        refusals.append(_refusals([record for record in batch if isinstance(record, Refused)]))
    return {"predictions": together(predictions), "refusals": together(refusals)}


def together(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The parts, one below the other, whose columns and their types may differ."""
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
    """Values as decoded from JSON in one type, by default the one that suits them all. Where none does they are text."""
    if type_ is None:
        type_ = dtype({type(value).__name__ for value in values if value is not None})
    if type_ == pl.Float64:
        values = [None if value is None else float(value) for value in values]
    elif type_ == pl.String:
        values = [value if value is None or isinstance(value, str) else text(value) for value in values]
    elif type_ == pl.Int64 and any(value is not None and abs(value) >= 2**63 for value in values):
        return series(name, values, pl.Float64())
    return pl.Series(name, values, type_)


def text(value: Any) -> str:
    """A value as JSON, the same for equal values."""
    return msgspec.json.encode(value, order="sorted").decode()


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    n_rows = 0
    for record in records:
        batch.append(record)
        n_rows += len(record.rows) if isinstance(record, Predicted) else 1
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
            row.score, row.action, row.probability, row.warnings,
        )
        for record, row in rows
    ]  # fmt: skip
    frame = pl.DataFrame(fixed, schema=SCHEMAS["predictions"], orient="row")
    targets = dict.fromkeys(name for _, row in rows for name in row.predictions)
    columns = dict.fromkeys(name for _, row in rows for name in row.row)
    return frame.with_columns(
        *(
            series(f"predicted|{name}", [row.predictions.get(name) for _, row in rows], pl.Float64())
            for name in targets
        ),
        *(series(f"row|{name}", [row.row.get(name) for _, row in rows]) for name in columns),
    )


def _refusals(records: Sequence[Refused]) -> pl.DataFrame:
    rows = [
        (record.at, record.latency_us, record.status, record.reason, record.n_bytes) for record in records
    ]
    return pl.DataFrame(rows, schema=SCHEMAS["refusals"], orient="row")
