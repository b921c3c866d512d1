"""A real row to show what a request looks like."""

import math
from typing import Any

import polars as pl

from accord.bundle.bundle import as_json_row
from accord.schema.data import Column, Data

NOBODYS: dict[str, Any] = {"category": "someone", "boolean": False, "datetime": "2000-01-01T00:00:00"}


def example(row: pl.DataFrame, data: Data) -> dict[str, Any]:
    """The row (1) as a request carries it. What identifies a person is left out, since everyone may see it."""
    personal = data.personal
    return {
        name: _nobodys(data.columns[name]) if name in personal else value
        for name, value in as_json_row(row, 0).items()
    }


def _nobodys(column: Column) -> Any:
    """A value that the contract allows."""
    if column.nullable:
        return None
    if column.type in ("integer", "number"):
        value = 0.0 if column.max is None else min(column.max, 0.0)
        value = value if column.min is None else max(column.min, value)
        return value if column.type == "number" else math.ceil(value) if value > 0 else math.floor(value)
    return column.values[0] if column.values else NOBODYS[column.type]
