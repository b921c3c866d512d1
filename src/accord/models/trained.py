"""What stage train leaves: for each target a folder with the model's file, the baseline's, and how the model was trained."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from accord.files import read_json
from accord.models import Fitted, Matrix, Vector
from accord.models.baseline import Baseline
from accord.tasks.task import Predicted

MODEL_FILE = "model"
BASELINE_FILE = "baseline"
SETTINGS_FILE = "settings.json"
TUNE_FILE = "tune.npy"
"""Raw scores (n_tune, n_raw) by what hasn't learned from tune's rows, where the model itself has."""


def settings_of(trained: Path, name: str) -> dict[str, Any]:
    """What a target's model was trained with, as far as the data decided it too."""
    settings: dict[str, Any] = read_json(trained / name / SETTINGS_FILE)
    return settings


def raw_of(model: Fitted, X: Matrix, split: str, folder: Path, rows: slice = slice(None)) -> Matrix:
    """A target's raw scores of some rows (n, n_raw) of a split's matrix, from the target's folder. Those of tune are by what hasn't
    learned from tune, so that they are as good as on new rows."""
    kept = folder / TUNE_FILE
    if split == "tune" and kept.exists():
        return np.asarray(np.load(kept, mmap_mode="r")[rows])
    return model.raw(X[rows])


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
