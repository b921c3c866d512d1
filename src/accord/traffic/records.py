"""What the log holds of a request: one line of JSON, whether it was answered, refused, or reported outcomes."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec


class LoggedRow(msgspec.Struct, omit_defaults=True):
    """One row of a request, with what it was answered."""

    prediction_id: str
    row: Any
    """The row's columns by name, as decoded; what the config calls personal is hashed or missing."""
    predictions: Mapping[str, float | None]
    """Null stands for a value that is no finite number."""
    key: str | None = None
    """The values of the key's columns, if the request brought all of them: see `key_text`."""
    score: float | None = None
    action: bool | None = None
    probability: float | None = None
    """Of the action taken, where the service explores."""
    warnings: list[str] = []


class Predicted(msgspec.Struct, omit_defaults=True, tag_field="kind", tag="predicted"):
    """A request that was answered."""

    at: datetime
    """When it arrived, in UTC."""
    latency_us: int
    """From its arrival to its logging."""
    model: str
    config: str
    """The hash of the config that made the model."""
    rows: list[LoggedRow]
    weights: dict[str, float] | None = None
    """The policy's weights, where they were changed after the model was made."""
    code: str | None = None
    """The hash of the service's code."""


class Refused(msgspec.Struct, omit_defaults=True, tag_field="kind", tag="refused"):
    """A request that was refused."""

    at: datetime
    latency_us: int
    status: int
    reason: str
    n_bytes: int = 0


class LoggedOutcome(msgspec.Struct, omit_defaults=True):
    """What became of one row: named by its prediction, by its key, or by both."""

    outcome_id: str
    """UUIDv7: of two outcomes of a row the greater one is the later."""
    outcome: dict[str, Any]
    """The outcome columns by name; null is a value."""
    prediction_id: str | None = None
    key: str | None = None
    row: dict[str, Any] = {}
    """The key's columns, as far as they were given; what the config calls personal is hashed."""


class Reported(msgspec.Struct, omit_defaults=True, tag_field="kind", tag="outcomes"):
    """Outcomes that were received together."""

    at: datetime
    rows: list[LoggedOutcome]


Record = Predicted | Refused | Reported

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Record).decode


def key_text(values: Iterable[Any]) -> str:
    r"""A row's key as one text: the values of its columns, in order, with a bar between them.

    >>> key_text([datetime(2013, 7, 1, 9), "UA", 1545])
    '2013-07-01T09:00:00|UA|1545'
    """
    return "|".join(value_text(value).replace("\\", "\\\\").replace("|", "\\|") for value in values)


def value_text(value: Any) -> str:
    """One value as text, the same whether it came as JSON or from a table."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)
