"""What a time lets a model learn: days of the week, hours, and months once they come again."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from accord.data.infer.recurring import recurring
from accord.sql.rows import evaluate


@pytest.mark.parametrize(
    ("step", "n", "expected"),
    [
        (timedelta(hours=7), 400, {"weekday", "hour"}),
        (timedelta(days=1), 400, {"weekday"}),
        (timedelta(days=1), 900, {"month", "weekday"}),
        (timedelta(days=7), 150, {"month"}),  # always a Monday
        (timedelta(minutes=1), 500, set()),
        (timedelta(0), 100, set()),
    ],
)
def test_only_what_comes_again_is_a_feature(step: timedelta, n: int, expected: set[str]):
    times = pl.Series([datetime(2021, 3, 1) + i * step for i in range(n)], dtype=pl.Datetime("us", "UTC"))
    found = {guess.key.removeprefix("derived."): guess.value for guess in recurring("sold at", times, ())}
    assert found.keys() == expected
    rows = pl.DataFrame({"sold at": times})
    for name, sql in found.items():
        values = evaluate(rows, sql, "derived")
        own = {"weekday": times.dt.weekday() % 7, "hour": times.dt.hour(), "month": times.dt.month()}[name]
        assert values.cast(pl.Int64).to_list() == own.cast(pl.Int64).to_list()


def test_a_name_that_a_column_has_is_left_to_it():
    days = pl.Series([datetime(2021, 3, 1) + timedelta(days=i) for i in range(30)], dtype=pl.Datetime("us"))
    assert [guess.key for guess in recurring("day", days, {"weekday"})] == ["derived.day_weekday"]
    assert recurring("day", days, {"weekday", "day_weekday"}) == []


def test_a_time_without_a_value_has_nothing_that_recurs():
    assert recurring("day", pl.Series([None, None], dtype=pl.Datetime("us", "UTC")), ()) == []
