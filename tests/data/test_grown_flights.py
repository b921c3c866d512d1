"""benchmarks/grow.py: more flights, that the pipeline takes for flights."""

import re
from datetime import date
from pathlib import Path

import grow
import polars as pl
import pytest
from shipped import shipped, shipped_option

from accord.data import contract
from accord.data.ingest.joins import ingest
from accord.errors import AccordError
from accord.schema.data import Data

N_ROWS = 420_000
MOVED = ["year", "month", "day", "time_hour"]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grown") / "parquet"
    grow.grow(N_ROWS, folder, "parquet", seed=1)
    return folder


@pytest.fixture(scope="module")
def flights() -> grow.Flights:
    return grow.read()


def read(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(folder / f"{name}-*.parquet")


def as_parquet_has(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(grow._typed(name) for name in rows.columns)


def test_there_are_as_many_rows_as_asked_for_up_to_the_end_of_a_day(grown: Path):
    rows = read(grown, "flights")
    last = rows.select("year", "month", "day").row(-1)
    at_last = rows.filter(pl.struct(MOVED[:3]) == dict(zip(MOVED, last, strict=False))).height
    assert rows.height - at_last < N_ROWS <= rows.height


@pytest.mark.parametrize("name", ["flights", "weather"])
def test_the_first_year_is_that_of_the_flights(name: str, grown: Path, flights: grow.Flights):
    rows = read(grown, name)
    expected = pl.concat(getattr(flights, name).values())
    assert rows.filter(pl.col("year") == 2013).equals(as_parquet_has(expected))


def test_a_later_day_is_a_day_of_the_same_month_and_weekday_with_its_weather(
    grown: Path, flights: grow.Flights
):
    rows, weather = read(grown, "flights"), read(grown, "weather")
    for day in (date(2014, 1, 2), date(2014, 2, 22)):
        is_day = pl.struct(MOVED[:3]) == {"year": day.year, "month": day.month, "day": day.day}
        moved = rows.filter(is_day).drop(MOVED)
        origins = [
            origin for origin, those in flights.flights.items()
            if moved.join(as_parquet_has(those), on=moved.columns, how="anti", nulls_equal=True).is_empty()
        ]  # fmt: skip
        assert [(d.month, d.weekday()) for d in origins] == [(day.month, day.weekday())]
        assert moved.height > 0.5 * flights.flights[origins[0]].height
        same = as_parquet_has(flights.weather[origins[0]]).drop(MOVED)
        assert weather.filter(is_day).drop(MOVED).equals(same)


def test_no_grown_flight_breaks_the_contract_or_has_the_key_of_another(grown: Path):
    settings = shipped_option("data", "flights")
    for name in ("flights", "weather"):
        settings["sources"][name]["path"] = str(grown / f"{name}-201[34]-[013]*.parquet")
    settings["columns"]["year"]["max"] = 2014
    data = shipped(Data, **settings)
    rows = ingest(data, Path()).rows
    assert rows["year"].unique().sort().to_list() == [2013, 2014]
    checked = contract.check(rows, data.columns, data.key, data.rules, data.time)
    assert {*checked.reasons.explode()} <= {
        "wind_speed|max"
    }  # an observation of the first year has 1,048 miles an hour
    assert rows["temp"].null_count() < 0.01 * rows.height


def test_the_words_name_the_files_and_let_the_last_month_be_the_future(grown: Path):
    words = grow.overrides(grown, "parquet", date(2014, 3, 17))
    assert f"data.sources.weather.path={grown}/weather-*.parquet" in words
    assert {"data.columns.year.max=2014", "data.split.cutoff=2014-03-01"} <= {*words}


def test_fewer_rows_are_the_first_ones_of_more_and_csv_says_the_same(grown: Path, tmp_path: Path):
    grow.grow(345_000, tmp_path / "csv", "csv", seed=1)
    parquet = pl.read_parquet(grown / "flights-2013-12.parquet")
    text = pl.read_csv(tmp_path / "csv/flights-2013-12.csv", null_values="NA", infer_schema=False)
    assert as_parquet_has(text).equals(parquet)
    parquet = pl.read_parquet(grown / "flights-2014-01.parquet")
    text = pl.read_csv(tmp_path / "csv/flights-2014-01.csv", null_values="NA", infer_schema=False)
    assert as_parquet_has(text).equals(parquet.head(text.height))


def test_years_drift_apart_and_another_seed_draws_other_days(flights: grow.Flights):
    def january(seed: int, year: int) -> pl.DataFrame:
        months = grow.months(flights, seed)
        return next(month for month in months if month.first == date(year, 1, 1)).flights

    then, later = ((january(1, year)["carrier"] == "UA").mean() for year in (2013, 2016))
    assert abs(then - later) > 0.002
    assert not january(1, 2014).equals(january(2, 2014))
    assert january(2, 2014).equals(january(2, 2014))


def test_files_of_other_months_are_not_left_among_them(grown: Path):
    with pytest.raises(AccordError, match=re.escape(f"{grown} is not empty")):
        grow.grow(1_000, grown, "parquet", seed=1)
