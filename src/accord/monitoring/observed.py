"""Logged traffic by the names of the contract, one line a predicted row, however many there are."""

from collections.abc import Mapping, Sequence

import polars as pl

from accord.bundle.bundle import Bundle
from accord.data.partitions import local
from accord.monitoring.expectation import PREDICTED, with_actuals
from accord.schema.data import Column, Time
from accord.schema.objective import Objective
from accord.traffic.typed import as_declared, outcome_at

ID, AT, LATENCY_US, MODEL, WEIGHTS, PROBABILITY = (
    f"log|{name}" for name in ("prediction_id", "at", "latency_us", "model", "weights", "probability")
)
ARRIVED = pl.col("at").dt.convert_time_zone("UTC").dt.replace_time_zone(None)
DECIDED, EVENT, KNOWN = "time|decided", "time|event", "time|known"
"""When a row's prediction was needed, when it happened, and when its outcome was received: null if it wasn't yet."""


def observed(labelled: pl.DataFrame | pl.LazyFrame, bundle: Bundle, time: Time | None) -> pl.LazyFrame:
    """The rows of `traffic.outcomes.labelled` with the contract's columns by name and in their types, `predicted|TARGET`,
    `score`, `action`, and what the log knows of each. What identifies a person is null.

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
        *(_or_null(f"{PREDICTED}{name}", schema, pl.Float64()) for name in bundle.targets),
        _or_null("score", schema, pl.Float64()),
        _or_null("action", schema, pl.Boolean()),
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
    """When the prediction of a logged row was needed: the data's decision time, or else its arrival, than which it is never
    later: a client may ask about next year."""
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
