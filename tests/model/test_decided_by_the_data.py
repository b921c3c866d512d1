"""Settings of gradient-boosted trees that the data decide, and what is said of tune once the model has learned from it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from shipped import shipped, shipped_option

from accord.errors import AccordError
from accord.features.transform import fit as fit_transform
from accord.files import write_json
from accord.models import Examples, Feature, Trained, loading
from accord.models.boosting_rule import CAUTIOUS, Problem, best_of, decided
from accord.models.trained import raw_of, settings_of
from accord.schema.config import Features
from accord.schema.data import Column
from accord.schema.objective import Target
from accord.tasks.regression import SQUARED
from accord.training import jobs

SHIPPED = shipped_option("model", "lightgbm")
FEATURES = [Feature(name) for name in "abcdefgh"]


def noise(n: int, seed: int, later: bool = False) -> Examples:
    """Rows whose outcomes follow from nothing."""
    generator = np.random.default_rng(seed)
    return Examples(generator.normal(size=(n, len(FEATURES))), generator.normal(size=n), later=later)


def trained(later: bool = False, n: int = 400, **given: Any) -> Trained:
    model = loading.build({**SHIPPED, "n_estimators": 40, **given})
    return model.trained(FEATURES, SQUARED, noise(n, 1), noise(n, 2, later), seed=1)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_what_is_said_of_tune_comes_from_a_model_that_has_not_seen_it() -> None:
    found, tune = trained(early_stopping_rounds=40, stopping_folds=5, refit=20.0), noise(400, 2)
    assert found.tune_raw is not None
    assert correlation(found.model.raw(tune.X), tune.y) > 0.5
    assert abs(correlation(found.tune_raw, tune.y)) < 0.2


def test_without_a_refit_tune_is_as_new_to_the_model_as_test() -> None:
    assert trained(refit=0).tune_raw is None


def test_rows_split_cautious_are_trained_on_by_settings_of_their_own_and_not_again() -> None:
    found = trained(later=True, n_estimators="auto")
    assert found.tune_raw is None
    assert {**vars(CAUTIOUS), "best_rounds": found.settings["best_rounds"]} == found.settings


def test_a_number_set_by_hand_wins_and_leaves_the_other_keys_to_the_data() -> None:
    by_hand, by_data = trained(num_leaves=3).settings, trained().settings
    assert by_hand["num_leaves"] == 3 != by_data["num_leaves"]
    assert by_hand["learning_rate"] == by_data["learning_rate"]


@pytest.mark.parametrize("later", [False, True])
def test_a_run_says_that_the_loss_still_fell_at_the_cap_of_rounds(later: bool) -> None:
    generator = np.random.default_rng(3)
    parts = [generator.normal(size=(3000, len(FEATURES))) for _ in range(2)]
    train, tune = (Examples(X, 5 * X[:, 0] + X[:, 1], later=later) for X in parts)
    given = {**SHIPPED, "n_estimators": 30}
    [note] = loading.build(given).trained(FEATURES, SQUARED, train, tune, seed=1).notes
    assert note.startswith("stopped at the cap of 30 rounds")
    assert note.endswith("model.n_estimators)" if later else "raise model.n_estimators")
    assert trained(n_estimators=200, early_stopping_rounds=20, refit=0).notes == ()


PROBLEM = Problem(n_train=6_000, n_tune=2_000, n_features=20, n_raw=1, family="binomial", cautious=False)


def test_few_rows_are_split_by_folds_and_get_small_trees_whose_categories_may_be_small_too() -> None:
    few, many = decided(replace(PROBLEM, n_train=120, n_tune=30)), decided(PROBLEM)
    assert (few.stopping_folds, many.stopping_folds) == (5, 0)
    assert few.num_leaves < many.num_leaves
    assert few.min_data_per_group <= 20 <= many.min_data_per_group


def test_without_rows_of_tune_folds_of_train_say_when_to_stop() -> None:
    assert decided(replace(PROBLEM, n_tune=0)).stopping_folds == 5
    found = loading.build(SHIPPED).trained(FEATURES, SQUARED, noise(300, 1), noise(0, 2), seed=1)
    assert found.settings["best_rounds"][0] < 50  # nothing can be learned from noise


def test_many_classes_never_make_more_trees_than_the_cap_allows() -> None:
    for n_raw in (3, 26, 100):
        found = decided(replace(PROBLEM, family="multinomial", n_raw=n_raw))
        assert 100 <= found.n_estimators <= 10_000 / n_raw


@pytest.mark.parametrize("n_train", [400, 3000])
@pytest.mark.parametrize("by_hand", ["auto", 0.5])
def test_trees_get_all_features_where_a_few_tell_nearly_all(n_train: int, by_hand: Any) -> None:
    generator = np.random.default_rng(5)
    parts = [generator.normal(size=(n, len(FEATURES))) for n in (n_train, 1000)]
    train, tune = (Examples(X, X[:, 0] + 3 * X[:, 1]) for X in parts)
    noisy = [replace(one, y=one.y + 30 * generator.normal(size=len(one.y))) for one in (train, tune)]
    model = loading.build({**SHIPPED, "n_estimators": 60, "feature_fraction": by_hand})
    sure = model.trained(FEATURES, SQUARED, train, tune, seed=1).settings
    unsure = model.trained(FEATURES, SQUARED, *noisy, seed=1).settings
    assert sure["feature_fraction"] == (1 if by_hand == "auto" else by_hand)
    assert unsure["feature_fraction"] == (0.8 if by_hand == "auto" else by_hand)


def test_rows_in_order_of_time_get_all_features_and_enough_rounds_once_tune_is_learned_from() -> None:
    model, train, tune = loading.build(SHIPPED), noise(3000, 1), noise(1000, 2)
    at_random = model.trained(FEATURES, SQUARED, train, tune, seed=1).settings
    in_order = model.trained(FEATURES, SQUARED, train, replace(tune, is_next=True), seed=1).settings
    assert at_random["feature_fraction"] < in_order["feature_fraction"] == 1
    [at_random_again], [again] = at_random["refit_rounds"], in_order["refit_rounds"]
    assert at_random_again < again == 20 / in_order["learning_rate"]
    few = loading.build({**SHIPPED, "n_estimators": 7})
    assert few.trained(FEATURES, SQUARED, train, replace(tune, is_next=True), seed=1).settings[
        "refit_rounds"
    ] == [7]


@pytest.mark.parametrize(
    ("losses", "place"), [([2.0, 1.999], 0), ([2.0, 1.9], 1), ([-2.0, -2.001], 0), ([-2.0, -2.1], 1)]
)
def test_another_way_is_taken_where_its_loss_is_clearly_less(losses: list[float], place: int) -> None:
    assert best_of(losses) == place


def test_large_data_get_fewer_rounds_and_larger_steps() -> None:
    usual, huge = (
        decided(replace(PROBLEM, n_train=180_000)),
        decided(replace(PROBLEM, n_train=5_000_000, n_features=200)),
    )
    assert usual.n_estimators == 4_000
    assert huge.n_estimators == 500
    assert usual.learning_rate < huge.learning_rate <= 0.1


def test_trees_of_three_features_see_all_of_them() -> None:
    assert decided(replace(PROBLEM, n_features=3)).feature_fraction == 1 > decided(PROBLEM).feature_fraction


@pytest.mark.parametrize("value", ["automatic", 0, 1.5])
def test_what_is_neither_auto_nor_a_fitting_number_is_refused_by_the_key_alone(value: Any) -> None:
    with pytest.raises(AccordError, match=rf"^model\.num_leaves: found {value!r}; Input .* or 'auto'$"):
        loading.build({**SHIPPED, "num_leaves": value})


def test_a_job_keeps_scores_of_every_row_of_tune_those_without_an_outcome_too(tmp_path: Path) -> None:
    generator = np.random.default_rng(4)
    columns = {"x": shipped(Column, type="number")}
    transform = fit_transform(pl.DataFrame({"x": [1.0]}), columns, {}, shipped(Features))
    write_json(tmp_path / "features/transform.json", transform.as_dict())
    for split, n in (("train", 300), ("tune", 100)):
        x = generator.normal(size=n)
        late = [None if i % 10 == 0 else float(v) for i, v in enumerate(x + generator.normal(size=n) > 0)]
        rows = pl.DataFrame({"x": x, "late": late}, schema={"x": pl.Float64, "late": pl.Float64})
        (tmp_path / "splits" / split).mkdir(parents=True)
        rows.write_parquet(tmp_path / "splits" / split / "rows.parquet")
        np.save(tmp_path / f"features/{split}.npy", transform.matrix(rows))
    target = shipped(Target, task="binary", sql="late")
    job = jobs.Job(
        "late", target, SHIPPED, 1, tmp_path / "features", tmp_path / "splits", tmp_path / "trained"
    )
    jobs.train_one(job)
    folder, X = tmp_path / "trained/late", np.load(tmp_path / "features/tune.npy")
    model = loading.model_class(SHIPPED["_target_"]).load(folder / "model")
    shipped_raw, said = model.raw(X), raw_of(model, X, "tune", folder)
    assert said.shape == shipped_raw.shape
    is_unknown = np.arange(100) % 10 == 0
    assert (said[is_unknown] == shipped_raw[is_unknown]).all()
    assert (said[~is_unknown] != shipped_raw[~is_unknown]).mean() > 0.9
    assert (raw_of(model, X, "test", folder) == shipped_raw).all()
    before = settings_of(tmp_path / "trained", "late")["refit_rounds"]
    jobs.train_one(replace(job, by_time=True))
    assert before < settings_of(tmp_path / "trained", "late")["refit_rounds"]
