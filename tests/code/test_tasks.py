"""Tasks with several columns of predictions: what models and losses make of them, in a batch and row by row."""

import sys
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_tasks
from shipped import shipped, shipped_option

from accord.errors import AccordError
from accord.losses import Loss, identity
from accord.measures.metrics import value
from accord.models import Examples, Feature, Fitted, loading
from accord.models.baseline import Baseline
from accord.models.linear import Linear
from accord.schema.objective import Target
from accord.serving.engine import _columns
from accord.tasks import registry
from accord.tasks.task import Predicted, Task

MODELS = {
    "lightgbm": {**shipped_option("model", "lightgbm"), "n_estimators": 60, "min_leaf_rows": 20},
    "baseline": shipped_option("model", "baseline"),
}
FEATURES = [Feature("a"), Feature("b"), Feature("c")]


def examples(task: Task, n: int, seed: int) -> Examples:
    """Outcomes whose mean follows the first feature and whose spread the second."""
    generator = np.random.default_rng(seed)
    X = np.ascontiguousarray(generator.normal(size=(n, 3)))
    y = 3 * X[:, 0] + np.exp(0.5 * X[:, 1]) * generator.normal(size=n)
    return Examples(X, np.digitize(y, [-2, 2]).astype(float) if task.outcome == "class" else y)


def fitted(task: Task, model: str, weight: float | None = None) -> Fitted:
    train, tune = examples(task, 1200, 1), examples(task, 400, 2)
    if weight is not None:
        train, tune = (Examples(one.X, one.y, np.full(len(one.y), weight)) for one in (train, tune))
    return loading.build(MODELS[model]).fit(FEATURES, task.losses[0], train, tune, seed=1)


@pytest.fixture(scope="module", params=toy_tasks.TASKS)
def task(request: pytest.FixtureRequest) -> Task:
    return toy_tasks.TASKS[request.param]


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest, task: Task) -> tuple[str, Fitted]:
    return request.param, fitted(task, request.param)


def test_a_row_alone_is_predicted_with_the_same_bits_as_in_a_batch(
    task: Task, model: tuple[str, Fitted]
) -> None:
    _, one = model
    X, link = examples(task, 200, 3).X, task.losses[0].link
    predictions = link(one.raw(X))
    assert predictions.shape == (len(X), len(task.outputs))
    target, row = Predicted("y", task, task.losses[0]), array("d", [0.0] * X.shape[1])
    columns = _columns(target, one.of_row(row))
    assert tuple(name for name, _, _ in columns) == target.columns
    for i, x in enumerate(X):
        row[:] = array("d", x)
        assert [link(raw()) for _, raw, link in columns] == predictions[i].tolist()


def test_what_was_saved_predicts_alike_and_has_the_same_bytes(
    task: Task, model: tuple[str, Fitted], tmp_path: Path
) -> None:
    name, one = model
    one.save(tmp_path / "model")
    again = loading.model_class(MODELS[name]["_target_"]).load(tmp_path / "model")
    again.save(tmp_path / "again")
    X = examples(task, 50, 3).X
    assert again.raw(X).tobytes() == one.raw(X).tobytes()
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_contributions_add_up_to_each_raw_score(task: Task, model: tuple[str, Fitted]) -> None:
    _, one = model
    X = examples(task, 50, 3).X
    parts = one.contributions(X)
    assert parts.shape == (len(X), task.losses[0].n_raw, len(FEATURES) + 1)
    np.testing.assert_allclose(parts.sum(axis=2), one.raw(X), rtol=1e-9, atol=1e-9)


def test_lightgbm_learns_what_the_baseline_cannot(task: Task) -> None:
    test, loss = examples(task, 1000, 3), task.losses[0]
    metric = task.metric(task.proper_loss)
    baseline, model = (
        value(metric, test.y, loss.link(fitted(task, name).raw(test.X)), loss)
        for name in ("baseline", "lightgbm")
    )
    assert model < baseline - 0.2 * abs(baseline)


def test_weights_of_one_change_nothing(task: Task) -> None:
    X = examples(task, 50, 3).X
    plain, weighted = (fitted(task, "lightgbm", weight).raw(X) for weight in (None, 1.0))
    np.testing.assert_allclose(weighted, plain, rtol=1e-6, atol=1e-6)


def test_a_model_says_what_a_loss_lacks(task: Task) -> None:
    assert "families binomial, gaussian" in str(Linear.lacks(task.losses[0]))
    assert Baseline.lacks(task.losses[0]) is None
    bare = Loss("bare", identity, lambda y, weight: [0.0])
    assert "`gradient`" in str(loading.model_class(MODELS["lightgbm"]["_target_"]).lacks(bare))


def test_the_task_in_the_docs_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs/add-a-task.md").read_text(encoding="utf-8")
    found: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], found)
    task = found["LEVELS"]
    target, test = Predicted("delay", task, task.losses[0]), examples(task, 500, 3)
    scores = [
        value(task.leading, test.y, target.of_raw(fitted(task, name).raw(test.X)), target.loss)
        for name in ("lightgbm", "baseline")
    ]
    assert scores[0] < 0.8 * scores[1]


def test_a_loss_that_does_not_fit_its_task_is_named() -> None:
    target = Predicted("delay", toy_tasks.LEVELS, toy_tasks.SPREAD.losses[0])
    for n_raw in (2, 3):
        with pytest.raises(AccordError, match="target delay: its model gives"):
            target.of_raw(np.zeros((5, n_raw)))
    with pytest.raises(ValueError, match="proper_loss surprise"):
        replace(toy_tasks.LEVELS, proper_loss="surprise")


def test_a_task_is_found_by_its_path() -> None:
    assert registry.task("toy_tasks.LEVELS") is toy_tasks.LEVELS
    target = registry.predicted("delay", shipped(Target, task="toy_tasks.LEVELS", sql="delay"))
    assert target.columns == target.raw_columns == ("delay_low", "delay_middle", "delay_high")
    assert "toy_tasks" in sys.modules


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("binray", "did you mean 'binary'"),
        ("toy_taks.LEVELS", "No module named 'toy_taks'"),
        ("toy_tasks.LEVEL", "no accord.tasks.task.Task"),
        ("pathlib.Path", "no accord.tasks.task.Task"),
    ],
)
def test_a_task_that_is_not_there_is_refused(name: str, said: str) -> None:
    with pytest.raises(AccordError, match=said):
        registry.task(name)


def test_a_loss_of_another_task_is_refused() -> None:
    with pytest.raises(AccordError, match="loss pinball does not fit a binary target; valid: log"):
        registry.predicted("late", shipped(Target, task="binary", sql="late", loss="pinball"))


@pytest.mark.parametrize("name", ["poisson", "tweedie"])
def test_outcomes_that_are_all_zero_have_no_log_of_their_mean(name: str):
    [loss] = [loss for task in registry.OWN.values() for loss in task.losses if loss.name == name]
    assert "all 3 in train are 0" in str(loss.fault(np.zeros(3), "train"))
    assert loss.fault(np.zeros(3), "tune") is None
    assert loss.fault(np.array([0.0, 0.5]), "train") is None
