"""Scores from counts are those that Evidently computes from all values, and behave as distances do."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from evidently.legacy.calculations.stattests import jensenshannon_stat_test, wasserstein_stat_test
from evidently.legacy.core import ColumnType
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.expectation.drift import KINDS, Kind, Reference, drifts, refer


def score(reference: pl.Series, window: pl.Series, kind: Kind) -> float:
    scores = refer(reference, kind).drift(window).scores
    return scores["wasserstein" if kind == "number" else "jensenshannon"]


def evidently(reference: pl.Series, window: pl.Series, kind: Kind) -> float:
    test = wasserstein_stat_test if kind == "number" else jensenshannon_stat_test
    column_type = ColumnType.Numerical if kind == "number" else ColumnType.Categorical
    sides = (pd.Series(side.drop_nulls().to_numpy()) for side in (reference, window))
    return test(*sides, column_type, None).drift_score


RNG = np.random.default_rng(3)
FEW = RNG.integers(0, 40, 5_000).astype(float)


@pytest.mark.parametrize(
    ("reference", "window", "tolerance"),
    [
        (FEW, RNG.integers(5, 45, 700), 1e-9),
        (FEW, 1.609 * FEW[:700], 1e-3),
        (FEW, np.full(50, -9999.0), 1e-9),
        (np.full(500, 2013.0), RNG.normal(2013, 1, 500), 1e-9),
        (RNG.normal(size=50_000), RNG.normal(0.1, 1.2, 20_000), 1e-3),
        (RNG.lognormal(0, 2, 50_000), RNG.lognormal(0.2, 2, 2_000), 1e-3),
        (RNG.standard_cauchy(50_000), RNG.standard_cauchy(1_000), 1e-3),
        (
            np.where(RNG.random(50_000) < 0.9, 0, RNG.exponential(size=50_000)),
            RNG.exponential(size=300),
            1e-3,
        ),
    ],
    ids=["few", "units", "sentinel", "constant", "normal", "lognormal", "cauchy", "mostly zero"],
)
def test_a_number_scores_as_evidently_has_it(
    reference: np.ndarray, window: np.ndarray, tolerance: float
) -> None:
    sides = pl.Series(reference), pl.Series(window)
    assert score(*sides, "number") == pytest.approx(evidently(*sides, "number"), abs=tolerance, rel=1e-9)


def test_a_category_scores_as_evidently_has_it_with_new_levels_and_missing_values() -> None:
    reference = pl.Series(RNG.choice(["a", "b", "c", None], 3_000, p=[0.6, 0.25, 0.1, 0.05]).tolist())
    window = pl.Series(RNG.choice(["a", "b", "x", "y", None], 400).tolist())
    assert score(reference, window, "category") == pytest.approx(
        evidently(reference, window, "category"), abs=1e-9
    )


floats = st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 1)), min_size=1, max_size=60)


@settings(max_examples=100, deadline=None)
@given(floats)
def test_the_same_numbers_score_zero(values: list[float]) -> None:
    assert score(pl.Series(values), pl.Series(values[::-1]), "number") == pytest.approx(0, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(floats, floats)
def test_numbers_are_as_far_apart_either_way_round(left: list[float], right: list[float]) -> None:
    a, b = pl.Series(left), pl.Series(right)
    there, back = (
        score(*sides, "number") * max(refer(sides[0], "number").std, 1e-3) for sides in ((a, b), (b, a))
    )
    assert there >= abs(a.mean() - b.mean()) - 1e-3  # type: ignore[operator]
    if set(left) == set(right):  # then both keep the same bins, without loss
        assert there == pytest.approx(back, rel=1e-6, abs=1e-6)


def test_categories_are_as_far_apart_either_way_round() -> None:
    a, b = pl.Series(["x"] * 30 + ["y"] * 70), pl.Series(["x"] * 9 + ["z"])
    assert score(a, b, "category") == pytest.approx(score(b, a, "category"))


def test_a_new_level_raises_the_score_and_is_named() -> None:
    reference = refer(pl.Series(["a", "b"] * 500), "category")
    known, new = (reference.drift(pl.Series(["a", "b"] * 50 + more)) for more in ([], ["c"] * 5))
    assert (known.scores["jensenshannon"], known.new) == (pytest.approx(0), {})
    assert new.scores["jensenshannon"] > 0.1
    assert new.new == {"c": 5}


def test_levels_beyond_the_largest_number_count_together() -> None:
    many = pl.Series([f"level {i}" for i in range(3_000)] * 2)
    reference = refer(many, "category")
    assert reference.n_bins == 1_001
    assert reference.drift(many).scores["jensenshannon"] == pytest.approx(0)


def test_numbers_whose_squares_are_infinite_have_scores_that_json_can_write() -> None:
    values = pl.Series([1e308, -1e308, 1.0, 2.0, 1e200] * 50)
    reference = refer(values, "number")
    json.dumps(reference.as_dict(), allow_nan=False)
    assert np.isfinite(list(reference.drift(values.head(30)).scores.values())).all()


def test_infinite_numbers_count_as_missing() -> None:
    reference = refer(pl.Series([1.0, 2.0, None, float("inf")]), "number")
    assert reference.summary.missing_share == 0.5
    assert reference.drift(pl.Series([float("nan"), 1.0, 2.0, 1.5])).scores["missing"] == 0.25


@pytest.mark.parametrize("kind", ["number", "category", "instant"])
@pytest.mark.parametrize("values", [[None] * 5, []], ids=["all null", "empty"])
def test_a_side_without_values_has_no_distance_and_does_not_crash(kind: Kind, values: list[None]) -> None:
    dtype = {"number": pl.Float64(), "category": pl.String(), "instant": pl.Datetime()}[kind]
    full = pl.Series([1, 2, 3]).cast(dtype)
    nothing = pl.Series(values, dtype=dtype)
    for reference, window in ((full, nothing), (nothing, full), (nothing, nothing)):
        scores = refer(reference, kind).drift(window).scores
        assert np.isnan([s for name, s in scores.items() if name != "missing"]).all()


@pytest.mark.parametrize(
    "dtype", [pl.Int64, pl.Boolean, pl.Date, pl.Datetime, pl.String, pl.Float32, pl.Categorical]
)
def test_every_type_of_column_has_a_score(dtype: type[pl.DataType]) -> None:
    kind = {pl.Boolean: "boolean", pl.Date: "datetime", pl.Datetime: "datetime", pl.String: "category"}.get(
        dtype, "category" if dtype == pl.Categorical else "number"
    )
    texts = pl.Series(["1", "0", None, "1"])
    values = texts.cast(dtype) if dtype in (pl.String, pl.Categorical) else texts.cast(pl.Int64).cast(dtype)
    assert set(refer(values, KINDS[kind]).drift(values).scores.values()) == {0}


def test_time_that_has_moved_on_is_no_drift_but_its_gaps_are() -> None:
    reference = refer(pl.Series([1, 2, 3, 4]).cast(pl.Datetime), "instant")
    assert reference.drift(pl.Series([1000, None]).cast(pl.Datetime)).scores == {"missing": 0.5}


def test_chunks_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    values = pl.Series(RNG.normal(size=1_000))
    whole = refer(values, "number").drift(values + 1)
    monkeypatch.setattr("accord.expectation.drift.CHUNK_ROWS", 300)
    parts = refer(values, "number").drift(values + 1)
    assert parts.scores["wasserstein"] == pytest.approx(whole.scores["wasserstein"])


def test_a_reference_comes_back_from_json_as_it_was() -> None:
    rows = pl.DataFrame({"x": RNG.normal(size=900), "c": ["a", "b", None] * 300})
    references = {"x": refer(rows["x"], "number"), "c": refer(rows["c"], "category")}
    again = {n: Reference.from_dict(json.loads(json.dumps(r.as_dict()))) for n, r in references.items()}
    assert drifts(again, rows.head(77)) == drifts(references, rows.head(77).lazy())
