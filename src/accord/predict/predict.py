"""Batch prediction: files of rows, written with their predictions, in as much memory as a few pieces take."""

import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import polars as pl

from accord import __version__
from accord.bundle.bundle import Bundle
from accord.code import PACKAGE
from accord.data.ingest import sources
from accord.engines import memory
from accord.errors import AccordError
from accord.files import replacing
from accord.predict import pieces
from accord.predict.answered import RefusedError, n_values
from accord.predict.kept import Kept, kept
from accord.predict.outputs import Output, outputs_of
from accord.predict.pieces import Piece, refuse_changed, stamp
from accord.predict.workers import Answering, Failed, Result, Task, results
from accord.schema.config import Engine
from accord.schema.data import Column, Source
from accord.terminal import end_progress, show_progress

VALUES = 4_000_000
"""Of the rows that a process has in memory at once, with their answers."""
ROW_GROUP_ROWS, ROW_GROUP_VALUES = 131_072, 8_000_000
LIBRARIES = ("polars", "numpy", "lightgbm")
"""Whose versions may decide a bit."""
SHOWN_S = 0.2


@dataclass(frozen=True)
class Place:
    """Where a prediction is at work, and in how much memory."""

    bundle: Path
    """The folder of the bundle, which further processes load."""
    scratch: Path
    engine: Engine

    def rows_at_once(self, n_columns: int) -> int:
        fitting = memory.chunk_rows(self.engine, n_columns) // self.engine.workers
        return max(1, min(VALUES // n_columns, fitting))


@dataclass(frozen=True)
class Job:
    """An output and its pieces."""

    number: int
    output: Output
    source: Source
    """Of all its rows."""
    pieces: list[Piece]

    @property
    def is_small(self) -> bool:
        return sum(piece.size for piece in self.pieces) <= 1

    @property
    def name(self) -> str:
        """Of the whole output, among what is kept."""
        return f"{self.number:06}-all"

    @property
    def tasks(self) -> list[Task]:
        suffix = self.output.path.suffix
        is_whole = len(self.pieces) == 1 and self.is_small
        if suffix == ".parquet" and not is_whole:
            suffix = ".arrow"
        return [
            Task(f"{self.number:06}-{i:06}", piece, suffix, has_header=i == 0)
            for i, piece in enumerate(self.pieces)
        ]


def predict(bundle: Bundle, source: Source, output: Path, place: Place, explain: bool = False) -> int:
    """Writes the rows with each target's predictions, as CSV or Parquet by the output's name, and returns how many there were; of a
    folder or a pattern each file by its name into the folder `output`. `answers` says which columns are added.

    Raises AccordError, and writes nothing, if a column is missing or a row breaks the contract. Killed, it goes on where it was
    when it is called again.
    """
    outputs = outputs_of(source, output)
    stamps = {file: stamp(file) for one in outputs for file in one.files}
    about = {
        "model": bundle.model_id, "explain": explain, "source": source.model_dump(mode="json"),
        "versions": [__version__, *map(version, LIBRARIES)], "code": _changed_at(),
        "outputs": [[str(one.path.resolve()), *(asdict(stamps[file]) for file in one.files)] for one in outputs],
        "rows": [place.rows_at_once(n) for n in (10, 1000)],
    }  # fmt: skip
    with kept(place.scratch, about, output) as finished:
        moves = finished.moving
        if moves is None:
            jobs = list(_jobs(bundle, source, outputs, place, explain, finished.folder))
            _run(jobs, bundle, place, Answering(explain, finished.folder), finished)
            for found in stamps.values():
                refuse_changed(found)
            whole = finished.finished()
            moves = {whole[job.name][0].name: str(job.output.path.absolute()) for job in jobs}
            finished.begin_moving(moves)
        finished.move_all(moves)
    return sum(int(Path(name).stem.rpartition("+")[2]) for name in moves)


def _changed_at() -> int:
    """When the code was changed last."""
    return max(path.stat().st_mtime_ns for path in PACKAGE.rglob("*.py"))


def _jobs(
    bundle: Bundle, source: Source, outputs: list[Output], place: Place, explain: bool, scratch: Path
) -> Iterator[Job]:
    columns, more = {**bundle.columns, **bundle.context}, n_values(bundle, explain)
    for number, one in enumerate(outputs):
        where, is_one = one.source, len(one.files) == 1
        whole = [
            Piece(
                stamp(file), source.model_copy(update={"path": str(file)}),
                where if is_one else f"{where}, file {file.name}", may_be_empty=len(outputs) > 1,
            )
            for file in one.files
        ]  # fmt: skip
        of_source = source.model_copy(update={"path": where})
        of_files = [
            pieces.cut(piece, lambda n_columns: place.rows_at_once(n_columns + more), scratch, columns)
            for piece in whole
        ]
        if sum(piece.size for of_file in of_files for piece in of_file) <= 1 and len(of_files) == sum(
            map(len, of_files)
        ):
            yield Job(number, one, of_source, [replace(of_files[0][0], where=where, source=of_source)])
        else:
            of_files = pieces.together(f"Source 'input' ({where})", of_files, columns)
            yield Job(number, one, of_source, [piece for of_file in of_files for piece in of_file])


def _run(jobs: list[Job], bundle: Bundle, place: Place, answering: Answering, finished: Kept) -> None:
    """Has every output whole among what is kept."""
    known, columns = finished.finished(), {**bundle.columns, **bundle.context}
    counts = {name: n_rows for name, (_, n_rows) in known.items()}
    open_jobs = [job for job in jobs if job.name not in known]
    left = [task for job in open_jobs for task in job.tasks if task.name not in known]
    of_task = {task.name: job for job in open_jobs for task in job.tasks}
    missing = {job.number: sum(task.name not in known for task in job.tasks) for job in open_jobs}
    for job in open_jobs:
        if not missing[job.number]:
            _join(job, finished, columns)
    workers = min(place.engine.workers, len(left)) or 1
    progress = _Progress(left)
    for task, result in _until_refused(left, results(left, answering, bundle, place.bundle, workers)):
        job = of_task[task.name]
        if not isinstance(result, int):
            progress.end()
            raise _error(result, job, task, counts, is_one=len(jobs) == 1)
        counts[task.name] = result
        progress.add(task, result)
        missing[job.number] -= 1
        if not missing[job.number]:
            _join(job, finished, columns)
    progress.end()


def _until_refused(tasks: list[Task], found: Iterable[tuple[Task, Result]]) -> Iterator[tuple[Task, Result]]:
    """The results up to the first one, in the order of the tasks, that is none: it comes last, when all before it are there."""
    place = {one.name: i for i, one in enumerate(tasks)}
    waiting, first = set(range(len(tasks))), None
    for task, result in found:
        index = place[task.name]
        waiting.discard(index)
        if isinstance(result, int):
            yield task, result
        elif first is None or index < first[0]:
            first = (index, task, result)
        if first is not None and min(waiting, default=len(tasks)) > first[0]:
            yield first[1:]
            return


def _error(
    result: RefusedError | Failed, job: Job, task: Task, counts: dict[str, int], is_one: bool
) -> AccordError:
    if isinstance(result, Failed):
        return AccordError(result.message, result.details)
    before = [other.name for other in job.tasks if other.name < task.name]
    is_all = len(job.pieces) == 1
    error = result.error(job.output.source, sum(counts[name] for name in before), is_all)
    if result.n_broken or is_one:
        return error
    return AccordError(f"{job.output.source}: {error.message}", error.details)


def _join(job: Job, finished: Kept, columns: Mapping[str, Column]) -> None:
    """Makes one file of an output's pieces."""
    known = finished.finished()
    parts = [known[task.name] for task in job.tasks]
    n_rows = sum(n for _, n in parts)
    paths = [path for path, _ in parts]
    if not n_rows and not job.pieces[0].may_be_empty:
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


class _Progress:
    """What is shown while somebody waits."""

    def __init__(self, tasks: list[Task]) -> None:
        self._total = sum(task.piece.size for task in tasks)
        self._size, self._n_rows = 0.0, 0
        self._start, self._shown = time.monotonic(), 0.0
        self._is_shown = len(tasks) > 1

    def add(self, task: Task, n_rows: int) -> None:
        self._size += task.piece.size
        self._n_rows += n_rows
        now = time.monotonic()
        if self._is_shown and (now - self._shown > SHOWN_S):
            self._shown, taken = now, max(now - self._start, 1e-9)
            share = self._size / self._total if self._total else 1.0
            left = taken * (1 - share) / share if share else 0.0
            show_progress(
                f"{share:.0%}  {self._n_rows:,} rows, {self._n_rows / taken:,.0f} a second, {_clock(left)} left "
            )

    def end(self) -> None:
        if self._shown:
            self._shown = 0.0
            end_progress()


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
