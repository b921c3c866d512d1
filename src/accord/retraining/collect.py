"""Collect: predictions of the log whose outcomes are known, as batches of labelled rows for training.

data/batches/NAME.parquet      the rows of one collect, named by when it was and by the hash of the bytes
data/batches/NAME.parquet.dvc  DVC's pointer to it, for git
data/batches.json              the batches that the pipeline uses; `take_in` adds the others

The files alone say what was collected. Each appears whole or not at all, so a prediction is collected once, and again
only if its outcome was corrected afterwards.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import yaml
from polars.exceptions import PolarsError

from accord import dvc
from accord.data.batch_list import Batch, listed, sha256, write
from accord.data.ingest.batches import DATA, ID, LOG, OUTCOME_ID
from accord.errors import AccordError
from accord.paths import Paths
from accord.schema.config import Config
from accord.schema.data import Column, Data
from accord.schema.serving import Postgres
from accord.sql.rows import TYPES, reason
from accord.traffic import outcomes, typed
from accord.traffic.disk import sync

__all__ = ["Batch", "Collected", "collect", "listed", "pending", "take_in"]

TEMPORARY = ".collecting.parquet.tmp"
ASIDE = {
    "prediction_id": pl.String(), "key": pl.String(), "outcome_id": pl.String(), "outcome_at": pl.Datetime("us", "UTC"),
    "model": pl.String(), "action": pl.Boolean(), "probability": pl.Float64(),
}  # fmt: skip
"""Columns of the log that a batch keeps as `log|NAME`, beside the contract's columns and `predicted|TARGET`."""
BEFORE = "|before"
HAS_OUTCOME = pl.col("outcome_at").is_not_null()


@dataclass
class Collected:
    """What `collect` did."""

    file: Path | None = None
    """The file of the new batch; None if no prediction was to be collected."""
    n_rows: int = 0
    n_corrected: int = 0
    """How many of them stand in an earlier batch with another outcome."""
    n_unknown: int = 0
    """How many predictions have no outcome yet."""
    unread: list[str] = field(default_factory=list)
    """Values of the log that can't be read in the contract's types, in words. Their rows are not collected."""
    lacking: dict[str, int] = field(default_factory=dict)
    """In how many rows each column, of which the contract demands a value, has none."""


def collect(config: Config, paths: Paths) -> Collected:
    """Writes the predictions that have a new outcome to a batch, and adds it to DVC. Raises AccordError if another process
    works on the project, or if an earlier batch is known to DVC but not on this disk."""
    paths.batches.mkdir(parents=True, exist_ok=True)
    with dvc.alone(paths):
        collected = _collected(config.data, config.serving.traffic.postgres, paths)
        _track(paths)
    return collected


def pending(data: str, paths: Paths) -> list[Batch]:
    """The data set's batches that data/batches.json does not list yet, the oldest first."""
    known = {batch.file for batch in listed(paths.batch_list)}
    batch_files = {paths.in_root(file): file for file in _files(paths, data)}
    return [Batch(name, sha256(file), data) for name, file in batch_files.items() if name not in known]


def take_in(data: str, paths: Paths) -> list[Batch]:
    """Adds the pending batches to those that the pipeline uses, and returns them."""
    new = pending(data, paths)
    if new:
        write([*listed(paths.batch_list), *new], paths.batch_list)
    return new


def _collected(data: Data, postgres: Postgres | None, paths: Paths) -> Collected:
    temporary = paths.batches / TEMPORARY
    try:
        return _collected_in(temporary, data, postgres, paths)
    finally:
        temporary.unlink(missing_ok=True)


def _collected_in(temporary: Path, data: Data, postgres: Postgres | None, paths: Paths) -> Collected:
    known = outcomes.labelled(paths.traffic, postgres=postgres)
    before = _before(data, paths)
    try:
        fresh = _fresh(_in_contract(known, data), before, data).sort(ID)
        fresh.sink_parquet(temporary, metadata={DATA: data.name})
    except PolarsError as error:
        raise AccordError(
            f"What was logged does not fit the columns of {data.name}: {reason(error)}. Collect with the config that it was logged under"
        ) from error
    fresh = pl.scan_parquet(temporary, glob=False)
    collected = Collected(
        n_rows=_n(fresh),
        n_corrected=_n(fresh.join(before, on=ID, how="semi")),
        n_unknown=_n(known.filter(pl.col("outcome_at").is_null())),
        unread=[
            *typed.in_words(typed.n_unread(known.filter(HAS_OUTCOME), data.columns), data.columns),
            *_of_another_contract(known, data),
        ],
        lacking=_lacking(fresh, data),
    )
    if collected.n_rows:
        sync(temporary)
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{sha256(temporary)[:12]}.parquet"
        collected.file = temporary.rename(paths.batches / name)
        sync(paths.batches)
    return collected


def _in_contract(known: pl.LazyFrame, data: Data) -> pl.LazyFrame:
    """The predictions whose outcome is known, with the contract's columns and those of `ASIDE`.

    Personal columns are null, as the log has only pseudonyms; these are kept aside, so that a person can be forgotten.
    Rows with a value that can't be read stay in the log: with null in its place they would say something else.
    """
    schema = known.collect_schema()
    declared = [typed.as_declared(name, column, schema) for name, column in data.columns.items()]
    unread = [typed.is_unread(name, column, schema) for name, column in data.columns.items()]
    hashed = [f"row|{name}" for name, column in data.columns.items() if column.pii == "hash"]
    predicted = [name for name in schema if name.startswith("predicted|")]
    kept = [*predicted, *(name for name in hashed if name in schema)]
    aside = (pl.col(name).alias(f"{LOG}{name}") for name in ASIDE)
    foreign = typed.is_of_another_contract(_outcomes(data), schema)
    return known.filter(HAS_OUTCOME & ~pl.any_horizontal(foreign, *unread)).select(*declared, *aside, *kept)


def _of_another_contract(known: pl.LazyFrame, data: Data) -> list[str]:
    n = _n(known.filter(HAS_OUTCOME & typed.is_of_another_contract(_outcomes(data), known.collect_schema())))
    names = ", ".join(_outcomes(data))
    return (
        [f"{n:,} outcomes have other columns than the contract's, {names}: it has changed since"] if n else []
    )


def _outcomes(data: Data) -> dict[str, Column]:
    return {name: column for name, column in data.columns.items() if column.role == "outcome"}


def _before(data: Data, paths: Paths) -> pl.LazyFrame:
    """The predictions in these batches, each with its latest outcome."""
    types = {name: TYPES[column.type] for name, column in data.columns.items() if column.role == "outcome"}
    parts = [pl.scan_parquet(file, glob=False, hive_partitioning=False) for file in _files(paths, data.name)]
    none = pl.LazyFrame(schema={ID: ASIDE["prediction_id"], OUTCOME_ID: ASIDE["outcome_id"], **types})
    return (
        pl.concat([none, *parts], how="diagonal_relaxed")
        .select(ID, OUTCOME_ID, *types)
        .cast(types, strict=False)  # type: ignore[arg-type]
        .group_by(ID)
        .agg(pl.all().max_by(OUTCOME_ID))
    )


def _fresh(rows: pl.LazyFrame, before: pl.LazyFrame, data: Data) -> pl.LazyFrame:
    """The rows that stand in no batch, or only with another outcome."""
    differs = [
        pl.col(name).ne_missing(pl.col(f"{name}{BEFORE}"))
        for name, column in data.columns.items()
        if column.role == "outcome"
    ]
    is_new = pl.col(f"{OUTCOME_ID}{BEFORE}").is_null()
    beside = rows.join(before, on=ID, how="left", suffix=BEFORE)
    return beside.filter(pl.any_horizontal(is_new, *differs)).select(rows.collect_schema().names())


def _lacking(rows: pl.LazyFrame, data: Data) -> dict[str, int]:
    wanted = [name for name, column in data.columns.items() if not column.nullable or name in data.key]
    if not wanted:
        return {}
    counts = rows.select(pl.col(wanted).null_count()).collect(engine="streaming").row(0, named=True)
    return {name: n for name, n in counts.items() if n}


def _n(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.len()).collect(engine="streaming").item())


def _files(paths: Paths, data: str | None = None) -> list[Path]:
    """The files of batches, the oldest first, those of one data set if it is named. Raises AccordError for one that DVC knows
    and that is not on this disk."""
    files = sorted(paths.batches.glob("*.parquet"))
    pointed = [pointer.with_suffix("") for pointer in paths.batches.glob("*.parquet.dvc")]
    for missing in sorted(
        {*pointed, *(paths.root / batch.file for batch in listed(paths.batch_list))} - set(files)
    ):
        raise AccordError(
            f"The bytes of {missing} are not here, so that it is not known what was collected; fetch them: dvc pull --recursive {paths.batches}"
        )
    return [file for file in files if data is None or pl.read_parquet_metadata(file).get(DATA) == data]


def _track(paths: Paths) -> None:
    """Adds the batches that DVC doesn't track yet."""
    new = [paths.in_root(file) for file in _files(paths) if not _is_tracked(file)]
    if not new:
        return
    done = dvc.run(paths, "add", *new)
    if done.returncode:
        raise AccordError(
            f"{', '.join(new)}: collected, but DVC can't track it: {' '.join(done.stderr.split())[:300]}. Remove the cause and run this again"
        )


def _is_tracked(file: Path) -> bool:
    try:
        pointer = yaml.safe_load(file.with_name(f"{file.name}.dvc").read_text(encoding="utf-8"))
        return bool(pointer["outs"][0]["size"] == file.stat().st_size)
    except (OSError, ValueError, TypeError, KeyError, IndexError, yaml.YAMLError):  # not there, or cut short
        return False
