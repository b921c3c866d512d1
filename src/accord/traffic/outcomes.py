"""Outcomes beside the predictions that they belong to. The last that was received counts, however late and in whatever
order they came.

An outcome names its prediction by id, by the row's key, or by both. An outcome whose prediction is not known is kept, and
is matched as soon as the prediction is there.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from accord.schema.serving import Postgres
from accord.traffic.reading import scan_outcomes, scan_predictions

PREFIX = "outcome|"
BY_KEY = "|by_key"


def labelled(
    folder: Path,
    begin: datetime | None = None,
    end: datetime | None = None,
    postgres: Postgres | None = None,
) -> pl.LazyFrame:
    """The predicted rows as `reading.scan_predictions` has them, a line each, with the latest outcome as
    `outcome|COLUMN`, its `outcome_id`, and `outcome_at`, when it was received. They are null as long as no
    outcome is known."""
    predictions = scan_predictions(folder, begin, end, postgres)
    outcomes = scan_outcomes(folder, postgres=postgres)
    values = ["outcome_at", *(name for name in outcomes.collect_schema() if name.startswith(PREFIX))]
    outcomes = outcomes.rename({"at": "outcome_at"})
    by_id, by_key = (
        outcomes.drop_nulls(name).group_by(name).agg(pl.col("outcome_id", *values).max_by("outcome_id"))
        for name in ("prediction_id", "key")
    )
    beside = predictions.join(by_id, on="prediction_id", how="left")
    beside = beside.join(by_key, on="key", how="left", suffix=BY_KEY)
    later = pl.col(f"outcome_id{BY_KEY}") > pl.col("outcome_id").fill_null("")
    return beside.select(
        *predictions.collect_schema(),
        *(
            pl.when(later).then(pl.col(f"{name}{BY_KEY}")).otherwise(name).alias(name)
            for name in ("outcome_id", *values)
        ),
    )


def coverage(
    folder: Path,
    begin: datetime | None = None,
    end: datetime | None = None,
    postgres: Postgres | None = None,
) -> pl.DataFrame:
    """Per day (UTC): `predictions`, how many of them are `with_outcome`, and how many outcomes received that day are
    `unmatched` because they name no prediction that is known."""
    day = pl.col("at").dt.date()
    covered = (
        labelled(folder, begin, end, postgres)
        .group_by(day=day)
        .agg(predictions=pl.len(), with_outcome=pl.col("outcome_at").count())
    )
    outcomes, known = scan_outcomes(folder, begin, end, postgres), scan_predictions(folder, postgres=postgres)
    unmatched = (
        outcomes.group_by("prediction_id", "key")
        .agg(pl.col("at").max())
        .join(known, on="prediction_id", how="anti")
        .join(known, on="key", how="anti")
        .group_by(day=day)
        .agg(unmatched=pl.len())
    )
    days = covered.join(unmatched, on="day", how="full", coalesce=True).sort("day")
    return days.collect(engine="streaming").with_columns(pl.exclude("day").fill_null(0))


def of(folder: Path, prediction: Mapping[str, Any], postgres: Postgres | None = None) -> dict[str, Any]:
    """The latest outcome of a prediction, as columns of `labelled`. Empty if no outcome is known."""
    named = pl.col("prediction_id") == prediction["prediction_id"]
    if prediction["key"] is not None:
        named |= pl.col("key") == prediction["key"]
    known = scan_outcomes(folder, postgres=postgres).filter(named).collect()
    if known.is_empty():
        return {}
    latest = known.sort("outcome_id").row(-1, named=True)
    values = {name: value for name, value in latest.items() if name.startswith(PREFIX)}
    return {"outcome_at": latest["at"], **values}
