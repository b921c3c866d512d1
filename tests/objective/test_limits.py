"""Hard limits: broken only where they surely are, kept only where they surely are."""

import numpy as np
import pytest
from shipped import shipped

from accord.bootstrap import Blocks
from accord.measures.metrics import Sample
from accord.objective import limits
from accord.schema.objective import Metric
from accord.tasks.regression import SQUARED

N_WORLDS = 200


def figure(mean: float, seed: int, n_days: int, **sides: float) -> limits.Figure:
    """A metric around the mean, with a standard deviation of 1 from day to day."""
    values = mean + np.random.default_rng([seed, n_days]).normal(size=n_days)
    block = np.arange(n_days)
    statistic = Sample(values, values[:, None], block, n_days, SQUARED).mean(values)
    metric = shipped(Metric, team="any", sql="AVG(x)", better="lower", **sides)
    return limits.figure(metric, statistic, Blocks(n_days, block.astype(float)), 0.95)


def share(verdict: str, mean: float, n_days: int, **sides: float) -> float:
    return float(np.mean([figure(mean, seed, n_days, **sides).limits == verdict for seed in range(N_WORLDS)]))


@pytest.mark.parametrize("n_days", [7, 30])
@pytest.mark.parametrize(("mean", "sides"), [(2.0, {"max": 2.0}), (-2.0, {"min": -2.0})])
def test_a_metric_that_just_keeps_its_limit_seldom_breaks_it(mean: float, sides: dict, n_days: int) -> None:
    assert share("broken", mean, n_days, **sides) <= 0.08


@pytest.mark.parametrize("n_days", [7, 30])
@pytest.mark.parametrize(("mean", "sides"), [(4.0, {"max": 2.0}), (-4.0, {"min": -2.0})])
def test_a_metric_at_twice_its_limit_breaks_it(mean: float, sides: dict, n_days: int) -> None:
    assert share("broken", mean, n_days, **sides) >= 0.8


def test_a_metric_far_within_its_limits_keeps_them() -> None:
    assert share("kept", 0.0, 30, min=-2.0, max=2.0) >= 0.9


def test_a_metric_near_its_limit_is_mostly_no_evidence() -> None:
    assert share("no evidence", 1.9, 30, max=2.0) >= 0.8


def test_a_few_days_may_break_a_limit_and_never_keep_it() -> None:
    assert share("kept", 0.0, 9, max=100.0) == 0
    assert share("broken", 100.0, 9, max=2.0) == 1


def test_a_metric_without_limits_has_no_verdict() -> None:
    assert figure(0.0, 1, 30).limits is None


@pytest.mark.parametrize(
    ("mean", "n_days", "words"),
    [(0.0, 8, "8 days are too few"), (1.9, 30, "on 30 days it may be anything from")],
)
def test_what_would_tell_is_said(mean: float, n_days: int, words: str) -> None:
    metric = shipped(Metric, team="any", sql="AVG(x)", better="lower", max=2)
    said = limits.missing(metric, figure(mean, 1, n_days, max=2), "days")
    assert words in said
    assert "at most 2" in said
    assert said.endswith(("10 or more would tell", "more days would tell"))
