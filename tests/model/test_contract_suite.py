"""What every model promises, for each option of conf/model under each loss."""

import subprocess
import sys
from array import array
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

import numpy as np
import polars as pl
import pytest
import yaml
from shipped import shipped

from accord import models
from accord.features.transform import fit as fit_transform
from accord.files import write_json
from accord.measures.metrics import value
from accord.models import Examples, Fitted, loading
from accord.schema.config import Features
from accord.schema.data import Column
from accord.tasks.registry import OWN

ROOT = Path(__file__).parents[2]
TASKS = {
    name: task.of_classes(("low", "middle", "high")) if task.of_classes else task
    for name, task in OWN.items()
}
LOSS_OF = {loss.name: loss for task in TASKS.values() for loss in task.losses}
LOSSES = tuple(LOSS_OF)
TASK_OF = {loss.name: task for task in TASKS.values() for loss in task.losses}
POSITIVE_LOSSES = ("poisson", "tweedie")
LEARNERS = sorted({path.stem for path in (ROOT / "conf/model").glob("*.yaml")} - {"baseline"})
UNSEEN, MISSING = 4.0, 5.0
Case = tuple[str, str]
Fit = Callable[..., Fitted]


def prediction(raw: np.ndarray, loss: str) -> np.ndarray:
    return LOSS_OF[loss].link(raw)


def expected(predicted: np.ndarray) -> np.ndarray:
    """The outcome that predictions expect: of several, the mean of the numbers of their classes."""
    return predicted @ np.arange(predicted.shape[1]) if predicted.shape[1] > 1 else predicted[:, 0]


def saved(fitted: Fitted, path: Path) -> bytes:
    fitted.save(path)
    return path.read_bytes()


def loaded(option: str, path: Path) -> Fitted:
    params = yaml.safe_load((ROOT / f"conf/model/{option}.yaml").read_text(encoding="utf-8"))
    return loading.model_class(params["_target_"]).load(path)


def test_the_same_seed_gives_the_same_bytes(case: Case, fit: Fit, trained: Fitted, tmp_path: Path):
    assert saved(fit(*case), tmp_path / "again") == saved(trained, tmp_path / "first")


def test_a_loaded_model_predicts_what_the_saved_one_did(case: Case, trained: Fitted, data, tmp_path: Path):
    trained.save(tmp_path / "model")
    again = loaded(case[0], tmp_path / "model")
    assert again.raw(data.test.X).tobytes() == trained.raw(data.test.X).tobytes()
    assert again.contributions(data.test.X).tobytes() == trained.contributions(data.test.X).tobytes()


def test_saving_what_was_loaded_gives_the_same_bytes(case: Case, trained: Fitted, tmp_path: Path):
    first = saved(trained, tmp_path / "first")
    assert saved(loaded(case[0], tmp_path / "first"), tmp_path / "second") == first


def test_a_saved_model_is_text_and_no_pickle(trained: Fitted, tmp_path: Path):
    text = saved(trained, tmp_path / "model").decode("utf-8")
    assert all(letter.isprintable() or letter in "\n\t" for letter in text)


def test_a_row_alone_is_predicted_with_the_same_bits_as_in_a_batch(case: Case, trained: Fitted, data):
    X = data.test.X[:200]
    assert np.isnan(X[:, 0]).any()
    assert {UNSEEN, MISSING} <= set(X[:, 2])
    batch = trained.raw(X)
    alone = np.concatenate([trained.raw(X[i : i + 1]) for i in range(len(X))])
    assert alone.tobytes() == batch.tobytes()
    loss = case[1]
    predicted = np.concatenate([prediction(alone[i : i + 1], loss) for i in range(len(alone))])
    assert predicted.tobytes() == prediction(batch, loss).tobytes()


def test_rows_that_are_not_contiguous_in_memory_are_predicted_alike(trained: Fitted, data):
    X = data.test.X
    assert trained.raw(np.asfortranarray(X)).tobytes() == trained.raw(X).tobytes()
    assert trained.raw(X[::2]).tobytes() == trained.raw(np.ascontiguousarray(X[::2])).tobytes()


def test_no_rows_give_no_predictions(case: Case, trained: Fitted, data):
    n_raw = LOSS_OF[case[1]].n_raw
    assert trained.raw(data.test.X[:0]).shape == (0, n_raw)
    assert trained.contributions(data.test.X[:0]).shape == (0, n_raw, data.test.X.shape[1] + 1)


def test_fitting_and_predicting_leave_their_inputs_untouched(case: Case, fit: Fit, trained: Fitted, problems):
    original = problems[case[1]].train
    train = Examples(original.X.copy(), original.y.copy())
    train.X.flags.writeable = train.y.flags.writeable = False  # as a matrix that is mapped into memory
    fitted = fit(*case, train=train)
    assert fitted.raw(train.X).tobytes() == trained.raw(original.X).tobytes()
    fitted.contributions(train.X)
    assert train.X.tobytes() == original.X.tobytes()
    assert train.y.tobytes() == original.y.tobytes()


def test_contributions_add_up_to_the_raw_scores(case: Case, trained: Fitted, data):
    X = data.test.X
    parts = trained.contributions(X)
    assert parts.shape == (len(X), LOSS_OF[case[1]].n_raw, X.shape[1] + 1)
    np.testing.assert_allclose(parts.sum(axis=2), trained.raw(X), rtol=1e-9, atol=1e-9)


def test_a_constant_and_an_empty_column_contribute_nothing(trained: Fitted, data):
    changed = data.test.X.copy()
    raw = trained.raw(changed)
    changed[:, 3] = 7.0
    changed[:, 4] = np.nan
    assert trained.raw(changed).tobytes() == raw.tobytes()
    spread = trained.contributions(changed)[:, :, 3:5].std(axis=0)
    np.testing.assert_allclose(spread, 0, atol=1e-12)


@pytest.mark.parametrize(
    "row",
    [
        [np.nan, np.nan, MISSING, np.nan, np.nan],
        [0.0, 5.0, UNSEEN, 7.0, np.nan],
        [1e12, -1e12, 0.0, 7.0, 1.0],
    ],
    ids=["all missing", "unseen level", "far outside of training"],
)
def test_a_strange_row_gets_a_finite_score(trained: Fitted, row: list[float]):
    X = np.array([row])
    assert np.isfinite(trained.raw(X)).all()
    assert np.isfinite(trained.contributions(X)).all()


def test_infinite_and_huge_numbers_in_training_leave_finite_scores(case: Case, fit: Fit, data):
    X = data.train.X.copy()
    X[::7, 1], X[1::7, 1] = np.inf, -np.inf
    X[::5, 3], X[1::5, 3] = 1e308, -1e308
    fitted = fit(*case, train=Examples(X, data.train.y))
    raw = fitted.raw(X)
    assert np.isfinite(raw).all()
    assert np.isfinite(fitted.contributions(X)).all()
    row = array("d", [0.0] * X.shape[1])
    one = fitted.of_row(row)
    for values, expected in zip(X[:14].tolist(), raw, strict=False):
        row[:] = array("d", values)
        assert np.array(one()).tobytes() == expected.tobytes()


def test_predictions_lie_where_the_loss_allows(case: Case, trained: Fitted, data):
    predicted = prediction(trained.raw(data.test.X), case[1])
    assert np.isfinite(predicted).all()
    if case[1] == "log":
        assert ((predicted > 0) & (predicted < 1)).all()
    if case[1] == "softmax":
        assert (predicted > 0).all()
        np.testing.assert_allclose(predicted.sum(axis=1), 1, rtol=1e-12)
    if case[1] in POSITIVE_LOSSES:
        assert (predicted > 0).all()


def test_the_mean_prediction_is_near_the_mean_outcome(case: Case, trained: Fitted, data):
    predicted = prediction(trained.raw(data.train.X), case[1])
    assert expected(predicted).mean() == pytest.approx(data.train.y.mean(), rel=0.25, abs=0.05)


def test_weights_matter(case: Case, fit: Fit, trained: Fitted, data):
    weight = np.where(data.train.y > data.train.y.mean(), 2.0, 1.0)
    weighted = fit(*case, train=Examples(data.train.X, data.train.y, weight))
    higher, shipped = (
        expected(prediction(model.raw(data.test.X), case[1])).mean() for model in (weighted, trained)
    )
    assert higher > shipped + 1e-4 * data.train.y.std()


def test_weights_of_one_change_nothing(case: Case, fit: Fit, trained: Fitted, data):
    weighted = fit(*case, train=Examples(data.train.X, data.train.y, np.ones(len(data.train.y))))
    np.testing.assert_allclose(weighted.raw(data.test.X), trained.raw(data.test.X), rtol=1e-7, atol=1e-9)


def test_a_model_without_tune_rows_still_trains(case: Case, data):
    option, loss = case
    params = yaml.safe_load((ROOT / f"conf/model/{option}.yaml").read_text(encoding="utf-8"))
    if "n_estimators" in params:
        params["n_estimators"] = 20
    none = Examples(data.tune.X[:0], data.tune.y[:0])
    features = [
        models.Feature("x"),
        models.Feature("z"),
        models.Feature("colour", 6),
        models.Feature("c"),
        models.Feature("e"),
    ]
    fitted = loading.build(params).fit(features, LOSS_OF[loss], data.train, none, seed=1)
    assert np.isfinite(fitted.raw(data.test.X)).all()


@pytest.mark.parametrize(
    "case", [(option, loss) for option in LEARNERS for loss in LOSSES], ids="-".join, indirect=True
)
def test_a_model_learns_what_the_baseline_cannot(case: Case, fit: Fit, trained: Fitted, data):
    loss = case[1]
    metric = TASK_OF[loss].metric(TASK_OF[loss].proper_loss)
    scores = [
        value(metric, data.test.y, prediction(model.raw(data.test.X), loss), LOSS_OF[loss])
        for model in (trained, fit("baseline", loss))
    ]
    assert scores[0] < 0.8 * scores[1]


def test_the_order_of_columns_in_a_frame_changes_no_prediction(case: Case, trained: Fitted, data):
    X = data.test.X
    levels = ["blue", "green", "red", "white"]
    names = [*levels, "mauve", None]
    rows = pl.DataFrame(
        {
            "x": X[:, 0],
            "z": X[:, 1],
            "constant": X[:, 3],
            "empty": X[:, 4],
            "colour": [names[int(c)] for c in X[:, 2]],
        }
    )
    columns = {
        "x": shipped(Column, type="number", nullable=True),
        "z": shipped(Column, type="number"),
        "colour": shipped(Column, type="category", nullable=True),
        "constant": shipped(Column, type="number"),
        "empty": shipped(Column, type="number", nullable=True),
    }
    seen = rows.filter(pl.col("colour").is_null() | (pl.col("colour") != "mauve"))
    transform = fit_transform(seen, columns, {}, shipped(Features, rare_level_rows=1))
    assert transform.matrix(rows).tobytes() == X.tobytes()
    for order in list(permutations(rows.columns))[::17]:
        assert trained.raw(transform.matrix(rows.select(order))).tobytes() == trained.raw(X).tobytes()


MEDIAN = '''"""What one gets without a model, by the median of the training target."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from accord.files import read_json, write_json
from accord.models import Contributions, Examples, Feature, Matrix, Model
from accord.losses import Loss


@dataclass(frozen=True)
class FittedMedian:
    constant: float
    n_features: int

    def raw(self, X: Matrix) -> Matrix:
        return np.full((len(X), 1), self.constant)

    def contributions(self, X: Matrix) -> Contributions:
        return np.column_stack([np.zeros((len(X), self.n_features)), self.raw(X)])[:, None]

    def save(self, path: Path) -> None:
        write_json(path, vars(self))


class Median(Model):
    shift: float = Field(default=0.5, ge=0)

    def fit(self, features: list[Feature], loss: Loss, train: Examples, tune: Examples, seed: int) -> FittedMedian:
        return FittedMedian(float(np.median(train.y)) + self.shift, len(features))

    @staticmethod
    def load(path: Path) -> FittedMedian:
        return FittedMedian(**read_json(path))
'''

TRAIN = """
import sys
from pathlib import Path
from accord.config import lock
from accord.models import loading
from accord.paths import Paths
from accord.schema.objective import Target
from accord.training import jobs

folder = Path(sys.argv[1])
params = lock.load(Paths(Path())).model
target = Target(task="regression", sql="late", owner="product")
jobs.train_one(jobs.Job("delay", target, params, 1, folder / "features", folder / "splits", folder / "trained"))
print(loading.model_class(params["_target_"]).load(folder / "trained/delay/model").constant)
"""


@pytest.fixture
def with_median(tmp_path: Path) -> Path:
    """A copy of the project with one more model."""
    for folder in ("src", "conf"):
        copytree(ROOT / folder, tmp_path / folder, ignore=ignore_patterns("__pycache__", "*.egg-info"))
    for file in ("dvc.yaml", "params.yaml"):
        copy(ROOT / file, tmp_path / file)
    (tmp_path / "src/accord/models/median.py").write_text(MEDIAN, encoding="utf-8")
    (tmp_path / "conf/model/median.yaml").write_text(
        "_target_: accord.models.median.Median\n", encoding="utf-8"
    )
    return tmp_path


def test_a_new_model_is_one_class_and_one_conf_file(with_median: Path):
    def python(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=with_median, env={"PYTHONPATH": str(with_median / "src"), "PATH": ""}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    python("-m", "accord.stages.compose", "model=median")
    composed = yaml.safe_load((with_median / "conf.lock.yaml").read_text(encoding="utf-8"))
    assert composed["model"] == {"_target_": "accord.models.median.Median", "shift": 0.5}

    features, splits = with_median / "features", with_median / "splits"
    transform = fit_transform(
        pl.DataFrame({"x": [1.0]}), {"x": shipped(Column, type="number")}, {}, shipped(Features)
    )
    features.mkdir()
    write_json(features / "transform.json", transform.as_dict())
    for name, late in (("train", [1.0, 2.0, None, 9.0]), ("tune", [3.0, 4.0])):
        rows = pl.DataFrame(
            {"x": range(len(late)), "late": late}, schema={"x": pl.Float64, "late": pl.Float64}
        )
        (splits / name).mkdir(parents=True)
        rows.write_parquet(splits / name / "rows.parquet")
        np.save(features / f"{name}.npy", transform.matrix(rows))
    assert float(python("-c", TRAIN, str(with_median))) == 2.5  # the row without an outcome is left out
    assert (with_median / "trained/delay/baseline").is_file()
