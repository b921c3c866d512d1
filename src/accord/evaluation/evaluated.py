"""The report of stage evaluate, reports/evaluation.json."""

from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET, UnsetType

from accord.intervals import Estimate
from accord.schema.config import Evaluation


@dataclass(frozen=True, kw_only=True)
class BesideBaseline(Estimate):
    """A metric's value with its interval, and the baseline's value."""

    baseline: float | None


@dataclass(frozen=True)
class Level:
    """The rows of test that have one value in a slice column."""

    column: str
    level: str
    n_rows: int
    mean_outcome: float | None
    """None of classes; so is the mean prediction where the task's predictions expect no outcome."""
    mean_prediction: float | None
    metrics: dict[str, BesideBaseline]
    """Empty where there are too few rows."""


@dataclass(frozen=True)
class Readings:
    """A figure on test under two readings of the outcome."""

    shipped: float | None
    alternative: float | None


@dataclass(frozen=True)
class OtherReading:
    """An alternative that the target's config names."""

    name: str
    description: str
    n_rows: dict[str, int]
    """How many rows of each split are read differently."""
    mean_outcome: Readings
    metrics: dict[str, Readings]


@dataclass(frozen=True)
class Importance:
    feature: str
    contribution: float
    """Mean absolute contribution to the raw scores."""


@dataclass(frozen=True)
class TargetReport:
    """All that is reported of one target. Dictionaries are by split, where a known outcome is."""

    task: str
    loss: str | None
    owner: str
    unit: str | None
    description: str
    metrics: dict[str, dict[str, BesideBaseline]]
    n_rows: dict[str, int]
    n_blocks: dict[str, int]
    mean_outcome: dict[str, float | None]
    mean_prediction: dict[str, float | None]
    """None where the task's predictions expect no outcome."""
    slices: list[Level]
    alternatives: list[OtherReading]
    importance: list[Importance]
    """The largest contribution first."""
    classes: list[str] | UnsetType = UNSET
    """Left out of a target that names none."""


@dataclass(frozen=True)
class Notice:
    """What is too good to go unsaid of a target."""

    target: str
    kind: str
    detail: str


@dataclass(frozen=True)
class EvaluationReport:
    targets: dict[str, TargetReport]
    model: dict[str, Any]
    """As the config has it: each class has parameters of its own."""
    settings: Evaluation
    notices: list[Notice] = field(default_factory=list)
    trained: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By target what its model was trained with, where the config leaves that to the data too."""
