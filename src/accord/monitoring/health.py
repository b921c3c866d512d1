"""How the service did: requests, latency, refusals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from accord.monitoring.observed import AT, LATENCY_US

MOST_REFUSED = 0.5
"""Share of requests from which on their refusal is an alarm."""
MOST_IN_A_ROW = 30
"""Requests refused since the last that was answered, from which on that is one."""


@dataclass(frozen=True)
class Refused:
    """Requests that were refused since the window's first was answered."""

    n: int = 0
    in_a_row: int = 0
    """Of these the ones since the window's last was answered."""


NONE_REFUSED = Refused()


def n_requests(rows: pl.LazyFrame) -> int:
    """How many requests brought the rows: those of one have the instant of its arrival in common."""
    return int(rows.select(pl.col(AT).sort().n_unique()).collect(engine="streaming").item())


def service(rows: pl.LazyFrame, n_rows: int, n_answered: int, refused: Refused) -> dict[str, Any]:
    """Figures of the running service; a request of many rows has one latency, so rows of small requests weigh less."""
    latency = pl.col(LATENCY_US).cast(pl.Float64)
    shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
    found = rows.select(
        **{name: latency.quantile(share) / 1000 for name, share in shares.items()},
        hours=(pl.col(AT).max() - pl.col(AT).min()).dt.total_microseconds() / 3.6e9,
    ).collect(engine="streaming").row(0, named=True)  # fmt: skip
    hours, n_requests = found.pop("hours"), n_answered + refused.n
    return {
        **found,
        "rows_per_hour": n_rows / hours if hours else None,
        "requests": n_requests,
        "refused": refused.n,
        "refused_in_a_row": refused.in_a_row,
        "refused_share": refused.n / n_requests if n_requests else None,
    }


def refusals(service: Mapping[str, Any]) -> list[str]:
    """What says that the service hardly answers, if anything does."""
    n, in_a_row = service["refused"], service["refused_in_a_row"]
    said = []
    if n and service["refused_share"] >= MOST_REFUSED:
        said.append(f"{n:,} of {service['requests']:,} are refused")
    if in_a_row >= MOST_IN_A_ROW:
        said.append(f"none is answered since the last {in_a_row:,}, which are refused")
    return said
