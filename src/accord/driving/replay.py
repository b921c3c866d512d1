"""Replay: later rows of the data, sent to the running service in the order of their decisions, and their outcomes once
they are known.

The replay's clock runs from one instant to another. A row is sent at its decision time, with what was known by then. Its
outcome is sent when the clock has passed its event time and the label delay. Rows that the log has already are not sent
again, so a replay may be repeated, or continued after an interruption. A later replay first sends the outcomes that have
become known since.
"""

import re
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from accord import terminal
from accord.client import Client, ServiceError
from accord.data import partitions
from accord.data.splitting import SPLITS
from accord.errors import AccordError, nearest
from accord.paths import Paths
from accord.schema.config import Config
from accord.schema.data import Time
from accord.serving.handover import TOKEN_VARIABLE
from accord.serving.intake import Keys
from accord.serving.token import token_for
from accord.traffic import outcomes, typed
from accord.traffic.pii import Pseudonyms
from accord.traffic.reading import scan_predictions

WINDOW = timedelta(days=1)
"""The rows of this much time are held in memory at once."""
ROWS_PER_REQUEST = 100
REQUESTS_PER_S = 10
"""With a set rate, requests have so few rows that about this many are sent."""
REFUSED = (413, 422)
DECIDED, KNOWN = "replay|decided", "replay|known"
Row = dict[str, Any]
Values = tuple[Any, ...]


@dataclass
class Replay:
    """How a replay went."""

    begin: datetime
    end: datetime
    n_rows: int = 0
    """Rows whose decision time lies between begin and end."""
    n_there: int = 0
    """How many of them the log had before."""
    n_sent: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Rows that the service refused, by reason."""
    n_logged: int = 0
    """Rows that the log has now and had not before."""
    n_outcomes: int = 0
    unread: list[str] = field(default_factory=list)
    """Which values of the log can't be read, in words."""
    stopped: datetime | None = None
    """Where the clock was when the replay was interrupted. None if it was not."""
    seen: datetime | None = None
    """Until when the model was trained, if the replay begins before that. None otherwise."""


def run(config: Config, url: str, begin: str, end: str, rate: float | None, paths: Paths) -> Replay:
    """Replays the rows from `begin` up to but not including `end`, at `rate` rows per second or as fast as the service
    answers. Both are dates or instants in the time zone of the data. Raises AccordError if something is missing for it."""
    data, token = config.data, token_for(url, paths.token)
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
            f"Outcomes need the service's token: `accord serve` of this project makes one for a loopback address, and there is none "
            f"for {url}; set {TOKEN_VARIABLE}, for the service and for the replay"
        )
    replay = Replay(_instant(begin, data.time), _instant(end, data.time))
    if replay.begin >= replay.end:
        raise AccordError(f"--from {begin} is not before --to {end}; expected an earlier instant")
    with Client(url, token) as service, TemporaryDirectory(prefix="accord-") as folder:
        before = Path(folder) / "before.parquet"
        Replaying(service, config, data.time, replay, rate, before, paths).through()
    return replay


def _instant(text: str, time: Time) -> datetime:
    """The instant in UTC and without a zone, as rows have it."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise AccordError(f"'{text}' is no date; expected one such as 2013-07-01") from None
    return (
        (instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo(time.zone)))
        .astimezone(UTC)
        .replace(tzinfo=None)
    )


class Replaying:
    """A replay that is running."""

    def __init__(
        self,
        service: Client,
        config: Config,
        time: Time,
        replay: Replay,
        rate: float | None,
        before: Path,
        paths: Paths,
    ) -> None:
        """`before` is where to write what the log has at the beginning."""
        self._service, self._replay, self._rate = service, replay, rate
        self._rows_per_request = ROWS_PER_REQUEST
        if rate is not None:
            self._rows_per_request = max(1, min(ROWS_PER_REQUEST, int(rate / REQUESTS_PER_S)))
        self._data, self._before, self._traffic = config.data, before, paths.traffic
        self._unreported: set[str] = set()
        """The keys of rows that were sent and whose outcomes were not sent yet."""
        self._postgres = config.serving.traffic.postgres
        self._decision = time.decision or time.event
        contract = service.contract()["x-accord"]
        table = _table(paths)
        present = table.collect_schema().names()
        for name in (*contract["columns"], *contract["outcomes"], *self._data.key):
            if name not in present:
                raise AccordError(
                    f"Column '{name}' is missing from {paths.splits}, and the service needs it; {nearest(name, present)}. Serve a model of this data"
                )
        self._columns = [name for name in (*contract["columns"], *contract["context"]) if name in present]
        self._outcomes = list(contract["outcomes"])
        self._keys = Keys(
            {name: self._data.columns[name] for name in self._data.key}, partial(Pseudonyms, self._traffic)
        )
        known = pl.col(time.event).dt.offset_by(time.label_delay)
        self._table = table.with_columns(pl.col(self._decision).alias(DECIDED), known.alias(KNOWN))
        cutoff = service.model()["data"]["split"]["cutoff"]
        if cutoff is not None and replay.begin < (seen := _instant(cutoff, time)):
            replay.seen = seen

    def through(self) -> None:
        replay = self._replay
        replayed = self._table.filter(_within(DECIDED, replay.begin, replay.end))
        replay.n_rows = replayed.select(pl.len()).collect().item()
        replay.n_there = self._n_logged()
        replay.unread = self._unread()
        clock = self._first_unlabelled()
        outcomes.labelled(self._traffic, postgres=self._postgres).select(
            "key", "outcome_at", "^outcome[|].*$"
        ).sink_parquet(self._before)
        self._began = time.monotonic()
        try:
            while clock < replay.end:
                until = min(clock + WINDOW, replay.begin if clock < replay.begin else replay.end)
                self._window(clock, until)
                clock = until
                self._show(clock)
        except KeyboardInterrupt:
            replay.stopped = clock
        except ServiceError as error:
            raise AccordError(
                f"{error.reason}. The replay came to {clock:%Y-%m-%d}; run it again to go on"
            ) from error
        finally:
            terminal.end_progress()
        replay.n_logged = self._n_logged() - replay.n_there

    def _window(self, begin: datetime, end: datetime) -> None:
        """Sends what is due between two instants. Before the replay's beginning, only outcomes are sent."""
        rows = self._read(DECIDED, begin, end) if begin >= self._replay.begin else []
        due = deque(self._read(KNOWN, begin, end))
        there = self._logged_before([key for key, _ in (*rows, *due)])
        rows = [(key, row) for key, row in rows if key not in there]
        for i in range(0, len(rows), self._rows_per_request):
            together = rows[i : i + self._rows_per_request]
            clock = together[0][1][DECIDED]
            self._report([due.popleft() for _ in range(bisect_left(due, clock, key=_known))], there)
            self._predict(together)
            self._show(clock)
        self._report(due, there)

    def _read(self, when: str, begin: datetime, end: datetime) -> list[tuple[str, Row]]:
        """The rows for which the column `when` lies between two instants, in its order, each with its key."""
        rows = self._table.filter(_within(when, begin, end)).sort(when, *self._data.key).collect()
        return [(str(self._keys(row)[1]), row) for row in rows.iter_rows(named=True)]

    def _logged_before(self, keys: Sequence[str]) -> dict[str, set[Values]]:
        """The keys that the log had when the replay began, with the outcomes that it had for them."""
        known = pl.scan_parquet(self._before, glob=False)
        schema = known.collect_schema()
        declared = {name: self._data.columns[name] for name in self._outcomes}
        columns = [typed.as_declared(name, column, schema) for name, column in declared.items()]
        at = typed.outcome_at(declared, schema).alias("at")
        rows = known.filter(pl.col("key").is_in(keys)).select("key", at, *columns).collect()
        there: dict[str, set[Values]] = {}
        for key, at, *values in rows.iter_rows():
            there.setdefault(key, set()).update([] if at is None else [tuple(values)])
        return there

    def _predict(self, rows: Sequence[tuple[str, Row]]) -> None:
        """Sends rows. If they are refused, each half is sent by itself, so that only the rows at fault are refused."""
        if self._rate is not None:
            time.sleep(max(0.0, self._began + self._replay.n_sent / self._rate - time.monotonic()))
        try:
            self._service.predict([{name: row[name] for name in self._columns} for _, row in rows])
        except ServiceError as error:
            if error.status not in REFUSED:
                raise
            if len(rows) > 1:
                half = len(rows) // 2
                self._predict(rows[:half])
                self._predict(rows[half:])
                return
            self._replay.refused[re.sub(r"^rows\[0\][.:]? ?", "", error.reason)] += 1
        else:
            self._unreported.update(key for key, _ in rows)
        self._replay.n_sent += len(rows)

    def _report(self, due: Iterable[tuple[str, Row]], there: Mapping[str, set[Values]]) -> None:
        """Sends the outcomes of rows that were predicted, unless the log has them with the same values."""
        new = [
            (key, {name: row[name] for name in (*self._data.key, *self._outcomes)})
            for key, row in due
            if key in self._unreported
            or (key in there and tuple(row[name] for name in self._outcomes) not in there[key])
        ]
        for i in range(0, len(new), ROWS_PER_REQUEST):
            together = new[i : i + ROWS_PER_REQUEST]
            self._replay.n_outcomes += self._service.outcomes([outcome for _, outcome in together])
            self._unreported.difference_update(key for key, _ in together)

    def _n_logged(self) -> int:
        """How many of the replayed rows the log has."""
        rows = scan_predictions(self._traffic, postgres=self._postgres)
        decided = self._decided(rows)
        within = rows.filter((decided >= self._replay.begin) & (decided < self._replay.end))
        return int(within.select(pl.col("key").n_unique()).collect(engine="streaming").item())

    def _first_unlabelled(self) -> datetime:
        """Where the clock starts: the first decision time of a logged row without outcome, or the beginning if that is
        earlier."""
        rows = outcomes.labelled(self._traffic, postgres=self._postgres)
        waiting = rows.filter(pl.col("outcome_at").is_null() & pl.col("key").is_not_null())
        first = waiting.select(self._decided(rows).min()).collect(engine="streaming").item()
        if first is None or first >= self._replay.begin:
            return self._replay.begin
        # The service takes any year; there is nothing to send before the first row that is here.
        here = self._table.filter(_within(DECIDED, first, self._replay.begin)).select(pl.col(DECIDED).min())
        return here.collect().item() or self._replay.begin

    def _unread(self) -> list[str]:
        """The decision times in the log that can't be read, in words: their rows don't count."""
        columns = {self._decision: self._data.columns[self._decision]}
        rows = scan_predictions(self._traffic, postgres=self._postgres)
        return typed.in_words(typed.n_unread(rows, columns), columns)

    def _decided(self, rows: pl.LazyFrame) -> pl.Expr:
        return typed.as_declared(self._decision, self._data.columns[self._decision], rows.collect_schema())

    def _show(self, clock: datetime) -> None:
        replay = self._replay
        terminal.show_progress(
            f"{clock:%Y-%m-%d %H:%M}  {replay.n_there + replay.n_sent:,} of {replay.n_rows:,} rows, {replay.refused.total():,} refused, "
            f"{replay.n_outcomes:,} outcomes "
        )


def _table(paths: Paths) -> pl.LazyFrame:
    """The rows of all splits: which of them are later than the model depends on when it was trained."""
    parts = [partitions.scan(paths.splits / name) for name in SPLITS if partitions.names(paths.splits / name)]
    if not parts:
        raise AccordError(f"No rows in {paths.splits}; the replay sends those. Make them: accord run")
    return pl.concat(parts, how="diagonal_relaxed")


def _within(name: str, begin: datetime, end: datetime) -> pl.Expr:
    return (pl.col(name) >= begin) & (pl.col(name) < end)


def _known(one: tuple[str, Row]) -> datetime:
    known: datetime = one[1][KNOWN]
    return known
