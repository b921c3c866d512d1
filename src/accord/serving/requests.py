"""Rows as they arrive in a request, checked against the bundle's contract."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
import polars as pl

from accord.config.schema import Column
from accord.expressions import TYPES

NUMBER_TYPES: dict[str, type] = {"integer": int, "number": float}
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1
OTHER_TYPES: dict[str, type] = {"category": str, "boolean": bool, "datetime": datetime}


class InvalidRowError(Exception):
    """A row breaks the contract; the message names the row, the field and what was expected."""


class Decoder:
    """Turns the rows of a request into a frame in the contract's types."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        fields = [
            (name, _type(column), *([None] if column.nullable else [])) for name, column in columns.items()
        ]
        required_first = sorted(fields, key=len)
        self._row = msgspec.defstruct("Row", required_first, forbid_unknown_fields=True)
        self._types = {name: TYPES[column.type] for name, column in columns.items()}
        self._numbers = [name for name, column in columns.items() if column.type == "number"]

    def frame(self, rows: Sequence[Any]) -> pl.DataFrame:
        """The rows (n) as a frame with all columns. Raises InvalidRowError for the first row that breaks the contract."""
        try:
            decoded = msgspec.convert(rows, list[self._row])  # type: ignore[name-defined]
        except msgspec.ValidationError as error:
            raise InvalidRowError(_in_words(str(error))) from error
        values = {
            name: [_plain(getattr(row, name), name, i) for i, row in enumerate(decoded)]
            for name in self._types
        }
        for name in self._numbers:
            for i, value in enumerate(values[name]):
                if value is not None and not math.isfinite(value):
                    raise InvalidRowError(
                        f"rows[{i}].{name}: found {value}; expected a finite number, or null if it may be missing"
                    )
        return pl.DataFrame(values, schema=self._types)

    @property
    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of one row."""
        (schema,), definitions = msgspec.json.schema_components([self._row], ref_template="{name}")
        return dict(definitions[schema["$ref"]])


def _type(column: Column) -> Any:
    """The Python type, with its bounds, that msgspec checks a column's values against."""
    described: dict[str, Any] = {
        "description": ", ".join(filter(None, [column.description, column.unit])) or None
    }
    if column.type in NUMBER_TYPES:
        kind: Any = NUMBER_TYPES[column.type]
        bounds: dict[str, Any] = {"ge": column.min, "le": column.max}
        if column.type == "integer":
            bounds = {
                "ge": MIN_INTEGER if column.min is None else max(math.ceil(column.min), MIN_INTEGER),
                "le": MAX_INTEGER if column.max is None else min(math.floor(column.max), MAX_INTEGER),
            }
        kind = Annotated[kind, msgspec.Meta(**bounds, **described)]
    elif column.values is not None:
        kind = Annotated[Literal[tuple(column.values)], msgspec.Meta(**described)]
    else:
        kind = Annotated[OTHER_TYPES[column.type], msgspec.Meta(**described)]
    return kind | None if column.nullable else kind


def _in_words(message: str) -> str:
    """msgspec's message with the place in front: 'Expected `int` - at `$[3].distance`' -> 'rows[3].distance: expected `int`'."""
    reason, _, place = message.partition(" - at ")
    place = "rows" + place.strip("`").removeprefix("$")
    named = re.search(r"(missing required|unknown) field `(.+)`", reason)
    if named:
        what = "is missing" if named[1] == "missing required" else "is no field of the contract; leave it out"
        return f"{place}.{named[2]}: {what}"
    return f"{place}: {reason[0].lower()}{reason[1:]}"


def _plain(value: Any, name: str, i: int) -> Any:
    """The value as the frame takes it: instants in UTC without a zone."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        try:
            return value.astimezone(UTC).replace(tzinfo=None)
        except OverflowError as error:
            raise InvalidRowError(
                f"rows[{i}].{name}: found {value}; expected an instant of the years 1 to 9999 in UTC"
            ) from error
    return value
