"""A copy of the project in which the simulation trains and judges, with the same stages and the same judge.

The copy links to whatever no stage makes, has a params.yaml and dvc.lock of its own, and shares DVC's cache. So a model
that was trained once, in the project or in the copy, is not trained again.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from accord import dvc
from accord.bundle.bundle import Bundle, load_bundle
from accord.config import lock, selection
from accord.data import partitions
from accord.data.partitions import local
from accord.expectation import expectation
from accord.expectation.expectation import Expectation
from accord.files import scratch, write_json
from accord.models import Vector
from accord.objective.teams import MEASURED
from accord.paths import Paths
from accord.promotion import pairs
from accord.promotion.card import Scorecard
from accord.promotion.judge import Measured
from accord.retraining.retrain import moved
from accord.schema.config import Config
from accord.schema.objective import Objective
from accord.sql.rows import with_derived
from accord.training.cost import training_cpu_s

OWN = ("params.yaml", "dvc.lock", "conf.lock.yaml", "conf.lock")
"""Files that the sandbox has copies of, since they change in it."""


@dataclass(frozen=True)
class Model:
    cutoff: date
    bundle: Bundle
    expectation: Expectation
    cpu_s: float | None
    """The processor seconds of its training; None if it was trained on another machine."""


@dataclass
class Workshop:
    paths: Paths

    def train(self, cutoff: date, window: str) -> Model:
        """Trains a model on the rows before the cutoff. It is the candidate of `judge` until the next one is trained."""
        paths = self.paths
        selection.write(moved(selection.read(paths), cutoff, window, paths.conf), paths.params)
        dvc.reproduce(paths, quiet=True)
        bundle = load_bundle(paths.bundle)
        kept = paths.releases / bundle.model_id
        if not kept.exists():
            shutil.copytree(paths.bundle, kept)
        return Model(cutoff, bundle, expectation.load(kept), training_cpu_s(kept / "models", paths))

    def last_day(self) -> date | None:
        """The day of the last row, in the data's zone; None if there are no rows."""
        dvc.reproduce(self.paths, quiet=True, stage="validate")
        time = self.config.data.time
        assert time is not None
        event = local(pl.col(time.event), time.zone)
        valid = partitions.scan(self.paths.valid)
        last: date | None = valid.select(event.dt.date().max()).collect().item()
        return last

    def judge(self, champion: str) -> Scorecard:
        """The scorecard of the last candidate against the champion, without metrics of a running service: none runs here."""
        write_json(self.paths.champion, {"model_id": champion})
        config = self.config
        objective = told_by_rows(config.objective)
        return pairs.judge_candidate(
            config.model_copy(update={"objective": objective}),
            load_bundle(self.paths.bundle),
            Measured(),
            self.paths,
        )

    def future(self) -> pl.DataFrame:
        """The rows after the cutoff with derived features. They stand for the traffic to come."""
        return with_derived(partitions.read(self.paths.splits / "future"), self.config.data.derived)

    def baselines(self, rows: pl.DataFrame) -> dict[str, Vector]:
        return pairs.baselines_of(self.config.objective, rows.height, self.paths)

    @property
    def config(self) -> Config:
        return lock.load(self.paths)


def told_by_rows(objective: Objective) -> Objective:
    """The objective without the metrics of the running service."""
    metrics = {name: m for name, m in objective.metrics.items() if m.builtin not in MEASURED}
    return objective.model_copy(update={"metrics": metrics})


@contextmanager
def opened(paths: Paths) -> Iterator[Workshop]:
    """Makes a sandbox of the project for this process alone, and removes it at the end."""
    project = paths.root.resolve()
    with scratch("simulation", project) as root:
        for path in _sources(paths):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).symlink_to(project / path)
        for name in OWN:
            if (project / name).is_dir():
                shutil.copytree(project / name, root / name)
            elif (project / name).exists():
                shutil.copyfile(project / name, root / name)
        (root / ".dvc").mkdir()
        cache = (project / dvc.run(paths, "cache", "dir").stdout.strip()).absolute()
        (root / ".dvc/config").write_text(
            f"[core]\n    analytics = false\n    check_update = false\n[cache]\n    dir = {cache}\n",
            encoding="utf-8",
        )
        for made in ("models", "reports"):
            (root / made).mkdir(exist_ok=True)
        subprocess.run(["git", "init", "--quiet", str(root)], check=True)
        yield Workshop(Paths(root))


def _sources(paths: Paths) -> list[Path]:
    """The paths, relative to the root, that the pipeline reads and no stage makes. One inside of another is left out."""
    stages = dvc.stages(paths)
    made = dvc.outs(stages)
    read = {Path(dep) for stage in stages for dep in stage.get("deps", [])} | {Path("src")}
    read |= {Path(paths.in_root(path)) for path in (paths.pipeline, paths.own, paths.batches)}
    paths.own.mkdir(exist_ok=True)
    outside = [
        path
        for path in read
        if (paths.root / path).exists() and not any(path == out or out in path.parents for out in made)
    ]
    return sorted(path for path in outside if not any(other in path.parents for other in outside))
