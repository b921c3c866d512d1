"""Models that are the mean of several: of other seeds, and of other folds."""

from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shipped import shipped_option

from accord.models import Examples, Feature, Trained, loading
from accord.models.mean import Mean
from accord.tasks.regression import SQUARED

FEATURES = [Feature(name) for name in "abcd"]
SEEDS = {**shipped_option("model", "lightgbm"), "n_estimators": 30, "n_seeds": 3}
BAG = {**shipped_option("model", "lightgbm_bag"), "n_estimators": 30}


def noise(n: int, seed: int, later: bool = False) -> Examples:
    """Rows whose outcomes follow from nothing."""
    generator = np.random.default_rng(seed)
    return Examples(generator.normal(size=(n, len(FEATURES))), generator.normal(size=n), later=later)


def trained(params: dict[str, Any], later: bool = False, seed: int = 1) -> Trained:
    return loading.build(params).trained(FEATURES, SQUARED, noise(300, 1), noise(300, 2, later), seed)


@pytest.fixture(scope="module", params=[SEEDS, BAG], ids=["seeds", "bag"])
def mean(request: pytest.FixtureRequest) -> Mean:
    found = trained(request.param).model
    assert isinstance(found, Mean)
    return found


def test_its_scores_are_the_mean_of_its_members(mean: Mean) -> None:
    X = noise(50, 3).X
    parts = [member.raw(X) for member in mean.members]
    assert len({part.tobytes() for part in parts}) == len(parts)
    np.testing.assert_allclose(mean.raw(X), np.mean(parts, axis=0), rtol=1e-12)
    np.testing.assert_allclose(mean.contributions(X).sum(axis=2), mean.raw(X), rtol=1e-9, atol=1e-12)


def test_a_row_alone_has_the_bits_that_it_has_among_others(mean: Mean) -> None:
    X, row = noise(50, 3).X, array("d", [0.0] * len(FEATURES))
    score, batch = mean.of_row(row), mean.raw(X)
    for x, expected in zip(X, batch, strict=True):
        row[:] = array("d", x)
        assert np.array(score()).tobytes() == expected.tobytes()


def test_what_was_saved_predicts_alike_and_has_the_same_bytes(mean: Mean, tmp_path: Path) -> None:
    mean.save(tmp_path / "model")
    again = loading.model_class(SEEDS["_target_"]).load(tmp_path / "model")
    again.save(tmp_path / "again")
    assert again.raw(noise(50, 3).X).tobytes() == mean.raw(noise(50, 3).X).tobytes()
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_the_first_of_several_seeds_is_the_one_that_is_set() -> None:
    X, alone = noise(50, 3).X, trained({**SEEDS, "n_seeds": 1}).model
    several = trained(SEEDS).model
    assert isinstance(several, Mean)
    assert several.members[0].raw(X).tobytes() == alone.raw(X).tobytes()


def correlation_on_tune(raw: np.ndarray | None) -> float:
    assert raw is not None
    return abs(float(np.corrcoef(raw.ravel(), noise(300, 2).y)[0, 1]))


@pytest.mark.parametrize("params", [{**SEEDS, "refit": 20.0}, BAG], ids=["seeds", "bag"])
def test_what_is_said_of_tune_comes_from_members_that_have_not_seen_the_row(params: dict[str, Any]) -> None:
    found = trained({**params, "early_stopping_rounds": 30})
    assert correlation_on_tune(found.model.raw(noise(300, 2).X)) > 0.4
    assert correlation_on_tune(found.tune_raw) < 0.2


def test_a_bag_never_learns_from_tune_that_comes_later() -> None:
    found = trained({**BAG, "early_stopping_rounds": 30}, later=True)
    assert found.tune_raw is None
    assert correlation_on_tune(found.model.raw(noise(300, 2).X)) < 0.2


def test_a_bag_has_a_member_for_each_fold_and_names_the_rounds_of_each() -> None:
    found = trained({**BAG, "n_folds": 4})
    assert isinstance(found.model, Mean)
    assert len(found.model.members) == len(found.settings["best_rounds"]) == 4
