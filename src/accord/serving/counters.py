"""What the service counts, as Prometheus reads it: summed over the workers."""

import asyncio
import threading
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from accord.serving import connections
from accord.serving.counts import Part, Requests, shared, together
from accord.serving.output import encodable
from accord.traffic.log import TrafficLog

SECONDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
BOUNDS = [*map(str, SECONDS), "+Inf"]
COUNTERS = {
    "accord_unlogged_requests": "Requests that could not be logged",
    "accord_unlogged_rows": "Rows of requests that could not be logged",
    "accord_reloads": "Models loaded while the service ran",
    **connections.COUNTERS,
}
PASS_ON_AFTER_S = 0.2


class Metrics:
    """The counters of one worker and the problem of its log, summed up with those of the others. `worker` is its number,
    from 0."""

    content_type = CONTENT_TYPE_LATEST.encode()

    def __init__(self, worker: int, log: TrafficLog) -> None:
        self._memory = memory = shared()
        self._log = log
        self._part = Part(memory, worker)
        self._counts = self._part.read()
        self._lock = threading.Lock()
        self._is_due = False
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Together(memory))
        self.pass_on_problem()  # the worker that this one replaces may have left one

    def seen(self, endpoint: str, status: int, seconds: float) -> None:
        """Counts a request, in the thread of the event loop. The other workers see it a moment later."""
        name = f"{status} {endpoint}"
        seen = self._counts.requests.get(name)
        if seen is None:
            seen = Requests([0] * len(BOUNDS))
            with self._lock:
                self._counts.requests[name] = seen
        seen.counts[bisect_left(SECONDS, seconds)] += 1
        seen.seconds += seconds
        if not self._is_due:
            self._pass_on_soon()

    def count(self, name: str) -> None:
        """Adds one to a counter, in the thread of the event loop. The other workers see it a moment later."""
        with self._lock:
            self._counts.counters[name] = self._counts.counters.get(name, 0) + 1
        if not self._is_due:
            self._pass_on_soon()

    def not_logged(self, n_rows: int) -> None:
        self._add(accord_unlogged_requests=1, accord_unlogged_rows=n_rows)

    def reloaded(self) -> None:
        self._add(accord_reloads=1)

    def pass_on_problem(self) -> None:
        """Lets the other workers know the problem of this worker's log, if it has changed."""
        with self._lock:
            if self._counts.log_problem != self._log_problem():
                self._write()

    def log_problem(self) -> str | None:
        """Why this worker, or another, can't log requests at the moment."""
        return self._log_problem() or together(self._memory).log_problem

    def text(self) -> bytes:
        """The counts of all workers in Prometheus' format."""
        return generate_latest(self._registry)

    def _add(self, **counters: int) -> None:
        with self._lock:
            for name, n in counters.items():
                self._counts.counters[name] = self._counts.counters.get(name, 0) + n
            self._write()

    def _pass_on_soon(self) -> None:
        self._is_due = True
        asyncio.get_running_loop().call_later(PASS_ON_AFTER_S, self._pass_on)

    def _pass_on(self) -> None:
        self._is_due = False
        with self._lock:
            self._write()

    def _log_problem(self) -> str | None:
        problem = self._log.problem
        return None if problem is None else encodable(problem)

    def _write(self) -> None:
        """Call this with the lock held. It passes a problem on before a request that met it is answered."""
        self._counts.log_problem = self._log_problem()
        self._part.write(self._counts)


class _Together(Collector):
    """The sums over the workers, as the library's metrics."""

    def __init__(self, memory: int) -> None:
        self._memory = memory

    def collect(self) -> Iterator[Metric]:
        counts = together(self._memory)
        seconds = HistogramMetricFamily(
            "accord_request_seconds",
            "Seconds from a request's arrival to its answer",
            labels=["endpoint", "status"],
        )
        for name, requests in sorted(counts.requests.items()):
            status, _, endpoint = name.partition(" ")
            up_to = accumulate(requests.counts)
            seconds.add_metric([endpoint, status], list(zip(BOUNDS, up_to, strict=True)), requests.seconds)
        yield seconds
        for name, description in COUNTERS.items():
            yield CounterMetricFamily(name, description, value=counts.counters.get(name, 0))
