"""Rates by group against plain NumPy."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from shipped import shipped

from accord import intervals
from accord.bootstrap import Blocks
from accord.intervals import Size
from accord.objective import fairness, grouping, limits, teams
from accord.objective.fairness import ByGroup
from accord.schema.objective import Metric, Policy, Target

N = 600
GENERATOR = np.random.default_rng(0)
SIDE = GENERATOR.choice(["left", "right", "rare"], N, p=[0.5, 0.45, 0.05])
Y = (GENERATOR.random(N) < 0.3).astype(float)
P = np.clip(0.3 + 0.2 * Y + 0.1 * (SIDE == "left") + GENERATOR.normal(0, 0.1, N), 0.01, 0.99)
TARGETS = {"late": shipped(Target, task="binary", sql="delay > 0")}
POLICY = shipped(Policy, score="late - 0.45")


@pytest.fixture(scope="module")
def table() -> ByGroup:
    rows = pl.DataFrame({"delay": np.where(Y > 0, 1.0, -1.0), "side": SIDE})
    played = teams.play(rows, TARGETS, POLICY, {"late": P}, {"late": P}, pl.Series(np.arange(N) % 50))
    (found,) = fairness.by_group(played, TARGETS, POLICY, ["side"], 0.95, min_rows=100)
    return found


def expected(side: str) -> dict[str, float]:
    mine, acted = side == SIDE, P > 0.45
    return {
        "selection rate": acted[mine].mean(),
        "true positive rate, late": acted[mine & (Y == 1)].mean(),
        "false positive rate, late": acted[mine & (Y == 0)].mean(),
        "predicted less observed late": (P - Y)[mine].mean(),
    }


@pytest.mark.parametrize("side", ["left", "right"])
def test_each_group_has_the_rates_of_its_own_rows(table: ByGroup, side: str) -> None:
    (level,) = [row for row in table.levels if row.level == side]
    assert level.n_rows == (side == SIDE).sum()
    for name, value in expected(side).items():
        assert level.rates[name].value == pytest.approx(value, rel=1e-9)
        assert level.rates[name].low <= value <= level.rates[name].high


def test_a_gap_is_the_largest_rate_less_the_smallest_of_the_groups_large_enough(table: ByGroup) -> None:
    left, right = expected("left"), expected("right")
    for name, gap in table.gaps.items():
        assert gap.value == pytest.approx(abs(left[name] - right[name]), rel=1e-9)


def test_a_small_group_is_counted_and_not_scored(table: ByGroup) -> None:
    (rare,) = [row for row in table.levels if row.level == "rare"]
    assert rare.n_rows == (SIDE == "rare").sum()
    assert rare.rates == {}


ROWS = pl.DataFrame(
    {
        "sex": ["f", "f", "m", "m", None, "f"],
        "race": ["a", "b", "a", None, "b", "a"],
        "age": [1, 1, 2, 2, 2, None],
    }
)


@dataclass(frozen=True)
class Few:
    """Rows of which two are read at a time."""

    rows: pl.DataFrame
    scratch: Path | None = None

    @property
    def n(self) -> int:
        return self.rows.height

    def chunks(self, columns: Iterable[str]) -> Iterator[tuple[slice, pl.DataFrame]]:
        return ((slice(start, start + 2), self.rows[start : start + 2]) for start in range(0, self.n, 2))


def rows_of_groups(group: str | list[str]) -> dict[str, list[int]]:
    found = grouping.grouped(Few(ROWS), group)
    return {name: np.flatnonzero(found.number == k).tolist() for k, name in enumerate(found.names)}


def test_rows_without_a_value_are_a_group_of_their_own() -> None:
    assert rows_of_groups("sex") == {"f": [0, 1, 5], "m": [2, 3], "null": [4]}


def test_groups_of_several_columns_have_the_same_of_each() -> None:
    assert rows_of_groups(["sex", "race"]) == {
        "f, a": [0, 5],
        "f, b": [1],
        "m, a": [2],
        "m, null": [3],
        "null, b": [4],
    }
    assert [*rows_of_groups(["age"])] == ["1", "2", "null"]
    assert grouping.small(Few(ROWS), ["sex", "race"], 2) == {"f, b": 1, "m, a": 1, "m, null": 1, "null, b": 1}


def gap(apart: float, seed: int, group: str | list[str]) -> limits.Figure:
    """The gap in lateness between 20 groups of 200 rows, of which the first is late more often; at most 0.1 is allowed."""
    generator = np.random.default_rng(seed)
    of_row = np.repeat(np.arange(20), 200)
    late = generator.random(4000) < 0.2 + apart * (of_row == 0)
    rows = pl.DataFrame(
        {"delay": np.where(late, 1.0, -1.0), "side": of_row % 4, "place": of_row // 4, "both": of_row}
    )
    blocks = pl.Series([str(one % 1000) for one in range(4000)])
    played = teams.play(rows, TARGETS, POLICY, {"late": late * 1.0}, {"late": late * 1.0}, blocks)
    metric = shipped(Metric, team="governance", sql="AVG(actual_late)", group=group, max=0.1)
    (found,) = teams.table({"gap": metric}, played, TARGETS, POLICY, 0.95, 100).values()
    return found


def test_a_gap_of_zero_between_many_small_groups_seldom_breaks_a_limit_and_has_zero_in_its_interval() -> None:
    found = [gap(0.0, seed, "both") for seed in range(20)]
    assert np.mean([one.value for one in found]) > 0.09
    assert sum(one.limits == "broken" for one in found) <= 1
    assert sum(one.low > 0 for one in found) <= 1


def test_a_gap_of_twice_the_limit_breaks_it() -> None:
    found = [gap(0.2, seed, ["side", "place"]) for seed in range(20)]
    assert sum(one.limits == "broken" for one in found) >= 12


def of_rates(by_day: np.ndarray) -> Size:
    """The gap of groups whose rates on each day these are, (n_days, n_groups)."""
    return teams.gap(
        [lambda drawn, j=j: drawn @ by_day[:, j] / drawn.sum(axis=1) for j in range(by_day.shape[1])]
    )


@pytest.mark.parametrize("n_apart", [1, 10])
def test_a_gap_that_many_groups_make_is_not_said_to_be_surely_larger_than_it_is(n_apart: int) -> None:
    above = 0
    for seed in range(60):
        by_day = np.random.default_rng(seed).normal(size=(30, 20)) * 0.16
        by_day[:, :n_apart] += 0.2
        above += intervals.estimate(of_rates(by_day), Blocks(30, np.arange(30.0)), 0.9).low > 0.2
    assert above <= 8  # 5 % are 3
