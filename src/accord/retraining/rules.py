"""Decides when a training is due, from the alarms of the monitoring and the earlier trainings, without a clock.

Time is that of the data: the date of a training is its cutoff, the day before which its rows end. So a replay of last year
follows the same rules as a service of today.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time

import polars as pl
from msgspec import UNSET, UnsetType

from accord.monitoring.alarms import Alarm
from accord.schema.loop import Retraining

LOSSES = ("estimated_quality", "quality")
"""The kinds of alarm which mean that the model has become worse."""


@dataclass(frozen=True)
class Training:
    """An earlier training, whether or not its model was promoted."""

    on: date
    cpu_s: float


@dataclass(frozen=True)
class Evidence:
    """The evidence of a decision. What the rule did not ask for is unset, and has no key in the JSON."""

    alarms: dict[str, int] | UnsetType = UNSET
    """How many alarms of each kind the monitoring raised."""
    rule: str | UnsetType = UNSET
    last_training: date | UnsetType | None = UNSET
    spent_cpu_s: float | UnsetType = UNSET
    """The processor seconds spent in the budget's period; unset without a budget."""
    expected_cpu_s: float | UnsetType = UNSET


@dataclass(frozen=True)
class Due:
    """Whether to train, the reason, and the evidence."""

    due: bool
    reason: str
    evidence: Evidence


def due(settings: Retraining, alarms: Sequence[Alarm], trainings: Sequence[Training], now: date) -> Due:
    """Whether a training with the rows before `now` is due.

    `alarms` are those of the monitoring. `trainings` are the earlier ones, the oldest first, with that of the model in use.
    """
    kinds = counted(alarms)
    evidence = Evidence(kinds, settings.when, trainings[-1].on if trainings else None)
    wanted, reason = _wanted(settings, kinds, trainings, now)
    if not wanted:
        return Due(False, reason, evidence)
    if obstacle := _obstacle(settings, kinds, trainings, now):
        return Due(False, f"{reason}, but {obstacle}", evidence)
    if settings.budget_cpu_s is None or not trainings:
        return Due(True, reason, evidence)
    spent, expected = _spent(settings, trainings, now), trainings[-1].cpu_s
    evidence = replace(evidence, spent_cpu_s=round(spent, 3), expected_cpu_s=expected)
    if spent + expected <= settings.budget_cpu_s:
        return Due(True, reason, evidence)
    over = (
        f"{spent:.3g} CPU seconds of {settings.budget_cpu_s:.4g} a {settings.budget_period} are spent, "
        f"and a training takes about {expected:.3g}"
    )
    return Due(False, f"{reason}, but {over}", evidence)


def counted(alarms: Sequence[Alarm]) -> dict[str, int]:
    """The number of alarms of each kind."""
    kinds = [str(alarm.kind) for alarm in alarms]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def earlier(day: date, stretch: str) -> date:
    """The day that lies the given stretch of time earlier.

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
            is_lost = "quality" in alarms
            return is_lost, "the live quality is lost" if is_lost else "no loss of live quality"
        case "drift":
            if "drift" not in alarms:
                return False, "no drift"
            if not lost:
                return False, "there is drift, but no loss of quality, estimated or live"
            return True, f"there is drift, and a loss of {' and of '.join(lost)}"


def _obstacle(
    settings: Retraining, alarms: Mapping[str, int], trainings: Sequence[Training], now: date
) -> str | None:
    """The reason against a training that the rule asks for, apart from its cost; None if nothing speaks against it."""
    if "skew" in alarms:
        return "what the service computed differs from what the pipeline computes: a training would learn the fault; repair it first"
    if not trainings:
        return None
    last = trainings[-1]
    if now <= last.on:
        return f"there is nothing newer than the rows of the last training, which end {last.on}"
    if earlier(now, settings.cooldown) < last.on:
        return f"the cooldown of {settings.cooldown} since {last.on} is not over"
    return None


def _spent(settings: Retraining, trainings: Sequence[Training], now: date) -> float:
    """The processor seconds of the trainings within the budget's period."""
    begin = earlier(now, settings.budget_period)
    return sum(training.cpu_s for training in trainings if training.on > begin)
