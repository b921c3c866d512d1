"""Replay: real later rows, sent to the running service as it would have seen them, and their outcomes once they are known.

The replayed clock goes from one instant to another. A row is sent at its decision time with what was known by then, its
outcome when the clock has passed event time and label delay. What the log has already is not sent again: so a replay
may be repeated, or go on after whatever ended it, and a later one sends first what became known since.
"""

import os
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from accord import paths
from accord.client import BROKEN_CONTRACT, Client, ServiceError
from accord.config.schema import Config, Data, Time
from accord.data import tables
from accord.errors import AccordError, nearest
from accord.intake import Keys
from accord.serving.settings import TOKEN_VARIABLE
from accord.traffic import outcomes
from accord.traffic.pii import Pseudonyms

WINDOW = timedelta(days=1)
"""What is held in memory at a time."""
ROWS_PER_REQUEST = 100
REQUESTS_PER_S = 10
"""At a set rate requests have so few rows that about as many go out."""
N_REASONS = 5
DECIDED, KNOWN = "replay|decided", "replay|known"
Row = dict[str, Any]


@dataclass
class Replay:
    """How a replay went."""

    begin: datetime
    end: datetime
    n_rows: int = 0
    """Rows decided in the stretch."""
    n_there: int = 0
    """Of them, those that the log had before."""
    n_sent: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Rows that the service refused, by reason."""
    n_logged: int = 0
    """Rows that the log has now and had not before."""
    n_outcomes: int = 0
    clock: datetime | None = None
    """How far it came, if it was interrupted."""
    seen: datetime | None = None
    """Up to where the served model's own data go, if the stretch begins before that."""


def run(config: Config, url: str, begin: str, end: str, rate: float | None) -> Replay:
    """Replays the stretch from the begin on and before the end, dates or instants by the clocks of the data's zone, at
    `rate` rows a second or as fast as the service answers. Raises AccordError if something is missing for it."""
    data, token = config.data, os.environ.get(TOKEN_VARIABLE)
    if data.time is None:
        raise AccordError(
            f"Can't replay {data.name}: its rows have no time; add `time` to conf/data/{data.name}.yaml"
        )
    if not data.key:
        raise AccordError(
            f"Can't replay {data.name}: outcomes find their predictions by the key; add `key` to conf/data/{data.name}.yaml"
        )
    if not token:
        raise AccordError(
            f"Outcomes need the service's token; set {TOKEN_VARIABLE} to it, for the service and for the replay"
        )
    replay = Replay(_instant(begin, data.time), _instant(end, data.time))
    if replay.begin >= replay.end:
        raise AccordError(f"--from {begin} is not before --to {end}; expected an earlier instant")
    with Client(url, token) as service:
        Replaying(service, config, data.time, replay, rate).through()
    return replay


def _instant(text: str, time: Time) -> datetime:
    """In UTC, without a zone, as rows have it."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise AccordError(f"'{text}' is no date; expected one such as 2013-07-01") from None
    return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(time.zone))).astimezone(UTC).replace(tzinfo=None)


class Replaying:
    """A replay under way."""

    def __init__(self, service: Client, config: Config, time: Time, replay: Replay, rate: float | None) -> None:
        self._service, self._replay, self._rate = service, replay, rate
        self._rows_per_request = ROWS_PER_REQUEST
        if rate is not None:
            self._rows_per_request = max(1, min(ROWS_PER_REQUEST, int(rate / REQUESTS_PER_S)))
        self._data, self._time = config.data, time
        self._postgres = config.serving.traffic.postgres
        self._decision = time.decision or time.event
        contract = service.contract()["x-accord"]
        table = _table()
        found = table.collect_schema().names()
        for name in (*contract["columns"], *contract["outcomes"], *self._data.key):
            if name not in found:
                raise AccordError(
                    f"Column '{name}' is missing from {paths.SPLITS}, and the service needs it; {nearest(name, found)}. Serve a model of this data"
                )
        self._columns = [name for name in (*contract["columns"], *contract["context"]) if name in found]
        self._outcomes = list(contract["outcomes"])
        self._keys = Keys({name: self._data.columns[name] for name in self._data.key}, partial(Pseudonyms, paths.TRAFFIC))
        known = pl.col(time.event).dt.offset_by(time.label_delay)
        self._table = table.with_columns(pl.col(self._decision).alias(DECIDED), known.alias(KNOWN))
        cutoff = service.model()["data"]["split"]["cutoff"]
        if cutoff is not None and replay.begin < (seen := _instant(cutoff, time)):
            replay.seen = seen

    def through(self) -> None:
        replay = self._replay
        stretch = self._table.filter(_within(DECIDED, replay.begin, replay.end))
        replay.n_rows = stretch.select(pl.len()).collect().item()
        replay.n_there = self._n_logged()
        self._began = time.monotonic()
        clock = self._first_unlabelled()
        try:
            while clock < replay.end:
                until = min(clock + WINDOW, replay.begin if clock < replay.begin else replay.end)
                self._window(clock, until)
                self._show(until)
                clock = until
        except KeyboardInterrupt:
            replay.clock = clock
        except ServiceError as error:
            raise AccordError(
                f"{error.reason}. The replay came as far as {self._local(clock):%Y-%m-%d}; run it again to go on"
            ) from error
        finally:
            if sys.stderr.isatty():
                print(file=sys.stderr)
        replay.n_logged = self._n_logged() - replay.n_there

    def _window(self, begin: datetime, end: datetime) -> None:
        """What happens between two instants: rows are sent, except before the stretch, and outcomes that become known."""
        is_due = _within(KNOWN, begin, end)
        is_decided = _within(DECIDED, begin, end) if begin >= self._replay.begin else pl.lit(False)
        rows = self._table.filter(is_due | is_decided).sort(DECIDED, *self._data.key).collect().to_dicts()
        keys = [str(self._keys(row)[1]) for row in rows]
        there = self._there(keys)
        due = sorted(
            ((row, key) for row, key in zip(rows, keys, strict=True) if begin <= row[KNOWN] < end),
            key=lambda one: one[0][KNOWN],
        )
        ask = [
            (row, key)
            for row, key in zip(rows, keys, strict=True)
            if begin >= self._replay.begin and begin <= row[DECIDED] < end and key not in there
        ]
        ...
