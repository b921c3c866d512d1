"""Intervals that mean what they say, on clustered rows too."""

import numpy as np
import polars as pl
import pytest

from accord.bootstrap import Estimate, draw, estimate, numbered
from accord.measures.metrics import Sample
from accord.tasks.regression import SQUARED

N_BLOCKS, N_ROWS, N_SIMULATIONS = 40, 8, 200


def covered(by_block: bool) -> float:
    """The share of simulations in which the 95 % interval of a mean holds the true one, 0."""
    generator = np.random.default_rng(7)
    n = N_BLOCKS * N_ROWS
    block = np.repeat(np.arange(N_BLOCKS), N_ROWS) if by_block else np.arange(n)
    n_blocks = N_BLOCKS if by_block else n
    hits = 0
    for simulation in range(N_SIMULATIONS):
        day = generator.normal(size=N_BLOCKS)  # what the rows of a day share
        values = np.repeat(day, N_ROWS) + generator.normal(size=n)
        statistic = Sample(np.zeros(n), values[:, None], block, n_blocks, SQUARED).mean(values)
        found = estimate(statistic, draw(n_blocks, 300, seed=simulation), level=0.95)
        hits += found.low <= 0 <= found.high
    return hits / N_SIMULATIONS


def test_an_interval_of_a_mean_of_clustered_rows_covers_as_often_as_it_says():
    assert 0.88 <= covered(by_block=True) <= 0.99


def test_resampling_rows_instead_of_blocks_would_promise_too_much():
    assert covered(by_block=False) < 0.75


def test_the_same_seed_draws_the_same_counts():
    assert draw(20, 50, seed=4).tobytes() == draw(20, 50, seed=4).tobytes()
    assert draw(20, 50, seed=4).tobytes() != draw(20, 50, seed=5).tobytes()


def test_each_resample_draws_as_many_blocks_as_there_are():
    counts = draw(31, 40, seed=1)
    assert counts.shape == (40, 31)
    assert (counts.sum(axis=1) == 31).all()


def test_the_value_is_that_of_the_rows_as_they_are():
    values = np.array([1.0, 2.0, 6.0, 7.0])
    statistic = Sample(values, values[:, None], np.array([0, 0, 1, 1]), 2, SQUARED).mean(values)
    found = estimate(statistic, draw(2, 200, seed=1), level=0.9)
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((1.5, 6.5))


def test_a_wider_level_gives_a_wider_interval():
    values = np.random.default_rng(1).normal(size=100)
    statistic = Sample(values, values[:, None], np.arange(100), 100, SQUARED).mean(values)
    counts = draw(100, 400, seed=1)
    narrow, wide = (estimate(statistic, counts, level) for level in (0.6, 0.95))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_resamples_in_which_a_statistic_is_undefined_drop_out():
    found = estimate(lambda drawn: np.where(drawn[:, 0] > 0, 5.0, np.nan), draw(3, 100, seed=1), level=0.9)
    assert (found.value, found.low, found.high) == (5.0, 5.0, 5.0)


def test_an_interval_is_undefined_where_every_resample_is():
    found = estimate(lambda drawn: np.full(len(drawn), np.nan), draw(3, 100, seed=1), level=0.9)
    assert found == Estimate(None, None, None)


def test_blocks_are_numbered_without_gaps():
    numbers, n_blocks = numbered(pl.Series([20, 5, 5, 9, 20]))
    assert numbers.tolist() == [2, 0, 0, 1, 2]
    assert n_blocks == 3


def test_no_rows_have_no_blocks():
    numbers, n_blocks = numbered(pl.Series([], dtype=pl.Int32))
    assert (len(numbers), n_blocks) == (0, 0)
