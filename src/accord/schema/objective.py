"""The section objective: targets, the policy that acts on them, and what each team wants of it."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from accord.schema.section import Name, ObjectPath, Section, Sql, Word, written


class Alternative(Section):
    """Another defensible reading of the outcomes; the report says what it would change."""

    description: str
    rows: Sql
    """Which rows are read differently, as a SQL condition."""
    sql: Sql
    """The target under this reading."""


def _distinct(classes: list[str]) -> list[str]:
    twice = sorted({name for name in classes if classes.count(name) > 1})
    if twice:
        raise ValueError(f"'{twice[0]}' stands there twice; expected each class once")
    return classes


Classes = Annotated[
    list[Annotated[Word, Field(min_length=1)]], Field(min_length=2), AfterValidator(_distinct)
]


class Target(Section):
    """What is to be predicted, one model each."""

    task: ObjectPath
    """binary, regression or multiclass, or where another stands, such as mytasks.LEVELS: docs/add-a-task.md."""
    sql: Sql
    """The target as a SQL expression over outcome columns."""
    classes: Classes | None = written()
    """For task multiclass: what the value of `sql` is one of, as text, in the order in which they are shown."""
    owner: str
    """The team that answers for it."""
    loss: Name | None = None
    """What training minimises: one of the task's losses. Default: its first; log for binary, squared for regression."""
    weight: Sql | None = None
    """Sample weight in training, as a SQL expression over any column."""
    unit: str | None = None
    description: str = ""
    alternatives: dict[Name, Alternative] = {}


class Policy(Section):
    """What is done with the predictions of a row. Its expressions may use the row's columns that are known at decision
    time, each target's prediction by the target's name (several, as `TARGET_low` or `TARGET.low`, where its task has
    several), and the weights by theirs."""

    weights: dict[Name, float] = {}
    """Numbers to turn without training anything again."""
    score: Sql
    """How much speaks for acting on a row."""
    action: Sql
    """When to act; it may use `score` too."""


class Metric(Section):
    """One thing that a team wants, as one number for all rows."""

    team: str
    """Who answers for it."""
    sql: Sql | None = None
    """An aggregate of SUM, AVG and COUNT, each with FILTER (WHERE ...) if need be. It may use the rows' columns, outcomes
    included; each target's prediction by the target's name and its outcome as `actual_` and the name; the policy's
    `score`, `action` and weights."""
    builtin: str | None = None
    """Instead of sql, a metric by name: of prediction quality (log_loss, auc, rmse, skill, ...) or of the running
    service (p99_ms, requests_per_second, usd_per_million, ...)."""
    target: Name | None = None
    """The target that a builtin of prediction quality is about. Default: the mean over all that have it."""
    where: Sql | None = None
    """Only rows that meet this condition."""
    group: Name | list[Name] | None = None
    """Turns the metric into a gap: its largest less its smallest value over the values of this column, or over those that
    several columns have at once."""
    better: Literal["higher", "lower"] | None = None
    """Needed with sql; builtins know it, or their task does, and a gap is better lower."""
    unit: str | None = None
    description: str = ""
    min: float | None = None
    """Hard limit: below it nothing is promoted."""
    max: float | None = None
    """Hard limit: above it nothing is promoted."""
    unknown: Literal["refuse", "allow"] | None = Field(default=None, exclude_if=lambda value: value is None)
    """What becomes of a candidate if it can't be told whether a hard limit is kept. Default: refuse it where there is a champion,
    else allow it."""
    weight: float = Field(ge=0)
    """What one `scale` of improvement is worth in the objective's score; 0 keeps the metric out of it."""
    scale: float = Field(gt=0)
    """An improvement worth talking about, in the metric's unit."""
    tolerance: float | None = Field(default=None, ge=0)
    """How much worse than the champion's is still no harm, in the metric's unit. Default: it isn't compared."""

    @model_validator(mode="after")
    def _one_kind(self) -> "Metric":
        if (self.sql is None) == (self.builtin is None):
            raise ValueError("give either sql or builtin")
        if self.sql is not None and self.better is None and self.group is None:
            raise ValueError("say which way is better: higher or lower")
        return self


class Promotion(Section):
    """When a candidate takes the champion's place."""

    gain: float = Field(ge=0)
    """The objective's score must rise by at least this much."""
    level: float = Field(gt=0.5, lt=1)
    """Confidence of each one-sided comparison with the champion."""


class Objective(Section):
    """What the teams want."""

    name: Name
    description: str = ""
    targets: dict[Name, Target] = Field(min_length=1)
    policy: Policy | None = None
    """Default: predictions are delivered, and nothing is decided."""
    metrics: dict[Name, Metric] = {}
    promotion: Promotion
