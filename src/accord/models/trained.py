"""What stage train leaves: for each target a folder with the model's file and the baseline's."""

from pathlib import Path

import numpy as np

from accord.models import Vector
from accord.models.baseline import Baseline
from accord.tasks.links import prediction

MODEL_FILE = "model"
BASELINE_FILE = "baseline"


def baseline_predictions(folder: Path, loss: str, n_rows: int) -> Vector:
    """What one would predict (n_rows,) for a target without a model, from the target's folder."""
    return prediction(Baseline.load(folder / BASELINE_FILE).raw(np.zeros((n_rows, 0))), loss)
