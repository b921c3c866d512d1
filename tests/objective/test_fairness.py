"""Rates by group against plain NumPy."""

import numpy as np
import polars as pl
import pytest
from shipped import shipped

from accord.objective import fairness, teams
from accord.objective.fairness import ByGroup
from accord.schema.objective import Policy, Target

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
