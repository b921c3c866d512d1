"""When a training is due: rules over what the monitoring found and what was trained before, without a clock.

Time is that of the data: a training is `on` the day up to which its rows reach, the cutoff. So a replay of last year
and a service of today follow the same rules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import polars as pl

from accord.schema.loop import Retraining

LOSSES = ("estimated_quality", "quality")
"""Kinds of alarm that say that the model has become worse."""


@dataclass(frozen=True)
class Training:
    """A training of the past, whether or not its model was promoted."""

    on: date
    cpu_s: float


@dataclass(frozen=True)
class Due:
    """Whether to train, why, and what that rests on."""

    due: bool
    reason: str
    evidence: dict[str, Any]


def due(
    settings: Retraining, decision: Mapping[str, Any] | None, trainings: Sequence[Training], now: date
) -> Due:
    """Whether a training with the rows before `now` is due.

    `decision` is what the monitoring found, `trainings` those of the past, the oldest first, the model in use included.
    """
    alarms = {} if decision is None else counted(decision)
    evidence: dict[str, Any] = {
        "rule": settings.when,
        "alarms": alarms,
        "last_training": trainings[-1].on.isoformat() if trainings else None,
    }
    wanted, reason = _wanted(settings, alarms, trainings, now)
    if not wanted:
        return Due(False, reason, evidence)
    obstacle = _obstacle(settings, alarms, trainings, now, evidence)
    return Due(False, f"{reason}, but {obstacle}", evidence) if obstacle else Due(True, reason, evidence)


def counted(decision: Mapping[str, Any]) -> dict[str, int]:
    """How many alarms of each kind there are."""
    kinds = [str(alarm["kind"]) for alarm in decision["alarms"]]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def earlier(day: date, stretch: str) -> date:
    """The day that lies the stretch before.

    >>> earlier(date(2013, 3, 31), "1mo")
    datetime.date(2013, 2, 28)
    """
    before: datetime = pl.Series([datetime.combine(day, time.min)]).dt.offset_by(f"-{stretch}")[0]
    return before.date()


def _wanted(
    settings: Retraining, alarms: Mapping[str, int], trainings: Sequence[Training], now: date
) -> tuple[bool, str]:
    lost = [kind.replace("_", " ") for kind in LOSSES if kind in alarms]
    match settings.when:
        case "never":
            return False, "the rule is never to train"
        case "always":
            return True, "the rule is to train whenever asked"
        case "schedule":
            last = trainings[-1].on if trainings else None
            over = last is None or earlier(now, settings.every) >= last
            return over, f"{settings.every} since the last training are {'' if over else 'not yet '}over"
        case "quality":
            found = "quality" in alarms
            return found, "the live quality is lost" if found else "no loss of live quality"
        case "drift":
            if "drift" not in alarms:
                return False, "no drift"
            if not lost:
                return False, "there is drift, but no loss of quality, estimated or live"
            return True, f"there is drift, and a loss of {' and of '.join(lost)}"


def _obstacle(
    settings: Retraining,
    alarms: Mapping[str, int],
    trainings: Sequence[Training],
    now: date,
    evidence: dict[str, Any],
) -> str | None:
    """What speaks against a training that is wanted; the figures are added to the evidence."""
    if "skew" in alarms:
        return "what the service computed differs from what the pipeline computes: a training would learn the fault; repair it first"
    if not trainings:
        return None
    last = trainings[-1]
    if now <= last.on:
        return f"there is nothing newer than the rows of the last training, which end {last.on}"
    if earlier(now, settings.cooldown) < last.on:
        return f"the cooldown of {settings.cooldown} since {last.on} is not over"
    if settings.budget_cpu_s is not None:
        begin = earlier(now, settings.budget_period)
        spent = sum(training.cpu_s for training in trainings if training.on > begin)
        evidence |= {"spent_cpu_s": round(spent, 3), "expected_cpu_s": last.cpu_s}
        if spent + last.cpu_s > settings.budget_cpu_s:
            return (
                f"{spent:.3g} CPU seconds of {settings.budget_cpu_s:.4g} a {settings.budget_period} are spent, "
                f"and a training takes about {last.cpu_s:.3g}"
            )
    return None
