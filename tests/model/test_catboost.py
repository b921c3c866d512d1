"""CatBoost: what the contract suite doesn't ask of it."""

from array import array
from pathlib import Path

import numpy as np
import pytest
from shipped import shipped_option

from accord.errors import AccordError
from accord.losses import Loss, identity
from accord.models import Examples, Feature, catboost, loading
from accord.tasks.regression import SQUARED

SHIPPED = {**shipped_option("model", "catboost"), "iterations": 30}
FEATURES = [Feature("colour", n_codes=4), Feature("x"), Feature("shape", n_codes=3)]
SOFTMAX = Loss("softmax", identity, lambda y, weight: [0.0] * 3, raw=("a", "b", "c"), family="multinomial")


def examples(n: int, seed: int) -> Examples:
    generator = np.random.default_rng(seed)
    X = np.column_stack(
        [generator.integers(4, size=n), generator.normal(size=n), generator.integers(3, size=n)]
    )
    return Examples(X, (X[:, 0] + (X[:, 1] > 0)) % 3)


def test_several_raw_scores_of_a_row_have_the_bits_that_they_have_among_others(tmp_path: Path) -> None:
    fitted = loading.build(SHIPPED).fit(FEATURES, SOFTMAX, examples(600, 1), examples(200, 2), seed=1)
    X, row = examples(40, 3).X, array("d", [0.0] * 3)
    batch, score = fitted.raw(X), fitted.of_row(row)
    assert batch.shape == (40, 3)
    for x, expected in zip(X, batch, strict=True):
        row[:] = array("d", x)
        assert np.array(score()).tobytes() == expected.tobytes()
    assert (batch.argmax(axis=1) == examples(40, 3).y).mean() > 0.9
    np.testing.assert_allclose(fitted.contributions(X).sum(axis=2), batch, rtol=1e-9, atol=1e-9)
    fitted.save(tmp_path / "model")
    assert catboost.CatBoost.load(tmp_path / "model").raw(X).tobytes() == batch.tobytes()


def test_each_contribution_is_of_its_own_feature_where_categories_stand_first() -> None:
    train, tune = (Examples(one.X, 5 * one.X[:, 1]) for one in (examples(600, 1), examples(200, 2)))
    fitted = loading.build(SHIPPED).fit(FEATURES, SQUARED, train, tune, seed=1)
    sizes = np.abs(fitted.contributions(train.X)[:, 0, :3]).mean(axis=0)
    assert sizes.argmax() == 1


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catboost, "find_spec", lambda name: None)
    with pytest.raises(AccordError, match=r"CatBoost is not installed; pip install '\.\[catboost\]'"):
        loading.build(SHIPPED)


def test_a_loss_of_another_family_is_named_before_anything_runs() -> None:
    bare = Loss("bare", identity, lambda y, weight: [0.0])
    assert "families binomial, multinomial" in str(catboost.CatBoost.lacks(bare))


def test_outcomes_that_are_all_alike_end_in_one_line() -> None:
    same = Examples(examples(50, 1).X, np.ones(50))
    with pytest.raises(AccordError, match="CatBoost can't learn from these rows: "):
        loading.build(SHIPPED).fit(FEATURES, SQUARED, same, same, seed=1)
