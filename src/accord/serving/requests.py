"""The rows of a request, which msgspec decodes and checks against the bundle's contract in one pass."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec

from accord.schema.data import Column

NUMBER_TYPES: dict[str, type] = {"integer": int, "number": float}
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1
MAX_EXACT = 2.0**53
"""Below this a float holds every integer exactly."""
MAX_REASON = 200
"""Characters of a reason, which may quote what was sent."""
MAX_NUMBER = 1.7976931348623157e308
OTHER_TYPES: dict[str, type] = {"category": str, "boolean": bool, "datetime": datetime}

Row = Any
"""An object with an attribute for each column that a row may bring, its instants in UTC and without a zone."""


class InvalidRowError(Exception):
    """A request breaks the contract; the message names the row, the field and what was expected."""


class Decoder:
    """Turns requests into rows. `columns` must be there, unless they are nullable; `context` may come along."""

    of = "rows"
    """The field of the body that has them."""
    may_omit = True
    """Whether what is nullable may be left out."""

    def __init__(
        self, columns: Mapping[str, Column], context: Mapping[str, Column], max_rows: int, max_text: int
    ) -> None:
        fields: list[tuple[Any, ...]] = [
            (name, _type(column, max_text), *([None] if column.nullable and self.may_omit else []))
            for name, column in columns.items()
        ]
        fields += [(name, _type(column, max_text) | None, None) for name, column in context.items()]
        self.max_rows, self.max_text = max_rows, max_text
        self.names = [*columns, *context]
        self.row_type = msgspec.defstruct(
            "Row", sorted(fields, key=len), forbid_unknown_fields=True, omit_defaults=True
        )
        rows = Annotated[list[self.row_type], msgspec.Meta(min_length=1)]  # type: ignore[name-defined]
        self._request = msgspec.defstruct("Request", [(self.of, rows)], forbid_unknown_fields=True)
        self._decode = msgspec.json.Decoder(self._request).decode
        self._instants = [
            name for name, column in {**columns, **context}.items() if column.type == "datetime"
        ]
        self._integers = {name for name, column in {**columns, **context}.items() if column.type == "integer"}
        self._row_schema = _row_schema(columns, context, max_text, self.may_omit)

    def rows(self, body: bytes) -> list[Row]:
        """The rows of a request in JSON, at least one. Raises InvalidRowError for the first that breaks the contract."""
        try:
            rows: list[Row] = getattr(self._decode(body), self.of)
        except msgspec.ValidationError as error:
            if not _is_of_floats(error):
                raise InvalidRowError(_in_words(str(error))) from error
            rows = self._with_whole_floats(self._decoded(body), error)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRowError(self._why_malformed(body, error)) from error
        return self._checked(rows)

    def converted(self, values: Sequence[Mapping[str, Any]]) -> list[Row]:
        """The same from rows that are decoded already, such as those of a table."""
        try:
            rows: list[Row] = getattr(msgspec.convert({self.of: values}, self._request), self.of)
        except msgspec.ValidationError as error:
            if not _is_of_floats(error):
                raise InvalidRowError(_not_finite(values, self.of) or _in_words(str(error))) from error
            rows = self._with_whole_floats({self.of: values}, error)
        return self._checked(rows)

    @property
    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of a request."""
        rows = {"type": "array", "items": self._row_schema, "minItems": 1, "maxItems": self.max_rows}
        return {
            "title": "Request",
            "type": "object",
            "properties": {self.of: rows},
            "required": [self.of],
            "additionalProperties": False,
        }

    def _checked(self, rows: list[Row]) -> list[Row]:
        if len(rows) > self.max_rows:
            raise InvalidRowError(f"{self.of}: found {len(rows):,}; expected 1 to {self.max_rows:,}")
        for name in self._instants:
            for i, row in enumerate(rows):
                value = getattr(row, name)
                if value is not None and value.tzinfo is not None:
                    setattr(row, name, _in_utc(value, f"{self.of}[{i}].{name}"))
        return rows

    def _with_whole_floats(self, request: Any, error: msgspec.ValidationError) -> list[Row]:
        """The rows of a request refused for a float: 13.0 is an integer in JSON Schema, and what many clients send for one."""
        values = request.get(self.of) if isinstance(request, dict) else None
        if not isinstance(values, list | tuple):
            raise InvalidRowError(_in_words(str(error))) from error
        whole = [
            {name: _as_integer(value) if name in self._integers else value for name, value in row.items()}
            if isinstance(row, Mapping)
            else row
            for row in values
        ]
        try:
            rows: list[Row] = getattr(msgspec.convert({**request, self.of: whole}, self._request), self.of)
        except msgspec.ValidationError as still:
            raise InvalidRowError(_not_finite(values, self.of) or _in_words(str(still))) from still
        return rows

    def _decoded(self, body: bytes) -> Any:
        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRowError(self._why_malformed(body, error)) from error

    def _why_malformed(self, body: bytes, error: Exception) -> str:
        """What is wrong with a body that is no JSON; most often a NaN or an Infinity, whose field can be named."""
        try:
            values = json.loads(body)[self.of]
            msgspec.convert({self.of: values}, self._request)
        except msgspec.ValidationError as invalid:
            return _not_finite(values, self.of) or _in_words(str(invalid))
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        return f"the body is no JSON: {error}; expected an object with {self.of}"


def _type(column: Column, max_text: int) -> Any:
    """The Python type, with its bounds, that msgspec checks a column's values against."""
    if column.type == "integer":
        low = MIN_INTEGER if column.min is None else max(math.ceil(column.min), MIN_INTEGER)
        high = MAX_INTEGER if column.max is None else min(math.floor(column.max), MAX_INTEGER)
        kind: Any = Annotated[int, msgspec.Meta(ge=low, le=high)]
    elif column.type == "number":
        low_number = -MAX_NUMBER if column.min is None else column.min
        kind = Annotated[
            float, msgspec.Meta(ge=low_number, le=MAX_NUMBER if column.max is None else column.max)
        ]
    elif column.values is not None:
        kind = Literal[tuple(column.values)]
    elif column.type == "category":
        kind = Annotated[str, msgspec.Meta(max_length=max_text)]
    else:
        kind = OTHER_TYPES[column.type]
    return kind | None if column.nullable else kind


def _row_schema(
    columns: Mapping[str, Column], context: Mapping[str, Column], max_text: int, may_omit: bool
) -> dict[str, Any]:
    properties = {
        name: _property(column, max_text, nullable=column.nullable or name in context)
        for name, column in {**columns, **context}.items()
    }
    required = [name for name, column in columns.items() if not (column.nullable and may_omit)]
    return {
        "title": "Row",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _property(column: Column, max_text: int, nullable: bool) -> dict[str, Any]:
    kind = column.type if column.type in ("integer", "number", "boolean") else "string"
    schema: dict[str, Any] = {"type": [kind, "null"] if nullable else kind}
    if column.type == "integer":
        schema["minimum"] = MIN_INTEGER if column.min is None else math.ceil(column.min)
        schema["maximum"] = MAX_INTEGER if column.max is None else math.floor(column.max)
    if column.type == "number":
        schema |= {} if column.min is None else {"minimum": column.min}
        schema |= {} if column.max is None else {"maximum": column.max}
    if column.type == "datetime":
        schema["format"] = "date-time"
    if column.values is not None:
        schema["enum"] = [*column.values, *([None] if nullable else [])]
    elif column.type == "category":
        schema["maxLength"] = max_text
    described = ", ".join(filter(None, [column.description, column.unit]))
    return {**schema, "description": described} if described else schema


def _is_of_floats(error: msgspec.ValidationError) -> bool:
    return "got `float`" in str(error)


def _as_integer(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < MAX_EXACT else value


def _in_words(message: str) -> str:
    """msgspec's message with the place in front: 'Expected `int` - at `$.rows[3].distance`' -> 'rows[3].distance: expected `int`'."""
    message = " ".join(message.split())
    reason, _, place = message.rpartition(" - at ") if " - at " in message else (message, "", "")
    reason = reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]}..."
    place = place.strip("`").removeprefix("$").removeprefix(".")
    named = re.search(r"(missing required|unknown) field `(.+?)`?$", reason)
    if named:
        what = "is missing" if named[1] == "missing required" else "is no field of the contract; leave it out"
        return f"{place}.{named[2]}: {what}".removeprefix(".")
    return f"{place or 'the body'}: {reason[0].lower()}{reason[1:]}"


def _not_finite(values: Any, of: str) -> str | None:
    """The first number of the rows that isn't finite, in words."""
    for i, row in enumerate(values if isinstance(values, list) else ()):
        for name, value in row.items() if isinstance(row, dict) else ():
            if isinstance(value, float) and not math.isfinite(value):
                return f"{of}[{i}].{name[:MAX_REASON]}: found {value}; expected a finite number, or null if it may be missing"
    return None


def _in_utc(value: datetime, place: str) -> datetime:
    try:
        return value.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise InvalidRowError(
            f"{place}: found {value}; expected an instant of the years 1 to 9999 in UTC"
        ) from error
