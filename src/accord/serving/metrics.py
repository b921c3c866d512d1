"""What the service counts, for Prometheus; BentoML's /metrics shows it, summed over the workers."""

import asyncio
from bisect import bisect_left
from collections import defaultdict

from prometheus_client import Counter, Histogram

SECONDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip


PASS_ON_AFTER_S = 0.2


class _Seen:
    """Requests that have not been passed on to Prometheus yet: how many in each bucket, and their seconds together."""

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.seconds = 0.0


class Metrics:
    """Counters of one process. To be made once, when the environment says where BentoML collects them."""

    def __init__(self) -> None:
        self._seconds = Histogram(
            "accord_request_seconds", "Seconds from a request's arrival to its answer", ["endpoint", "status"],
            buckets=SECONDS,
        )  # fmt: skip
        self._unlogged = Counter("accord_unlogged_requests", "Requests that could not be logged")
        self._unlogged_rows = Counter("accord_unlogged_rows", "Rows of requests that could not be logged")
        self._reloads = Counter("accord_reloads", "Models loaded while the service ran")
        self._seen: defaultdict[tuple[str, int], _Seen] = defaultdict(_Seen)
        self._is_due = False

    def seen(self, endpoint: str, status: int, seconds: float) -> None:
        """Counts a request, in the thread of the event loop. Prometheus hears of it a moment later, of all at once, since each
        call of it costs several microseconds."""
        seen = self._seen[endpoint, status]
        seen.counts[bisect_left(SECONDS, seconds)] += 1
        seen.seconds += seconds
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(PASS_ON_AFTER_S, self._pass_on)

    def _pass_on(self) -> None:
        for (endpoint, status), seen in self._seen.items():
            child = self._seconds.labels(endpoint, str(status))
            # The library observes one value at a time; these are its sums, which can take many at once.
            child._sum.inc(seen.seconds)
            for bucket, n in zip(child._buckets, seen.counts, strict=True):
                if n:
                    bucket.inc(n)
        self._seen.clear()
        self._is_due = False

    def not_logged(self, n_rows: int) -> None:
        self._unlogged.inc()
        self._unlogged_rows.inc(n_rows)

    def reloaded(self) -> None:
        self._reloads.inc()
