"""Batches of labelled traffic, which are added to the rows of the sources."""

from collections.abc import Sequence
from uuid import UUID

import polars as pl

from accord.data import casting, declared
from accord.data.batch_list import Batch, sha256
from accord.data.ingest import joins
from accord.errors import AccordError
from accord.paths import Paths
from accord.schema.data import ROW_ID, Column, Data

KEY = "key|"
LOG = "log|"
"""The prefix of columns that come from the log. Column names in the config can't hold a bar, so these never clash."""
ID, OUTCOME_ID = f"{LOG}prediction_id", f"{LOG}outcome_id"
"""The ids of prediction and outcome. Outcomes sorted by their id are in the order in which they were received."""
DATA = "accord.data"
"""The key of a batch's metadata under which the data set's name stands."""


def joined(
    frame: pl.DataFrame, batches: Sequence[Batch], data: Data, paths: Paths
) -> tuple[pl.DataFrame, str]:
    """The rows of the sources and of the batches, in the order of `joins.ingest`, and a sentence that counts them.

    Where rows have the same key, one from a batch replaces that of the sources, and among batches the one with the latest
    outcome counts. Without a key, a row of a batch is identified by its prediction. Raises AccordError for a batch whose
    bytes are missing or changed.
    """
    if not batches:
        return frame, ""
    key, frame = data.identity, declared.typed(frame, data.columns)
    collected = pl.concat([_read(batch, paths) for batch in batches], how="diagonal_relaxed")
    if not data.key:
        collected = collected.with_columns(collected[ID].map_elements(_row_id, pl.Int64).alias(ROW_ID))
    latest = collected.sort(OUTCOME_ID, ID).select(
        pl.col(name) if name in collected.columns else pl.lit(None).alias(name)
        for name in dict.fromkeys([*key, *data.columns])
    )
    has_key = ~pl.any_horizontal(
        pl.col(key).is_null()
    )  # stage validate puts rows without a key in quarantine
    latest = pl.concat(
        [latest.filter(has_key).unique(key, keep="last", maintain_order=True), latest.filter(~has_key)]
    )
    others = _with_typed_key(frame, key, data.columns).join(
        latest, left_on=[f"{KEY}{name}" for name in key], right_on=key, how="anti", maintain_order="left"
    )
    texts = [
        name for name in latest.columns if frame.schema[name] == pl.String
    ]  # some value has not its type
    latest = latest.with_columns(pl.col(texts).cast(pl.String, strict=False))
    together = pl.concat([others.select(frame.columns), latest], how="diagonal_relaxed")
    n_replaced = frame.height - others.height
    told = (
        f"; {len(batches)} batches with {collected.height:,} rows: {n_replaced:,} replace rows of the sources, "
        f"{collected.height - latest.height:,} those of earlier batches, {latest.height - n_replaced:,} are new"
    )
    return joins.in_order(together, data), told


def _read(batch: Batch, paths: Paths) -> pl.DataFrame:
    file = paths.root / batch.file
    if not file.is_file():
        raise AccordError(
            f"The bytes of {file}, which {paths.batch_list} lists, are not here; fetch them: dvc pull --recursive {paths.batches}"
        )
    digest = sha256(file)
    if digest != batch.sha256:
        raise AccordError(
            f"{file} has the hash {digest[:16]}; expected {batch.sha256[:16]}, as {paths.batch_list} says. Restore it: dvc checkout --force {file}.dvc"
        )
    return pl.read_parquet(file, glob=False, hive_partitioning=False)


def _row_id(prediction_id: str) -> int:
    """A negative row id, made of the random bits of the prediction's id: no row of a source has one below 0."""
    return -1 - (UUID(prediction_id).int & (2**62 - 1))


def _with_typed_key(frame: pl.DataFrame, key: Sequence[str], columns: dict[str, Column]) -> pl.DataFrame:
    return frame.with_columns(
        (casting.cast(frame[name], columns[name])[0] if name in columns else frame[name]).alias(
            f"{KEY}{name}"
        )
        for name in key
    )
