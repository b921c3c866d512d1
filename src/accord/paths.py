"""Where things are in a project. Nothing else in this package depends on the current folder."""

import os
from pathlib import Path

from accord.errors import AccordError

MARKS = ("dvc.yaml", "params.yaml", "conf", ".dvc", "bentofile.yaml")
"""What a project's folder holds."""


class Paths:
    """What is where in the project in the folder `root`, which may be relative: then all of it is, and messages show it
    as the user would type it. dvc.yaml says the same in its outs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.params = root / "params.yaml"
        self.conf = root / "conf"
        self.config_lock = root / "conf.lock.yaml"
        self.slices = root / "conf.lock"
        self.pipeline = root / "dvc.yaml"
        self.pipeline_lock = root / "dvc.lock"
        self.dvc = root / ".dvc"
        self.git = root / ".git"
        self.attributes = root / ".gitattributes"
        self.metadata = root / "pyproject.toml"
        self.readme = root / "README.md"
        self.example = root / "docs/example"

        self.rows = root / "data/rows"
        self.valid = root / "data/valid"
        self.quarantine = root / "data/quarantine"
        self.splits = root / "data/splits"
        self.features = root / "data/features"
        self.predictions = root / "data/predictions"
        self.decisions = root / "data/decisions"
        self.trained = root / "models/trained"
        self.evaluated = root / "models/evaluated"
        self.decided = root / "models/decided"
        self.bundle = root / "models/bundle"
        self.manifest = root / "models/bundle/manifest.json"

        self.traffic = root / "data/traffic"
        self.batches = root / "data/batches"
        self.batch_list = root / "data/batches.json"
        self.champion = root / "models/champion.json"
        self.releases = root / "models/releases"
        self.release_log = root / "models/releases.jsonl"
        self.tries = root / "models/tries.jsonl"
        self.retraining_log = root / "models/retraining.jsonl"

        self.decision = root / "reports/decision.json"
        self.validation = root / "reports/validation.json"
        self.accounting = root / "reports/accounting.json"
        self.evaluation = root / "reports/evaluation.json"
        self.metrics = root / "reports/metrics.json"
        self.teams = root / "reports/teams.json"
        self.team_metrics = root / "reports/team_metrics.json"
        self.plots = root / "reports/plots"
        self.page = root / "reports/index.html"
        self.measurement = root / "reports/measurement.json"
        self.model_card = root / "reports/model_card.md"
        self.scorecard_page = root / "reports/scorecard.html"
        self.scorecard = root / "reports/scorecard.json"
        self.profile = root / "reports/profile.json"
        self.profile_page = root / "reports/profile.html"
        self.simulation = root / "reports/simulation.json"
        self.simulation_page = root / "reports/simulation.html"
        self.tradeoff = root / "reports/tradeoff.json"
        self.tradeoff_page = root / "reports/tradeoff.html"
        self.monitoring = root / "reports/monitor"
        self.workspace = root / ".evidently"

        self.own = root / ".accord"
        self.command_lock = root / ".accord/pipeline.lock"
        self.adoption_plan = root / ".accord/init.json"
        self.retraining_plan = root / ".accord/retraining.json"
        self.training_cost = root / ".accord/training_cpu_s.json"
        self.token = root / ".accord/token"
        self.bentoml = root / ".bentoml"

    @property
    def absolute(self) -> "Paths":
        """The same project, for a program that runs in another folder."""
        return Paths(self.root.resolve())

    def in_root(self, path: Path) -> str:
        """One of these paths, or what is in it, as files of the project and programs that run in its root name it."""
        return path.relative_to(self.root).as_posix()


def project_root(here: Path, may_be_damaged: bool = False) -> Path:
    """The folder, `here` or one above it, that holds dvc.yaml and params.yaml; of a damaged project, most of MARKS."""
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
            return folder
        if may_be_damaged and sum(os.path.lexists(folder / mark) for mark in MARKS) > len(MARKS) / 2:
            return folder
    raise AccordError(
        f"No project here: {here} and the folders above hold no dvc.yaml with a params.yaml; change into one"
    )
