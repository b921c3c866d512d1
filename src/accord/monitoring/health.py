"""How the service did: latency, requests, refusals."""

from dataclasses import dataclass

import polars as pl

from accord.monitoring.observed import AT, LATENCY_US

MOST_REFUSED = 0.5
"""Refusing this share of requests raises an alarm."""
MOST_IN_A_ROW = 30
"""Refusing this many requests in a row raises an alarm."""


@dataclass(frozen=True)
class Refused:
    """Requests that were refused since the window's first was answered."""

    n: int = 0
    in_a_row: int = 0
    """Those of them since the window's last was answered."""


NONE_REFUSED = Refused()


@dataclass(frozen=True)
class ServiceHealth:
    """Latency of the judged rows, and what became of the requests to any model, as the log has them; None without rows."""

    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    rows_per_hour: float | None
    requests: int
    refused: int
    refused_in_a_row: int
    refused_share: float | None

    def measured(self, builtin: str | None) -> float | None:
        """The value of a builtin metric of the running service, None where traffic does not show it."""
        latency = {"p50_ms": self.p50_ms, "p95_ms": self.p95_ms, "p99_ms": self.p99_ms}
        return latency.get(builtin or "")

    def troubles(self) -> list[str]:
        """What says that the service hardly answers, if anything does."""
        said = []
        if self.refused and self.refused_share is not None and self.refused_share >= MOST_REFUSED:
            said.append(f"{self.refused:,} of {self.requests:,} are refused")
        if self.refused_in_a_row >= MOST_IN_A_ROW:
            said.append(f"none is answered since the last {self.refused_in_a_row:,}, which are refused")
        return said


def service_health(
    rows: pl.LazyFrame, n_rows: int, everything: pl.LazyFrame, refused: Refused
) -> ServiceHealth:
    """The figures from the judged rows and from those of all models. A request of many rows has one latency, so rows of small
    requests weigh less."""
    latency = pl.col(LATENCY_US).cast(pl.Float64)
    figures = rows.select(
        *(latency.quantile(share).alias(str(share)) / 1000 for share in (0.5, 0.95, 0.99)),
        hours=(pl.col(AT).max() - pl.col(AT).min()).dt.total_microseconds() / 3.6e9,
    )
    p50_ms, p95_ms, p99_ms, hours = figures.collect(engine="streaming").row(0)
    n_requests = _n_requests(everything) + refused.n
    return ServiceHealth(
        p50_ms, p95_ms, p99_ms, n_rows / hours if hours else None,
        n_requests, refused.n, refused.in_a_row, refused.n / n_requests if n_requests else None,
    )  # fmt: skip


def _n_requests(rows: pl.LazyFrame) -> int:
    """How many requests brought the rows: those of one have the instant of its arrival in common."""
    return int(rows.select(pl.col(AT).sort().n_unique()).collect(engine="streaming").item())
