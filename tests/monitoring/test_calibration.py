"""Alarms are rare without drift, also where days differ, and come with it; what can't be said is said to be so."""

import json
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from accord.errors import AccordError
from accord.expectation.calibration import Calibration, Finding, alarms, calibrate, whole_days
from accord.expectation.drift import Kind, drifts

KINDS: dict[str, Kind] = {"steady": "number", "weather": "number", "hole": "number", "carrier": "category"}
ROWS_A_DAY = 200


def traffic(n_days: int, seed: int) -> tuple[pl.DataFrame, pl.Series]:
    """Rows whose `weather` is their day's but for a little; other columns don't know the day."""
    rng = np.random.default_rng(seed)
    n = n_days * ROWS_A_DAY
    day = np.repeat(np.arange(n_days), ROWS_A_DAY)
    rows = pl.DataFrame(
        {
            "steady": rng.gamma(2, size=n),
            "weather": rng.normal(size=n_days)[day] + 0.3 * rng.normal(size=n),
            "hole": pl.Series(np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))).fill_nan(None),
            "carrier": rng.choice(["a", "b", "c", "d"], n, p=[0.5, 0.3, 0.15, 0.05]),
        }
    )
    minutes = pl.Series(np.sort(rng.integers(0, 1440, n)[np.lexsort((rng.random(n), day))] + 1440 * day))
    return rows, datetime(2013, 1, 1) + minutes.cast(pl.Duration("us")) * 60_000_000


REFERENCE, TIME = traffic(120, seed=1)
CALIBRATION = calibrate(REFERENCE, KINDS, TIME)


def found(
    rows: pl.DataFrame, calibration: Calibration = CALIBRATION, hours: float | None = None
) -> list[Finding]:
    return alarms(calibration, rows.height, drifts(calibration.references, rows), hours)


def alarm(rows: pl.DataFrame, calibration: Calibration = CALIBRATION) -> set[str]:
    return {finding.column for finding in found(rows, calibration) if finding.alarm}


@pytest.mark.parametrize("n_rows", [100, 300, 1_000, 2_000, 10_000])
def test_days_that_were_not_used_to_calibrate_seldom_alarm(n_rows: int) -> None:
    later, _ = traffic(400, seed=2)
    starts = np.linspace(0, later.height - n_rows, 120).astype(int)
    assert np.mean([bool(alarm(later[start : start + n_rows])) for start in starts]) <= 0.05


@pytest.mark.parametrize("n_rows", [100, 1_000])
def test_rows_without_time_seldom_alarm(n_rows: int) -> None:
    rows = traffic(200, seed=3)[0].sample(fraction=1, shuffle=True, seed=4)
    calibration = calibrate(rows.head(5_000), KINDS, None)
    draws = (rows.tail(-5_000).sample(n_rows, seed=i) for i in range(200))
    assert sum(bool(alarm(draw, calibration)) for draw in draws) <= 10


FAULTS = {
    "steady": pl.col.steady + 0.3 * 2**0.5,
    "hole": pl.when(pl.int_range(pl.len()) % 9 == 0).then(None).otherwise(pl.col.hole),
    "carrier": pl.col.carrier.replace({"a": "d", "d": "a"}),
}


@pytest.mark.parametrize("column", FAULTS)
def test_a_fault_in_a_column_that_is_the_same_every_day_is_found(column: str) -> None:
    later, _ = traffic(200, seed=5)
    windows = (later[start : start + 1_000] for start in range(0, later.height, 1_000))
    assert np.mean([column in alarm(w.with_columns(FAULTS[column].alias(column))) for w in windows]) >= 0.95


def test_a_column_that_changes_by_the_day_has_a_wider_threshold() -> None:
    for thresholds in CALIBRATION.thresholds:
        assert thresholds.values["weather"]["wasserstein"] > 2 * thresholds.values["steady"]["wasserstein"]  # type: ignore[operator]


def seasons(n_days: int, seed: int) -> tuple[pl.DataFrame, pl.Series]:
    """Traffic beside a date as a number, a fair that came once, and a version that came anew every ten days."""
    rows, time = traffic(n_days, seed)
    day = pl.Series(np.repeat(np.arange(n_days), ROWS_A_DAY))
    is_fair = (day >= n_days // 2) & (day < n_days // 2 + 4)
    return rows.with_columns(
        date=2013 + day / 365, fair=is_fair.cast(pl.Float64), version="v" + (day // 10).cast(pl.String)
    ), time


OF_SEASONS: dict[str, Kind] = {**KINDS, "date": "number", "fair": "number", "version": "category"}


def test_columns_that_follow_time_or_came_once_are_not_tested_and_leave_the_thresholds_of_others() -> None:
    rows, time = seasons(120, seed=1)
    calibration = calibrate(rows, OF_SEASONS, time)
    later = seasons(200, seed=2)[0].tail(8_000)
    notes = {f.column: f.note for f in found(later.head(300), calibration) if f.score != "missing"}
    assert notes["date"] == notes["version"] == "not tested: it follows time"
    assert notes["fair"] == "not tested: stretches of the reference are unlike each other"
    for with_seasons, without in zip(calibration.thresholds, CALIBRATION.thresholds, strict=True):
        for column in KINDS:
            limit, usual = with_seasons.values[column], without.values[column]
            assert limit == pytest.approx(usual, rel=0.5), column
    shifted = later.with_columns(FAULTS["steady"].alias("steady"))
    starts = range(0, 7_000, 300)
    assert np.mean(["steady" in alarm(shifted[start : start + 300], calibration) for start in starts]) >= 0.8
    assert np.mean([bool(alarm(later[start : start + 300], calibration)) for start in starts]) <= 0.05


def test_no_threshold_is_far_from_what_the_reference_has_shown() -> None:
    rng = np.random.default_rng(0)
    odd = list("abcdefgh")
    rows, time = traffic(120, seed=1)
    bursts = {name: np.where(np.arange(rows.height) // 400 == 7 * i, 1.0, 0.0) for i, name in enumerate(odd)}
    rows = rows.with_columns(
        **{name: pl.Series(v) for name, v in bursts.items()}, tail=pl.Series(rng.pareto(1.1, rows.height))
    )
    kinds: dict[str, Kind] = {**KINDS, **dict.fromkeys([*odd, "tail"], "number")}
    for thresholds in calibrate(rows, kinds, time).thresholds:
        assert all(v["wasserstein"] < 4 for c in ("steady", "weather", "hole") if (v := thresholds.values[c]))


def people(n: int, seed: int) -> pl.DataFrame:
    """Rows of people, forty each, that are like themselves."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(n), 40)
    home = rng.choice(["a", "b", "c"], n)[person]
    size = rng.normal(size=n)[person] + 0.2 * rng.normal(size=40 * n)
    return pl.DataFrame({"person": [f"p{i}" for i in person], "home": home, "size": size})


def test_windows_of_whole_subjects_seldom_alarm_where_the_subject_is_known() -> None:
    rows, kinds = people(250, seed=1), dict[str, Kind](home="category", size="number")
    calibration = calibrate(rows, kinds, None, subject=rows["person"])
    others = people(1_000, seed=2)
    windows = [others[start : start + 400] for start in range(0, others.height, 400)]
    assert np.mean([bool(alarm(window, calibration)) for window in windows]) <= 0.05
    assert calibration.independent[100] == 100
    assert calibration.independent[1_000] == 10
    moved = [window.with_columns(size=pl.col("size") + 4) for window in windows]
    assert np.mean(["size" in alarm(window, calibration) for window in moved]) >= 0.95


def test_larger_windows_have_lower_thresholds_in_between_and_constant_ones_beyond() -> None:
    rows, _ = traffic(100, seed=6)
    limits = [found(rows.head(n))[0].threshold for n in (100, 200, 300, 20_000)]
    assert limits[0] > limits[1] > limits[2] == limits[3]  # type: ignore[operator]


def test_sizes_with_too_few_independent_windows_are_said() -> None:
    assert CALIBRATION.independent == {100: 120, 300: 80, 1_000: 24, 3_000: 8, 10_000: 2}
    assert [t.n_rows for t in CALIBRATION.thresholds] == [100, 300]
    assert CALIBRATION.note(300) is None
    assert CALIBRATION.note(800) == (
        "the reference has 24 independent windows of 1,000 rows, of 45; thresholds of 300 rows stand in, wider than needed"
    )
    loaded = Calibration.from_dict(json.loads(json.dumps(CALIBRATION.as_dict(), sort_keys=True)))
    assert loaded.note(2_000) == CALIBRATION.note(3_000) != CALIBRATION.note(20_000)


def test_a_week_of_reference_calibrates_the_smallest_size_and_says_what_that_is_worth() -> None:
    rows, time = traffic(7, seed=7)
    calibration = calibrate(rows, KINDS, time)
    assert [t.n_rows for t in calibration.thresholds] == [100]
    assert str(calibration.note(100)).startswith(
        "the reference has 7 independent windows of 100 rows, of 45; thresholds are near"
    )


def test_a_thin_window_is_insufficient_and_no_alarm() -> None:
    findings = found(REFERENCE.head(41).with_columns(steady=pl.lit(1e9)))
    assert {(f.alarm, f.note) for f in findings} == {(False, "insufficient: 41 rows of 100")}


def test_rows_that_came_in_a_rush_are_as_alike_as_the_few_that_the_reference_had_in_that_time() -> None:
    rows, _ = traffic(10, seed=8)
    at_leisure, in_a_rush = (found(rows.head(1_000), hours=hours)[0] for hours in (120, 20))
    assert in_a_rush.threshold > at_leisure.threshold  # type: ignore[operator]
    assert found(rows.head(1_000), hours=0.5)[0].note.startswith("insufficient: 1,000 rows in less time")


def test_a_column_that_goes_missing_alarms_by_its_share_and_has_no_distance() -> None:
    findings = found(REFERENCE.head(500).with_columns(hole=pl.lit(None, pl.Float64)))
    distance, missing = (f for f in findings if f.column == "hole")
    assert (distance.alarm, distance.note) == (False, "insufficient: 0 values of 30")
    assert (missing.alarm, missing.score) == (True, "missing")


def test_columns_without_values_or_variety_calibrate() -> None:
    rows = pl.DataFrame({"null": pl.Series([None] * 5_000, dtype=pl.Float64), "constant": ["same"] * 5_000})
    calibration = calibrate(rows, {"null": "number", "constant": "category"}, None)
    notes = {f.column: f.note for f in found(rows.head(200), calibration) if f.score != "missing"}
    assert notes == {"null": "insufficient: 0 values of 30", "constant": ""}
    assert alarm(rows.head(200), calibration) == set()
    other = rows.head(200).with_columns(null=pl.lit(1.0), constant=pl.lit("other"))
    assert alarm(other, calibration) == {"null", "constant"}
    assert any(f.note == "new: 'other' (200 rows)" for f in found(other, calibration))


def test_a_window_is_cut_down_to_whole_days() -> None:
    every_hour = pl.datetime_range(datetime(2013, 1, 1), datetime(2013, 1, 3, 5), "1h", eager=True)
    assert [whole_days(every_hour.head(n)) for n in (0, 1, 24, 25, 30, 42, 43, 48, 54)] == [
        0,
        0,
        0,
        1,
        6,
        18,
        0,
        0,
        6,
    ]


def test_days_without_a_row_do_not_count_as_days_of_a_window() -> None:
    hours = [20, 22, 24 * 5 + 8, 24 * 5 + 19, 24 * 5 + 21]
    time = pl.Series([datetime(2013, 1, 1) + timedelta(hours=h) for h in hours])
    assert [whole_days(time.head(n)) for n in (3, 4, 5)] == [0, 0, 1]


def test_a_shift_of_the_time_of_day_is_found_whenever_the_window_begins() -> None:
    rows, time = traffic(150, seed=9)
    rows = rows.select(minute=time.dt.hour().cast(pl.Float64) * 60 + time.dt.minute())
    calibration = calibrate(rows.head(20_000), {"minute": "number"}, time.head(20_000))
    for start in range(20_000, 29_000, 450):
        first = start + whole_days(time[start : start + 300])
        window = rows[first : start + 300]
        still, shifted = (
            alarms(calibration, 300, drifts(calibration.references, window + shift))[0].alarm
            for shift in (0, 180)
        )
        assert (still, shifted) == (False, True)


def test_the_same_seed_gives_the_same_thresholds_and_they_survive_json() -> None:
    again = calibrate(REFERENCE.lazy(), KINDS, TIME)
    text = json.dumps(CALIBRATION.as_dict(), allow_nan=False)
    assert json.dumps(again.as_dict()) == text
    assert Calibration.from_dict(json.loads(text)).as_dict() == CALIBRATION.as_dict()
    assert calibrate(REFERENCE, KINDS, TIME, seed=1).thresholds != CALIBRATION.thresholds


def test_a_reference_of_a_few_rows_is_refused() -> None:
    with pytest.raises(AccordError, match="has 20 rows; expected 60"):
        calibrate(REFERENCE.head(20), KINDS, TIME.head(20))
