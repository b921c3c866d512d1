"""Faults that leave each column as it was are found, and the alarm says which columns tell; without a fault alarms are rare."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from shipped import shipped

from accord.bundle.bundle import Bundle
from accord.expectation.calibration import calibrate
from accord.expectation.drift import Kind
from accord.expectation.expectation import SUBJECT, Expectation
from accord.monitoring import alarms, relations, together
from accord.monitoring.columns import DriftRow
from accord.monitoring.observed import EVENT, ID, Window
from accord.schema.data import Time
from accord.schema.loop import Monitoring

TIME = shipped(Time, event="at")
SETTINGS = shipped(Monitoring, min_rows=100)
ROWS_A_DAY = 150


def traffic(n: int, seed: int, n_columns: int = 5) -> pl.DataFrame:
    """Rows of days in which `wet` goes with `dark`, `dark` lacks values where it is wet, and shops differ in `wet`; the
    other columns know nothing of each other."""
    rng = np.random.default_rng([seed, n])
    wet = rng.normal(size=n)
    dark = 0.7 * wet + 0.7 * rng.normal(size=n)
    shop = np.array(["a", "b", "c"])[np.digitize(wet + 0.8 * rng.normal(size=n), [-0.6, 0.6])]
    others = {f"other{i}": rng.gamma(2, size=n) for i in range(n_columns - 3)}
    rows = pl.DataFrame({"wet": wet, "dark": dark, "shop": shop, **others})
    lost = (rng.random(n) < 0.2) & (wet > 0)
    at = [datetime(2024, 1, 1) + timedelta(days=i / ROWS_A_DAY) for i in range(n)]
    return rows.with_columns(pl.when(~pl.Series(lost)).then("dark").alias("dark"), pl.Series("at", at))


def expected(reference: pl.DataFrame, time: Time | None) -> Expectation:
    names = [name for name in reference.columns if name != "at"]
    kinds: dict[str, Kind] = {name: "category" if name == "shop" else "number" for name in names}
    features = calibrate(reference, kinds, None if time is None else reference["at"], sizes=(100,))
    rest: Any = {"objective": None, "derived": {}, "slices": [], "seed": 0, "level": 0.95, "baselines": {}}
    return Expectation(**rest, time=time, drift={"features": features}, test=reference, reference=reference)


@cache
def past(n_columns: int, in_time: bool) -> Expectation:
    return expected(traffic(6_000, 1, n_columns), TIME if in_time else None)


@cache
def window(seed: int, n_columns: int) -> pl.DataFrame:
    return traffic(3_000, seed, n_columns)


def looked_at(rows: pl.DataFrame, expectation: Expectation) -> list[DriftRow]:
    observed = rows.with_columns(
        pl.int_range(pl.len()).cast(pl.String).str.zfill(7).alias(ID), pl.col("at").alias(EVENT)
    ).lazy()
    hours = rows.height / ROWS_A_DAY * 24
    asked = Window(None, None, rows.height, 0, hours, {})
    columns = dict.fromkeys(name for name in rows.columns if name != "at")
    bundle = cast(Bundle, SimpleNamespace(columns=columns, context={}))
    return relations.rows_of(observed, asked, bundle, expectation, SETTINGS)


def alarmed(rows: pl.DataFrame, expectation: Expectation) -> dict[tuple[str, str], str]:
    found = looked_at(rows, expectation)
    said = alarms.of_drift(found)
    return {
        (row.column, row.score): a.evidence
        for row, a in zip([r for r in found if r.alarm], said, strict=True)
    }


def nulls_elsewhere(rows: pl.DataFrame) -> pl.DataFrame:
    lost = (pl.col("wet") < 0) & (pl.int_range(pl.len()) % 5 == 0)
    return rows.with_columns(pl.when(~lost).then(pl.col("dark").fill_null(0.3)).alias("dark"))


FAULTS: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], tuple[str, str], str]] = {
    "flipped": (lambda f: f.with_columns(dark=-pl.col("dark")), ("wet with dark", "pairs"), "go together otherwise"),
    "nulls": (nulls_elsewhere, ("wet with dark", "pairs"), "where dark is missing"),
    "swapped": (
        lambda f: f.with_columns(shop=pl.col("shop").replace({"a": "c", "c": "a"})), ("wet with shop", "pairs"), "where shop is",
    ),
    "stuck": (
        lambda f: f.with_columns(other0=pl.when(pl.int_range(pl.len()) % 2 == 0).then(1.7).otherwise("other0")),
        ("other0", "repeated"), "1.7 in 50.",
    ),
    "twice": (
        lambda f: pl.concat([f.head(f.height // 2)] * 2), ("all columns", "duplicates"), "50.0% of rows are like another",
    ),
}  # fmt: skip


@pytest.mark.parametrize("time", [None, TIME], ids=["drawn", "in time"])
@pytest.mark.parametrize("n_columns", [5, pytest.param(45, marks=pytest.mark.slow)])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_leaves_each_column_as_it_was_is_found_and_named(
    fault: str, n_columns: int, time: Time | None
) -> None:
    change, key, words = FAULTS[fault]
    expectation = past(n_columns, time is not None)
    hits = [alarmed(change(window(seed, n_columns)), expectation) for seed in range(2, 6)]
    assert sum(key in found for found in hits) >= 3
    assert any(words in found.get(key, "") for found in hits)


@pytest.mark.parametrize("time", [None, TIME], ids=["drawn", "in time"])
@pytest.mark.parametrize(
    ("n_reference", "n_columns"), [(600, 5), pytest.param(6_000, 45, marks=pytest.mark.slow)]
)
def test_without_a_fault_alarms_are_rare(n_reference: int, n_columns: int, time: Time | None) -> None:
    n_alarms = 0
    for world in range(5):
        expectation = expected(traffic(n_reference, world, n_columns), time)
        windows = (traffic(n, 100 * world + n, n_columns) for n in (300, 1_000, 3_000))
        n_alarms += sum(bool(alarmed(rows, expectation)) for rows in windows)
    assert n_alarms <= 1


def test_a_value_that_repeats_less_than_in_windows_of_the_reference_is_no_alarm() -> None:
    """A large window repeats values less than the small ones do that a short reference has."""
    expectation = past(5, in_time=True)
    scale = together.scale_of(expectation.drift["features"].references, TIME.zone)
    assert scale is not None
    base = together.base_of(scale, scale.coded(expectation.reference, TIME.event))
    limits = together.limits(base, 100, in_time=True, level=0.01, seed=0)
    values = slice(-len(base.shares), None)
    for off, is_alarm in ((-1.0, False), (1.0, True)):
        differences = limits.center.copy()
        differences[values] += off
        assert set(limits.deviations(differences)[values] > limits.critical) == {is_alarm}


@pytest.mark.parametrize("fault", ["flipped", "swapped", "stuck"])
def test_a_reference_of_four_days_has_pairs_that_tell(fault: str) -> None:
    change, key, _ = FAULTS[fault]
    expectation = expected(traffic(600, 1), TIME)
    assert key in alarmed(change(window(2, 5)), expectation)
    assert not alarmed(window(2, 5), expectation)


def test_what_came_once_and_what_follows_time_do_not_hide_pairs_that_go_together_otherwise() -> None:
    def with_seasons(rows: pl.DataFrame) -> pl.DataFrame:
        place = pl.int_range(pl.len())
        fairs = {f"fair{i}": ((place > 3_000 + i) & (place < 3_300)).cast(pl.Float64) for i in range(2)}
        return rows.with_columns(date=place / 1_000, **fairs)

    expectation = expected(with_seasons(traffic(6_000, 1)), TIME)
    window = with_seasons(traffic(2_000, 2))
    found = looked_at(window, expectation)
    assert not [row for row in found if row.alarm]
    [said] = [row.note for row in found if row.note.startswith("not tested")]
    assert "stretches of the reference are unlike each other" in said
    flipped = window.with_columns(dark=-pl.col("dark"))
    assert ("wet with dark", "pairs") in alarmed(flipped, expectation)


def test_pairs_of_subjects_that_are_like_themselves_are_judged_by_windows_of_whole_subjects() -> None:
    def people(n: int, seed: int) -> pl.DataFrame:
        rng = np.random.default_rng(seed)
        person = np.repeat(np.arange(n), 60)
        own = rng.normal(size=(n, 5))[person] + 0.2 * rng.normal(size=(60 * n, 5))
        return pl.DataFrame({f"x{i}": own[:, i] for i in range(5)}).with_columns(
            pl.Series(SUBJECT, person), at=pl.lit(datetime(2024, 1, 1))
        )

    past = people(300, 1)
    expectation = expected(past.drop(SUBJECT), None)
    expectation = replace(expectation, reference=past)
    windows = [people(10, seed).drop(SUBJECT) for seed in range(2, 22)]
    assert sum(bool(alarmed(rows, expectation)) for rows in windows) <= 2


def test_levels_that_nothing_is_related_to_may_be_swapped_unseen() -> None:
    rows = traffic(6_000, 1).with_columns(
        wet=pl.Series(np.random.default_rng(0).normal(size=6_000)), dark=pl.lit(0.0)
    )
    expectation = expected(rows, None)
    swapped = rows.sample(3_000, seed=1).with_columns(shop=pl.col("shop").replace({"a": "c", "c": "a"}))
    assert not alarmed(swapped, expectation)


def test_a_reference_or_window_with_too_little_says_so() -> None:
    expectation = expected(traffic(300, 1), TIME)
    [row] = [row for row in looked_at(traffic(1_000, 2), expectation) if row.score == "pairs"]
    assert row.note.startswith("insufficient")
    assert not row.alarm


def test_rows_that_are_often_alike_anyway_are_no_duplicates() -> None:
    def coarse(n: int, seed: int) -> pl.DataFrame:
        return traffic(n, seed).with_columns(pl.col("wet", "dark", "other0", "other1").round(0))

    expectation = expected(coarse(6_000, 1), None)
    assert ("all columns", "duplicates") not in alarmed(coarse(2_000, 2), expectation)
