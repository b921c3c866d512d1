"""What the service counts, for Prometheus; BentoML's /metrics shows it, summed over the workers."""

from collections.abc import Callable

from prometheus_client import Counter, Histogram

SECONDS = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)


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
        self._observe: dict[tuple[str, int], Callable[[float], None]] = {}

    def seen(self, endpoint: str, status: int, seconds: float) -> None:
        """Counts a request."""
        try:
            observe = self._observe[endpoint, status]
        except KeyError:
            observe = self._observe[endpoint, status] = self._seconds.labels(endpoint, str(status)).observe
        observe(seconds)

    def not_logged(self, n_rows: int) -> None:
        self._unlogged.inc()
        self._unlogged_rows.inc(n_rows)

    def reloaded(self) -> None:
        self._reloads.inc()
