"""Gradient-boosted trees by LightGBM: trained by its Python package, applied by its C library.

The Python package imports pandas and scikit-learn where it finds them, seconds that training doesn't need and
serving would pay at every start. So predicting loads only the library that comes with the package.
"""

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from accord.errors import AccordError
from accord.files import write_text
from accord.models import Examples, Feature, Matrix, Model, Row, Vector
from accord.tasks.links import TWEEDIE_POWER

OBJECTIVES = {"log": "binary", "squared": "regression", "poisson": "poisson", "tweedie": "tweedie"}

# Constants of LightGBM's C API: https://lightgbm.readthedocs.io/en/latest/C-API.html
FLOAT64, ROW_MAJOR, RAW_SCORE, CONTRIBUTIONS = 1, 1, 1, 3


class FittedLightGBM:
    """A booster in LightGBM's text format."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._library = _library()
        self._handle = ctypes.c_void_p()
        self._checked(
            "LoadModelFromString", text.encode(), ctypes.byref(ctypes.c_int()), ctypes.byref(self._handle)
        )

    def raw(self, X: Matrix) -> Vector:
        return self._predict(X, RAW_SCORE, width=1)[:, 0]

    def of_row(self, row: Row) -> Callable[[], float]:
        return _RowScore(self, row)

    def contributions(self, X: Matrix) -> Matrix:
        return self._predict(X, CONTRIBUTIONS, width=X.shape[1] + 1)

    def save(self, path: Path) -> None:
        write_text(path, self.text)

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


class _RowScore:
    """The raw score of the row that a buffer holds, by a handle that LightGBM prepared for it. Not for two threads at
    once: they would write each other's result."""

    def __init__(self, fitted: FittedLightGBM, row: Row) -> None:
        self._kept = (fitted, row)  # the prepared handle points into both
        self._handle, self._result = ctypes.c_void_p(), ctypes.c_double()
        fitted._checked(
            "PredictForMatSingleRowFastInit", fitted._handle, RAW_SCORE, 0, -1, FLOAT64,
            ctypes.c_int32(len(row)), b"num_threads=1", ctypes.byref(self._handle),
        )  # fmt: skip
        self._predict = _library(keeps_lock=True).LGBM_BoosterPredictForMatSingleRowFast
        address, _ = row.buffer_info()
        written = ctypes.c_int64()
        self._arguments = (
            self._handle, ctypes.c_void_p(address), ctypes.byref(written), ctypes.byref(self._result),
        )  # fmt: skip

    def __call__(self) -> float:
        if self._predict(*self._arguments) != 0:
            raise RuntimeError(f"LightGBM failed on a row: {_library().LGBM_GetLastError().decode()}")
        return self._result.value

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            _library().LGBM_FastConfigFree(self._handle)


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

    def fit(
        self, features: list[Feature], loss: str, train: Examples, tune: Examples, seed: int
    ) -> FittedLightGBM:
        params = self._params(features, loss, len(train.X), seed)
        with without("pandas", "sklearn", "dask", "matplotlib"):
            import lightgbm
        categories = [j for j, feature in enumerate(features) if feature.n_codes is not None]
        dataset = lightgbm.Dataset(
            train.X, train.y, weight=train.weight, params=params, categorical_feature=categories
        )
        watched = lightgbm.Dataset(tune.X, tune.y, weight=tune.weight, reference=dataset)
        stopping = lightgbm.early_stopping(self.early_stopping_rounds, verbose=False)
        has_tune = len(tune.X) > 0
        booster = lightgbm.train(
            params, dataset, self.n_estimators,
            valid_sets=[watched] if has_tune else None, callbacks=[stopping] if has_tune else None,
        )  # fmt: skip
        return FittedLightGBM(
            booster.model_to_string(num_iteration=booster.best_iteration if has_tune else -1)
        )

    @staticmethod
    def load(path: Path) -> FittedLightGBM:
        return FittedLightGBM(path.read_text(encoding="utf-8"))

    def _params(self, features: list[Feature], loss: str, n_rows: int, seed: int) -> dict[str, Any]:
        own = ("n_estimators", "early_stopping_rounds", "min_leaf_rows", "min_leaf_share")
        return {
            **self.model_dump(exclude=set(own)),
            "objective": OBJECTIVES[loss],
            "tweedie_variance_power": TWEEDIE_POWER,
            "min_data_in_leaf": max(self.min_leaf_rows, round(self.min_leaf_share * n_rows)),
            "bagging_freq": 1,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,  # more would wait for each other on small data, and two models train side by side
            "verbosity": -1,
        }


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
