"""Logged traffic by the names of the contract, one line a predicted row, however many there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from accord.bundle.bundle import Bundle
from accord.data.partitions import local
from accord.expectation.expectation import ACTION, PREDICTED, SCORE, with_actuals
from accord.schema.data import Column, Time
from accord.schema.objective import Objective
from accord.traffic.typed import as_declared, outcome_at

ID, AT, LATENCY_US, MODEL, WEIGHTS, PROBABILITY = (
    f"log|{name}" for name in ("prediction_id", "at", "latency_us", "model", "weights", "probability")
)
ARRIVED = pl.col("at").dt.convert_time_zone("UTC").dt.replace_time_zone(None)
DECIDED, EVENT, KNOWN = "time|decided", "time|event", "time|known"
"""When a row's prediction was needed, when it happened, and when its outcome was received: null if it wasn't yet."""


@dataclass(frozen=True)
class Window:
    """The rows that are judged, and when they were decided on; None without rows."""

    begin: datetime | None
    end: datetime | None
    n_rows: int
    n_labelled: int
    """Rows whose outcome is known."""
    hours: float | None
    """From the first event to the last."""
    other_models: dict[str, int]
    """How many rows were answered by models that aren't judged."""
    n_days: int | None = None
    """Days of events among the rows that metrics rest on, and among those with an outcome; None if the data have no time."""
    n_labelled_days: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The window as decision.json has it: without days where the data have no time."""
        days = {"n_days": self.n_days, "n_labelled_days": self.n_labelled_days}
        return {
            "begin": None if self.begin is None else self.begin.isoformat(),
            "end": None if self.end is None else self.end.isoformat(),
            "n_rows": self.n_rows,
            "n_labelled": self.n_labelled,
            "hours": self.hours,
            "other_models": self.other_models,
            **{name: n for name, n in days.items() if n is not None},
        }


def window_of(rows: pl.LazyFrame, model: str) -> Window:
    """The window that the observed rows of the model make up; rows of other models are counted."""
    by_model = rows.group_by(MODEL).agg(pl.len()).sort(MODEL).collect(engine="streaming")
    found = rows.filter(pl.col(MODEL) == model).select(
        begin=pl.col(DECIDED).min(), end=pl.col(DECIDED).max(), n_rows=pl.len(), n_labelled=pl.col(KNOWN).count(),
        first=pl.col(EVENT).min(), last=pl.col(EVENT).max(),
    ).collect(engine="streaming").row(0, named=True)  # fmt: skip
    first, last = found.pop("first"), found.pop("last")
    hours = None if first is None else (last - first).total_seconds() / 3600
    others = {str(name): n for name, n in by_model.iter_rows() if name != model}
    return Window(**found, hours=hours, other_models=others)


def observed(labelled: pl.DataFrame | pl.LazyFrame, bundle: Bundle, time: Time | None) -> pl.LazyFrame:
    """The rows of `traffic.outcomes.labelled` with the contract's columns by name and in their types, `predicted|TARGET`,
    `policy|score`, `policy|action`, and what the log knows of each. What identifies a person is null.

    Times are those of the data where a row brings them, else those of its arrival, in UTC.
    """
    rows = labelled.lazy()
    schema = rows.collect_schema()
    log = {
        ID: "prediction_id",
        LATENCY_US: "latency_us",
        MODEL: "model",
        WEIGHTS: "weights",
        PROBABILITY: "probability",
    }
    never = pl.lit(None, pl.Datetime("us", "UTC"))
    known = outcome_at(bundle.outcomes, schema) if "outcome_at" in schema else never
    return rows.select(
        *(as_declared(name, column, schema) for name, column in logged_columns(bundle).items()),
        *(_or_null(f"{PREDICTED}{name}", schema, pl.Float64()) for name in bundle.predictions),
        _or_null("score", schema, pl.Float64()).alias(SCORE),
        _or_null("action", schema, pl.Boolean()).alias(ACTION),
        *((pl.col(n) if n in schema else pl.lit(None)).alias(alias) for alias, n in log.items()),
        ARRIVED.alias(AT),
        known.alias(KNOWN),
        decided(bundle, time, schema).alias(DECIDED),
        _first([] if time is None else [time.event], bundle, schema).alias(EVENT),
    )


def logged_columns(bundle: Bundle) -> dict[str, Column]:
    """The contract's columns that the log may have, those of outcomes too."""
    return {**bundle.columns, **bundle.context, **bundle.outcomes}


def with_known(rows: pl.DataFrame, objective: Objective) -> pl.DataFrame:
    """The rows, those with an outcome first, with `actual|TARGET`, null as long as the outcome isn't known.

    To a target's SQL a value that is still to come looks like one that is missing, such as the arrival of a cancelled flight.
    """
    known = pl.col(KNOWN).is_not_null()
    return pl.concat([with_actuals(rows.filter(known), objective), rows.filter(~known)], how="diagonal")


def decided(bundle: Bundle, time: Time | None, schema: Mapping[str, pl.DataType]) -> pl.Expr:
    """When the prediction of a logged row was needed: the data's decision time, but at the latest when the request arrived,
    since a client may ask about next year."""
    names = [] if time is None else [time.decision, time.event]
    return pl.min_horizontal(_first([name for name in names if name], bundle, schema), ARRIVED)


def days(event: pl.Series, time: Time | None) -> pl.Series:
    """The day of each event (n,) where the data are, as a number."""
    zone = "UTC" if time is None else time.zone
    return (
        pl.DataFrame({"event": event})
        .select(local(pl.col("event"), zone).dt.date().cast(pl.Int32))
        .to_series()
    )


def sampled(rows: pl.LazyFrame, n_rows: int, n_wanted: int, columns: Sequence[str]) -> pl.DataFrame:
    """About so many of the rows, chosen by their ids and in their order, so that the same rows are chosen again."""
    if n_rows > n_wanted:
        rows = rows.filter(pl.col(ID).hash(seed=0) % 1_000_000 < round(1e6 * n_wanted / n_rows))
    return rows.select(ID, *columns).collect(engine="streaming").sort(ID, maintain_order=True)


def _or_null(name: str, schema: Mapping[str, pl.DataType], type_: pl.DataType) -> pl.Expr:
    return pl.col(name).cast(type_, strict=False) if name in schema else pl.lit(None, type_).alias(name)


def _first(names: Sequence[str], bundle: Bundle, schema: Mapping[str, pl.DataType]) -> pl.Expr:
    """The first of these instants that a logged row brings, or else when it arrived."""
    columns = {**bundle.columns, **bundle.context}
    there = [as_declared(name, columns[name], schema) for name in names if name in columns]
    return pl.coalesce(*there, ARRIVED)
