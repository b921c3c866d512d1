"""An aggregate means what its expressions mean on rows, and what Polars' own SQL makes of it over a whole table."""

import math
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.exceptions import PolarsError
from row_expressions import EXPRESSIONS, ROWS, condition_sql, numeric_sql
from tallies import tallied

from accord.errors import AccordError
from accord.sql import aggregates
from accord.sql.rows import TYPES, check, evaluate, with_derived, with_floats

N_BLOCKS = 3
NAMES = {"x": "number", "y": "number", "i": "integer", "text": "category", "b": "boolean", "at": "datetime"}
SCHEMA = {name: TYPES[kind] for name, kind in NAMES.items()}
MORE = {
    "p": "number", "q": "number", "j": "integer", "small": "integer", "level": "category", "c": "boolean",
    "until": "datetime", "year": "integer", "month": "integer", "day": "integer",
}  # fmt: skip
MIXED = pl.DataFrame(
    {
        "x": [1.5, None, -2.0, 4.75, 900.25, 0.0, 71.0, 3.0],
        "y": [0.5, 2.0, None, 3.0, -1.0, 0.0, 7.5, 3.0],
        "i": [1, 2, None, 7, -40, 0, 900, 3],
        "text": ["unseen", "ß", None, "Zoo", "", "used", "a", "sen"],
        "b": [True, False, None, True, True, False, None, True],
        "at": [datetime(2013, 1, d, d % 24, 30) if d != 3 else None for d in range(1, 9)],
        "p": [0.1, 0.9, 0.5, 0.25, 2.5, 0.75, 1.0, 0.3],
        "q": [0.2, 0.9, 0.4, 0.3, 0.1, 0.6, 1.0, 0.2],
        "j": [1, 2, 3, 4, 5, 6, 7, 8],
        "small": [-20, -3, 0, 1, 2, 5, 7, 20],
        "level": ["2013-1-1", "2024-02-29", None, "2013-1-1", "2013-1-1", "2013-1-1", None, "2024-02-29"],
        "c": [True, True, False, False, True, False, True, False],
        "until": [datetime(2013, 1, 2, 3)] * 8,
        "year": [2013] * 8,
        "month": [1, 2, 3, 4, 5, 6, 7, 8],
        "day": [1, 2, 3, 4, 5, 6, 7, 8],
    },
    schema=SCHEMA | {name: TYPES[kind] for name, kind in MORE.items()},
)
BLOCK = np.arange(MIXED.height, dtype=np.intp) % N_BLOCKS
DRAWN = st.lists(st.integers(0, 3), min_size=N_BLOCKS, max_size=N_BLOCKS)
ONCE = [1] * N_BLOCKS


def value(sql: str, rows: pl.DataFrame, drawn: list[int]) -> float:
    block = np.arange(rows.height, dtype=np.intp) % N_BLOCKS
    statistic = tallied(sql, "here", rows, block, N_BLOCKS, {})
    return float(statistic(np.array([drawn, ONCE], float))[0])


def as_drawn(rows: pl.DataFrame, drawn: list[int]) -> pl.DataFrame:
    times = np.array(drawn)[np.arange(rows.height) % N_BLOCKS]
    return rows[np.repeat(np.arange(rows.height), times).tolist()]


def means_the_same_as_on_rows(sql: str, condition: str, rows: pl.DataFrame, drawn: list[int]) -> None:
    met = evaluate(rows, condition, "here").fill_null(0) == 1
    numbers = rows.select(number=evaluate(rows, sql, "here"), met=met)
    chosen = as_drawn(numbers, drawn)
    for clause, kept in (("", chosen), (f" FILTER (WHERE {condition})", chosen.filter("met"))):
        there = kept["number"].drop_nulls().to_numpy()
        with np.errstate(invalid="ignore", over="ignore"):
            total, size = (there.sum(), np.abs(there).sum()) if len(there) else (math.nan, math.nan)
        assert value(f"COUNT({sql}){clause}", rows, drawn) == len(there)
        if size < 2**62 or not np.isfinite(size):
            assert equal(value(f"SUM({sql}){clause}", rows, drawn), total, size)
        mean, spread = (total / len(there), size / len(there)) if len(there) else (math.nan, math.nan)
        assert equal(value(f"AVG({sql}){clause}", rows, drawn), mean, spread)


def equal(found: float, expected: float, size: float) -> bool:
    if not (np.isfinite(expected) and np.isfinite(size)):
        return math.isnan(found) or abs(found) > 1e300
    return abs(found - expected) <= 1e-12 * size


@pytest.mark.parametrize("sql", EXPRESSIONS)
def test_every_expression_means_the_same_in_an_aggregate(sql: str) -> None:
    kind = check(sql, "here", dict(MIXED.schema), {})
    if not (kind.is_numeric() or kind == pl.Boolean):
        assert value(f"COUNT({sql})", MIXED, ONCE) == with_derived(MIXED, {"v": sql})["v"].drop_nulls().len()
        return
    means_the_same_as_on_rows(sql, "y > 0", MIXED, [2, 0, 1])


@settings(max_examples=120, deadline=None)
@given(sql=numeric_sql() | condition_sql(2), condition=condition_sql(1), rows=ROWS, drawn=DRAWN)
def test_an_aggregate_means_on_any_rows_what_its_expression_means(
    sql: str, condition: str, rows: list[tuple[Any, ...]], drawn: list[int]
) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    try:
        check(sql, "here", SCHEMA, {})
        check(condition, "here", SCHEMA, {})
        evaluate(frame, sql, "here")
    except (AccordError, PolarsError):  # not an expression of one type
        return
    means_the_same_as_on_rows(sql, condition, frame, drawn)


def exact_sql() -> st.SearchStrategy[str]:
    """Row expressions over the rows below whose sums are exact in whatever order they are added."""
    return st.sampled_from(
        [
            "x", "y", "i", "x * i", "x - 0.5", "-i", "i * i", "i // 2", "i % 3", "abs(x)", "floor(x)", "CAST(b AS BIGINT)",
            "CASE WHEN b THEN x ELSE i END", "CASE WHEN text = 'SUM(' THEN 3 ELSE -1 END", "coalesce(x, i, 0)",
            "length(text)", "nullif(i, 2)", "extract(day FROM at)", "greatest(x, 1)", "2.5", "1",
        ]
    )  # fmt: skip


def aggregate_sql() -> st.SearchStrategy[str]:
    called = st.one_of(
        st.builds("{}({})".format, st.sampled_from(["SUM", "AVG", "avg", "COUNT"]), exact_sql()),
        st.sampled_from(["COUNT(*)", "count(text)", "COUNT(at)", "AVG(b)", "AVG(x > y)", "AVG(x IN (1, 2, NULL))"]),
    )  # fmt: skip
    conditions = [
        "b", "x > y", "i IS NULL", "text = ' FILTER (WHERE '", "x BETWEEN i AND NULL", "text LIKE 'S%'", "i > 1000",
        "at > TIMESTAMP '2013-01-02'", "TRUE",
    ]  # fmt: skip
    return st.one_of(called, st.builds("{} FILTER (WHERE {})".format, called, st.sampled_from(conditions)))


def metric_sql(depth: int = 2) -> st.SearchStrategy[str]:
    leaf = aggregate_sql() | st.sampled_from(
        ["0", "1", "7", "49", "2.5", "0.1", "0.12345678901234566", "NULL"]
    )
    if not depth:
        return leaf
    inner = metric_sql(depth - 1)
    combined = st.builds(
        "({} {} {})".format, aggregate_sql(), st.sampled_from(["+", "-", "*", "/", "/", "//", "%"]), inner
    )
    return st.one_of(
        aggregate_sql(),
        combined,
        st.builds("({} / {})".format, inner, aggregate_sql()),
        st.builds("{}({})".format, st.sampled_from(["sqrt", "abs", "floor", "ln", "log10", "-"]), combined),
        st.builds("round({}, 2)".format, combined),
        st.builds("log({}, 2)".format, combined),
        st.builds("nullif({}, 0)".format, combined),
        st.builds("coalesce({}, {})".format, combined, inner),
        st.builds("greatest({}, {})".format, combined, inner),
        st.builds("CASE WHEN {} >= {} THEN {} END".format, combined, inner, inner),
        st.builds("CASE WHEN {} IN (1, 2.5) THEN {} ELSE {} END".format, combined, inner, inner),
    )


EXACT_NUMBERS = st.sampled_from([None, 0.0, -0.0, 0.25, 0.5, -1.5, 2.0, 7.0, 49.0, 1024.0, math.nan, math.inf, -math.inf])  # fmt: skip
EXACT_ROWS = st.lists(
    st.tuples(
        EXACT_NUMBERS,
        EXACT_NUMBERS,
        st.none() | st.integers(-9, 9),
        st.sampled_from([None, "", "SUM(", " FILTER (WHERE ", "ß"]),
        st.none() | st.booleans(),
        st.none() | st.sampled_from([datetime(2013, 1, 2), datetime(2013, 1, 2, 0, 0, 1), datetime(2020, 2, 29)]),
    ),
    max_size=8,
)  # fmt: skip


# Derandomized: a quotient by a constant expression may differ in its last bit, which FLOOR or CASE would enlarge.
@settings(max_examples=300, deadline=None, derandomize=True)
@given(sql=metric_sql(), rows=EXACT_ROWS, drawn=DRAWN)
def test_a_metric_is_what_polars_gives_for_the_whole_table(
    sql: str, rows: list[tuple[Any, ...]], drawn: list[int]
) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    table = pl.SQLContext(rows=as_drawn(frame, drawn))
    try:
        whole = (
            table.execute(f"SELECT {with_floats(sql)} AS value FROM rows").collect()["value"].cast(pl.Float64)
        )
    except PolarsError:  # not an expression of one type
        return
    aggregates.check(sql, "here", SCHEMA, [])
    expected = whole.fill_null(math.nan).item()
    found = value(sql, frame, drawn)
    assert found == pytest.approx(expected, rel=1e-14) or (math.isnan(found) and not math.isfinite(expected))
