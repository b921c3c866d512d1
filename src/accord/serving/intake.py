"""Intake: outcomes from a request or a file, checked against the contract, as records for the log.

An outcome names its row by the `prediction_id` of the answer, by the columns of the key, or by both. It holds every
outcome column: null is a value (a cancelled flight has no delay), so no column may be left out.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from uuid_utils import uuid7

from accord.data import declared
from accord.data.advice import advice, shown
from accord.data.casting import cast
from accord.data.ingest import sources
from accord.errors import AccordError
from accord.schema.data import Column, Data
from accord.schema.serving import Serving
from accord.serving.requests import Decoder, InvalidRowError, Row
from accord.traffic.log import NotLoggedError, TrafficLog
from accord.traffic.pii import Pseudonyms
from accord.traffic.records import LoggedOutcome, Reported, encode, key_text

ID = "prediction_id"


class OutcomeDecoder(Decoder):
    of = "outcomes"
    may_omit = False


class Keys:
    """Rows' keys as the log has them."""

    def __init__(self, columns: Mapping[str, Column], pseudonyms: Callable[[], Pseudonyms]) -> None:
        """`columns` are the key's, in its order."""
        is_hashed = any(column.pii == "hash" for column in columns.values())
        pseudonym = pseudonyms().of if is_hashed else None
        self._columns = {name: pseudonym if c.pii == "hash" else None for name, c in columns.items()}

    def __call__(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
        """The row's columns of the key, as far as it has them, and the key, if it has all."""
        given = {
            name: value if pseudonym is None else pseudonym(value)
            for name, pseudonym in self._columns.items()
            if (value := row.get(name)) is not None
        }
        is_whole = given and len(given) == len(self._columns)
        return given, key_text([*given.values()]) if is_whole else None


class Intake:
    """What takes outcomes: `outcomes` are the contract's outcome columns, `key` those of the key in its order."""

    def __init__(
        self,
        outcomes: Mapping[str, Column],
        key: Mapping[str, Column],
        pseudonyms: Callable[[], Pseudonyms],
        settings: Serving,
    ) -> None:
        self.decoder = OutcomeDecoder(
            outcomes, {ID: Column(type="category", role="info"), **key}, settings.max_rows, settings.max_text
        )
        self._outcomes, self._key_names = list(outcomes), list(key)
        self._keys = Keys(key, pseudonyms)

    @property
    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of a request."""
        schema = self.decoder.json_schema
        named = [
            {"required": names, "properties": {name: {"not": {"type": "null"}} for name in names}}
            for names in ([ID], self._key_names)
            if names
        ]
        schema["properties"]["outcomes"]["items"] |= {"title": "Outcome", "anyOf": named}
        return {**schema, "title": "Outcomes"}

    def record(self, rows: Sequence[Row], at: datetime) -> Reported:
        """What the log keeps of decoded outcomes. Raises InvalidRowError for one that names no prediction."""
        return Reported(at, [self._logged(row, i) for i, row in enumerate(rows)])

    def _logged(self, row: Row, index: int) -> LoggedOutcome:
        given, key = self._keys({name: getattr(row, name) for name in self._key_names})
        if row.prediction_id is None and key is None:
            by_key = f", or the key: {', '.join(self._key_names)}" if self._key_names else ""
            raise InvalidRowError(f"outcomes[{index}]: names no prediction; expected {ID}{by_key}")
        values = {name: getattr(row, name) for name in self._outcomes}
        return LoggedOutcome(str(uuid7()), values, row.prediction_id, key, given)


def from_file(source: Path, folder: Path, data: Data, settings: Serving) -> int:
    """Logs the outcomes of a CSV or Parquet file, without a service; how many there were. CSV is read as the data set's own
    rows are, and other columns are left aside. Raises AccordError, and logs nothing, if a row breaks the contract."""
    outcomes = {name: column for name, column in data.columns.items() if column.role == "outcome"}
    key = {name: data.columns[name] for name in data.key}
    intake = Intake(outcomes, key, partial(Pseudonyms, folder), settings)
    columns = {**key, **outcomes}
    frame = declared.named(sources.handed_over("outcomes", data.like_rows(source), columns, ID), columns)
    declared.refuse_missing(outcomes, frame.columns, str(source), "Outcomes need every outcome column")
    known = {name: column for name, column in columns.items() if name in frame.columns}
    # Where the data have a column of that name themselves, the file's is theirs, as long as a key can name the rows.
    names_prediction = ID in frame.columns and not (ID in data.columns and data.key)
    rows = frame.select([ID] * names_prediction + list(known))
    for name, column in known.items():
        value, lost = cast(rows[name], column)
        if lost.any():
            first = int(lost.arg_max() or 0)
            raise AccordError(
                f"{source}, row {first + 1}, {name}: found {shown(rows[name][first])}; expected {column.type}. Correct it or leave it out; "
                "nothing was logged",
                [advice(name, column, rows[name], lost)],
            )
        rows = rows.with_columns(value)
    records = [
        encode(record) for record in _records(rows, intake, source)
    ]  # all of them, before one is logged
    log = TrafficLog(folder, settings.traffic)
    try:
        for record in records:
            log.append(record)
    except NotLoggedError as error:
        raise AccordError(
            f"Not all outcomes could be logged: {error}. Remove the cause and send {source} again; what is there already does no harm"
        ) from error
    finally:
        log.close()
    return rows.height


def _records(rows: pl.DataFrame, intake: Intake, source: Path) -> Iterator[Reported]:
    now = datetime.now(UTC)
    n_together = intake.decoder.max_rows
    for begin in range(0, rows.height, n_together):
        try:
            decoded = intake.decoder.converted(rows[begin : begin + n_together].to_dicts())
            yield intake.record(decoded, now)
        except InvalidRowError as error:
            raise AccordError(
                f"{source}, {_in_file(str(error), begin)}. Correct it or leave it out; nothing was logged"
            ) from error


def _in_file(reason: str, n_before: int) -> str:
    """A decoder's reason with the row's number in the file, from 1 as after a CSV's header.

    >>> _in_file("outcomes[3].delay: expected `float`, got `str`", 100)
    'row 104, delay: expected `float`, got `str`'
    """
    place = re.match(r"outcomes\[(\d+)\]\.?", reason)
    if place is None:
        return reason
    rest = reason[place.end() :]
    return f"row {n_before + int(place[1]) + 1}{rest if rest.startswith(':') else f', {rest}'}"
