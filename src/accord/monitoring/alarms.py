"""What of the evidence becomes an alarm, in a sentence each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from accord.monitoring import skew
from accord.monitoring.health import ServiceHealth

Kind = Literal["service", "drift", "quality", "estimated_quality", "slice", "limit", "skew"]
LIMITS = {"min": "at least", "max": "at most"}


@dataclass(frozen=True)
class Alarm:
    kind: Kind
    what: str
    evidence: str
    """A sentence."""


def alarms_of(
    service: ServiceHealth,
    drift: Sequence[Mapping[str, Any]],
    shifts: Sequence[Mapping[str, Any]],
    judged: Sequence[Mapping[str, Any]],
    estimated: Sequence[Mapping[str, Any]],
    team_rows: Sequence[Mapping[str, Any]],
    slices: Sequence[Mapping[str, Any]],
    again: skew.Skew,
) -> list[Alarm]:
    found: list[tuple[Kind, str, str]] = (
        [("service", "requests", "; ".join(said))] if (said := service.troubles()) else []
    )
    found += [
        ("drift", row["column"], f"{row['score']} {row['value']:.3g} is above {row['threshold']:.3g}" + (f"; {row['note']}" if row["note"] else ""))
        for row in drift if row["alarm"]
    ]  # fmt: skip
    found += [("drift", row["column"], f"mean {_off(row)}") for row in shifts if row["alarm"]]
    found += [("quality", f"{row['target']} {row['metric']}", _off(row)) for row in judged if row["alarm"]]
    found += [
        ("estimated_quality", f"{row['target']} {row['metric']}", _off(row))
        for row in estimated
        if row["alarm"]
    ]
    found += [("quality", f"{row['team']} {row['metric']}", _off(row)) for row in team_rows if row["alarm"]]
    found += [
        ("slice", f"{row['target']} where {row['column']} is {row['level']}", f"{row['metric']} {_off(row)}")
        for row in slices if row["alarm"]
    ]  # fmt: skip
    for row in team_rows:
        if row["broken"]:
            limits = [f"{words} {row[side]:g}" for side, words in LIMITS.items() if row[side] is not None]
            found.append(
                (
                    "limit",
                    f"{row['team']} {row['metric']}",
                    f"{row['value']:.4g}; it must be {' and '.join(limits)}",
                )
            )
    if again.n_different:
        found.append(
            (
                "skew",
                "predictions",
                f"{again.n_different:,} of {again.n_compared:,} logged rows come out otherwise when predicted again",
            )
        )
    if again.failed:
        found.append(("skew", "predictions", again.note))
    return [Alarm(*one) for one in found]


def _off(row: Mapping[str, Any]) -> str:
    return f"{row['value']:.4g}, expected {row['low']:.4g} to {row['high']:.4g} (test: {row['test']:.4g})"
