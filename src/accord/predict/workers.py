"""Pieces predicted side by side, each process with the bundle loaded once and on one thread."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread

import polars as pl

from accord.bundle.bundle import Bundle, load_bundle
from accord.errors import AccordError
from accord.files import replacing
from accord.predict import pieces
from accord.predict.answered import RefusedError, answered
from accord.predict.pieces import Piece
from accord.program import machines_reason

WAITING = 2
"""Pieces that wait for each process, so that none has to wait for the next."""


@dataclass(frozen=True)
class Task:
    """A piece, and where its answers go."""

    name: str
    piece: Piece
    suffix: str
    has_header: bool
    """Whether CSV of it begins with the names of the columns."""

    def path(self, folder: Path, n_rows: int) -> Path:
        return folder / f"{self.name}+{n_rows}{self.suffix}"


@dataclass(frozen=True)
class Failed:
    """An AccordError, which goes from one process to another as plain data."""

    message: str
    details: tuple[str, ...]


Result = int | RefusedError | Failed
"""How many rows a piece has, or why they are not answered."""


@dataclass(frozen=True)
class Answering:
    """What is the same for all pieces."""

    explain: bool
    folder: Path

    def answer(self, bundle: Bundle, task: Task) -> Result:
        try:
            rows = pieces.read(task.piece, {**bundle.columns, **bundle.context})
            table = answered(bundle, rows, task.piece.where, self.explain)
        except RefusedError as refused:
            return refused
        except AccordError as error:
            if error.__cause__ is not None and machines_reason(error.__cause__) is not None:
                raise
            return Failed(error.message, tuple(error.details))
        with replacing(task.path(self.folder, table.height)) as temporary:
            write(table, temporary, task)
        return table.height


def write(table: pl.DataFrame, path: Path, task: Task) -> None:
    if task.suffix == ".csv":
        table.write_csv(path, include_header=task.has_header)
    elif task.suffix == ".parquet":
        table.write_parquet(path)
    else:
        table.write_ipc(path, compression="lz4")


def results(
    tasks: Iterable[Task], answering: Answering, bundle: Bundle, folder: Path, workers: int
) -> Iterator[tuple[Task, Result]]:
    """Each task with its result, in any order. One worker is this process."""
    if workers == 1:
        yield from ((task, answering.answer(bundle, task)) for task in tasks)
        return
    left = iter(tasks)
    with _pool(workers, answering, folder) as pool:
        running: dict[Future[Result], Task] = {}
        while True:
            for task in islice(left, workers * WAITING - len(running)):
                running[pool.submit(_answer, task)] = task
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()


@contextmanager
def _pool(workers: int, answering: Answering, folder: Path) -> Iterator[ProcessPoolExecutor]:
    """Processes of which each uses one thread."""
    before = os.environ.get("POLARS_MAX_THREADS")
    os.environ["POLARS_MAX_THREADS"] = "1"  # read when a process imports Polars
    pool = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(answering, folder)
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        if before is None:
            del os.environ["POLARS_MAX_THREADS"]
        else:
            os.environ["POLARS_MAX_THREADS"] = before


_own: dict[str, Callable[[Task], Result]] = {}
"""Of a process of the pool: what answers a task."""


def _begin(answering: Answering, folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    Thread(target=_end_with_parent, daemon=True).start()
    bundle = load_bundle(folder)
    _own["answer"] = lambda task: answering.answer(bundle, task)


def _answer(task: Task) -> Result:
    return _own["answer"](task)


def _end_with_parent() -> None:
    """Ends this process once the one that started it is gone: a kill leaves nothing at work."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
