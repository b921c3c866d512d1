"""Grows gradient-boosted trees by LightGBM's Python package."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accord.losses import Loss
from accord.models import Examples, Feature, Matrix, Vector
from accord.models.boosting_rule import Settings

OURS = (
    "n_estimators", "early_stopping_rounds", "early_stopping_share", "stopping_folds", "refit", "min_leaf_rows", "min_leaf_share",
)  # fmt: skip
"""Settings that are no parameters of LightGBM."""


@dataclass(frozen=True)
class Grown:
    texts: list[str]
    """A booster each, in LightGBM's text format."""
    constants: list[float] | None
    """What the boosters' raw scores are added to."""
    n_rounds: list[int]
    """Of each booster."""
    tune_loss: float
    """Summed over the boosters; NaN without tune."""


@dataclass(frozen=True)
class Stopped:
    n_rounds: list[int]
    """Of each booster."""
    loss: float
    """Over the left-out folds, summed over the boosters."""


def grown(
    settings: Settings,
    features: list[Feature],
    loss: Loss,
    examples: Examples,
    seed: int,
    tune: Examples | None = None,
    n_rounds: Sequence[int] | None = None,
) -> Grown:
    """The boosters that the loss asks for. Given tune, each stops early on it; without, it has as many rounds as `n_rounds`
    says, or `n_estimators`."""
    lightgbm, asked = _lightgbm(), _Asked(settings, loss, examples, seed)
    found, losses = [], []
    for place, params in enumerate(asked.params):
        dataset = _dataset(examples, features, params)
        if tune is None:
            n = settings.n_estimators if n_rounds is None else n_rounds[place]
            booster = lightgbm.train(dict(params), dataset, n)
            losses.append(np.nan)
        else:
            watched = lightgbm.Dataset(tune.X, tune.y, weight=tune.weight, reference=dataset)
            stopping = _Stopping(settings)
            booster = lightgbm.train(
                dict(params), dataset, settings.n_estimators,
                valid_sets=[watched], callbacks=[stopping], feval=asked.measure,
            )  # fmt: skip
            n = stopping.best
            losses.append(stopping.loss)
        found.append((str(booster.model_to_string(num_iteration=n)), n))
    return Grown([text for text, _ in found], asked.constants, [n for _, n in found], float(sum(losses)))


def rounds_by_folds(
    settings: Settings, features: list[Feature], loss: Loss, examples: Examples, seed: int
) -> Stopped:
    """How many rounds each booster should have: those at which the mean loss over the left-out folds is least."""
    lightgbm, asked, n = _lightgbm(), _Asked(settings, loss, examples, seed), len(examples.X)
    folds = [
        (np.flatnonzero(~fold), np.flatnonzero(fold)) for fold in folds_of(n, settings.stopping_folds, seed)
    ]
    best, losses = [], []
    for params in asked.params:
        stopping = _Stopping(settings)
        params = {**params, "feature_pre_filter": False}  # folds have fewer rows than what bins are made of
        lightgbm.cv(
            params, _dataset(examples, features, params), settings.n_estimators,
            folds=folds, callbacks=[stopping], feval=asked.measure,
        )  # fmt: skip
        best.append(stopping.best)
        losses.append(stopping.loss)
    return Stopped(best, float(sum(losses)))


def folds_of(n: int, n_folds: int, seed: int) -> list[NDArray[np.bool_]]:
    """Which rows (n,) are in each fold: every row in exactly one."""
    fold = np.random.default_rng(seed).permutation(n) % n_folds
    return [fold == i for i in range(min(n, n_folds))]


class _Asked:
    """What a loss asks of LightGBM for these examples: parameters, a set per booster, and how to measure it."""

    def __init__(self, settings: Settings, loss: Loss, examples: Examples, seed: int) -> None:
        params = _params(settings, len(examples.X), seed)
        self.constants: list[float] | None = None
        self.measure: Callable[[Any, Any], tuple[str, float, bool]] | None = None
        if loss.lightgbm:
            self.params: list[dict[str, Any]] = [{**params, **own} for own in loss.lightgbm]
        else:
            start = np.array(loss.constant(examples.y, examples.weight), dtype=np.float64)
            by_gradient = _ByGradient(loss, start)
            self.constants, self.measure = start.tolist(), by_gradient.measured
            self.params = [{**params, "objective": by_gradient, "metric": "None", "num_class": loss.n_raw}]


def _lightgbm() -> Any:
    with without("pandas", "sklearn", "dask", "matplotlib"):
        import lightgbm
    return lightgbm


def _dataset(examples: Examples, features: list[Feature], params: Mapping[str, Any]) -> Any:
    categories = [j for j, feature in enumerate(features) if feature.n_codes is not None]
    of_data = {name: value for name, value in params.items() if not callable(value)}
    return _lightgbm().Dataset(
        examples.X, examples.y, weight=examples.weight, params=of_data, categorical_feature=categories
    )


class _Stopping:
    """LightGBM's early stopping, with a patience that may grow with the best round so far."""

    def __init__(self, settings: Settings) -> None:
        self._rounds, self._share = settings.early_stopping_rounds, settings.early_stopping_share
        self.best, self.loss = 0, np.inf

    def __call__(self, env: Any) -> None:
        from lightgbm.callback import EarlyStopException

        n_rounds, results = env.iteration + 1, env.evaluation_result_list
        if n_rounds == 1 or results[0][2] < self.loss:
            self.best, self.loss = n_rounds, results[0][2]
        if n_rounds - self.best >= max(self._rounds, self._share * self.best):
            raise EarlyStopException(self.best - 1, results)


def _params(settings: Settings, n_rows: int, seed: int) -> dict[str, Any]:
    return {
        **{name: value for name, value in vars(settings).items() if name not in OURS},
        "min_data_in_leaf": max(settings.min_leaf_rows, round(settings.min_leaf_share * n_rows)),
        "bagging_freq": 1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,  # more would wait for each other on small data, and two models train side by side
        "verbosity": -1,
    }


class _ByGradient:
    """A loss as LightGBM calls it, whose scores are (n, n_raw), or (n,) of one, and begin from zero."""

    def __init__(self, loss: Loss, start: Vector) -> None:
        self._loss, self._start = loss, start

    def __call__(self, scores: Matrix, dataset: Any) -> tuple[Matrix, Matrix]:
        derivatives = self._gradient(dataset.get_label(), self._raw(scores))
        weight = dataset.get_weight()
        first, second = (part if weight is None else part * weight[:, None] for part in derivatives)
        return first.reshape(scores.shape), second.reshape(scores.shape)

    def measured(self, scores: Matrix, dataset: Any) -> tuple[str, float, bool]:
        assert self._loss.of_rows is not None
        losses = self._loss.of_rows(dataset.get_label().astype(np.float64), self._raw(scores))
        return self._loss.name, float(np.average(losses, weights=dataset.get_weight())), False

    def _gradient(self, y: Vector, raw: Matrix) -> tuple[Matrix, Matrix]:
        assert self._loss.gradient is not None
        return self._loss.gradient(y.astype(np.float64), raw)

    def _raw(self, scores: Matrix) -> Matrix:
        return scores.reshape(-1, self._loss.n_raw) + self._start


@contextmanager
def without(*modules: str) -> Iterator[None]:
    """Importing any of these fails inside the block, as if it weren't installed; packages that merely offer to
    use them then import in a fraction of the time."""
    hidden = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(dict.fromkeys(modules))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name, module in hidden.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
