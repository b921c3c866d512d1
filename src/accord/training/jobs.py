"""Train: the targets' models, side by side, each in a process of its own."""

import resource
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accord import models
from accord.data import partitions
from accord.errors import AccordError
from accord.features.transform import Transform, load_matrix, save_matrix
from accord.files import write_json
from accord.models import loading
from accord.models.trained import BASELINE_FILE, MODEL_FILE, SETTINGS_FILE, TUNE_FILE
from accord.schema.objective import Target
from accord.sql.rows import evaluate
from accord.tasks.registry import predicted, task_of

MAX_OUTCOME = 1e140
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


def train_all(jobs: list[Job], workers: int) -> list[str]:
    """Trains every job's model and its baseline; what the user should know of it. A single job, or a single worker, stays in
    this process."""
    if min(workers, len(jobs)) <= 1:
        notes = [train_one(job) for job in jobs]
    else:
        with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=get_context("spawn")) as pool:
            notes = list(pool.map(train_one, jobs))
    return [f"{job.name} {note}" for job, of_job in zip(jobs, notes, strict=True) for note in of_job]


def cpu_s() -> float:
    """Processor seconds that this process and its finished children have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def train_one(job: Job) -> tuple[str, ...]:
    """Trains the job's model and its baseline; what the user should know of it."""
    features = Transform.load(job.features).features
    target = predicted(job.name, job.target)
    loss = target.loss
    (train, _), (tune, known) = (_examples(job, split) for split in ("train", "tune"))
    folder = job.output / job.name
    trained = loading.build(job.model).trained(features, loss, train, tune, job.seed)
    trained.model.save(folder / MODEL_FILE)
    write_json(folder / SETTINGS_FILE, dict(trained.settings))
    if trained.tune_raw is not None:
        raw = trained.model.raw(load_matrix(job.features / "tune.npy"))
        raw[known] = trained.tune_raw
        save_matrix(folder / TUNE_FILE, raw)
    loading.build(BASELINE).fit(features, loss, train, tune, job.seed).save(folder / BASELINE_FILE)
    remark = target.task.remark(train.y)
    return trained.notes if remark is None else (*trained.notes, remark)


def _examples(job: Job, split: str) -> tuple[models.Examples, NDArray[np.bool_]]:
    """The split's rows that have an outcome, and which of all (n,) these are. Raises AccordError where the outcomes don't fit
    the task."""
    rows = partitions.read(job.splits / split)
    X = load_matrix(job.features / f"{split}.npy")
    where = f"objective.targets.{job.name}"
    y = task_of(job.target).outcomes(rows, job.target.sql, f"{where}.sql")
    weight = (
        None if job.target.weight is None else evaluate(rows, job.target.weight, f"{where}.weight").to_numpy()
    )
    known = np.isfinite(y)
    if not known.all():
        X, y, weight = X[known], y[known], None if weight is None else weight[known]
    _check(y, weight, job, split)
    is_tune = split == "tune"
    return models.Examples(X, y, weight, job.cautious and is_tune, job.by_time and is_tune), known


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
