"""What one gets without a model: what is best for the training target, whatever the row, such as its mean."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from accord.files import read_json, write_json
from accord.losses import Loss
from accord.models import NUMBER_BYTES, Contributions, Examples, Extent, Feature, Matrix, Model, Row


@dataclass(frozen=True)
class FittedBaseline:
    constants: tuple[float, ...]
    """The raw scores (n_raw,) of every row."""
    n_features: int

    def raw(self, X: Matrix) -> Matrix:
        return np.tile(np.array(self.constants), (len(X), 1))

    def of_row(self, row: Row) -> Callable[[], tuple[float, ...]]:
        return lambda: self.constants

    def contributions(self, X: Matrix) -> Contributions:
        parts = np.zeros((len(X), len(self.constants), self.n_features + 1))
        parts[:, :, -1] = self.constants
        return parts

    def save(self, path: Path) -> None:
        constant = self.constants[0] if len(self.constants) == 1 else list(self.constants)
        write_json(path, {"constant": constant, "n_features": self.n_features})


class Baseline(Model):
    def needs(self, extent: Extent, features: list[Feature], loss: Loss) -> int:
        return 4 * NUMBER_BYTES * extent.n_train  # of the outcomes

    def fit(
        self, features: list[Feature], loss: Loss, train: Examples, tune: Examples, seed: int
    ) -> FittedBaseline:
        return FittedBaseline(tuple(map(float, loss.constant(train.y, train.weight))), len(features))

    @staticmethod
    def load(path: Path) -> FittedBaseline:
        values = read_json(path)
        constants = values["constant"] if isinstance(values["constant"], list) else [values["constant"]]
        return FittedBaseline(tuple(constants), values["n_features"])
