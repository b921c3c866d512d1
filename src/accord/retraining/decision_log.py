"""The decision log, models/retraining.jsonl: one line per decision on retraining, plain text for git."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

from msgspec import UNSET, UnsetType

from accord import jsonl
from accord.retraining.rules import Evidence, Training

KEPT, PROMOTED, REFUSED, FAILED = "kept", "promoted", "refused", "failed"
"""The actions in order: no training was due; the new model became the champion; it did not; it could not be trained."""
DUE = "train"
"""The action of a plan, until it is carried out."""


@dataclass(frozen=True)
class Decided:
    """Whether to train, and why."""

    id: str
    at: str
    """An instant in UTC, as ISO 8601."""
    action: str
    reason: str
    evidence: Evidence
    cutoff: date
    window: str
    champion: str | None
    """The model's id at that time."""


@dataclass(frozen=True)
class Plan(Decided):
    """A decision before it is carried out."""

    batches: list[str]
    """The files in use then."""


@dataclass(frozen=True)
class Line(Decided):
    """A decision and its result. What was not done is unset, and has no key in the line."""

    batches: list[str] | UnsetType = UNSET
    """The files of the batches that were added."""
    candidate: str | UnsetType = UNSET
    cpu_s: float | UnsetType | None = UNSET
    """Processor seconds of the training; None if unknown."""
    outcome: list[str] | UnsetType = UNSET
    """The reasons of the judge, or of the failure."""
    nth_try: int | UnsetType = UNSET
    """Which try against the champion on the rows of test the candidate was, as far as they could be compared."""


def line(plan: Plan, **changed: Any) -> Line:
    """The plan's line for the log, with the result in `changed`."""
    decided = {field.name: getattr(plan, field.name) for field in fields(Decided)}
    return Line(**{**decided, **changed})


def append(log: Path, record: Line) -> None:
    """Appends the record, unless the log has one with the same id."""
    if all(known.id != record.id for known in jsonl.read(log, Line)):
        jsonl.append(log, record)


def trainings(records: Sequence[Line]) -> list[Training]:
    """The trainings that made a model, promoted or not."""
    return [
        Training(record.cutoff, record.cpu_s or 0.0)
        for record in records
        if record.action in (PROMOTED, REFUSED) and not isinstance(record.cpu_s, UnsetType)
    ]
