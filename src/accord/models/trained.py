"""What stage train leaves: for each target a folder with the model's file and the baseline's."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from accord.models import Matrix, Vector
from accord.models.baseline import Baseline
from accord.tasks.task import Predicted

MODEL_FILE = "model"
BASELINE_FILE = "baseline"


def baseline_of(target: Predicted, trained: Path, n_rows: int) -> Matrix:
    """What one would predict (n_rows, k) for a target without a model."""
    baseline = Baseline.load(trained / target.name / BASELINE_FILE)
    return target.of_raw(baseline.raw(np.zeros((n_rows, 0))))


def baselines(targets: Iterable[Predicted], trained: Path, n_rows: int) -> dict[str, Vector]:
    """The same for several targets, each column (n_rows,) by its name."""
    return {
        column: values
        for target in targets
        for column, values in target.by_column(baseline_of(target, trained, n_rows)).items()
    }
