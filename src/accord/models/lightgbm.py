"""Gradient-boosted trees by LightGBM: trained by its Python package, applied by its C library.

The Python package imports pandas and scikit-learn where it finds them, seconds that training doesn't need and
serving would pay at every start. So predicting loads only the library that comes with the package.
"""

import ctypes
import json
import sys
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from accord.errors import AccordError
from accord.files import write_text
from accord.losses import Loss
from accord.models import Contributions, Examples, Feature, Matrix, Model, Row, Vector

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


class LightGBM(Model):
    n_estimators: int = Field(ge=1)
    early_stopping_rounds: int = Field(ge=1)
    """Training stops when the tune loss hasn't improved for as many rounds, and keeps the best round."""
    learning_rate: float = Field(gt=0, le=1)
    num_leaves: int = Field(ge=2)
    min_leaf_rows: int = Field(ge=1)
    min_leaf_share: float = Field(ge=0, lt=0.5)
    """A leaf holds at least this share of the training rows, and at least `min_leaf_rows`."""
    feature_fraction: float = Field(gt=0, le=1)
    bagging_fraction: float = Field(gt=0, le=1)
    lambda_l2: float = Field(ge=0)
    max_bin: int = Field(ge=2)
    cat_smooth: float = Field(ge=0)
    cat_l2: float = Field(ge=0)
    max_cat_threshold: int = Field(ge=1)

    @classmethod
    def lacks(cls, loss: Loss) -> str | None:
        if loss.lightgbm or (loss.gradient and loss.of_rows):
            return None
        return "parameters as `lightgbm`, or `gradient` and `of_rows`"

    def fit(
        self, features: list[Feature], loss: Loss, train: Examples, tune: Examples, seed: int
    ) -> FittedLightGBM:
        params = self._params(len(train.X), seed)
        if loss.lightgbm:
            given = ({**params, **own} for own in loss.lightgbm)
            return FittedLightGBM([self._booster(one, features, train, tune) for one in given])
        start = np.array(loss.constant(train.y, train.weight), dtype=np.float64)
        by_gradient = _ByGradient(loss, start)
        params |= {"objective": by_gradient, "metric": "None", "num_class": loss.n_raw}
        return FittedLightGBM(
            [self._booster(params, features, train, tune, by_gradient.measured)], start.tolist()
        )

    def _booster(
        self,
        params: Mapping[str, Any],
        features: list[Feature],
        train: Examples,
        tune: Examples,
        measure: Callable[[Any, Any], tuple[str, float, bool]] | None = None,
    ) -> str:
        """The trees that these parameters train, as text."""
        with without("pandas", "sklearn", "dask", "matplotlib"):
            import lightgbm
        categories = [j for j, feature in enumerate(features) if feature.n_codes is not None]
        of_data = {name: value for name, value in params.items() if not callable(value)}
        dataset = lightgbm.Dataset(
            train.X, train.y, weight=train.weight, params=of_data, categorical_feature=categories
        )
        watched = lightgbm.Dataset(tune.X, tune.y, weight=tune.weight, reference=dataset)
        stopping = lightgbm.early_stopping(self.early_stopping_rounds, verbose=False)
        has_tune = len(tune.X) > 0
        booster = lightgbm.train(
            dict(params), dataset, self.n_estimators,
            valid_sets=[watched] if has_tune else None, callbacks=[stopping] if has_tune else None, feval=measure,
        )  # fmt: skip
        return str(booster.model_to_string(num_iteration=booster.best_iteration if has_tune else -1))

    @staticmethod
    def load(path: Path) -> FittedLightGBM:
        text = path.read_text(encoding="utf-8")
        if not text.startswith("{"):
            return FittedLightGBM([text])
        values = json.loads(text)
        return FittedLightGBM(values["boosters"], values["constants"])

    def _params(self, n_rows: int, seed: int) -> dict[str, Any]:
        own = ("n_estimators", "early_stopping_rounds", "min_leaf_rows", "min_leaf_share")
        return {
            **self.model_dump(exclude=set(own)),
            "min_data_in_leaf": max(self.min_leaf_rows, round(self.min_leaf_share * n_rows)),
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
