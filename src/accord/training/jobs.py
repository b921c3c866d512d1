"""Train: the targets' models, side by side, each in a process of its own, or one after another where memory holds no more."""

import os
import resource
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accord import models
from accord.data import partitions
from accord.engines import bound, mapped, memory
from accord.engines.room import Room
from accord.errors import AccordError
from accord.features.transform import Transform, load_matrix, save_matrix
from accord.files import write_json
from accord.models import loading
from accord.models.trained import BASELINE_FILE, MODEL_FILE, SETTINGS_FILE, TUNE_FILE
from accord.paths import Paths
from accord.schema.config import Config
from accord.schema.objective import Target
from accord.sql.rows import columns_of, errors_after, evaluate
from accord.tasks.registry import predicted, task_of

MAX_OUTCOME = 1e140
COLUMNS = 20
"""Those that a target's SQL reads are few, and its numbers few more."""
MANY_ROWS = 500_000
"""From as many training rows on, training uses all cores, if it has them for itself."""
BEGINNING_BYTES = 330_000_000
"""What a process has of libraries before it trains, by the count of the system's limit."""
WORTH_SAYING = 0.25
"""An estimate is said if it is above this part of the memory."""
BASELINE = {"_target_": "accord.models.baseline.Baseline"}


@dataclass(frozen=True)
class Job:
    """One model to train: everything a process needs to know."""

    name: str
    target: Target
    model: dict[str, Any]
    seed: int
    features: Path
    splits: Path
    output: Path
    cautious: bool = False
    """Whether to learn less, and nothing from tune: `data.time.cautious`."""
    by_time: bool = False
    """Whether tune's rows came after train's."""
    room: Room = field(default_factory=Room)

    def rows_in(self, split: str) -> int:
        return len(load_matrix(self.features / f"{split}.npy"))


def jobs_of(config: Config, paths: Paths, output: Path, scratch: Path) -> list[Job]:
    """A job a target."""
    data, room = config.data, Room(memory.chunk_rows(config.engine, COLUMNS), scratch)
    return [
        Job(
            name, target, config.model, config.seed, paths.features, paths.splits, output,
            cautious=data.is_cautious, by_time=data.time is not None, room=room,
        )
        for name, target in config.objective.targets.items()
    ]  # fmt: skip


def train_all(jobs: list[Job], workers: int, memory: int | None = None) -> list[str]:
    """Trains every job's model and its baseline; what the user should know of it. Jobs go side by side, each on one thread, while so
    many of them fit into the memory (bytes), else one after another, each on all cores if it has many rows. Raises AccordError for one
    that doesn't fit at all."""
    n_workers = min(workers, len(jobs))
    share = None if memory is None else memory // n_workers
    if n_workers > 1 and (share is None or max(map(needed, jobs)) <= share):
        with ProcessPoolExecutor(n_workers, get_context("spawn"), _begin, (os.getpid(), share)) as pool:
            notes = list(pool.map(train_one, jobs))
    else:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that wait leave the cores to others
        jobs, matrices = [_alone(job) for job in jobs], Matrices()
        if memory is not None and (too_large := [job for job in jobs if needed(job) > memory]):
            raise AccordError(_too_much(too_large[0], memory))
        notes = [train_one(job, matrices) for job in jobs]
    said = [f"{job.name} {note}" for job, of_job in zip(jobs, notes, strict=True) for note in of_job]
    if memory is not None and (most := max(map(needed, jobs))) > WORTH_SAYING * memory:
        said.append(f"memory for a model estimated at {_gb(most)}, of {_gb(memory)} (engine.memory)")
    return said


def needed(job: Job) -> int:
    """About how many bytes of memory the job takes, with what its process has to begin with."""
    features, loss = Transform.load(job.features).features, predicted(job.name, job.target).loss
    extent = models.Extent(
        job.rows_in("train"), job.rows_in("tune"), job.cautious, job.by_time, job.room.threads
    )
    return BEGINNING_BYTES + loading.build(job.model).needs(extent, features, loss)


def _alone(job: Job) -> Job:
    """The job with all cores, if it has many rows."""
    threads = len(os.sched_getaffinity(0)) if job.rows_in("train") >= MANY_ROWS else 1
    return replace(job, room=replace(job.room, threads=threads))


def _begin(parent: int, memory: int | None) -> None:
    bound.end_with(parent)
    if memory is not None:
        bound.limit(memory)


def _too_much(job: Job, memory: int) -> str:
    model = loading.model_class(job.model["_target_"]).__name__
    n_features = len(Transform.load(job.features).features)
    return (
        f"{model} needs about {_gb(needed(job))} of memory for {job.name}: {job.rows_in('train'):,} rows to train on and {job.rows_in('tune'):,} "
        f"to tune on, of {n_features:,} features. It may take {_gb(memory)} (engine.memory): raise that if the machine has more, or leave out "
        "features (features.drop), or take another model"
    )


def _gb(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB"


def cpu_s() -> float:
    """Processor seconds that this process and its finished children have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


class Matrices:
    """The matrices of jobs that one process does, each the same object for the same rows: what is made of them can then be kept."""

    def __init__(self) -> None:
        self._whole: dict[Path, models.Matrix] = {}
        self._kept: dict[Path, tuple[NDArray[np.bool_], models.Matrix]] = {}

    def whole(self, path: Path) -> models.Matrix:
        if path not in self._whole:
            self._whole[path] = load_matrix(path)
        return self._whole[path]

    def of_known(self, path: Path, known: NDArray[np.bool_], room: Room) -> models.Matrix:
        """The rows (n) of the file's matrix that are known."""
        if known.all():
            return self.whole(path)
        if path not in self._kept or not np.array_equal(self._kept[path][0], known):
            self._kept[path] = (known, mapped.kept(self.whole(path), known, room.scratch))
        return self._kept[path][1]


def train_one(job: Job, matrices: Matrices | None = None) -> tuple[str, ...]:
    """Trains the job's model and its baseline; what the user should know of it."""
    matrices = matrices or Matrices()
    features = Transform.load(job.features).features
    target = predicted(job.name, job.target)
    loss = target.loss
    (train, _), (tune, known) = (_examples(job, split, matrices) for split in ("train", "tune"))
    folder = job.output / job.name
    trained = loading.build(job.model).trained(features, loss, train, tune, job.seed)
    trained.model.save(folder / MODEL_FILE)
    write_json(folder / SETTINGS_FILE, dict(trained.settings))
    if trained.tune_raw is not None:
        X, room = matrices.whole(job.features / "tune.npy"), job.room
        raw = mapped.empty(room.scratch, (len(X), loss.n_raw))
        for start in range(0, len(X), room.chunk_rows):
            rows = slice(start, start + room.chunk_rows)
            raw[rows] = trained.model.raw(X[rows])
        raw[known] = trained.tune_raw
        save_matrix(folder / TUNE_FILE, raw)
    loading.build(BASELINE).fit(features, loss, train, tune, job.seed).save(folder / BASELINE_FILE)
    remark = target.task.remark(train.y)
    return trained.notes if remark is None else (*trained.notes, remark)


def _examples(job: Job, split: str, matrices: Matrices) -> tuple[models.Examples, NDArray[np.bool_]]:
    """The split's rows that have an outcome, and which of all (n,) these are. Raises AccordError where the outcomes don't fit
    the task."""
    y, weight = _outcomes(job, split)
    known, room = np.isfinite(y), job.room
    X = matrices.of_known(job.features / f"{split}.npy", known, room)
    if not known.all():
        y = mapped.kept(y, known, room.scratch)
        weight = None if weight is None else mapped.kept(weight, known, room.scratch)
    _check(y, weight, job, split)
    is_tune = split == "tune"
    return models.Examples(X, y, weight, job.cautious and is_tune, job.by_time and is_tune, room), known


def _outcomes(job: Job, split: str) -> tuple[models.Vector, models.Vector | None]:
    """Of all rows (n,) of the split: outcomes, NaN where unknown, and weights, if the target has some."""
    rows, where = job.splits / split, f"objective.targets.{job.name}"
    sqls = {f"{where}.sql": job.target.sql, f"{where}.weight": job.target.weight}
    wanted = set().union(*(columns_of(sql, key) for key, sql in sqls.items() if sql is not None))
    there = partitions.scan(rows).collect_schema().names()
    columns = [name for name in there if name in wanted] or there[:1]  # an expression may read none
    y, weight = (mapped.empty(job.room.scratch, job.rows_in(split)) for _ in range(2))
    start = 0
    for chunk in partitions.chunks(rows, job.room.chunk_rows, columns):
        end = start + chunk.height
        with errors_after(start):
            y[start:end] = task_of(job.target).outcomes(chunk, job.target.sql, f"{where}.sql")
            if job.target.weight is not None:
                weight[start:end] = evaluate(chunk, job.target.weight, f"{where}.weight").to_numpy()
        start = end
    return y, None if job.target.weight is None else weight


def _check(y: models.Vector, weight: models.Vector | None, job: Job, split: str) -> None:
    where = f"objective.targets.{job.name}"
    if split == "train" and not len(y):
        raise AccordError(
            f"{where}.sql: no training row has an outcome; expected some. Check the outcome columns"
        )
    if len(y) and np.abs(y).max() > MAX_OUTCOME:
        raise AccordError(
            f"{where}.sql: found {y[np.abs(y).argmax()]:g} in {split}; expected outcomes up to {MAX_OUTCOME:g}, whose squares can be "
            "summed. Give their column a min and a max, which puts such rows into quarantine"
        )
    target = predicted(job.name, job.target)
    if fault := target.task.fault(y, split):
        raise AccordError(f"{where}.sql: {fault}")
    if fault := target.loss.fault(y, split):
        raise AccordError(f"{where}.loss: {fault}")
    if weight is not None and not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise AccordError(
            f"{where}.weight: found a weight that is negative or missing in {split}; expected 0 or more"
        )
