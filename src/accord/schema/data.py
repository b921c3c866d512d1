"""The section data: where rows come from, what they promise, and how they are split."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from accord.schema.objective import Target
from accord.schema.section import Duration, Name, Section, Share, Sql, Word, written

SourceName = Annotated[str, StringConstraints(min_length=1)]
"""The name of a column in a source: any text."""
Sign = Annotated[str, StringConstraints(pattern=r"^[^0-9+\-eE]$")]
"""One character that is no part of a plain number but the decimal point."""


def _encoding(value: str) -> str:
    try:
        "".encode(value)
    except LookupError as error:
        raise ValueError(
            "no encoding that Python knows; expected one such as utf-8, latin-1, cp1252 or utf-16"
        ) from error
    return value


class Reading(Section):
    """How the values of a column are written in a table, and the type that they are read in. What is said of text holds for CSV and
    for columns of text in Parquet."""

    type: Literal["integer", "number", "category", "boolean", "datetime"]
    format: Annotated[str, StringConstraints(min_length=1)] | None = written()
    """How instants are written, in the words of strptime: "%m/%d/%Y". Without it ISO 8601 is read, and nothing else."""
    nulls: list[Word] | None = written()
    """Further words that mean a missing value in this column."""
    decimal: Sign | None = written()
    """The decimal point of numbers, if it is no point."""
    thousands: Sign | None = written()
    """What stands between groups of three digits."""
    percent: bool | None = written()
    """Numbers are written with a percent sign: 12 % is read as 0.12."""
    currency: Word | None = written()
    """A sign or word that stands before or after numbers, such as $."""
    true_words: list[Word] | None = written()
    """The words for true and, in `false_words`, for false, in any case. Without them: true and 1, false and 0."""
    false_words: list[Word] | None = written()

    @model_validator(mode="after")
    def _is_written_as_its_type(self) -> "Reading":
        for kinds, keys in WRITTEN.items():
            for key in keys:
                if getattr(self, key) is not None and self.type not in kinds:
                    raise ValueError(f"{key} needs a type of {' or '.join(kinds)}, not {self.type}")
        point = self.decimal or "."
        if self.thousands == point:
            raise ValueError(f"thousands and decimal are both {point!r}; write the other one too")
        if (self.true_words is None) != (self.false_words is None):
            raise ValueError("true_words and false_words come together; write both")
        words = [word.strip().lower() for word in [*(self.true_words or ()), *(self.false_words or ())]]
        if len(set(words)) < len(words):
            raise ValueError("a word stands twice in true_words and false_words; expected each once")
        return self


WRITTEN = {
    ("datetime",): ("format",),
    ("integer", "number"): ("decimal", "thousands", "currency"),
    ("number",): ("percent",),
    ("boolean",): ("true_words", "false_words"),
}
"""The types that each key of a reading is for."""
READING = ("source", *(name for name in Reading.model_fields if name != "type"))
"""The keys of a column that say how a table has it."""


class Source(Section):
    """Where a table comes from: a file, a file inside an installed package, or a scikit-learn data set."""

    path: str
    """`data/raw/rides.csv`, a pattern such as `data/raw/*.parquet`, `package://module/file.csv`, or
    `sklearn://breast_cancer`. CSV may be packed as .zip, .gz or .xz."""
    nulls: list[str]
    """Words that mean a missing value in CSV."""
    separator: Annotated[str, StringConstraints(min_length=1, max_length=1)]
    encoding: Annotated[str, AfterValidator(_encoding)]
    """Of CSV: a name that Python knows, such as utf-8, latin-1 or utf-16."""
    header: bool | None = written()
    """false for CSV without a line of names: its columns are then column_1, column_2 and so on."""
    quote: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = written()
    """What stands around fields of CSV that hold a separator, if it is no double quote."""
    columns: dict[SourceName, Reading] = {}
    """The types of columns that SQL computes on and that the contract doesn't have by the same name. Without a type a column of
    CSV is text in SQL."""
    available_at: Sql | None = None
    """When each of its rows could be known, as a SQL expression in UTC. A source that says so joins only by `as_of`."""
    timeless: bool = False
    """Its values never changed, so that SQL may join it although it has times among its columns."""


class AsOfJoin(Section):
    """The latest row of a source that was available at the decision time, put beside each row."""

    by: list[SourceName] = []
    """Columns that must be equal on both sides."""
    columns: list[SourceName]
    tolerance: Duration
    """The oldest value still used; a row without one that fresh gets nulls."""


class Column(Reading):
    """What the contract promises of one column; a row that breaks it is quarantined with the reason."""

    source: SourceName | None = written()
    """Its name in the sources, which may be any text. Default: its own name."""
    role: Literal["feature", "outcome", "info"]
    """outcome: known only after the label delay, for targets alone. info: kept for slices, groups and reports."""
    unit: str | None = None
    min: float | None = None
    max: float | None = None
    values: list[Word] | None = None
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
    label_delay: Duration
    """How long after the event its outcome is known."""
    zone: str
    cautious: bool = False
    """Whether what comes next is so unlike what was that training is to learn less: small trees, few rounds, and nothing from
    tune, which only says when to stop. See docs/models.md."""


ROW_ID = "row|id"
"""The column that numbers the rows of a data set without a key. Names in the config can't hold a bar, so that whatever has one
never clashes with a column of the data."""
AVAILABLE = "|available_at"
"""Suffix of the columns that say when the values from a source became available."""
BREACHES = ("type", "values", "min", "max", "inf", "nan", "nullability")
"""What of its contract a column can break: a reason for quarantine has it behind the column's name and a bar."""
DUPLICATES = "duplicates"
"""What rows that stand on both sides of the split are called in `accepted`."""


class LeakCheck(Section):
    """When a feature looks too good to be known at decision time. docs/data.md lists what is looked for."""

    score: float = Field(gt=0.5, le=1)
    """AUC (binary) or R2 of the ranks (regression) that one column reaches alone, or with another."""
    level_rows: int = Field(ge=2)
    """Rows a level, or a null, needs before it can be suspected of deciding the target."""
    action: Literal["report", "fail"]
    accepted: list[Name] = []
    """Features that a person has looked at and vouches for; also a source, the subject, or `duplicates`."""


class Checks(Section):
    max_quarantined_share: Share
    """Past this share of broken rows the stage fails: the source has changed, not a few rows."""
    leaks: LeakCheck


class Split(Section):
    """Time-ordered data: test is the stretch before the cutoff, tune the stretch before that, train the rest.
    Data without time: rows are dealt by the hash of their subject or, where the data names none, of their key."""

    cutoff: date | None = None
    """Everything from here on is the future. Default: all rows are past."""
    test: Duration | Share
    """A calendar stretch, such as 1mo, or a share of the rows."""
    tune: Duration | Share
    train: Duration | None = None
    """How far train reaches back from where tune begins. Default: to the first row."""
    holdout: Share
    """Share of days (of rows, where there is no time) that no model ever trains or tunes on."""


class Data(Section):
    """A data set: where rows come from, what they promise, and how they are split. See docs/data.md."""

    name: Name
    description: str = ""
    sources: dict[Name, Source] = Field(min_length=1)
    rows: Name
    """The source whose rows are the examples: joins may add columns to them, never add or drop rows."""
    joins: Sql | None = None
    """A SQL query over the sources by name that gives the rows with their columns. Default: the rows as they are."""
    partition: list[SourceName] | None = written()
    """Columns of the rows' source: SQL in `joins` looks at no rows but those that have the same values in them. To be said where SQL
    looks across rows, there are more of them than fit into memory, and windows (OVER) don't say so by themselves."""
    as_of: dict[Name, AsOfJoin] = {}
    """Sources joined by when their values were available, by source name."""
    key: list[Name] = []
    """Columns that identify a row. Default: its position in the source, which SQL knows as `"row|id"`."""
    subject: Name | None = None
    """The column that names the person a row is about, by whom `accord forget` erases. Default: the row's key."""
    time: Time | None = None
    columns: dict[Name, Column] = Field(min_length=1)
    derived: dict[Name, Sql] = {}
    """More features, as SQL expressions over the columns of one row; the service computes them too."""
    rules: dict[Name, Sql] = {}
    """Further promises, as SQL conditions that every row must meet."""
    checks: Checks
    split: Split
    slices: list[Name] = []
    """Columns by whose values the metrics are broken down."""
    groups: list[Name | list[Name]] = []
    """Columns across whose values people are to be treated alike; a list of columns stands for those that they have at once."""
    targets: dict[Name, Target] = Field(min_length=1)
    """What the data set lends itself to predict; objectives choose from these or bring their own."""

    @model_validator(mode="before")
    @classmethod
    def _rows_of_the_only_source(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and "rows" not in values and len(values.get("sources") or ()) == 1:
            return {**values, "rows": next(iter(values["sources"]))}
        return values

    def like_rows(self, path: Path) -> Source:
        """A file that somebody hands over, written as the rows' own source is: separator, words for missing values."""
        return self.sources[self.rows].model_copy(update={"path": str(path)})

    @property
    def is_cautious(self) -> bool:
        return self.time is not None and self.time.cautious

    @property
    def identity(self) -> list[str]:
        """The columns by which rows are told apart: the key or, without one, their numbers."""
        return self.key or [ROW_ID]

    @property
    def dealt_by(self) -> list[str]:
        """The columns by which rows without time are dealt to the splits: all of a subject's rows to one of them."""
        return [self.subject] if self.subject else self.identity

    @property
    def personal(self) -> set[str]:
        """The columns that identify a person, whose values stay out of what leaves with a model."""
        return {name for name, column in self.columns.items() if column.pii or name == self.subject}
