"""One file of the pieces of an output."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from accord.data.ingest import sources
from accord.data.partitions import ROW_GROUP_ROWS
from accord.errors import AccordError
from accord.files import replacing
from accord.predict.kept import Kept
from accord.predict.work import Job
from accord.schema.data import Column

ROW_GROUP_VALUES = 8_000_000
"""Of Parquet that is written from several pieces: the same however the rows were cut."""


def join(job: Job, counts: Mapping[str, int], finished: Kept, columns: Mapping[str, Column]) -> None:
    """Makes one file of an output's pieces."""
    paths = [finished.path(task.name, counts[task.name], task.suffix) for task in job.tasks]
    n_rows = sum(counts[task.name] for task in job.tasks)
    if not n_rows and not job.may_be_empty:
        raise AccordError(
            f"Source 'input' ({job.output.source}) has no rows; expected at least one. Put the data there or remove the source"
        )
    whole = finished.path(job.name, n_rows, job.output.path.suffix)
    if len(paths) == 1 and paths[0].suffix == whole.suffix:
        paths[0].rename(whole)
        return
    with replacing(whole) as temporary:
        if whole.suffix == ".csv":
            _concatenate(paths, temporary)
        elif job.is_small:
            _as_one(job, paths, columns).write_parquet(temporary)
        else:
            table = pl.scan_ipc(paths)
            width = len(table.collect_schema())
            table.sink_parquet(
                temporary, row_group_size=max(1, min(ROW_GROUP_ROWS, ROW_GROUP_VALUES // width))
            )
    for path in paths:
        path.unlink()


def _as_one(job: Job, paths: list[Path], columns: Mapping[str, Column]) -> pl.DataFrame:
    """The rows as they are read at once, whose layout Parquet keeps, with their answers."""
    answers = pl.concat([pl.read_ipc(path) for path in paths])
    rows = sources.handed_over("input", job.source, columns, may_be_empty=True)
    rows.columns = answers.columns[: rows.width]
    return pl.concat([rows, answers[:, rows.width :].rechunk()], how="horizontal")


def _concatenate(paths: list[Path], output: Path) -> None:
    with output.open("wb") as file:
        for path in paths:
            with path.open("rb") as part:
                shutil.copyfileobj(part, file, 1 << 20)
