"""What training minimises: from a model's raw scores to predictions, and what a model needs to know to learn them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Kind = Literal["condition", "amount", "class"]
"""What outcomes are: yes or no (1 or 0), a number that has an order, or the number of a class, which has none."""
ONE = ("",)
"""The suffixes of a single column, which is called like the target itself."""


@dataclass(frozen=True)
class Loss:
    """One loss. Raw scores are (n, n_raw) and predictions (n, k), row-major; k is the task's."""

    name: str
    """As `loss` of a target has it."""
    link: Callable[[Matrix], Matrix]
    """From raw scores to predictions, each row by itself and elementwise, so that a row alone gives the bits that it has
    among others: add columns up one after another, since a matrix product or a sum over an axis may not."""
    constant: Callable[[Vector, Vector | None], Sequence[float]]
    """The raw scores (n_raw,) that are best for outcomes (n,) with weights (n,) or None if all rows get the same: the
    baseline."""
    raw: tuple[str, ...] = ONE
    """What each raw score is called after the target's name and an underscore."""
    lightgbm: tuple[Mapping[str, object], ...] = ()
    """LightGBM's parameters for this loss: one booster for each, whose raw scores stand side by side."""
    gradient: Callable[[Vector, Matrix], tuple[Matrix, Matrix]] | None = None
    """For models that learn by gradients where LightGBM has no such objective: the first and second derivative of each
    row's loss by each raw score, from outcomes (n,) and raw scores. The second must be above 0."""
    of_rows: Callable[[Vector, Matrix], Vector] | None = None
    """Each row's loss (n,), beside `gradient`: training stops when its mean on tune does not fall any more."""
    family: str | None = None
    """The family of a generalised linear model with this loss: binomial, gaussian, poisson or tweedie; multinomial where
    outcomes are the numbers of classes and each has a raw score."""
    link_of_row: Callable[[Sequence[float]], float] | None = None
    """`link` of one row, for a single raw score and a single prediction: quicker, with the same bits."""
    scale: str = ""
    """What a raw score is, in a word, if the prediction is another number."""
    deviance: Callable[[Vector, Vector], Vector] | None = None
    """The unit deviance (n,) of outcomes and predictions (n,), where the loss has one."""
    fault: Callable[[Vector, str], str | None] = lambda y, split: None
    """What is wrong with the outcomes (n,) of a split for this loss, if anything, in words."""

    @property
    def n_raw(self) -> int:
        return len(self.raw)


def mean_of(y: Vector, weight: Vector | None) -> float:
    """The weighted mean of outcomes (n,)."""
    return float(np.average(y, weights=weight))


def identity(raw: Matrix) -> Matrix:
    return np.ascontiguousarray(raw)


def identity_of_row(raw: Sequence[float]) -> float:
    return raw[0]
