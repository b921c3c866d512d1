"""Planted leaks are found, and honest columns are not."""

import numpy as np
import polars as pl
import pytest

from accord.config.schema import LeakCheck
from accord.data.leaks import suspects

N = 4000
RNG = np.random.default_rng(11)
SIGNAL = RNG.normal(size=N)
BINARY = (RNG.random(N) < 1 / (1 + np.exp(2 - SIGNAL))).astype(float)
AMOUNT = SIGNAL + 0.5 * RNG.normal(size=N)
SKEWED = np.where(RNG.random(N) < 0.05, 150.0, 0.0)
NULLS = RNG.random(N) < 0.3
TARGETS = {"binary": BINARY, "regression": AMOUNT}


def found(column: object, task: str = "binary", target: np.ndarray | None = None, **check: object) -> list:
    y = TARGETS[task] if target is None else target
    frame = pl.DataFrame({"column": column}, strict=False)
    return suspects(frame, {"y": (y, task)}, LeakCheck(**check))


def letters(values: np.ndarray) -> list[str]:
    return [f"level {int(v)}" for v in values]


@pytest.mark.parametrize(
    "column",
    [
        BINARY,
        1 - BINARY,
        BINARY.astype(bool),
        letters(BINARY),
        BINARY + 1e-3 * RNG.normal(size=N),
        100 - 3 * BINARY,
    ],
    ids=["copy", "negated", "boolean", "text", "noisy copy", "scaled"],
)
def test_a_copy_of_a_binary_outcome_is_found(column: object):
    assert "column" in {suspect.kind for suspect in found(column)}


@pytest.mark.parametrize(
    "column",
    [AMOUNT, -AMOUNT, np.exp(AMOUNT), AMOUNT + 0.02 * RNG.normal(size=N)],
    ids=["copy", "negated", "monotone", "noisy copy"],
)
def test_a_copy_of_an_amount_is_found(column: object):
    [suspect] = found(column, "regression")
    assert (suspect.feature, suspect.target, suspect.kind) == ("column", "y", "column")
    assert "R2" in suspect.detail


def test_a_copy_is_found_in_rows_that_alternate():
    amount = np.arange(N) % 40.0  # even rows hold even amounts alone
    assert [suspect.kind for suspect in found(amount, "regression", amount)] == ["column"]


@pytest.mark.parametrize("numeric", [True, False], ids=["number", "category"])
def test_a_column_that_is_missing_where_the_outcome_happens_is_found(numeric: bool):
    values = RNG.normal(size=N) if numeric else np.array(letters(RNG.integers(0, 5, N)))
    column = [None if positive else value for positive, value in zip(BINARY, values.tolist(), strict=True)]
    assert {suspect.kind for suspect in found(column)} == {"column", "level"}


def test_a_null_that_decides_only_some_positives_is_found_as_a_level():
    gone = (BINARY == 1) & (RNG.random(N) < 0.2)
    column = [
        None if missing else value for missing, value in zip(gone, RNG.normal(size=N).tolist(), strict=True)
    ]
    [suspect] = found(column)
    assert suspect.kind == "level"
    assert "null" in suspect.detail


def test_one_level_that_decides_the_outcome_is_found():
    column = np.where((BINARY == 1) & (RNG.random(N) < 0.2), "cancelled", letters(RNG.integers(0, 5, N)))
    [suspect] = found(column)
    assert suspect.kind == "level"
    assert "cancelled" in suspect.detail


def test_one_level_that_decides_an_amount_is_found():
    column = np.where(SKEWED > 0, "paid", letters(RNG.integers(0, 5, N)))
    assert "level" in {suspect.kind for suspect in found(column, "regression", SKEWED)}


def test_a_level_that_rules_a_common_outcome_out_is_found():
    common = 1 - BINARY
    column = np.where((common == 0) & (RNG.random(N) < 0.3), "refused", "open")
    assert "level" in {suspect.kind for suspect in found(column, target=common)}


HONEST = {
    "noise": RNG.normal(size=N),
    "signal": SIGNAL,
    "strong signal": AMOUNT * 0.5 + SIGNAL,
    "category": letters(RNG.integers(0, 30, N)),
    "a level a row": letters(np.arange(N)),
    "few rows a level": letters(np.arange(N) // 3),
    "constant": np.ones(N),
    "all missing": pl.Series([None] * N, dtype=pl.Float64),
    "missing at random": pl.Series(np.where(NULLS, np.nan, SIGNAL)).fill_nan(None),
    "NaN at random": pl.Series(np.where(NULLS, np.nan, SIGNAL)),
    "boolean": RNG.random(N) < 0.5,
    "time": pl.Series(np.arange(N) * 3_600_000_000).cast(pl.Datetime("us")),
    "integer": RNG.integers(0, 1000, N),
}


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("name", HONEST)
def test_an_honest_column_is_not_suspected(name: str, task: str):
    assert found(HONEST[name], task) == []


def test_a_level_with_few_rows_is_not_suspected():
    column = np.full(N, "common", dtype=object)
    column[np.flatnonzero(BINARY)[:29]] = "rare"
    assert found(column) == []
    assert [suspect.kind for suspect in found(column, level_rows=29)] == ["level"]


def test_an_accepted_feature_is_reported_as_accepted():
    assert [suspect.accepted for suspect in found(BINARY, accepted=["column"])] == [True] * len(found(BINARY))
    assert not any(suspect.accepted for suspect in found(BINARY, accepted=["another"]))


def test_the_limit_is_the_score_that_the_config_says():
    assert found(SIGNAL, score=0.98) == []
    [suspect] = found(SIGNAL, score=0.6)
    assert suspect.kind == "column"
    assert "limit 0.6" in suspect.detail


def test_rows_without_an_outcome_do_not_count():
    y = BINARY.copy()
    y[: N // 2] = np.nan
    column = BINARY.copy()
    column[: N // 2] = 0.0
    assert "column" in {suspect.kind for suspect in found(column, target=y)}


def test_each_target_is_judged_on_its_own():
    frame = pl.DataFrame({"binary": BINARY, "amount": AMOUNT})
    listed = suspects(frame, {"b": (BINARY, "binary"), "a": (AMOUNT, "regression")}, LeakCheck())
    assert {(suspect.feature, suspect.target) for suspect in listed if suspect.kind == "column"} == {
        ("binary", "b"),
        ("amount", "a"),
    }


@pytest.mark.parametrize(
    "y", [np.zeros(50), np.full(50, np.nan), np.zeros(0)], ids=["one value", "no outcome", "no rows"]
)
def test_an_outcome_that_does_not_vary_leaks_nothing(y: np.ndarray):
    assert found(np.zeros(len(y)), target=y) == []
    assert found(np.zeros(len(y)), "regression", target=y) == []
