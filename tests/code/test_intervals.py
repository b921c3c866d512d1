"""Intervals that mean what they say: on days that are alike, on few of them, and at the edge of what a figure can be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.bootstrap import Blocks
from accord.intervals import (
    MAX_BLOCKS,
    Bounded,
    Estimate,
    Size,
    combined,
    estimate,
    groups,
    nudged,
    t_quantile,
    together,
)
from accord.measures.metrics import Sample
from accord.tasks.binary import LOG
from accord.tasks.registry import METRICS
from accord.tasks.regression import SQUARED

N_ROWS, N_SIMULATIONS = 8, 400


def days(n: int) -> Blocks:
    return Blocks(n, np.arange(n, dtype=float))


def of_mean(values: np.ndarray, block: np.ndarray, n_blocks: int):
    return Sample(values, values[:, None], block, n_blocks, SQUARED).mean(values)


def covered(blocks: Blocks, rho: float) -> float:
    """The share of simulations in which the 95 % interval of a mean holds the true one, 0, where what the rows of a day share
    lasts until the next day by `rho`."""
    generator, hits = np.random.default_rng(7), 0
    block = np.repeat(np.arange(blocks.n), N_ROWS)
    for _ in range(N_SIMULATIONS):
        shock = generator.normal(size=blocks.n)
        for i in range(1, blocks.n):
            shock[i] = rho * shock[i - 1] + np.sqrt(1 - rho**2) * shock[i]
        values = shock[block] + generator.normal(size=len(block))
        found = estimate(of_mean(values, block, blocks.n), blocks, level=0.95)
        hits += found.low <= 0 <= found.high
    return hits / N_SIMULATIONS


@pytest.mark.parametrize("rho", [0.0, 0.34])
@pytest.mark.parametrize("n", [13, 30, 60])
def test_an_interval_of_a_mean_covers_as_often_as_it_says_be_days_alike_or_not(n: int, rho: float):
    assert 0.9 <= covered(days(n), rho) <= 0.99


def test_taking_days_that_are_alike_for_independent_would_promise_too_much():
    assert covered(Blocks(30), rho=0.6) < 0.8


def test_blocks_without_order_get_the_interval_of_student():
    values = np.random.default_rng(1).normal(size=13)
    found = estimate(of_mean(values, np.arange(13), 13), Blocks(13), level=0.95)
    reach = 2.178813 * values.std(ddof=1) / np.sqrt(13)
    assert (found.low, found.high) == pytest.approx((values.mean() - reach, values.mean() + reach), rel=0.02)


def test_more_blocks_than_are_told_apart_give_nearly_the_same():
    values = np.random.default_rng(1).normal(size=900)
    found = estimate(of_mean(values, np.arange(900), 900), Blocks(900), level=0.95)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * values.std() / 30, rel=0.15)
    assert found.n_blocks == 900


def test_days_far_apart_count_as_independent():
    values = np.repeat(np.random.default_rng(2).normal(size=5), 3)  # three days alike in a row
    block = np.arange(15)
    near = estimate(of_mean(values, block, 15), days(15), 0.95)
    far = estimate(of_mean(values, block, 15), Blocks(15, 100.0 * block), 0.95)
    assert (near.high - near.low) > 1.2 * (far.high - far.low)
    alone = estimate(of_mean(values, block, 15), Blocks(15), 0.95)
    assert (far.low, far.high) == pytest.approx((alone.low, alone.high))


def test_the_value_is_that_of_the_rows_as_they_are():
    values = np.array([1.0, 2.0, 6.0, 7.0])
    found = estimate(of_mean(values, np.array([0, 0, 1, 1]), 2), Blocks(2), level=0.9)
    assert found.value == pytest.approx(4)
    assert found.n_blocks == 2


def test_a_wider_level_gives_a_wider_interval():
    values = np.random.default_rng(1).normal(size=100)
    narrow, wide = (estimate(of_mean(values, np.arange(100), 100), days(100), level) for level in (0.6, 0.95))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_counts_are_whole_numbers_of_all_blocks_then_one_more_and_one_less_of_each():
    assert nudged(2).tolist() == [[1, 1], [2, 1], [1, 2], [0, 1], [1, 0]]
    assert nudged(900).shape == (501, 900)
    assert (nudged(900)[1:251].sum(axis=0) == 251).all()


def test_what_has_no_value_has_no_interval():
    assert estimate(lambda drawn: np.full(len(drawn), np.nan), days(3), 0.9) == Estimate(None, None, None)


def test_rows_of_a_single_day_say_nothing_of_other_days():
    values = np.random.default_rng(1).normal(size=20)
    one = estimate(of_mean(values, np.zeros(20, int), 1), days(1), 0.95)
    among_others = estimate(of_mean(values, np.full(20, 3), 7), days(7), 0.95)
    for found in (one, among_others):
        assert (found.low, found.high, found.n_blocks) == (None, None, 1)


def test_days_without_a_row_do_not_count():
    values = np.random.default_rng(1).normal(size=40)
    found = estimate(of_mean(values, np.arange(40) % 4, 31), days(31), 0.95)
    assert found.n_blocks == 4


def test_a_share_that_no_row_has_may_still_be_more_than_none():
    share = Bounded(of_mean(np.zeros(30), np.arange(30), 30), low=0, high=1)
    found = estimate(share, Blocks(30), 0.95)
    assert (found.low, found.value) == (0, 0)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 30))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=4, max_size=40), st.integers(2, 6), st.booleans())
def test_no_figure_is_outside_its_interval_and_no_interval_is_where_the_figure_cannot_be(
    p: list[float], n_blocks: int, is_ordered: bool
):
    block = (np.arange(len(p)) % n_blocks).astype(np.intp)
    y = (np.arange(len(p)) % 3 == 0).astype(float)
    sample = Sample(y, np.array(p)[:, None], block, n_blocks, LOG)
    blocks = days(n_blocks) if is_ordered else Blocks(n_blocks)
    for name in ("log_loss", "auc", "average_precision", "brier", "calibration_error", "mae", "rmse", "r2"):
        found = estimate(METRICS[name].statistic(sample), blocks, 0.95)
        if found.low is None:
            continue
        assert found.low <= found.value <= found.high, name
        assert found.low >= (-np.inf if name == "r2" else 0), name
        assert found.high <= (1 if name in ("auc", "average_precision", "brier", "r2") else np.inf), name


def alike(n_parts: int, seed: int, apart: float = 0.0, n: int = 30) -> Estimate:
    """The range of parts that differ by noise alone but for the first, on each of so many days."""
    parts = np.random.default_rng(seed).normal(size=(n, n_parts))
    parts[:, 0] += apart
    size = Size(
        lambda drawn: drawn @ parts / drawn.sum(axis=1, keepdims=True),
        lambda one: np.ptp(one, axis=1),
        n_parts,
    )
    return estimate(size, days(n), 0.95)


def test_a_size_that_chance_explains_has_zero_in_its_interval():
    found = [alike(20, seed) for seed in range(100)]
    assert all(one.value > 0.3 for one in found)
    assert np.mean([one.low > 0 for one in found]) <= 0.05
    assert np.mean([one.chance.p < 0.05 for one in found]) <= 0.08
    assert all(one.low <= one.value <= one.high for one in found)


def test_a_size_that_chance_does_not_explain_is_above_zero():
    found = [alike(5, seed, apart=3.0) for seed in range(20)]
    assert all(one.low > 1 and one.chance.p < 0.01 for one in found)
    assert np.mean([one.low <= 3 <= one.high for one in found]) >= 0.9


def calibrated(seed: int) -> Size:
    generator = np.random.default_rng(seed)
    p = generator.uniform(0.05, 0.95, 1500)
    y = (generator.random(1500) < p).astype(float)
    return METRICS["calibration_error"].statistic(Sample(y, p[:, None], np.arange(1500) % 30, 30, LOG))


def test_the_mean_of_sizes_is_a_size_and_of_bounded_figures_within_their_bounds():
    def mean(values: np.ndarray) -> np.ndarray:
        return values.mean(axis=1)

    found = [
        estimate(combined([calibrated(seed), calibrated(seed + 99)], mean), days(30), 0.95)
        for seed in range(30)
    ]
    assert sum(one.low > 0 for one in found) <= 3
    assert all(one.value > 0.01 and one.chance is not None for one in found)
    shares = [Bounded(of_mean((np.arange(30) % 9 < 8).astype(float), np.arange(30), 30), low=0, high=1)] * 2
    assert combined(shares, mean).high == 1
    assert estimate(combined(shares, mean), days(30), 0.95).high < 1


def test_a_size_without_noise_is_what_it_is():
    size = Size(lambda drawn: np.tile([0.1, 0.4], (len(drawn), 1)), lambda one: np.ptp(one, axis=1), 2)
    assert estimate(size, days(5), 0.95) == Estimate(
        pytest.approx(0.3), pytest.approx(0.3), pytest.approx(0.3), 5
    )


@pytest.mark.parametrize(
    ("share", "freedom", "expected"),
    [(0.975, 1.0, 12.7062), (0.975, 4.0, 2.77645), (0.95, 2.5, 2.5582), (0.975, 200.0, 1.97190)],
)
def test_the_quantile_is_students(share: float, freedom: float, expected: float):
    assert t_quantile(share, freedom) == pytest.approx(expected, rel=1e-3)


def test_a_metric_of_groups_of_blocks_has_the_interval_of_the_blocks():
    generator = np.random.default_rng(4)
    n_blocks = 3 * MAX_BLOCKS + 7
    block = generator.integers(0, n_blocks, 20_000)
    p = generator.random(len(block))
    y = (generator.random(len(block)) < p).astype(float)
    group, blocks = groups(n_blocks), days(n_blocks)
    for name in ("log_loss", "auc", "calibration_error"):
        metric = METRICS[name]
        of_blocks = metric.statistic(Sample(y, p[:, None], block, n_blocks, LOG))
        of_groups = metric.statistic(Sample(y, p[:, None], group[block], MAX_BLOCKS, LOG))
        found = estimate(together(of_groups, n_blocks), blocks, 0.95)
        expected = estimate(of_blocks, blocks, 0.95)
        assert found.n_blocks == expected.n_blocks == n_blocks
        assert (found.value, found.low, found.high) == pytest.approx(
            (expected.value, expected.low, expected.high)
        )
