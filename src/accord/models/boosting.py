"""Grows gradient-boosted trees by LightGBM's Python package."""

import re
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
ROW_BYTES, SCORE_BYTES, OWN_GRADIENT_BYTES = 50, 16, 40
"""What LightGBM takes of a row whatever its features, for each raw score, and for gradients that Python makes; measured, as is all that
`bytes_of` adds up, on up to 50 million rows."""
SAMPLE_ROWS, SAMPLED_BYTES, HISTOGRAM_BYTES = 200_000, 15, 16
"""Of so many rows it finds the bins; the bytes of a number meanwhile, and of a bin in the histogram of a leaf."""
BINNING = ("min_data_in_leaf", "seed")
"""Parameters that decide how rows are binned, beside those that LightGBM counts to a data set's."""


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
        dataset = _dataset("train", examples, features, params)
        if tune is None:
            n = settings.n_estimators if n_rounds is None else n_rounds[place]
            booster = lightgbm.train(dict(params), dataset, n)
            losses.append(np.nan)
        else:
            watched = _dataset("tune", tune, features, params, reference=dataset)
            stopping = _Stopping(settings)
            booster = lightgbm.train(
                dict(params), dataset, settings.n_estimators,
                valid_sets=[watched], callbacks=[stopping], feval=asked.measure,
            )  # fmt: skip
            n = stopping.best
            losses.append(stopping.loss)
        text = _as_by_one_thread(booster.model_to_string(num_iteration=n))
        found.append((text, n))
        del booster  # before the next takes memory
    return Grown([text for text, _ in found], asked.constants, [n for _, n in found], float(sum(losses)))


def bytes_of(settings: Settings, n_train: int, n_tune: int, n_features: int, loss: Loss, threads: int) -> int:
    """About how many bytes LightGBM takes at most to train on so many rows. Of a row it has bins; by rows, these a second time, and those
    of the features that a tree gets; indices, for bagging and for leaves; gradients, twice; scores, and the outcome."""
    n_bins = max(n_features, 1) * settings.max_bin
    bins = n_features * (1 if settings.max_bin <= 255 else 2)
    copies = 1.0 if threads > 1 else 2.0 + (settings.feature_fraction if settings.feature_fraction < 1 else 0)
    own = 0 if loss.lightgbm else OWN_GRADIENT_BYTES * loss.n_raw
    of_row = bins * copies + ROW_BYTES + SCORE_BYTES * loss.n_raw + own
    grown = (
        n_train * of_row
        + n_tune * (bins + 8 * loss.n_raw + 4)
        + settings.num_leaves * n_bins * HISTOGRAM_BYTES
    )
    binned = n_train * bins + min(n_train, SAMPLE_ROWS) * n_features * SAMPLED_BYTES
    return round(max(grown, binned))


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
            params, _dataset("train", examples, features, params), settings.n_estimators,
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
        params = _params(settings, len(examples.X), seed, examples.room.threads)
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


def _dataset(
    role: str, examples: Examples, features: list[Feature], params: Mapping[str, Any], reference: Any = None
) -> Any:
    """The rows as LightGBM has them, binned: what the last training in this role had, if it was on the same, with these outcomes."""
    categories = [j for j, feature in enumerate(features) if feature.n_codes is not None]
    of_data = {name: value for name, value in params.items() if not callable(value)}
    made = _lightgbm().Dataset(
        examples.X,
        examples.y,
        weight=examples.weight,
        params=of_data,
        categorical_feature=categories,
        reference=reference,
    )
    decisive = ({**made.get_params(), **{name: params[name] for name in BINNING}}, categories)
    if role in (kept := examples.room.kept):
        (X, weight), (of_last, of_reference), last = kept[role]
        if (
            X is examples.X
            and weight is examples.weight
            and of_last == decisive
            and of_reference is reference
        ):
            return last.set_label(examples.y)
    if role == "train":
        kept.clear()  # its memory is needed
    kept[role] = (examples.X, examples.weight), (decisive, reference), made
    return made


def _as_by_one_thread(text: str) -> str:
    """The booster's text as one thread would have written it, since how it was trained makes no other difference."""
    trees, found, parameters = text.partition("\nparameters:\n")
    for name, value in (("num_threads", 1), ("force_col_wise", 0), ("force_row_wise", 1)):
        parameters = re.sub(
            rf"^\[{name}: \d+\]$", f"[{name}: {value}]", parameters, count=1, flags=re.MULTILINE
        )
    return trees + found + parameters


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


def _params(settings: Settings, n_rows: int, seed: int, threads: int) -> dict[str, Any]:
    return {
        **{name: value for name, value in vars(settings).items() if name not in OURS},
        "min_data_in_leaf": max(settings.min_leaf_rows, round(settings.min_leaf_share * n_rows)),
        "bagging_freq": 1,
        "seed": seed,
        "deterministic": True,
        # By columns each sum is one thread's, in the order of rows, as by rows on one thread; it takes less memory, and a bit longer.
        "force_row_wise": threads == 1,
        "force_col_wise": threads > 1,
        "num_threads": threads,
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
