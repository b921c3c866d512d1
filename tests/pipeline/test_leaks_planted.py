"""What is known only after the decision is planted among the features by config and data alone; the pipeline says so."""

import csv
import io
import json
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import polars as pl
import pytest
from projects import Project, rides

RIDES_CONF, CSV = "conf/data/rides.yaml", "data/raw/rides.csv"
FLIGHTS_CONF = "conf/data/flights.yaml"
FAILING = "checks: {leaks: {action: fail}}\nderived:"
NOISE = random.Random(5)


@pytest.fixture(scope="module")
def copy(new_project: Callable[[], Project]) -> Project:
    """A project that has not run; its stages run without DVC."""
    return new_project()


@pytest.fixture(autouse=True)
def as_found(copy: Project) -> Iterator[None]:
    yield
    copy.run("git", "checkout", "--quiet", "conf", "data", "conf.lock", "conf.lock.yaml")


def validated(project: Project, *words: str) -> list[dict[str, object]]:
    """The leak suspects of a run up to validate, which they did not end."""
    for stage, selected in (("compose", words), ("ingest", ()), ("validate", ())):
        said = project.run("python", "-m", f"accord.stages.{stage}", *selected).stdout
    suspects = json.loads(project.read("reports/validation.json"))["leaks"]
    assert ("LEAK SUSPECTS" in said) == bool(suspects)
    return suspects


def refusal(project: Project, at: str, *words: str) -> str:
    """The line with which the stage refuses, after those before it ended well."""
    for stage, selected in (("compose", words), ("ingest", ()), ("validate", ()), ("split", ())):
        command = ("python", "-m", f"accord.stages.{stage}", *selected)
        if stage == at:
            return project.refused(*command)
        project.run(*command)
    raise AssertionError(f"no stage {at}")


# Rides


RIDES = ("data=rides", "objective=quality")


def plant(project: Project, column: str, kind: str, value: Callable[[dict[str, str]], object]) -> None:
    """One more column of the rides, declared as a feature."""
    rows = [row | {column: value(row)} for row in csv.DictReader(io.StringIO(rides()))]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    project.write(CSV, out.getvalue())
    project.replace(RIDES_CONF, "  delay:", f"  {column}: {{type: {kind}, nullable: true}}\n  delay:")


def delay(row: dict[str, str]) -> float:
    return float(row["delay"])


PLANTED: dict[str, tuple[str, Callable[[dict[str, str]], object]]] = {
    "a copy of the outcome": ("number", delay),
    "the outcome in other units": ("number", lambda row: 3600 - 60 * delay(row)),
    "the outcome with some noise": ("number", lambda row: delay(row) + NOISE.gauss(0, 0.3)),
    "the target as text": ("category", lambda row: "late" if delay(row) > 10 else "on time"),
    "the target as a boolean": ("boolean", lambda row: "true" if delay(row) > 10 else "false"),
    "a value missing just where the target holds": (
        "number",
        lambda row: "" if delay(row) > 10 else NOISE.random(),
    ),
    "a level of a category that decides the target": (
        "category",
        lambda row: "refunded" if delay(row) > 14 else NOISE.choice(["a", "b"]),
    ),
}


QUICK = ("a copy of the outcome", "a value missing just where the target holds")


@pytest.mark.parametrize(
    "leak", [leak if leak in QUICK else pytest.param(leak, marks=pytest.mark.slow) for leak in PLANTED]
)
def test_a_planted_column_is_reported_and_named(copy: Project, leak: str):
    kind, value = PLANTED[leak]
    plant(copy, "planted", kind, value)
    suspects = validated(copy, *RIDES)
    assert {suspect["feature"] for suspect in suspects} == {"planted"}
    assert "late" in {suspect["target"] for suspect in suspects} or leak == "the outcome in other units"


def test_honest_rides_have_no_suspects(copy: Project):
    assert validated(copy, *RIDES) == []


def test_a_planted_column_is_refused_where_the_config_says_so(copy: Project):
    plant(copy, "planted", "number", delay)
    copy.replace(RIDES_CONF, "derived:", FAILING)
    line = refusal(copy, "validate", *RIDES)
    assert "Possible leak: feature 'planted': target late alone reaches AUC" in line
    assert "role outcome" in line
    copy.replace(RIDES_CONF, "action: fail", "action: fail, accepted: [planted]")
    copy.run("python", "-m", "accord.stages.compose", *RIDES)
    copy.run("python", "-m", "accord.stages.validate")


def test_rows_that_are_there_twice_are_refused_by_stage_split(copy: Project):
    head, *rows = rides().splitlines()
    twice = [f"{100_000 + i},{weeks_later(row)}" for i, row in enumerate(rows[:400])]  # from train into test
    copy.write(CSV, "\n".join([head, *rows, *twice]) + "\n")
    copy.replace(RIDES_CONF, "derived:", FAILING)
    line = refusal(copy, "split", *RIDES)
    assert "Possible leak: duplicates:" in line
    assert "rows of test and holdout are in train or tune too" in line
    copy.replace(RIDES_CONF, "action: fail", "action: fail, accepted: [duplicates]")
    copy.run("python", "-m", "accord.stages.compose", *RIDES)
    copy.run("python", "-m", "accord.stages.split")
    [suspect] = json.loads(copy.read("reports/accounting.json"))["leaks"]
    assert suspect["accepted"]


def weeks_later(row: str) -> str:
    """The ride eight weeks later, without its number."""
    _, began, *rest = row.split(",")
    return ",".join([str(datetime.fromisoformat(began) + timedelta(weeks=8)), *rest])


@pytest.mark.slow
def test_a_feature_derived_from_a_planted_column_is_found_too(copy: Project):
    plant(copy, "planted", "number", delay)
    copy.replace(RIDES_CONF, "derived:", "derived:\n  doubled: planted * 2")
    assert {suspect["feature"] for suspect in validated(copy, *RIDES)} == {"planted", "doubled"}


@pytest.mark.parametrize("sql", ["delay > 5", "CASE WHEN delay IS NULL THEN 1 ELSE 0 END"])
def test_a_feature_derived_from_an_outcome_is_refused_before_anything_runs(copy: Project, sql: str):
    copy.replace(RIDES_CONF, "is_long: distance > 5.5", f"is_long: {sql}")
    line = refusal(copy, "compose", *RIDES)
    assert "data.derived.is_long" in line
    assert "uses 'delay', an outcome, known only after the decision" in line


def test_a_target_of_features_alone_is_refused(copy: Project):
    copy.replace(RIDES_CONF, "sql: delay > 10", "sql: distance > 10")
    assert "uses no outcome" in refusal(copy, "compose", *RIDES)


# Flights


JOIN = "  LEFT JOIN airports AS a ON f.dest = a.faa"
WEATHER = "\n  LEFT JOIN weather AS w ON f.origin = w.origin AND f.time_hour = w.time_hour"


def declare(project: Project, column: str, kind: str, sql: str | None = None) -> None:
    """One more feature of the flights; `sql` computes it in the join."""
    project.replace(
        FLIGHTS_CONF, "  carrier: {type", f"  {column}: {{type: {kind}, nullable: true}}\n  carrier: {{type"
    )
    if sql is not None:
        project.replace(FLIGHTS_CONF, "    f.*,", f"    f.*, {sql} AS {column},")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "kind", "sql", "words"),
    [
        ("tailnum", "category", None, "where it is null"),
        ("delay_copy", "number", "COALESCE(f.arr_delay, 999)", "alone reaches AUC 1.000"),
        ("noisy", "number", "f.arr_delay + f.flight % 21", "alone reaches AUC 0.99"),
        ("left_at", "integer", "f.dep_time", "where it is null"),
        ("has_left", "boolean", "f.dep_time IS NOT NULL", "where it is false"),
    ],
)
def test_a_leak_planted_among_the_flights_is_refused(
    copy: Project, column: str, kind: str, sql: str | None, words: str
):
    declare(copy, column, kind, sql)
    line = refusal(copy, "validate")
    assert f"Possible leak: feature '{column}'" in line
    assert words in line


@pytest.mark.slow
def test_honest_flights_have_no_suspects_and_no_weather_from_after_the_decision(copy: Project):
    assert validated(copy) == []
    rows = pl.read_parquet(copy.root / "data/valid/*.parquet")
    ahead = rows["scheduled_at"] - rows["weather|available_at"]
    assert ahead.min() >= pl.Series([3 * 3600 * 10**6]).cast(pl.Duration("us"))[0]


@pytest.mark.slow
def test_the_decision_time_is_taken_at_its_word(copy: Project):
    """Decided at departure, the departure hour's weather is fair: nothing can tell that the product decides earlier."""
    copy.replace(FLIGHTS_CONF, "decision: decided_at", "decision: scheduled_at")
    assert validated(copy) == []
    rows = pl.read_parquet(copy.root / "data/valid/*.parquet")
    assert (rows["weather|available_at"] > rows["decided_at"]).any()
    assert not (rows["weather|available_at"] > rows["scheduled_at"]).any()


@pytest.mark.slow
def test_a_decision_after_the_event_is_refused(copy: Project):
    copy.replace(FLIGHTS_CONF, "f.scheduled_at - INTERVAL '3 hours'", "f.scheduled_at + INTERVAL '3 hours'")
    assert "decision|after_event" in refusal(copy, "validate")


def test_weather_joined_by_sql_is_refused_before_anything_runs(copy: Project):
    copy.replace(FLIGHTS_CONF, JOIN, JOIN + WEATHER)
    line = refusal(copy, "compose")
    assert "possible leak: joins 'weather'" in line
    assert "as_of" in line


def test_weather_under_a_quoted_name_is_refused_too(copy: Project):
    copy.replace(FLIGHTS_CONF, JOIN, JOIN + WEATHER.replace("weather", '"weather"'))
    assert "possible leak: joins 'weather'" in refusal(copy, "compose")


@pytest.mark.slow
def test_weather_that_does_not_say_when_it_was_available_is_refused(copy: Project):
    text = copy.read(FLIGHTS_CONF)
    available = next(line for line in text.splitlines(keepends=True) if "available_at:" in line)
    as_of = text[text.index("as_of:") : text.index("\nkey:")]
    copy.write(FLIGHTS_CONF, text.replace(available, "").replace(as_of, "").replace(JOIN, JOIN + WEATHER))
    line = refusal(copy, "ingest")
    assert "source 'weather' of flights has times ('time_hour')" in line
    assert "available_at" in line
