"""Load: requests at a set rate, and the latency that their callers see.

The time at which each request is due is fixed beforehand, and its latency counts from then, whenever it was sent. So the
requests that would have come while a service stalls count as late. A client that waits for each answer before it asks
again leaves them out, which is called coordinated omission (Gil Tene, "How NOT to Measure Latency", 2015).
"""

import asyncio
import json
import selectors
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np
import polars as pl

from accord import terminal
from accord.client import Client
from accord.data import partitions
from accord.driving import wire
from accord.errors import AccordError, nearest
from accord.paths import Paths

MAX_DRAWN = 10_000
"""At most so many rows are drawn, and sent again and again."""
GRACE_S = 1.0
"""A request that could not be sent this long after the end is given up."""
TIMEOUT_S = 30.0
PULSE_S = 0.01
SHOW_EVERY = 20
"""Pulses."""
LATE_S, LATE_SHARE, BUSY = 0.001, 0.2, 0.9
"""A client doesn't keep up if one timer in a hundred fires this late and by this share of the measured latency, or if it
takes this share of a core."""
GOOD, TOO_LATE = "200", f"no answer within {TIMEOUT_S:g} s"
MAX_REASON = 200
MAX_CONNECTIONS = 1000
"""`select` takes little more than a thousand files."""
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


@dataclass
class Load:
    """A schedule of requests, and how it went."""

    rate: float
    """Requests per second."""
    seconds: float
    connections: int
    """At most so many requests at a time."""
    latencies_s: list[float] = field(default_factory=list)
    """Of requests answered with 200. Requests that were given up count with the time that they waited."""
    answers: Counter[str] = field(default_factory=Counter)
    """How many requests ended with each status, or with what came instead of a status."""
    reasons: dict[str, str] = field(default_factory=dict)
    """The first reason per status other than 200."""
    n_unsent: int = 0
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    """CPU time of this process."""
    late_s: list[float] = field(default_factory=list)
    """How late each timer of this process fired."""

    @property
    def n_requests(self) -> int:
        return max(1, round(self.rate * self.seconds))

    @property
    def per_second(self) -> float:
        """Requests answered with 200, per second."""
        return self.answers[GOOD] / max(self.elapsed_s, self.seconds)

    @property
    def latency_ms(self) -> dict[str, float]:
        """By quantile; none if no request was answered with 200."""
        if not self.latencies_s:
            return {}
        values = np.quantile(self.latencies_s, list(QUANTILES.values())) * 1000
        return dict(zip(QUANTILES, values.tolist(), strict=True))

    @property
    def summary(self) -> "Summary":
        return Summary(
            self.rate, self.seconds, self.connections, self.per_second,
            self.latency_ms, dict(self.answers), self.n_unsent, self.keeps_up,
        )  # fmt: skip

    @property
    def keeps_up(self) -> bool:
        """Whether the client is fast enough for its figures to be those of the service."""
        late, latency = (np.quantile(x, 0.99) if x else 0.0 for x in (self.late_s, self.latencies_s))
        return bool(late < max(LATE_S, LATE_SHARE * latency) and self.cpu_s < BUSY * self.elapsed_s)


@dataclass(frozen=True)
class Summary:
    """A load's figures, for programs."""

    rate: float
    """Requests per second, as asked for."""
    seconds: float
    connections: int
    per_second: float
    """Requests answered with 200, per second."""
    latency_ms: dict[str, float]
    """By quantile, from when each request was due; empty if none was answered."""
    answers: dict[str, int]
    """How many requests ended with each status, or with what came instead of a status."""
    n_unsent: int
    keeps_up: bool
    """Whether the client was fast enough for these figures to be those of the service."""


def run(url: str, rate: float, seconds: float, connections: int, rows_per_request: int, paths: Paths) -> Load:
    """Puts the load on the service. Raises AccordError if the service isn't there, or if there are no rows for it."""
    host, port, path = _address(url)
    if connections > MAX_CONNECTIONS:
        raise AccordError(
            f"Can't load with {connections:,} connections; expected at most {MAX_CONNECTIONS:,}"
        )
    load = Load(rate, seconds, connections)
    n_drawn = min(load.n_requests, max(1, MAX_DRAWN // rows_per_request))
    with Client(url) as client:
        columns = client.contract()["x-accord"]
    rows = _rows({**columns["columns"], **columns["context"]}, set(columns["columns"]), paths)
    requests = wire.requests(
        rows.sample(n_drawn * rows_per_request, with_replacement=True, seed=0),
        rows_per_request,
        f"{path}/predict",
    )
    # This selector waits to the microsecond, where the default one rounds up to milliseconds.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(Run(load, requests, host, port).through(_show))
    terminal.end_progress()
    return load


def _address(url: str) -> tuple[str, int, str]:
    """Host, port and path."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname:
            return parts.hostname, parts.port or 80, parts.path.rstrip("/")
    except ValueError:
        pass
    raise AccordError(f"Can't load {url}; expected an address such as http://127.0.0.1:3000")


def _rows(columns: dict[str, dict[str, object]], needed: set[str], paths: Paths) -> pl.DataFrame:
    """The rows of the test split, with the columns that the service takes."""
    folder = paths.splits / "test"
    if not partitions.names(folder):
        raise AccordError(f"No rows in {folder}; the load is drawn from them. Make them: accord run")
    table = partitions.scan(folder)
    present = table.collect_schema().names()
    for name in sorted(needed - set(present)):
        raise AccordError(
            f"Column '{name}' is missing from {folder}, and the service needs it; {nearest(name, present)}. Serve a model of this data"
        )
    return table.select([name for name in columns if name in present]).collect()


class Run:
    """One run of the schedule."""

    def __init__(self, load: Load, requests: list[bytes], host: str, port: int) -> None:
        self._load, self._requests, self._host, self._port = load, requests, host, port
        self._free = asyncio.Semaphore(load.connections)
        self._idle: list[wire.Connection] = []
        self._began = 0.0

    async def through(self, show: Callable[[Load], None]) -> None:
        load = self._load
        cpu, self._began = time.process_time(), time.perf_counter()
        pulse = asyncio.create_task(self._pulse(show))
        try:
            async with asyncio.TaskGroup() as group:
                await self._send_all(group)
        except asyncio.CancelledError:  # Ctrl-C: what was measured so far is reported
            load.seconds = min(load.seconds, time.perf_counter() - self._began)
        load.elapsed_s, load.cpu_s = time.perf_counter() - self._began, time.process_time() - cpu
        pulse.cancel()
        for _, writer in self._idle:
            writer.close()

    async def _send_all(self, group: asyncio.TaskGroup) -> None:
        load = self._load
        for i in range(load.n_requests):
            due = self._began + i / load.rate
            if (wait_s := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait_s)
            await self._free.acquire()
            if (now := time.perf_counter()) > self._began + load.seconds + GRACE_S:
                load.n_unsent = load.n_requests - i
                load.latencies_s += [now - (self._began + j / load.rate) for j in range(i, load.n_requests)]
                return
            group.create_task(self._one(self._requests[i % len(self._requests)], due))

    async def _one(self, request: bytes, due: float) -> None:
        load = self._load
        kind, body = await self._answer(request)
        load.answers[kind] += 1
        if kind in (GOOD, TOO_LATE):
            load.latencies_s.append(time.perf_counter() - due)
        if kind != GOOD:
            load.reasons.setdefault(kind, _reason(body))
        self._free.release()

    async def _answer(self, request: bytes) -> tuple[str, bytes]:
        """The status, or what came instead of one, and the body, or the reason why there is none."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                connection = await self._connection()
                status, body = await wire.ask(connection, request)
        except TimeoutError:
            return TOO_LATE, b""
        except (OSError, EOFError, ValueError) as error:
            return "no answer", str(error).encode()
        self._idle.append(connection)
        return str(status), body

    async def _connection(self) -> wire.Connection:
        """An open connection: the one that was used last, since it is the least likely to be stale, or a new one."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port)

    async def _pulse(self, show: Callable[[Load], None]) -> None:
        """Notes how late timers fire, and shows the progress."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(PULSE_S)
            now = time.perf_counter()
            self._load.late_s.append(now - began - PULSE_S)
            self._load.elapsed_s = now - self._began
            if len(self._load.late_s) % SHOW_EVERY == 0:
                show(self._load)


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return " ".join(body.decode(errors="replace").split())[:MAX_REASON]


def _show(load: Load) -> None:
    n_bad = load.answers.total() - load.answers[GOOD]
    terminal.show_progress(
        f"{load.elapsed_s:6.1f} s of {load.seconds:g} s  {load.answers[GOOD]:,} of {load.n_requests:,} answered, {n_bad:,} not "
    )
