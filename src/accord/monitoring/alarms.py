"""What of the evidence becomes an alarm, in a sentence each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from accord.monitoring import relations
from accord.monitoring.columns import DriftRow, ShiftRow
from accord.monitoring.health import ServiceHealth
from accord.monitoring.performance import EstimatedRow, QualityRow, SliceRow, TeamRow
from accord.monitoring.quality import Judged
from accord.monitoring.skew import Skew

Kind = Literal["service", "drift", "quality", "estimated_quality", "slice", "limit", "skew"]


@dataclass(frozen=True)
class Alarm:
    kind: Kind
    what: str
    evidence: str
    """A sentence."""


def of_service(service: ServiceHealth) -> list[Alarm]:
    troubles = service.troubles()
    return [Alarm("service", "requests", "; ".join(troubles))] if troubles else []


def of_drift(rows: Sequence[DriftRow]) -> list[Alarm]:
    return [Alarm("drift", row.column, _drifted(row)) for row in rows if row.alarm]


def _drifted(row: DriftRow) -> str:
    if row.group == relations.GROUP:
        return f"{row.note} ({row.score} {row.value:.3g}, above {row.threshold:.3g})"
    return f"{row.score} {row.value:.3g} is above {row.threshold:.3g}" + (f"; {row.note}" if row.note else "")


def of_shifts(rows: Sequence[ShiftRow]) -> list[Alarm]:
    return [Alarm("drift", row.column, f"mean {_off(row.judged)}") for row in rows if row.judged.alarm]


def of_quality(rows: Sequence[QualityRow]) -> list[Alarm]:
    return [
        Alarm("quality", f"{row.target} {row.metric}", _off(row.judged)) for row in rows if row.judged.alarm
    ]


def of_estimated(rows: Sequence[EstimatedRow]) -> list[Alarm]:
    return [
        Alarm("estimated_quality", f"{row.target} {row.metric}", _off(row.judged))
        for row in rows if row.judged.alarm
    ]  # fmt: skip


def of_teams(rows: Sequence[TeamRow]) -> list[Alarm]:
    return [
        Alarm("quality", f"{row.team} {row.metric}", _off(row.judged)) for row in rows if row.judged.alarm
    ]


def of_slices(rows: Sequence[SliceRow]) -> list[Alarm]:
    return [
        Alarm("slice", f"{row.target} where {row.column} is {row.level}", f"{row.metric} {_off(row.judged)}")
        for row in rows if row.judged.alarm
    ]  # fmt: skip


def of_limits(rows: Sequence[TeamRow]) -> list[Alarm]:
    """The teams' metrics that are beyond a hard limit."""
    found = []
    for row in rows:
        if row.broken:
            limits = " and ".join(f"{words} {limit:g}" for words, limit in row.limits)
            evidence = f"{row.judged.value:.4g}; it must be {limits}"
            found.append(Alarm("limit", f"{row.team} {row.metric}", evidence))
    return found


def of_skew(skew: Skew) -> list[Alarm]:
    n, of = skew.n_different, skew.n_compared
    evidence = []
    if n:
        evidence.append(f"{n:,} of {of:,} logged rows come out otherwise when predicted again")
    if skew.failed:
        evidence.append(skew.note)
    return [Alarm("skew", "predictions", one) for one in evidence]


def _off(judged: Judged) -> str:
    value, low, high, test = judged.value, judged.low, judged.high, judged.test
    return f"{value:.4g}, expected {low:.4g} to {high:.4g} (test: {test:.4g})"
