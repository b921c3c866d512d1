"""Blocks: their numbers, their place in time, and how they are drawn."""

from datetime import date

import polars as pl
import pytest

from accord.bootstrap import blocks_of, draw, numbered


def test_the_same_seed_draws_the_same_counts():
    assert draw(20, 50, seed=4).tobytes() == draw(20, 50, seed=4).tobytes()
    assert draw(20, 50, seed=4).tobytes() != draw(20, 50, seed=5).tobytes()


def test_each_resample_draws_as_many_blocks_as_there_are():
    counts = draw(31, 40, seed=1)
    assert counts.shape == (40, 31)
    assert (counts.sum(axis=1) == 31).all()


def test_blocks_are_numbered_without_gaps():
    numbers, n_blocks = numbered(pl.Series([20, 5, 5, 9, 20]))
    assert numbers.tolist() == [2, 0, 0, 1, 2]
    assert n_blocks == 3


def test_no_rows_have_no_blocks():
    numbers, n_blocks = numbered(pl.Series([], dtype=pl.Int32))
    assert (len(numbers), n_blocks) == (0, 0)


@pytest.mark.parametrize(
    "days", [[20, 5, 5, 9], [date(2024, 1, 20), date(2024, 1, 5), date(2024, 1, 5), date(2024, 1, 9)]]
)
def test_days_stand_in_time_as_far_apart_as_they_are(days: list):
    blocks = blocks_of(pl.Series(days))
    assert blocks.n == 3
    assert (blocks.at - blocks.at[0]).tolist() == [0, 4, 15]


@pytest.mark.parametrize("kind", [pl.String, pl.Enum(["b", "a"])])
def test_names_are_in_no_order(kind: pl.DataType):
    blocks = blocks_of(pl.Series(["b", "a", "b"], dtype=kind))
    assert (blocks.n, blocks.at) == (2, None)
