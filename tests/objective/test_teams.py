"""The teams' metrics over rows, some of which lack a score or an outcome."""

import numpy as np
import polars as pl
import pytest
from shipped import shipped

from accord.objective import teams
from accord.schema.objective import Metric, Policy, Target

ROWS = pl.DataFrame({"delay": [5.0, None, -1.0, 2.0], "distance": [100.0, 200.0, None, 400.0]})
TARGETS = {"late": shipped(Target, task="binary", sql="delay > 0")}
POLICY = shipped(Policy, weights={"far": 150}, score="distance * late - far / 3")
LATE = np.array([0.5, 0.25, 0.5, 1.0])
SCORES = {0: 100 * 0.5 - 50, 1: 200 * 0.25 - 50, 3: 400 * 1.0 - 50}


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ({"sql": "AVG(score)"}, np.mean(list(SCORES.values()))),
        ({"sql": "COUNT(score)"}, 3),
        ({"sql": "COUNT(*) FILTER (WHERE score IS NULL)"}, 1),
        ({"sql": "SUM(late) FILTER (WHERE actual_late IS NULL)"}, 0.25),
        ({"sql": "AVG(actual_late) + far"}, 2 / 3 + 150),
        ({"sql": "COUNT(*)", "where": "distance > far"}, 2),
        ({"sql": "SUM(score) / far", "where": "actual_late = 1"}, 350 / 150),
    ],
    ids=str,
)
def test_a_metric_takes_what_is_missing_as_null_and_weights_as_numbers(metric: dict, expected: float) -> None:
    played = teams.play(ROWS, TARGETS, POLICY, {"late": LATE}, {"late": LATE}, pl.Series(range(4)))
    one = shipped(Metric, **{"team": "sales", "better": "higher", **metric})
    found = teams.statistic("worth", one, played, TARGETS, POLICY, min_rows=1)(np.ones((1, 4)))
    assert found == pytest.approx(expected, rel=1e-12)
