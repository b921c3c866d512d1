"""Models behind one protocol. A new one is a class here (or anywhere) and a file in conf/model."""

from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from accord.engines import mapped
from accord.engines.room import Room

if TYPE_CHECKING:
    from accord.losses import Loss


Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Contributions = NDArray[np.float64]
Row: TypeAlias = "array[float]"
"""One row of the matrix, of type code 'd'."""
NUMBER_BYTES = 8
"""Of a number of the matrix."""


@dataclass(frozen=True)
class Feature:
    """A column of the matrix. A category holds codes 0 to n_codes - 1, never NaN; a number (None) may be NaN."""

    name: str
    n_codes: int | None = None


@dataclass(frozen=True)
class Examples:
    """What a model learns from: X (n, n_features), y (n,), weight (n,) or None for all alike."""

    X: Matrix
    y: Vector
    weight: Vector | None = None
    later: bool = False
    """Whether these rows, of tune, come later and are not to be learned from: `data.time.cautious`."""
    is_next: bool = False
    """Whether these rows, of tune, are what came after train's: the data set has a time."""

    room: Room = field(default_factory=Room)

    def part(self, mask: "NDArray[np.bool_]") -> "Examples":
        scratch, weight = self.room.scratch, self.weight
        return Examples(
            mapped.kept(self.X, mask, scratch),
            mapped.kept(self.y, mask, scratch),
            None if weight is None else mapped.kept(weight, mask, scratch),
            room=self.room,
        )


@dataclass(frozen=True)
class Extent:
    """How much there is to learn from, known before it is read."""

    n_train: int
    n_tune: int
    later: bool = False
    """As `Examples` of tune have it, and so has `is_next`."""
    is_next: bool = False
    threads: int = 1

    @property
    def n_rows(self) -> int:
        return self.n_train + self.n_tune


def together(*parts: Examples) -> Examples:
    """The parts one after another."""
    room, n = parts[0].room, sum(len(part.y) for part in parts)
    X, y, weight = (mapped.empty(room.scratch, shape) for shape in ((n, parts[0].X.shape[1]), n, n))
    start = 0
    for part in parts:
        end = start + len(part.y)
        X[start:end], y[start:end] = part.X, part.y
        weight[start:end] = 1.0 if part.weight is None else part.weight
        start = end
    return Examples(X, y, None if all(part.weight is None for part in parts) else weight, room=room)


class Fitted(Protocol):
    """A trained model. Predicting is row by row: a row alone gives the same bits as in a batch."""

    def raw(self, X: Matrix) -> Matrix:
        """Raw scores (n, n_raw), before the link of the loss, for X (n, n_features)."""

    def of_row(self, row: Row) -> Callable[[], Sequence[float]]:
        """A function for one thread that gives the raw scores (n_raw,) of whatever `row` (n_features,) holds when it is
        called: the bits of `raw`, without what it costs to start on a matrix. The next call may overwrite them."""

    def contributions(self, X: Matrix) -> Contributions:
        """What each feature adds to each raw score, (n, n_raw, n_features + 1); last of all is the constant."""

    def save(self, path: Path) -> None:
        """Writes plain data, no pickle, to one file."""


@dataclass(frozen=True)
class Trained:
    """What training leaves."""

    model: Fitted
    settings: Mapping[str, Any]
    """What it was trained with: the hyperparameters, those decided by the data as well."""
    notes: tuple[str, ...] = ()
    """What the user should know of the training, in a few words each."""
    tune_raw: Matrix | None = None
    """Raw scores (n_tune, n_raw) of tune's rows by what hasn't learned from them, if the model itself has."""


class Model(BaseModel, ABC):
    """Hyperparameters, as the keys of its file in conf/model, where their values stand, and how to train with them."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    libraries: ClassVar[tuple[str, ...]] = ()
    """Those that it needs beyond what every project has: an extra each, on whose version training and answers depend."""

    @abstractmethod
    def fit(
        self, features: list[Feature], loss: "Loss", train: Examples, tune: Examples, seed: int
    ) -> Fitted:
        """The model trained on `train`; `tune` is for choices such as when to stop. Same inputs, same bytes."""

    def trained(
        self, features: list[Feature], loss: "Loss", train: Examples, tune: Examples, seed: int
    ) -> Trained:
        """As `fit`, with what else training has to tell. A model that learns from tune's rows too says here what they would
        have been predicted without."""
        return Trained(self.fit(features, loss, train, tune, seed), self.model_dump(mode="json"))

    def needs(self, extent: Extent, features: list[Feature], loss: "Loss") -> int:
        """About how many bytes of memory training takes at most, beside the matrix and the outcomes, which are mapped. By default
        as many as four copies of them."""
        return 4 * NUMBER_BYTES * extent.n_rows * (len(features) + 1)

    @classmethod
    def lacks(cls, loss: "Loss") -> str | None:
        """What the loss would need so that this model can minimise it, in words; None if it can."""
        return None

    @staticmethod
    @abstractmethod
    def load(path: Path) -> Fitted:
        """What `save` wrote."""
