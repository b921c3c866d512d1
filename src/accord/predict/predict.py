"""Batch prediction: files of rows, written with their predictions, in as much memory as a few pieces take."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from accord import __version__
from accord.bundle.bundle import Bundle
from accord.code import PACKAGE
from accord.errors import AccordError
from accord.predict.answered import RefusedError
from accord.predict.joining import join
from accord.predict.kept import Kept, kept
from accord.predict.outputs import outputs_of
from accord.predict.pieces import refuse_changed, stamp
from accord.predict.progress import Progress
from accord.predict.work import Job, Place, jobs
from accord.predict.workers import Answering, Failed, Result, Task, results
from accord.schema.data import Source

LIBRARIES = ("polars", "numpy", "lightgbm")
"""Whose versions may decide a bit."""


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
            todo = list(jobs(bundle, source, outputs, place, explain, finished.folder))
            _run(todo, bundle, place, Answering(explain, finished.folder), finished)
            for found in stamps.values():
                refuse_changed(found)
            whole = finished.finished()
            moves = {whole[job.name][0].name: str(job.output.path.absolute()) for job in todo}
            finished.begin_moving(moves)
        finished.move_all(moves)
    return sum(int(Path(name).stem.rpartition("+")[2]) for name in moves)


def _changed_at() -> int:
    """When the code was changed last."""
    return max(path.stat().st_mtime_ns for path in PACKAGE.rglob("*.py"))


def _run(todo: list[Job], bundle: Bundle, place: Place, answering: Answering, finished: Kept) -> None:
    """Has every output whole among what is kept."""
    known, columns = finished.finished(), {**bundle.columns, **bundle.context}
    counts = {name: n_rows for name, (_, n_rows) in known.items()}
    open_jobs = [job for job in todo if job.name not in known]
    left = [task for job in open_jobs for task in job.tasks if task.name not in known]
    of_task = {task.name: job for job in open_jobs for task in job.tasks}
    missing = {job.number: sum(task.name not in known for task in job.tasks) for job in open_jobs}
    for job in open_jobs:
        if not missing[job.number]:
            join(job, counts, finished, columns)
    workers = min(place.engine.workers, len(left)) or 1
    progress = Progress(left)
    for task, result in _until_refused(left, results(left, answering, bundle, place.bundle, workers)):
        job = of_task[task.name]
        if not isinstance(result, int):
            progress.end()
            raise _error(result, job, task, counts, is_one=len(todo) == 1)
        counts[task.name] = result
        progress.add(task, result)
        missing[job.number] -= 1
        if not missing[job.number]:
            join(job, counts, finished, columns)
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
    result: RefusedError | Failed, job: Job, task: Task, counts: Mapping[str, int], is_one: bool
) -> AccordError:
    if isinstance(result, Failed):
        return AccordError(result.message, result.details)
    before = [other.name for other in job.tasks if other.name < task.name]
    is_all = len(job.pieces) == 1
    error = result.error(job.output.source, sum(counts[name] for name in before), is_all)
    if result.n_broken or is_one:
        return error
    return AccordError(f"{job.output.source}: {error.message}", error.details)
