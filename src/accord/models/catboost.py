"""Gradient-boosted trees by CatBoost, an extra: `pip install '.[catboost]'`. Categories are its own, not numbers.

Prokhorenkova et al. (2018), CatBoost: unbiased boosting with categorical features.
"""

import json
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from accord.errors import AccordError
from accord.files import write_text
from accord.losses import Loss
from accord.models import Contributions, Examples, Extent, Feature, Matrix, Model, Row
from accord.models.boosting import without
from accord.tasks.regression import TWEEDIE_POWER

LOSSES = {
    "binomial": "Logloss",
    "multinomial": "MultiClass",
    "gaussian": "RMSE",
    "poisson": "Poisson",
    "tweedie": f"Tweedie:variance_power={TWEEDIE_POWER}",
}
"""By family."""
ARENA_BYTES, CELL_BYTES = 900_000_000, 30
"""What CatBoost reserves for itself, and takes of a value with the copies of it; measured on up to 600,000 rows."""
LARGEST = float(np.finfo(np.float32).max)
"""CatBoost compares numbers in single precision."""
UNLIKE = ("model_guid", "train_finish_time", "catboost_version_info")
"""What a saved model holds that differs each time or says nothing of the model."""


class FittedCatBoost:
    """Trees in CatBoost's JSON format; each column is a number, or holds the codes of a category."""

    def __init__(self, text: str) -> None:
        self.text = text
        values = json.loads(text)
        self._numbers, self._categories, self._n_raw = (
            values[key] for key in ("numbers", "categories", "n_raw")
        )
        self._model = _loaded(values["model"])

    def raw(self, X: Matrix) -> Matrix:
        if not len(X):
            return np.empty((0, self._n_raw))
        scores = self._model.predict(self._features(X), prediction_type="RawFormulaVal", thread_count=1)
        return np.ascontiguousarray(scores, dtype=np.float64).reshape(len(X), self._n_raw)

    def of_row(self, row: Row) -> Callable[[], Sequence[float]]:
        return lambda: self.raw(np.array(row)[None])[0].tolist()

    def contributions(self, X: Matrix) -> Contributions:
        order = [*self._numbers, *self._categories]
        parts = np.empty((len(X), self._n_raw, len(order) + 1))
        if len(X):
            pool = _catboost().Pool(self._features(X))
            found = self._model.get_feature_importance(pool, type="ShapValues", thread_count=1)
            parts[:, :, [*order, len(order)]] = np.asarray(found).reshape(parts.shape)
        return parts

    def save(self, path: Path) -> None:
        write_text(path, self.text)

    def _features(self, X: Matrix) -> Any:
        return _features(X, self._numbers, self._categories)


class CatBoost(Model):
    libraries: ClassVar[tuple[str, ...]] = ("catboost",)

    iterations: int = Field(ge=1)
    early_stopping_rounds: int = Field(ge=1)
    """Training stops when the tune loss hasn't improved for as many rounds, and keeps the best round."""
    learning_rate: float | None = Field(gt=0, le=1)
    """None: CatBoost decides by the number of rows and iterations."""
    depth: int = Field(ge=1, le=16)
    l2_leaf_reg: float = Field(ge=0)

    def model_post_init(self, context: Any) -> None:
        _catboost()

    def needs(self, extent: Extent, features: list[Feature], loss: Loss) -> int:
        return ARENA_BYTES + CELL_BYTES * extent.n_rows * (len(features) + loss.n_raw)

    @classmethod
    def lacks(cls, loss: Loss) -> str | None:
        return None if loss.family in LOSSES else f"one of the families {', '.join(LOSSES)}"

    def fit(
        self, features: list[Feature], loss: Loss, train: Examples, tune: Examples, seed: int
    ) -> FittedCatBoost:
        catboost = _catboost()
        numbers = [j for j, feature in enumerate(features) if feature.n_codes is None]
        categories = [j for j, feature in enumerate(features) if feature.n_codes is not None]
        pools = [
            catboost.Pool(_features(part.X, numbers, categories), part.y, weight=part.weight)
            for part in (train, tune)
            if len(part.X)
        ]
        model = catboost.CatBoost({
            **{name: value for name, value in self.model_dump().items() if value is not None},
            "loss_function": LOSSES[str(loss.family)],
            **({"classes_count": loss.n_raw} if loss.n_raw > 1 else {}),
            "random_seed": seed, "thread_count": 1, "verbose": False, "allow_writing_files": False,
        })  # fmt: skip
        try:
            model.fit(pools[0], eval_set=pools[1] if pools[1:] else None)
        except catboost.CatBoostError as error:
            raise AccordError(
                f"CatBoost can't learn from these rows: {' '.join(str(error).split())}"
            ) from error
        kept = {"numbers": numbers, "categories": categories, "n_raw": loss.n_raw, "model": _plain(model)}
        return FittedCatBoost(json.dumps(kept, indent=1) + "\n")

    @staticmethod
    def load(path: Path) -> FittedCatBoost:
        return FittedCatBoost(path.read_text(encoding="utf-8"))


def _features(X: Matrix, numbers: Sequence[int], categories: Sequence[int]) -> Any:
    """Numbers in single precision, categories as the text of their codes."""
    codes = X[:, categories].astype(int).astype(str)
    return _catboost().FeaturesData(
        num_feature_data=np.clip(X[:, numbers], -LARGEST, LARGEST).astype(np.float32) if numbers else None,
        cat_feature_data=np.char.encode(codes).astype(object) if categories else None,
    )


def _plain(model: Any) -> Any:
    """The model as plain values, the same for the same trees."""
    with TemporaryDirectory() as folder:
        model.save_model(f"{folder}/model.json", format="json")
        values = json.loads(Path(folder, "model.json").read_text(encoding="utf-8"))
    values["model_info"] = {name: value for name, value in values["model_info"].items() if name not in UNLIKE}
    return values


def _loaded(values: Any) -> Any:
    model = _catboost().CatBoost()
    with TemporaryDirectory() as folder:
        Path(folder, "model.json").write_text(json.dumps(values), encoding="utf-8")
        model.load_model(f"{folder}/model.json", format="json")
    return model


def _catboost() -> Any:
    if find_spec("catboost") is None:
        raise AccordError(
            "model=catboost: CatBoost is not installed; pip install '.[catboost]', or make setup"
        )
    with without("pandas", "matplotlib", "plotly", "sklearn"):
        import catboost
    return catboost
