"""What one gets without a model: the mean of the training target, whatever the row."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from accord.files import read_json, write_json
from accord.models import Examples, Feature, Matrix, Model, Row, Vector
from accord.tasks.links import raw_score


@dataclass(frozen=True)
class FittedBaseline:
    constant: float
    n_features: int

    def raw(self, X: Matrix) -> Vector:
        return np.full(len(X), self.constant)

    def of_row(self, row: Row) -> Callable[[], float]:
        return lambda: self.constant

    def contributions(self, X: Matrix) -> Matrix:
        parts = np.zeros((len(X), self.n_features + 1))
        parts[:, -1] = self.constant
        return parts

    def save(self, path: Path) -> None:
        write_json(path, {"constant": self.constant, "n_features": self.n_features})


class Baseline(Model):
    def fit(
        self, features: list[Feature], loss: str, train: Examples, tune: Examples, seed: int
    ) -> FittedBaseline:
        mean = float(np.average(train.y, weights=train.weight))
        return FittedBaseline(raw_score(mean, loss), len(features))

    @staticmethod
    def load(path: Path) -> FittedBaseline:
        return FittedBaseline(**read_json(path))
