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


class Batches:
    """The rows of the batches in use. Of those with the same key the one with the latest outcome counts, and it replaces that of the
    sources. Without a key, a row of a batch is identified by its prediction."""

    def __init__(self, batches: Sequence[Batch], data: Data, paths: Paths) -> None:
        """Raises AccordError for a batch whose bytes are missing or changed."""
        self._data, self._n_batches = data, len(batches)
        self._n_collected, self.latest = 0, pl.DataFrame()
        """Rows (n) in the order of `joins.in_order`, with the contract's columns."""
        if batches:
            collected = pl.concat([_read(batch, paths) for batch in batches], how="diagonal_relaxed")
            self._n_collected, self.latest = collected.height, joins.in_order(_latest(collected, data), data)

    def among(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """All rows of the sources with those of the batches, in the order of `joins.in_order`, and how many of the sources are replaced."""
        if not self._n_batches:
            return rows, 0
        rows = declared.typed(rows, self._data.columns)
        others = self.others(rows)
        return self.together(others, self.latest), rows.height - others.height

    def others(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows of the sources that none of a batch replaces."""
        if not self._n_batches:
            return rows
        key = self._data.identity
        return (
            _with_typed_key(rows, key, self._data.columns)
            .join(
                self.latest, left_on=[f"{KEY}{name}" for name in key], right_on=key, how="anti",
                maintain_order="left",
            )
            .select(rows.columns)
        )  # fmt: skip

    def due(self, waiting: pl.DataFrame, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Of rows of batches that wait for their place those that stand before or among these rows of the sources, and the rest."""
        if waiting.is_empty():
            return waiting, waiting
        last, key = "is|last", [f"{KEY}{i}" for i in range(len(joins.ordering(self._data)))]
        ends = [
            pl.DataFrame([value.alias(name) for name, value in zip(key, joins.keys(part, self._data), strict=True)])
            .with_columns(pl.lit(is_last).alias(last))
            for part, is_last in ((waiting, False), (rows.tail(1), True))
        ]  # fmt: skip
        n_due = int(pl.concat(ends).sort(key, nulls_last=True, maintain_order=True)[last].arg_max() or 0)
        return waiting.head(n_due), waiting.slice(n_due)

    def together(self, others: pl.DataFrame, latest: pl.DataFrame) -> pl.DataFrame:
        """Rows of the sources and of batches, in the order of `joins.in_order`."""
        if not self._n_batches:
            return others
        texts = [
            name for name in latest.columns if others.schema[name] == pl.String
        ]  # some value has not its type
        latest = latest.with_columns(pl.col(texts).cast(pl.String, strict=False))
        return joins.in_order(pl.concat([others, latest], how="diagonal_relaxed"), self._data)

    def told(self, n_replaced: int) -> str:
        """What the batches brought, in a sentence, if there are any."""
        if not self._n_batches:
            return ""
        n = self.latest.height
        return (
            f"; {self._n_batches} batches with {self._n_collected:,} rows: {n_replaced:,} replace rows of the sources, "
            f"{self._n_collected - n:,} those of earlier batches, {n - n_replaced:,} are new"
        )


def _latest(collected: pl.DataFrame, data: Data) -> pl.DataFrame:
    if not data.key:
        collected = collected.with_columns(collected[ID].map_elements(_row_id, pl.Int64).alias(ROW_ID))
    key = data.identity
    latest = collected.sort(OUTCOME_ID, ID).select(
        pl.col(name) if name in collected.columns else pl.lit(None).alias(name)
        for name in dict.fromkeys([*key, *data.columns])
    )
    has_key = ~pl.any_horizontal(
        pl.col(key).is_null()
    )  # stage validate puts rows without a key in quarantine
    return pl.concat(
        [latest.filter(has_key).unique(key, keep="last", maintain_order=True), latest.filter(~has_key)]
    )


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
