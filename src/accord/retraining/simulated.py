"""What a simulation reports, reports/simulation.json: policies of retraining side by side, period by period."""

from dataclasses import dataclass
from datetime import date

from msgspec import UNSET, UnsetType

from accord.intervals import Estimate
from accord.monitoring.alarms import Alarm
from accord.retraining.rules import Evidence


@dataclass(frozen=True, kw_only=True)
class Compared(Estimate):
    """A metric's value, and its difference from the reference's on the same days."""

    change: Estimate | UnsetType = UNSET


@dataclass(frozen=True, kw_only=True)
class End:
    """What was decided at the end of a period. What was not come to is unset, and no key of the JSON."""

    action: str
    reason: str
    evidence: Evidence
    found: list[Alarm]
    """The alarms of the monitoring."""
    outcome: list[str] | UnsetType = UNSET
    """The reasons of the judge on the model that was trained."""
    candidate: str | UnsetType = UNSET
    cpu_s: float | UnsetType | None = UNSET
    """Processor seconds of the training; None if unknown."""


@dataclass(frozen=True, kw_only=True)
class Served(End):
    """A period of a policy: the model that served, and what was decided at the end."""

    model: str
    cutoff: date
    metrics: dict[str, Compared]


@dataclass(frozen=True)
class Totals:
    metrics: dict[str, Compared]
    alarms: dict[str, int]
    """In how many periods there were alarms, by kind."""
    trainings: int
    cpu_s: float
    promoted: int
    refused: int


@dataclass(frozen=True)
class PlayedPolicy:
    """A policy over all periods."""

    name: str
    settings: dict[str, str | float | None]
    """Those of its option in conf/retraining."""
    periods: list[Served]
    totals: Totals


@dataclass(frozen=True)
class Followed:
    """A metric that is followed."""

    name: str
    team: str
    unit: str | None
    better: str
    builtin: str | None
    target: str | None
    weight: float
    description: str


@dataclass(frozen=True)
class Stretch:
    """A period and its rows."""

    begin: date
    end: date
    n_rows: int


@dataclass(frozen=True)
class Trained:
    """A model, and what it would have scored in each period that it could have served."""

    model: str
    cutoff: date
    cpu_s: float | None
    periods: list[dict[str, Compared] | None]


@dataclass(frozen=True)
class Simulated:
    data: str
    objective: str
    begin: date
    end: date
    period: str
    """How long each is, such as 1mo."""
    n_rows: int
    n_blocks: int
    """Days."""
    level: float
    reference: str
    """The policy that the others are compared with."""
    metrics: list[Followed]
    periods: list[Stretch]
    policies: list[PlayedPolicy]
    models: list[Trained]
