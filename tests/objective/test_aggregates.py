"""Aggregates in SQL against plain NumPy."""

import math
import re

import numpy as np
import polars as pl
import pytest
from tallies import tallied

from accord.errors import AccordError
from accord.sql import aggregates

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
    statistic = tallied(sql, "here", ROWS, BLOCK, N_BLOCKS, {"fee": 12.0})
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
def test_rows_in_parts_give_the_same_bits(sql: str):
    drawn = np.random.default_rng(2).integers(0, 3, (50, N_BLOCKS)).astype(float)
    found = [
        tallied(sql, "here", ROWS, BLOCK, N_BLOCKS, {"fee": 12.0}, n_together) for n_together in (N, 7, 1)
    ]
    whole, *parts = [(one(drawn).tolist(), one.low, one.high) for one in found]
    assert parts == [whole, whole]


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
        ("SUM(AVG(payout))", "uses an aggregate inside of another"),
        ("AVG(payout - AVG(payout))", "uses an aggregate inside of another"),
        ("AVG(payout) FILTER (WHERE payout > AVG(payout))", "uses an aggregate inside of another"),
        ("SUM(COUNT(*))", "uses an aggregate inside of another"),
        ("SUM(DISTINCT payout)", "uses DISTINCT"),
        ("AVG(DISTINCT payout) FILTER (WHERE action)", "uses DISTINCT"),
        ("SUM(payout) + MAX(fee)", "uses MAX, which is not supported; valid aggregates: SUM, AVG, COUNT"),
        ("MIN(payout) FILTER (WHERE action)", "uses MIN"),
        ("STDDEV(payout)", "uses STDDEV"),
        ("VARIANCE(payout)", "uses VARIANCE"),
        ("FIRST(payout)", "uses FIRST"),
        ("QUANTILE_CONT(payout, 0.5)", "uses QUANTILE_CONT"),
        ("CORR(payout, fee)", "uses CORR"),
        ("STRING_AGG(payout, ',')", "or STRING_AGG"),
        ("SUM(payout) OVER (PARTITION BY action)", "uses OVER"),
        ("AVG(LAG(payout) OVER (ORDER BY fee))", "uses OVER"),
        ("COUNT(*) / ROW_NUMBER()", "uses ROW_NUMBER"),
        ("SUM(*)", "uses * or COLUMNS"),
        ("EXISTS (SELECT 1)", "uses a subquery"),
        ("AVG(payout IN (SELECT 1))", "uses a subquery"),
        ("(SELECT AVG(payout) FROM rows)", "can't read a table by a subquery"),
        ("AVG(payout) GROUP BY action", "found 'GROUP' clause"),
        ("SUM(payout) || 'USD'", "gives String; expected a number"),
        ("AVG('text')", "expected numbers"),
        ("AVG(payout) > 'text'", "does not fit its columns"),
        ("1e400 * SUM(payout)", "none beyond those of a float"),
    ],
)
def test_what_is_no_aggregate_of_the_rows_is_refused(sql: str, expected: str) -> None:
    with pytest.raises(AccordError, match=re.escape(expected)) as refused:
        aggregates.check(sql, "here", dict(ROWS.schema), ["fee"])
    assert str(refused.value).startswith("here: ")
    assert "\n" not in str(refused.value)


ODD = pl.DataFrame(
    {
        "select": [1.0, 2.0, 4.0], "Len": [1, 2, 3], "Agg": [2, 2, 2], "text": ["SUM(", " FILTER (WHERE ", "1.5"],
        "#0": [5, 6, 7], "value": [1, None, 3],
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ('sum("select")', 7),
        ('SUM("Len") + COUNT(*) / AVG("Agg")', 7.5),
        ('SUM("#0") - COUNT("value")', 16),
        ("COUNT(*) FILTER (WHERE text = 'SUM(')", 1),
        ("COUNT(*) filter (where text = ' FILTER (WHERE ') * 2.5", 2.5),
        ("""SUM("Len") /* it's not SUM( -- */ + COUNT(*) FILTER (WHERE text = '1.5') -- 'tis '1.5""", 7),
        ('AVG(value) AS "Len"', 2),
        ("FLOOR(SUM(7 * value + 7) / 14 / 3)", 1),
        ("FLOOR(49 * COUNT(*) / 49)", 3),
        ("COALESCE(SUM(value) FILTER (WHERE value > 9), -1)", -1),
        ("COUNT(*) FILTER (WHERE value > 9)", 0),
        ("SUM(CASE WHEN text = '' THEN 0 ELSE 2000000000 END)", 6_000_000_000),
        ("SUM(text = '1.5') - 2", -1),
        ("AVG(log10(100 * value))", 2 + math.log10(3) / 2),
        ("AVG(log(8, 2))", 3),
        ("SQRT(SUM(value))", 2),
    ],
)
def test_an_aggregate_of_odd_names_texts_and_numbers_has_its_value(sql: str, expected: float) -> None:
    aggregates.check(sql, "here", dict(ODD.schema), [])
    found = tallied(sql, "here", ODD, np.arange(3), 3, {})(np.ones((1, 3)))[0]
    assert found == pytest.approx(expected, rel=1e-15)


def test_a_value_that_can_not_be_had_leaves_the_other_resamples_alone() -> None:
    drawn = np.array([[1.0, 0, 0], [0, 1.0, 0], [1.0, 0, 1.0]])
    statistic = tallied("COUNT(*) // (SUM(value) - 1.0)", "here", ODD, np.arange(3), 3, {})
    assert np.array_equal(statistic(drawn), [np.nan, np.nan, 0], equal_nan=True)


def test_a_metric_that_no_rows_have_is_no_error() -> None:
    aggregates.check("COUNT(*) // (COUNT(*) * 1.0)", "here", dict(ODD.schema), [])


def test_infinity_counts_only_where_its_block_is_drawn() -> None:
    rows = pl.DataFrame({"x": [1.0, float("inf"), 3.0]})
    statistic = tallied("SUM(x)", "here", rows, np.arange(3), 3, {})
    assert np.array_equal(statistic(np.array([[1.0, 0, 2], [1, 1, 1]])), [7, np.nan], equal_nan=True)
