"""The section serving: the service, its log of traffic, and how it is measured."""

import re
from ipaddress import ip_address, ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from accord.schema.section import Name, Section, Share

ANY = "*"


def _proxy(value: str) -> str:
    if value != ANY:
        ip_network(value)
    return value


def _host(value: str) -> str:
    if value != ANY and not re.fullmatch(r"[A-Za-z0-9._-]+", value):
        try:
            ip_address(value)
        except ValueError:
            raise ValueError(f"{value!r} is no host; expected a name or an address, without a port") from None
    return value


class Measure(Section):
    """How the packaged service is measured."""

    clients: int = Field(ge=1)
    """Clients at which latency is taken."""
    seconds: float = Field(gt=0)
    """How long a latency measurement lasts; a step towards saturation takes half of it."""
    rounds: int = Field(ge=1)
    """Candidate and champion take turns this often."""
    usd_per_vcpu_hour: float = Field(ge=0)
    """What a processor core costs, for the cost of predictions."""


class Postgres(Section):
    """A database that traffic is kept in, instead of Parquet files."""

    url: str
    """`postgresql://user:password@host/database`, best as a reference to the environment: `${oc.env:ACCORD_POSTGRES}`."""
    table: Name
    """Made if it isn't there; refused requests go to the table of this name with `_refused` behind it."""


class Traffic(Section):
    """How the service logs what it is asked and what it answers. Workers append to segments, each request before its
    answer goes out; complete segments move on into Parquet by day, or into Postgres."""

    segment_mb: float = Field(gt=0)
    """A segment this large is complete."""
    segment_seconds: float = Field(gt=0)
    """So is one this old."""
    sync_ms: int = Field(ge=1)
    """How often the log is flushed to the disk itself, which a loss of power, not a kill, may cost."""
    retention_days: int = Field(ge=1)
    """Days after which traffic is deleted."""
    max_mb: float = Field(gt=0)
    """Disk space that the log may take on this machine."""
    min_free_mb: float = Field(ge=0)
    """Disk space that the log leaves to others."""
    when_full: Literal["answer", "refuse"]
    """What the service does when it can't log: answer all the same and count it, or refuse with 503."""
    postgres: Postgres | None
    """None: Parquet files by day, under data/traffic."""


class Serving(Section):
    host: str
    port: int = Field(ge=1, le=65535)
    hosts: list[Annotated[str, AfterValidator(_host)]]
    """What else requests may call the service in the header Host, beside `host` and the names of loopback; * for anything."""
    proxies: list[Annotated[str, AfterValidator(_proxy)]]
    """The addresses, or networks, of proxies whose `X-Forwarded-For` says who the client is; * for anybody's."""
    workers: int = Field(ge=1)
    max_rows: int = Field(ge=1)
    """Rows that one request may hold."""
    max_mb: float = Field(gt=0)
    """Size of a request's body, and what a table may unpack to."""
    max_text: int = Field(ge=1)
    """Characters that a category's value may have."""
    table_cpu_s: int = Field(ge=1)
    """Processor time that reading a table may take."""
    timeout_s: float = Field(gt=0)
    """How long a client may take to send a request's body and to take its answer, and running requests to end when the service
    stops."""
    max_head_kb: float = Field(gt=0)
    """Size of a request's line and headers together."""
    max_connections: int = Field(ge=1)
    """Connections that a worker holds; fewer where the system lets it open fewer files. Above that the one that has waited
    longest for a request is closed."""
    idle_s: float = Field(gt=0)
    """How long a connection may be without a request, and how long a request's head may take to arrive."""
    explore: Share
    """Share of rows whose action is drawn at random, each action alike, so that outcomes of what the policy would
    not do are learned too. The log has the probability of each action taken."""
    traffic: Traffic
    measure: Measure
