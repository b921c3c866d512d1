"""Gradient-boosted trees by LightGBM: trained by its Python package (boosting.py), applied by its C library.

The Python package imports pandas and scikit-learn where it finds them, seconds that training doesn't need and
serving would pay at every start. So predicting loads only the library that comes with the package.
"""

import ctypes
import json
from array import array
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from accord.errors import AccordError
from accord.files import write_text
from accord.losses import Loss
from accord.models import (
    Contributions,
    Examples,
    Extent,
    Feature,
    Fitted,
    Matrix,
    Model,
    Row,
    Trained,
    together,
)
from accord.models.boosting import Grown, bytes_of, folds_of, grown, rounds_by_folds
from accord.models.boosting_rule import AUTO, Problem, Settings, best_of, choices, rounds_again
from accord.models.mean import averaged, mean_of

# Constants of LightGBM's C API: https://lightgbm.readthedocs.io/en/latest/C-API.html
FLOAT64, ROW_MAJOR, RAW_SCORE, CONTRIBUTIONS = 1, 1, 1, 3


class Booster:
    """Trees in LightGBM's text format, of one raw score or of several."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._library = _library()
        self._handle = ctypes.c_void_p()
        self._checked(
            "LoadModelFromString", text.encode(), ctypes.byref(ctypes.c_int()), ctypes.byref(self._handle)
        )
        n_raw = ctypes.c_int()
        self._checked("GetNumClasses", self._handle, ctypes.byref(n_raw))
        self.n_raw = n_raw.value

    def raw(self, X: Matrix) -> Matrix:
        return self._predict(X, RAW_SCORE, width=self.n_raw)

    def of_row(self, row: Row) -> "_RowScores":
        return _RowScores(self, row)

    def contributions(self, X: Matrix) -> Contributions:
        parts = self._predict(X, CONTRIBUTIONS, width=self.n_raw * (X.shape[1] + 1))
        return parts.reshape(len(X), self.n_raw, X.shape[1] + 1)

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.LGBM_BoosterFree(self._handle)

    def _predict(self, X: Matrix, kind: int, width: int) -> Matrix:
        X = np.ascontiguousarray(X, dtype=np.float64)
        result = np.empty((len(X), width))
        if not len(X):
            return result
        written = ctypes.c_int64()
        self._checked(
            "PredictForMat", self._handle, ctypes.c_void_p(X.ctypes.data), FLOAT64,
            ctypes.c_int32(len(X)), ctypes.c_int32(X.shape[1]), ROW_MAJOR, kind, 0, -1, b"num_threads=1",
            ctypes.byref(written), ctypes.c_void_p(result.ctypes.data),
        )  # fmt: skip
        assert written.value == result.size
        return result

    def _checked(self, call: str, *arguments: Any) -> None:
        if getattr(self._library, f"LGBM_Booster{call}")(*arguments) != 0:
            raise RuntimeError(f"LightGBM {call}: {self._library.LGBM_GetLastError().decode()}")


class _RowScores:
    """The raw scores of the row that a buffer holds, by a handle that LightGBM prepared for it. Not for two threads at
    once: they would write each other's result."""

    def __init__(self, booster: Booster, row: Row) -> None:
        self._kept = (booster, row)  # the prepared handle points into both
        self._handle, self._result = ctypes.c_void_p(), array("d", [0.0] * booster.n_raw)
        booster._checked(
            "PredictForMatSingleRowFastInit", booster._handle, RAW_SCORE, 0, -1, FLOAT64,
            ctypes.c_int32(len(row)), b"num_threads=1", ctypes.byref(self._handle),
        )  # fmt: skip
        self._predict = _library(keeps_lock=True).LGBM_BoosterPredictForMatSingleRowFast
        given, result = (ctypes.c_void_p(numbers.buffer_info()[0]) for numbers in (row, self._result))
        self._arguments = (self._handle, given, ctypes.byref(ctypes.c_int64()), result)

    def __call__(self) -> Sequence[float]:
        if self._predict(*self._arguments) != 0:
            raise RuntimeError(f"LightGBM failed on a row: {_library().LGBM_GetLastError().decode()}")
        return self._result

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            _library().LGBM_FastConfigFree(self._handle)


class FittedLightGBM:
    """A booster, or several whose raw scores stand side by side, each added to a constant where they start from one."""

    def __init__(self, texts: Sequence[str], constants: Sequence[float] | None = None) -> None:
        self.boosters = [Booster(text) for text in texts]
        self.constants = None if constants is None else tuple(constants)

    def raw(self, X: Matrix) -> Matrix:
        parts = [booster.raw(X) for booster in self.boosters]
        raw = parts[0] if len(parts) == 1 else np.column_stack(parts)
        return raw if self.constants is None else raw + np.array(self.constants)

    def of_row(self, row: Row) -> Callable[[], Sequence[float]]:
        scores = [booster.of_row(row) for booster in self.boosters]
        if len(scores) == 1 and self.constants is None:
            return scores[0]
        constants = self.constants

        def raw() -> Sequence[float]:
            found = [score for of_booster in scores for score in of_booster()]
            return found if constants is None else [a + b for a, b in zip(found, constants, strict=True)]

        return raw

    def contributions(self, X: Matrix) -> Contributions:
        parts = np.concatenate([booster.contributions(X) for booster in self.boosters], axis=1)
        if self.constants is not None:
            parts[:, :, -1] += self.constants
        return parts

    def save(self, path: Path) -> None:
        texts = [booster.text for booster in self.boosters]
        if len(texts) == 1 and self.constants is None:
            write_text(path, texts[0])
        else:
            write_text(path, json.dumps({"constants": self.constants, "boosters": texts}, indent=1) + "\n")


Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
MAX_SEED = 2**31
"""LightGBM's seeds are below."""
Auto = Literal["auto"]
"""What is left to accord.models.boosting_rule."""


class Boosting(Model):
    """What all that are trained here have in common."""

    n_estimators: Count | Auto
    early_stopping_rounds: Count | Auto
    """Training stops when the tune loss hasn't improved for as many rounds, and keeps the best round."""
    early_stopping_share: Annotated[float, Field(ge=0)] | Auto
    """The same as a share of the best round so far; the larger of both counts."""
    learning_rate: Share | Auto
    num_leaves: Annotated[int, Field(ge=2)] | Auto
    min_leaf_rows: Count | Auto
    min_leaf_share: Annotated[float, Field(ge=0, lt=0.5)] | Auto
    """A leaf holds at least this share of the training rows, and at least `min_leaf_rows`."""
    feature_fraction: Share | Auto
    bagging_fraction: Share | Auto
    lambda_l2: Annotated[float, Field(ge=0)] | Auto
    max_bin: Annotated[int, Field(ge=2)] | Auto
    cat_smooth: Annotated[float, Field(ge=0)] | Auto
    cat_l2: Annotated[float, Field(ge=0)] | Auto
    max_cat_threshold: Count | Auto
    min_data_per_group: Count | Auto

    @classmethod
    def lacks(cls, loss: Loss) -> str | None:
        if loss.lightgbm or (loss.gradient and loss.of_rows):
            return None
        return "parameters as `lightgbm`, or `gradient` and `of_rows`"

    def fit(self, features: list[Feature], loss: Loss, train: Examples, tune: Examples, seed: int) -> Fitted:
        return self.trained(features, loss, train, tune, seed).model

    @staticmethod
    def load(path: Path) -> Fitted:
        text = path.read_text(encoding="utf-8")
        members = json.loads(text).get("members") if text.startswith("{") else None
        return _read(text) if members is None else mean_of([_read(member) for member in members])

    def _choices(self, extent: Extent, features: list[Feature], loss: Loss) -> list[Settings]:
        """The settings to try, each once: those that differ in a key that is set by hand are alike."""
        problem = Problem(
            extent.n_train,
            extent.n_tune,
            len(features),
            loss.n_raw,
            loss.family,
            extent.later,
            extent.is_next,
        )
        known = {field.name for field in fields(Settings)}
        own = {name: value for name, value in self.model_dump().items() if value != AUTO and name in known}
        return list(dict.fromkeys(replace(one, **own) for one in choices(problem)))


class LightGBM(Boosting):
    stopping_folds: Annotated[int, Field(ge=0)] | Auto
    """If above 1, tune isn't asked alone: the loss is the mean over as many folds of train and tune, each left out once."""
    refit: Annotated[float, Field(ge=0)] | Auto
    """Training then begins anew on train and tune, for this many times the best number of rounds; 0 for not."""
    n_seeds: int = Field(ge=1)
    """Models trained alike but for their seeds, whose mean is the model."""

    def needs(self, extent: Extent, features: list[Feature], loss: Loss) -> int:
        def of(settings: Settings, n_train: int, n_tune: int) -> int:
            return bytes_of(settings, n_train, n_tune, len(features), loss, extent.threads)

        settings, n = self._choices(extent, features, loss)[0], extent.n_rows
        most = of(settings, extent.n_train, extent.n_tune)
        if settings.refit and extent.n_tune:
            most = max(most, of(settings, n, 0))
        if (n_folds := settings.stopping_folds) > 1:
            most = max(most, n_folds * of(settings, n - n // n_folds, n // n_folds))
        return most

    def trained(
        self, features: list[Feature], loss: Loss, train: Examples, tune: Examples, seed: int
    ) -> Trained:
        tried = self._choices(_extent(train, tune), features, loss)
        seeds = [seed, *np.random.SeedSequence(seed).generate_state(self.n_seeds - 1).tolist()]
        return averaged([_one(tried, features, loss, train, tune, one % MAX_SEED) for one in seeds])


class LightGBMBag(Boosting):
    n_folds: int = Field(ge=2)
    """Of train and tune. The model is the mean of one for each fold, which is trained on the others and stops on it. Where tune
    is not to be learned from, folds are of train alone, and all stop on tune."""

    def needs(self, extent: Extent, features: list[Feature], loss: Loss) -> int:
        settings, n = self._choices(extent, features, loss)[0], extent.n_rows
        return bytes_of(
            settings, n - n // self.n_folds, n // self.n_folds, len(features), loss, extent.threads
        )

    def trained(
        self, features: list[Feature], loss: Loss, train: Examples, tune: Examples, seed: int
    ) -> Trained:
        tried = self._choices(_extent(train, tune), features, loss)
        rows = train if tune.later else together(train, tune)
        members, tune_raw = [], None if tune.later else np.empty((len(tune.X), loss.n_raw))
        for fold in folds_of(len(rows.X), self.n_folds, seed):
            left, stop = rows.part(~fold), tune if tune.later and len(tune.X) else rows.part(fold)
            settings, found = _stopped(tried, features, loss, left, stop, seed)
            notes = _notes(settings, found.n_rounds, tune.later)
            members.append(
                Trained(_fitted(found), {**_without_refit(settings), "best_rounds": found.n_rounds}, notes)
            )
            if tune_raw is not None:
                of_tune = fold[len(train.X) :]
                tune_raw[of_tune] = members[-1].model.raw(tune.X[of_tune])
        return replace(averaged(members), tune_raw=tune_raw)


def _extent(train: Examples, tune: Examples) -> Extent:
    return Extent(len(train.X), len(tune.X), tune.later, tune.is_next)


def _stopped(
    tried: list[Settings], features: list[Feature], loss: Loss, train: Examples, tune: Examples, seed: int
) -> tuple[Settings, Grown]:
    """The settings whose loss on tune is least, and what was grown by them."""
    ways = [grown(settings, features, loss, train, seed, tune) for settings in tried]
    place = best_of([way.tune_loss for way in ways])
    return tried[place], ways[place]


def _one(
    tried: list[Settings], features: list[Feature], loss: Loss, train: Examples, tune: Examples, seed: int
) -> Trained:
    has_tune = len(tune.X) > 0
    if tried[0].stopping_folds > 1:
        both = together(train, tune)
        stopped = [rounds_by_folds(settings, features, loss, both, seed) for settings in tried]
        place = best_of([way.loss for way in stopped])
        settings, best = tried[place], stopped[place].n_rounds
        first = grown(settings, features, loss, train, seed, n_rounds=best)
    elif has_tune:
        settings, first = _stopped(tried, features, loss, train, tune, seed)
        best = first.n_rounds
    else:
        settings = tried[0]
        first = grown(settings, features, loss, train, seed)
        best = first.n_rounds
    said = {**vars(settings), "best_rounds": best}
    notes = _notes(settings, best, tune.later) if has_tune else ()
    if not (settings.refit and has_tune):
        return Trained(_fitted(first), said, notes)
    again = rounds_again(settings, best, tune.is_next)
    model = _fitted(grown(settings, features, loss, together(train, tune), seed, n_rounds=again))
    return Trained(model, {**said, "refit_rounds": again}, notes, _fitted(first).raw(tune.X))


def _notes(settings: Settings, best: Sequence[int], is_later: bool) -> tuple[str, ...]:
    """Whether the loss still fell when the rounds were at an end. Where tune is not to be learned from, that is what
    the cap is for."""
    cap = settings.n_estimators
    if max(best) <= cap - settings.early_stopping_rounds:
        return ()
    key = "model.n_estimators"
    return (f"stopped at the cap of {cap:,} rounds{f' ({key})' if is_later else f': raise {key}'}",)


def _without_refit(settings: Settings) -> dict[str, Any]:
    return {name: value for name, value in vars(settings).items() if name not in ("refit", "stopping_folds")}


def _fitted(found: Grown) -> FittedLightGBM:
    return FittedLightGBM(found.texts, found.constants)


def _read(text: str) -> FittedLightGBM:
    if not text.startswith("{"):
        return FittedLightGBM([text])
    values = json.loads(text)
    return FittedLightGBM(values["boosters"], values["constants"])


@cache
def _library(keeps_lock: bool = False) -> Any:
    """LightGBM's C library; with `keeps_lock` other Python threads wait meanwhile, which for a call of microseconds
    is quicker than handing the interpreter's lock over."""
    spec = find_spec("lightgbm")
    if spec is None or not spec.submodule_search_locations:
        raise AccordError("LightGBM is not installed; set up again: make setup")
    load = ctypes.PyDLL if keeps_lock else ctypes.CDLL
    library: Any = load(str(Path(spec.submodule_search_locations[0]) / "lib" / "lib_lightgbm.so"))
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library
