"""A generalised linear model: standardised numbers, one-hot categories, a term of its own for what is missing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from accord.files import read_json, write_json
from accord.losses import Loss
from accord.models import NUMBER_BYTES, Contributions, Examples, Extent, Feature, Matrix, Model, Row, Vector
from accord.tasks.regression import TWEEDIE_POWER

MAX_NUMBER = 1e140
"""Numbers beyond this count as this, so that their squares can be summed."""
FAMILIES = ("binomial", "gaussian", "poisson", "tweedie")
OF_SEVERAL = "multinomial"
"""The family with a raw score per class."""
LACKING = float(np.log(1e-6))
"""Below the smallest intercept, that of a class without training rows."""


@dataclass(frozen=True)
class Term:
    """A feature's part: for a number slope * (x - centre) / scale, or `missing`; for a category a value a code."""

    centre: float = 0.0
    scale: float = 1.0
    slope: float = 0.0
    missing: float = 0.0
    values: tuple[float, ...] | None = None

    def __call__(self, x: Vector) -> Vector:
        if self.values is not None:
            return np.array(self.values)[x.astype(np.intp)]
        x = _bounded(x)
        return np.where(np.isnan(x), self.missing, self.slope * ((x - self.centre) / self.scale))

    def of_one(self, x: float) -> float:
        if self.values is not None:
            return self.values[int(x)]
        if not isfinite(x):
            return self.missing
        return self.slope * ((min(max(x, -MAX_NUMBER), MAX_NUMBER) - self.centre) / self.scale)


@dataclass(frozen=True)
class FittedLinear:
    intercept: float
    terms: tuple[Term, ...]

    def raw(self, X: Matrix) -> Matrix:
        # Column by column in a fixed order: a matrix product may sum differently for one row and for many.
        total = np.full(len(X), self.intercept)
        for j, term in enumerate(self.terms):
            total += term(X[:, j])
        return total[:, None]

    def of_row(self, row: Row) -> Callable[[], tuple[float]]:
        def raw() -> tuple[float]:
            total = self.intercept
            for term, x in zip(self.terms, row, strict=True):
                total += term.of_one(x)
            return (total,)

        return raw

    def contributions(self, X: Matrix) -> Contributions:
        parts = [term(X[:, j]) for j, term in enumerate(self.terms)]
        return np.column_stack([*parts, np.full(len(X), self.intercept)])[:, None]

    def save(self, path: Path) -> None:
        write_json(path, self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        return {"intercept": self.intercept, "terms": [vars(term) for term in self.terms]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "FittedLinear":
        terms = [
            Term(**{**term, "values": None if term["values"] is None else tuple(term["values"])})
            for term in values["terms"]
        ]
        return cls(values["intercept"], tuple(terms))


@dataclass(frozen=True)
class FittedSeveral:
    """A linear model per raw score, side by side."""

    parts: tuple[FittedLinear, ...]

    def raw(self, X: Matrix) -> Matrix:
        return np.concatenate([part.raw(X) for part in self.parts], axis=1)

    def of_row(self, row: Row) -> Callable[[], tuple[float, ...]]:
        functions = [part.of_row(row) for part in self.parts]
        return lambda: tuple(score for raw in functions for score in raw())

    def contributions(self, X: Matrix) -> Contributions:
        return np.concatenate([part.contributions(X) for part in self.parts], axis=1)

    def save(self, path: Path) -> None:
        write_json(path, {"scores": [part.as_dict() for part in self.parts]})


class Linear(Model):
    """Logistic, multinomial logistic, ridge, Poisson or Tweedie regression, by the family of the target's loss."""

    C: float = Field(gt=0)
    """Inverse strength of the L2 penalty, as in scikit-learn's LogisticRegression."""
    max_iter: int = Field(ge=1)

    def needs(self, extent: Extent, features: list[Feature], loss: Loss) -> int:
        """The design matrix twice, and a copy of it by the solver, measured on up to a million rows; a Newton solver's Hessian too."""
        n_columns = sum(feature.n_codes or 2 for feature in features)
        hessian = 0 if loss.family == OF_SEVERAL else 3 * NUMBER_BYTES * n_columns**2
        return extent.n_train * (48 * len(features) + 40 * loss.n_raw) + hessian

    @classmethod
    def lacks(cls, loss: Loss) -> str | None:
        if loss.family == OF_SEVERAL or (loss.n_raw == 1 and loss.family in FAMILIES):
            return None
        return f"a single raw score and one of the families {', '.join(FAMILIES)}, or the family {OF_SEVERAL}"

    def fit(
        self, features: list[Feature], loss: Loss, train: Examples, tune: Examples, seed: int
    ) -> FittedLinear | FittedSeveral:
        X = train.X
        centres = _per_column(np.nanmean, X)
        scales = _per_column(np.nanstd, X)
        scales[scales == 0] = 1.0
        design = _design(features, X, centres, scales)
        estimator = self._estimator(loss, len(X))
        estimator.fit(design, train.y, sample_weight=train.weight)
        parts = [
            FittedLinear(intercept, _terms(features, centres, scales, weights))
            for intercept, weights in zip(
                np.ravel(estimator.intercept_).tolist(), np.atleast_2d(estimator.coef_), strict=True
            )
        ]
        return _of_classes(parts, estimator.classes_, loss.n_raw) if loss.family == OF_SEVERAL else parts[0]

    @staticmethod
    def load(path: Path) -> FittedLinear | FittedSeveral:
        values = read_json(path)
        if "scores" in values:
            return FittedSeveral(tuple(FittedLinear.from_dict(part) for part in values["scores"]))
        return FittedLinear.from_dict(values)

    def _estimator(self, loss: Loss, n_rows: int) -> Any:
        from sklearn import linear_model

        if loss.family == "binomial":
            return linear_model.LogisticRegression(C=self.C, max_iter=self.max_iter, solver="newton-cholesky")
        if loss.family == OF_SEVERAL:  # whose Hessian would have a row and a column per class and term
            return linear_model.LogisticRegression(C=self.C, max_iter=self.max_iter, solver="lbfgs", tol=1e-6)
        if loss.family == "gaussian":
            return linear_model.Ridge(alpha=1 / self.C, solver="lsqr", tol=1e-8)
        # These penalise the mean loss, the two above its sum.
        power = 1.0 if loss.family == "poisson" else TWEEDIE_POWER
        return linear_model.TweedieRegressor(
            power=power,
            link="log",
            alpha=1 / (self.C * n_rows),
            max_iter=self.max_iter,
            solver="newton-cholesky",
        )


def _terms(features: list[Feature], centres: Vector, scales: Vector, weights: Vector) -> tuple[Term, ...]:
    """The features' terms from the weights of the design's columns."""
    given = iter(weights.tolist())
    terms = []
    for feature, centre, scale in zip(features, centres.tolist(), scales.tolist(), strict=True):
        if feature.n_codes is not None:
            terms.append(Term(values=tuple(next(given) for _ in range(feature.n_codes))))
        else:
            terms.append(Term(centre, scale, slope=next(given), missing=next(given)))
    return tuple(terms)


def _of_classes(parts: Sequence[FittedLinear], there: Vector, n_classes: int) -> FittedSeveral:
    """The raw scores of all classes from those of the classes that training has: of two, the second's alone tells them apart. A class
    that training lacks is far below them."""
    if len(parts) < len(there):
        parts = [_constant(parts[0], 0.0), *parts]
    below = min(part.intercept for part in parts) + LACKING
    found = dict(zip(there.astype(int).tolist(), parts, strict=True))
    return FittedSeveral(tuple(found.get(k, _constant(parts[0], below)) for k in range(n_classes)))


def _constant(like: FittedLinear, intercept: float) -> FittedLinear:
    """A raw score that no feature changes, of the features of another."""
    terms = (None if term.values is None else (0.0,) * len(term.values) for term in like.terms)
    return FittedLinear(intercept, tuple(Term(values=values) for values in terms))


def _per_column(statistic: Any, X: Matrix) -> Vector:
    """The statistic of each column (n_features,) over what isn't missing; 0 where all of it is."""
    columns = (_bounded(column) for column in X.T)
    return np.array([0.0 if np.isnan(column).all() else statistic(column) for column in columns])


def _bounded(x: Vector) -> Vector:
    """Numbers (n,) whose squares can be summed. An infinite one, such as x / 0, counts as missing."""
    return np.clip(np.where(np.isfinite(x), x, np.nan), -MAX_NUMBER, MAX_NUMBER)


def _design(features: list[Feature], X: Matrix, centres: Vector, scales: Vector) -> Any:
    """The sparse design matrix: for a number its standardised value and whether it is missing, for a category one-hot."""
    from scipy import sparse

    n = len(X)
    blocks = []
    for j, feature in enumerate(features):
        if feature.n_codes is not None:
            codes = X[:, j].astype(np.intp)
            blocks.append(
                sparse.csr_matrix((np.ones(n), codes, np.arange(n + 1)), shape=(n, feature.n_codes))
            )
        else:
            x = _bounded(X[:, j])
            missing = np.isnan(x)
            z = np.where(missing, 0.0, (x - centres[j]) / scales[j])
            blocks.append(sparse.csr_matrix(np.column_stack([z, missing.astype(float)])))
    return sparse.hstack(blocks, format="csr")
