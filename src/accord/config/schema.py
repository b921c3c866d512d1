"""The typed shape of everything that conf/ may say. Each class documents one section, key by key."""

from collections.abc import Mapping
from datetime import date
from types import UnionType
from typing import Annotated, Any, Literal, Self, Union, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Sql = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Duration = Annotated[str, StringConstraints(pattern=r"^\d+(mo|[mhdwqy])$")]
"""A count and a unit, such as 90m, 3h, 1d, 2w, 1mo or 1y."""
Share = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A part of the config: unknown keys are refused, values can't change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def partial(cls, values: Mapping[str, Any]) -> Self:
        """The part of a section that valid `values` hold: reading a key that isn't among them raises AttributeError."""
        fields = {name: _typed(cls.model_fields[name].annotation, value) for name, value in values.items()}
        part = cls.model_construct(_fields_set=set(fields), **fields)
        for name in cls.model_fields.keys() - fields.keys():
            part.__dict__.pop(name, None)
        return cast(Self, part)


def _typed(kind: Any, value: Any) -> Any:
    """The value as its annotation has it, and sections in part, be they alone or in a dictionary."""
    if get_origin(kind) in (Union, UnionType) and value is not None:
        kind = next((one for one in get_args(kind) if _is_section(one)), kind)
    if isinstance(value, dict) and _is_section(kind):
        return kind.partial(value)
    if isinstance(value, dict) and get_origin(kind) is dict and _is_section(get_args(kind)[1]):
        return {name: get_args(kind)[1].partial(one) for name, one in value.items()}
    return TypeAdapter(kind).validate_python(value)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


class Source(Section):
    """Where a table comes from: a file, a file inside an installed package, or a scikit-learn data set."""

    path: str
    """`data/raw/rides.csv`, a pattern such as `data/raw/*.parquet`, `package://module/file.csv`, or
    `sklearn://breast_cancer`. CSV may be zipped or gzipped."""
    nulls: list[str] = ["", "NA"]
    """Words that mean a missing value in CSV."""
    separator: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ","
    available_at: Sql | None = None
    """When each of its rows could be known, as a SQL expression in UTC. A source that says so joins only by `as_of`."""
    timeless: bool = False
    """Its values never changed, so that SQL may join it although it has times among its columns."""


class AsOfJoin(Section):
    """The latest row of a source that was available at the decision time, put beside each row."""

    by: list[Name] = []
    """Columns that must be equal on both sides."""
    columns: list[Name]
    tolerance: Duration
    """The oldest value still used; a row without one that fresh gets nulls."""


class Column(Section):
    """What the contract promises of one column; a row that breaks it is quarantined with the reason."""

    type: Literal["integer", "number", "category", "boolean", "datetime"]
    role: Literal["feature", "outcome", "info"] = "feature"
    """outcome: known only after the label delay, for targets alone. info: kept for slices, groups and reports."""
    unit: str | None = None
    min: float | None = None
    max: float | None = None
    values: list[str] | None = None
    """The only allowed values of a category; without it any value is allowed and rare ones share a level."""
    nullable: bool = False
    pii: Literal["hash", "drop"] | None = None
    """What the traffic log keeps of a column that could identify a person: a keyed hash of its value, or nothing."""
    description: str = ""

    @model_validator(mode="after")
    def _bounds_fit_the_type(self) -> "Column":
        if self.type not in ("integer", "number") and (self.min is not None or self.max is not None):
            raise ValueError(f"min and max need a type of integer or number, not {self.type}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        if self.values is not None and self.type != "category":
            raise ValueError(f"values need a type of category, not {self.type}")
        return self


class Time(Section):
    """When things happen to a row. All instants are UTC; `zone` is where a day begins."""

    event: Name
    """The column with the time of the event that the row is about."""
    decision: Name | None = None
    """The column with the time at which the prediction is needed: a feature must be known by then. Default: event."""
    label_delay: Duration = "0d"
    """How long after the event its outcome is known."""
    zone: str = "UTC"


DUPLICATES = "duplicates"
"""What rows that stand on both sides of the split are called in `accepted`."""


class LeakCheck(Section):
    """When a feature looks too good to be known at decision time. docs/data.md lists what is looked for."""

    score: float = Field(default=0.98, gt=0.5, le=1)
    """AUC (binary) or R2 of the ranks (regression) that one column reaches alone, or with another."""
    level_rows: int = Field(default=30, ge=2)
    """Rows a level, or a null, needs before it can be suspected of deciding the target."""
    action: Literal["report", "fail"] = "report"
    accepted: list[Name] = []
    """Features that a person has looked at and vouches for; also a source, the subject, or `duplicates`."""


class Checks(Section):
    max_quarantined_share: Share = 0.01
    """Past this share of broken rows the stage fails: the source has changed, not a few rows."""
    leaks: LeakCheck = LeakCheck()


class Split(Section):
    """Time-ordered data: test is the stretch before the cutoff, tune the stretch before that, train the rest.
    Data without time: rows are dealt by the hash of their key."""

    cutoff: date | None = None
    """Everything from here on is the future. Default: all rows are past."""
    test: Duration | Share = 0.2
    """A calendar stretch, such as 1mo, or a share of the rows."""
    tune: Duration | Share = 0.2
    train: Duration | None = None
    """How far train reaches back from where tune begins. Default: to the first row."""
    holdout: Share = 0.1
    """Share of days (of rows, where there is no time) that no model ever trains or tunes on."""


class Alternative(Section):
    """Another defensible reading of the outcomes; the report says what it would change."""

    description: str
    rows: Sql
    """Which rows are read differently, as a SQL condition."""
    sql: Sql
    """The target under this reading."""


class Target(Section):
    """What is to be predicted, one model each."""

    task: Literal["binary", "regression"]
    sql: Sql
    """The target as a SQL expression over outcome columns."""
    owner: str = "product"
    """The team that answers for it."""
    loss: Literal["log", "squared", "poisson", "tweedie"] | None = None
    """What training minimises. Default: log for binary, squared for regression."""
    weight: Sql | None = None
    """Sample weight in training, as a SQL expression over any column."""
    unit: str | None = None
    description: str = ""
    alternatives: dict[Name, Alternative] = {}

    @model_validator(mode="before")
    @classmethod
    def _default_loss(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("loss") is None:
            return {**values, "loss": "log" if values.get("task") == "binary" else "squared"}
        return values

    @model_validator(mode="after")
    def _loss_fits_the_task(self) -> "Target":
        if (self.loss == "log") != (self.task == "binary"):
            raise ValueError(f"loss {self.loss} does not fit a {self.task} target")
        return self


class Data(Section):
    """A data set: where rows come from, what they promise, and how they are split. See docs/data.md."""

    name: Name
    description: str = ""
    sources: dict[Name, Source] = Field(min_length=1)
    rows: Name
    """The source whose rows are the examples: joins may add columns to them, never add or drop rows."""
    joins: Sql | None = None
    """A SQL query over the sources by name that gives the rows with their columns. Default: the rows as they are."""
    as_of: dict[Name, AsOfJoin] = {}
    """Sources joined by when their values were available, by source name."""
    key: list[Name] = []
    """Columns that identify a row. Default: its position in the source, as `row_id`."""
    subject: Name | None = None
    """The column that names the person a row is about, by whom `accord forget` erases. Default: the row's key."""
    time: Time | None = None
    columns: dict[Name, Column] = Field(min_length=1)
    derived: dict[Name, Sql] = {}
    """More features, as SQL expressions over the columns of one row; the service computes them too."""
    rules: dict[Name, Sql] = {}
    """Further promises, as SQL conditions that every row must meet."""
    checks: Checks = Checks()
    split: Split = Split()
    slices: list[Name] = []
    """Columns by whose values the metrics are broken down."""
    groups: list[Name] = []
    """Columns across whose values people are to be treated alike."""
    targets: dict[Name, Target] = Field(min_length=1)
    """What the data set lends itself to predict; objectives choose from these or bring their own."""

    @model_validator(mode="before")
    @classmethod
    def _rows_of_the_only_source(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and "rows" not in values and len(values.get("sources") or ()) == 1:
            return {**values, "rows": next(iter(values["sources"]))}
        return values

    @property
    def personal(self) -> set[str]:
        """The columns that identify a person, whose values stay out of what leaves with a model."""
        return {name for name, column in self.columns.items() if column.pii or name == self.subject}


class Features(Section):
    """Which columns the models see, and how categories become numbers."""

    drop: list[Name] = []
    """Features left out by name."""
    rare_level_rows: int = Field(default=20, ge=1)
    """A level seen less often than this in training counts as unseen; such rows share one level."""


class Policy(Section):
    """What is done with the predictions of a row. Its expressions may use the row's columns that are known at decision
    time, each target's prediction by the target's name, and the weights by theirs."""

    weights: dict[Name, float] = {}
    """Numbers to turn without training anything again."""
    score: Sql
    """How much speaks for acting on a row."""
    action: Sql = "score > 0"
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
    group: Name | None = None
    """Turns the metric into a gap: its largest less its smallest value over the values of this column."""
    better: Literal["higher", "lower"] | None = None
    """Needed with sql; builtins know it, and a gap is better lower."""
    unit: str | None = None
    description: str = ""
    min: float | None = None
    """Hard limit: below it nothing is promoted."""
    max: float | None = None
    """Hard limit: above it nothing is promoted."""
    weight: float = Field(default=0.0, ge=0)
    """What one `scale` of improvement is worth in the objective's score; 0 keeps the metric out of it."""
    scale: float = Field(default=1.0, gt=0)
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

    gain: float = Field(default=0.0, ge=0)
    """The objective's score must rise by at least this much."""
    level: float = Field(default=0.95, gt=0.5, lt=1)
    """Confidence of each one-sided comparison with the champion."""


class Objective(Section):
    """What the teams want."""

    name: Name
    description: str = ""
    targets: dict[Name, Target] = Field(min_length=1)
    policy: Policy | None = None
    """Default: predictions are delivered, and nothing is decided."""
    metrics: dict[Name, Metric] = {}
    promotion: Promotion = Promotion()


class Engine(Section):
    """Where the work runs."""

    workers: int = Field(default=2, ge=1)
    """Models trained at once, each on one thread: one thread a model is deterministic and wastes no core."""


class Evaluation(Section):
    n_resamples: int = Field(default=500, ge=50)
    """Bootstrap resamples behind each interval."""
    level: float = Field(default=0.95, gt=0.5, lt=1)
    """Coverage of each interval."""
    min_slice_rows: int = Field(default=200, ge=1)
    """Smaller slices are counted but not scored."""
    n_explained: int = Field(default=2000, ge=1)
    """Rows whose contributions make up the importance."""


class Measure(Section):
    """How the packaged service is measured."""

    clients: int = Field(default=1, ge=1)
    """Clients at which latency is taken."""
    seconds: float = Field(default=2.0, gt=0)
    """How long a latency measurement lasts; a step towards saturation takes half of it."""
    rounds: int = Field(default=3, ge=1)
    """Candidate and champion take turns this often."""
    usd_per_vcpu_hour: float = Field(default=0.04, ge=0)
    """What a processor core costs, for the cost of predictions."""


class Postgres(Section):
    """A database that traffic is kept in, instead of Parquet files."""

    url: str
    """`postgresql://user:password@host/database`, best as a reference to the environment: `${oc.env:ACCORD_POSTGRES}`."""
    table: Name = "accord_predictions"
    """Made if it isn't there; refused requests go to the table of this name with `_refused` behind it."""


class Traffic(Section):
    """How the service logs what it is asked and what it answers. Workers append to segments, each request before its
    answer goes out; complete segments move on into Parquet by day, or into Postgres."""

    segment_mb: float = Field(default=64, gt=0)
    """A segment this large is complete."""
    segment_seconds: float = Field(default=60, gt=0)
    """So is one this old."""
    sync_ms: int = Field(default=200, ge=1)
    """How often the log is flushed to the disk itself, which a loss of power, not a kill, may cost."""
    retention_days: int = Field(default=90, ge=1)
    """Days after which traffic is deleted."""
    max_mb: float = Field(default=10_000, gt=0)
    """Disk space that the log may take on this machine."""
    min_free_mb: float = Field(default=200, ge=0)
    """Disk space that the log leaves to others."""
    when_full: Literal["answer", "refuse"] = "refuse"
    """What the service does when it can't log: answer all the same and count it, or refuse with 503."""
    postgres: Postgres | None = None
    """Default: Parquet files by day, under data/traffic."""


class Serving(Section):
    host: str = "127.0.0.1"
    port: int = Field(default=3000, ge=1, le=65535)
    workers: int = Field(default=1, ge=1)
    max_rows: int = Field(default=10_000, ge=1)
    """Rows that one request may hold."""
    max_mb: float = Field(default=16, gt=0)
    """Size of a request's body."""
    max_text: int = Field(default=1000, ge=1)
    """Characters that a category's value may have."""
    timeout_s: float = Field(default=30, gt=0)
    """How long a client may take to send a request's body, and running requests to end when the service stops."""
    explore: Share = 0.0
    """Share of rows whose action is drawn at random, each action alike, so that outcomes of what the policy would
    not do are learned too. The log has the probability of each action taken."""
    traffic: Traffic = Traffic()
    measure: Measure = Measure()


class Retraining(Section):
    """When the model is trained anew, and on what. See docs/retraining.md."""

    when: Literal["never", "always", "schedule", "drift", "quality"]
    """always: as often as it is asked. schedule: when `every` is over. quality: when the monitoring finds the live
    quality lost. drift: when it finds drift and a loss of quality, estimated or live: seasons drift, and do no harm."""
    every: Duration = "3mo"
    """What schedule waits from the rows of one training to those of the next."""
    cooldown: Duration = "0d"
    """The least time from the rows of one training to those of the next."""
    budget_cpu_s: float | None = Field(default=None, gt=0)
    """Processor seconds that training may take in a `budget_period`. Default: no limit."""
    budget_period: Duration = "1mo"
    window: Literal["expanding"] | Duration = "expanding"
    """What train holds: all rows before tune, or the stretch of this length before it, which slides along."""


class Monitoring(Section):
    """How traffic is watched. See docs/monitoring.md."""

    window: Duration | Annotated[int, Field(ge=1)] = "1mo"
    """How far back `accord monitor` looks from the latest decision: a duration, or a number of rows."""
    min_rows: int = Field(default=300, ge=1)
    """With fewer rows, or fewer outcomes, nothing is judged."""
    level: float = Field(default=0.95, gt=0.5, lt=1)
    """Share of windows without any change that raise no alarm, of each kind of alarm."""
    max_report_rows: int = Field(default=20_000, ge=100)
    """Rows that Evidently gets of the window, and of the reference; the decision itself rests on all of them."""
    max_replayed: int = Field(default=100_000, ge=0)
    """Rows that are predicted again, to compare with the log."""
    webhook: str | None = None
    """An address that is told the outcome of each run by POST, best as a reference: `${oc.env:ACCORD_WEBHOOK}`."""


class Config(Section):
    """All that a run is made of: conf/ as params.yaml selects from it."""

    seed: int = Field(ge=0)
    data: Data
    features: Features
    model: dict[str, Any]
    """`_target_` names the class; the rest are its parameters, checked by the class itself."""
    objective: Objective
    engine: Engine
    evaluation: Evaluation
    serving: Serving
    retraining: Retraining
    monitoring: Monitoring
