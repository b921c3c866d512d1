"""A contract that is inferred from part of a table holds for the rest of it, and mistakes break it."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.data import contract, declared
from accord.data.casting import cast
from accord.data.infer import inference, ranges, raw_table, types
from accord.data.infer.distinct import Words
from accord.data.infer.guess import Inferred
from accord.data.ingest import sources
from accord.schema.data import Column, Reading, Source


def columns_of(found: list[Inferred]) -> dict[str, Column]:
    return {
        c.name: Column(role="feature", source=None if c.source == c.name else c.source, **c.keys)
        for c in found
    }


def checked(first: pl.DataFrame, rest: pl.DataFrame, folder: Path) -> contract.Checked:
    """The rest by the contract that the first rows suggest."""
    first.write_csv(folder / "first.csv")
    rest.write_csv(folder / "rest.csv")
    table = raw_table.read("first.csv", folder)
    found = inference.columns(table)
    source = Source(
        path="rest.csv",
        nulls=inference.source_nulls(found),
        **{"separator": ",", "encoding": "utf-8", **table.written},
    )
    columns = columns_of(found)
    rows = declared.named(sources.read("rest", source, folder), columns).select(list(columns))
    rules = {rule.key.removeprefix("rules."): rule.value for rule in ranges.rules(found)}
    return contract.check(rows, columns, rules=rules)


def clinic(n: int, seed: int) -> pl.DataFrame:
    """Honest rows of many kinds, as text, in the order of time."""
    draw = np.random.default_rng(seed)
    day = np.datetime64("2021-01-01", "ms")
    admitted = pl.Series(day + (np.sort(draw.integers(0, 60_000_000, n)) * 1000).astype("timedelta64[ms]"))
    born = pl.Series(np.datetime64("1940-01-01", "ms") + (draw.integers(0, 25_000, n) * 86_400_000).astype("timedelta64[ms]"))  # fmt: skip
    values: dict[str, Any] = {
        "Admitted at": admitted.dt.strftime("%Y-%m-%d %H:%M:%S"),
        "born": born.dt.strftime("%d.%m.%Y"),
        "visits": draw.poisson(4, n),
        "calls": draw.negative_binomial(3, 0.02, n),
        "price": [f"${value:,.2f}" for value in draw.lognormal(6, 1, n)],
        "temperature": draw.normal(12, 9, n).round(1),
        "year": draw.integers(1998, 2024, n),
        "age": draw.integers(18, 90, n),
        "x": draw.normal(size=n),
        "zip": [f"{value:05d}" for value in draw.integers(501, 99_999, n)],
        "insured": draw.choice(["yes", "no"], n),
        "ward": draw.choice(["north", "south", "?"], n, p=[0.5, 0.45, 0.05]),
        "row": np.arange(n),
    }
    return pl.DataFrame(values).cast(pl.String)


MISTAKES = (
    ("Admitted at", "2700-01-01 00:00:00"), ("Admitted at", "2021-13-45 00:00:00"), ("born", "31.02.1999"), ("born", "01.01.2700"), ("visits", "-3"),
    ("visits", "many"), ("visits", "1500"), ("calls", "-1"), ("price", "$-5.00"), ("price", "free"), ("temperature", "5000"), ("year", "2700"),
    ("age", "-1"), ("age", "430"), ("x", "1000"), ("insured", "perhaps"),
)  # fmt: skip


@pytest.mark.parametrize("n", [300, 3000, 20_000])
def test_honest_rows_of_the_second_half_pass_and_mistakes_do_not(tmp_path: Path, n: int):
    rows = clinic(n, seed=n)
    mistaken = [rows[-1].with_columns(pl.lit(value).alias(name)) for name, value in MISTAKES]
    found = checked(rows[: n // 2], pl.concat([rows[n // 2 :], *mistaken]), tmp_path)
    n_honest = n - n // 2
    assert found.is_broken[:n_honest].mean() <= 0.01
    passed = [m for m, broken in zip(MISTAKES, found.is_broken[n_honest:], strict=True) if not broken]
    assert passed == []


def test_a_table_in_the_order_of_a_column_promises_no_end_of_it(tmp_path: Path):
    rows = pl.DataFrame({
        "group": ["a"] * 1200 + ["b"] * 700 + ["c"] * 300,
        "total": [i * i for i in range(2200)],
        "half": [i % 7 for i in range(2200)],
    })  # fmt: skip
    assert not checked(rows[:1100], rows[1100:], tmp_path).broken


PIECES = st.sampled_from(
    ["0", "1", "12", "007", "1,234", "1.5", "2,5", "-", "?", "NA", " NA", "", " ", "-999", "yes", "no", "Yes", "%", "5%", "$3", "12 kg", "1e5", "1E5", "+34123456789",
     "2024-01-02", "01/02/2024", "13/02/2024", "20240131", "inf", "nan", "abc", "x,y", "'", '"', "12:30", "ä", "\t", "123456789012345678901"]
)  # fmt: skip


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES | st.text(max_size=4), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_any_column_is_read_as_it_says_in_any_order(values: list[str], shuffle: Any):
    text = pl.Series("a", [*values, *values])
    how = types.typed(Words.of(text), "a", {})
    read, lost = cast(text, Reading(**how.keys, nulls=how.nulls or None))
    assert not lost.any()
    mixed = [*values, *values]
    shuffle.shuffle(mixed)
    assert types.typed(Words.of(pl.Series("a", mixed)), "a", {}) == how
    assert len(read) == len(text)


def test_words_with_blanks_around_them_are_missing_for_the_contract_too(tmp_path: Path):
    rows = pl.DataFrame({
        "a": ["1", " ?", "3", "?"] * 50, "b": [" Private", " ?", " Local", "  "] * 50, "c": ["1.5", "NA", " NA", ""] * 50,
    })  # fmt: skip
    found = checked(rows[:100], rows[100:], tmp_path)
    assert not found.broken
    assert [found.valid[name].null_count() for name in "abc"] == [50, 50, 75]
