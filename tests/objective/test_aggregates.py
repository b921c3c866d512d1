"""Aggregates in SQL against plain NumPy."""

import numpy as np
import polars as pl
import pytest

from accord.errors import AccordError
from accord.objective import aggregates

N, N_BLOCKS = 500, 20
GENERATOR = np.random.default_rng(0)
PAYOUT = GENERATOR.choice([0.0, 50.0, 150.0], N)
ACTION = GENERATOR.random(N) < 0.6
LATE = np.where(GENERATOR.random(N) < 0.1, np.nan, GENERATOR.random(N) < 0.2)
BLOCK = GENERATOR.integers(0, N_BLOCKS, N)
ROWS = pl.DataFrame({"payout": PAYOUT, "action": ACTION, "late": LATE}).with_columns(
    pl.col("late").fill_nan(None), fee=pl.lit(12.0)
)


def value(sql: str, drawn: np.ndarray | None = None) -> np.ndarray:
    statistic = aggregates.statistic(sql, "here", ROWS, BLOCK, N_BLOCKS, {"fee": 12.0})
    return statistic(np.ones((1, N_BLOCKS)) if drawn is None else drawn)


KNOWN = ~np.isnan(LATE)
CASES = {
    "1000 * SUM(CASE WHEN action THEN fee - payout ELSE 0 END) / COUNT(*)": lambda i: (
        1000 * ((12 - PAYOUT) * ACTION)[i].mean()
    ),
    "AVG(action)": lambda i: ACTION[i].mean(),
    "AVG(action) FILTER (WHERE late = 1)": lambda i: ACTION[i][LATE[i] == 1].mean(),
    "COUNT(late)": lambda i: KNOWN[i].sum(),
    "AVG(late)": lambda i: np.nanmean(LATE[i]),
    "SUM(payout) / SUM(fee) - 1.5": lambda i: PAYOUT[i].sum() / (12 * len(i)) - 1.5,
    "fee * COUNT(*)": lambda i: 12 * len(i),
}


@pytest.mark.parametrize("sql", CASES)
def test_a_metric_equals_the_same_in_numpy(sql: str) -> None:
    assert value(sql)[0] == pytest.approx(CASES[sql](np.arange(N)), rel=1e-12)


@pytest.mark.parametrize("sql", CASES)
def test_a_resample_equals_the_metric_on_the_drawn_rows(sql: str) -> None:
    drawn = GENERATOR.multinomial(N_BLOCKS, np.full(N_BLOCKS, 1 / N_BLOCKS), size=3).astype(float)
    for counts, found in zip(drawn, value(sql, drawn), strict=True):
        rows = np.repeat(np.arange(N), counts[BLOCK].astype(int))
        assert found == pytest.approx(CASES[sql](rows), rel=1e-9)


def test_nothing_to_divide_by_is_no_value() -> None:
    assert np.isnan(value("AVG(payout) FILTER (WHERE payout > 1000)")[0])


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("payout", "has no aggregate"),
        ("payout / COUNT(*)", "outside of an aggregate"),
        ("MEDIAN(payout)", "valid aggregates: SUM, AVG, COUNT"),
        ("COUNT(DISTINCT payout)", "valid aggregates"),
        ("SUM(pay_out)", "did you mean 'payout'"),
        ("SUM(", "not a SQL expression"),
        ("SUM(AVG(payout))", "aggregate"),
    ],
)
def test_what_is_no_aggregate_of_the_rows_is_refused(sql: str, expected: str) -> None:
    with pytest.raises(AccordError, match=expected.replace("(", r"\(")):
        aggregates.check(sql, "here", dict(ROWS.schema), ["fee"])
