"""The decision on traffic of a real bundle."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from projects import Project

from accord import bundle as bundles
from accord.bundle import Bundle
from accord.config.schema import Monitoring
from accord.data import tables
from accord.monitoring import expectation
from accord.monitoring.decision import Decision, decide
from accord.monitoring.expectation import Expectation

SETTINGS = Monitoring(min_rows=100)


@pytest.fixture(scope="module")
def bundle(project: Project) -> Bundle:
    return bundles.load(project.root / "models/bundle")


@pytest.fixture(scope="module")
def expected(project: Project) -> Expectation:
    return expectation.load(project.root / "models/bundle")


@pytest.fixture(scope="module")
def rows(project: Project) -> pl.DataFrame:
    return tables.read(project.root / "data/splits/test")


def logged(rows: pl.DataFrame, bundle: Bundle, outcomes: bool = True) -> pl.DataFrame:
    """The rows as `traffic.outcomes.labelled` has them once they were answered."""
    n, answers = rows.height, bundle.answer(rows)
    at = pl.Series(
        [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=i) for i in range(n)],
        dtype=pl.Datetime("us", "UTC"),
    )
    return pl.DataFrame({
        "prediction_id": [f"{i:06}" for i in range(n)], "at": at, "latency_us": [500] * n, "model": [bundle.model_id] * n,
        **{f"predicted|{name}": answers[name] for name in bundle.targets},
        **{name: answers[name] for name in ("score", "action") if name in answers},
        **{f"row|{name}": rows[name] for name in [*bundle.columns, *bundle.context]},
        **{f"outcome|{name}": rows[name] if outcomes else pl.Series([None] * n, dtype=rows.schema[name]) for name in bundle.outcomes},
        "outcome_at": at if outcomes else pl.Series([None] * n, dtype=at.dtype),
    })  # fmt: skip


def kinds(decision: Decision) -> set[str]:
    return {alarm["kind"] for alarm in decision.alarms}


def test_the_same_traffic_is_decided_the_same(
    bundle: Bundle, expected: Expectation, rows: pl.DataFrame
) -> None:
    log = logged(rows, bundle)
    assert decide(bundle, expected, log, SETTINGS) == decide(bundle, expected, log.lazy(), SETTINGS)


def test_an_altered_prediction_is_found(bundle: Bundle, expected: Expectation, rows: pl.DataFrame) -> None:
    log = logged(rows, bundle)
    assert "skew" not in kinds(decide(bundle, expected, log, SETTINGS))
    name = f"predicted|{next(iter(bundle.targets))}"
    altered = log.with_columns(
        pl.when(pl.int_range(pl.len()) == 3).then(pl.col(name) + 1e-12).otherwise(name).alias(name)
    )
    found = decide(bundle, expected, altered, SETTINGS)
    assert found.skew["n_different"] == 1
    assert "skew" in kinds(found)


def test_a_thin_window_is_said_and_not_judged(
    bundle: Bundle, expected: Expectation, rows: pl.DataFrame
) -> None:
    found = decide(bundle, expected, logged(rows.head(41), bundle), SETTINGS)
    assert found.notes[0] == "insufficient: 41 rows of 100"
    assert not found.alarms
    assert decide(bundle, expected, logged(rows.head(0), bundle), SETTINGS).window["n_rows"] == 0


def test_a_column_without_values_is_said(bundle: Bundle, expected: Expectation, rows: pl.DataFrame) -> None:
    log = logged(rows.with_columns(rain=pl.lit(None, pl.Float64), station=pl.lit("moon")), bundle)
    found = decide(bundle, expected, log, SETTINGS)
    notes = {(row["column"], row["score"]): row["note"] for row in found.drift}
    assert notes["rain", "missing"] == "all missing"
    assert "new: 'moon'" in notes["station", "jensenshannon"]
    assert {"rain", "station"} <= {alarm["what"] for alarm in found.alarms}


def test_without_outcomes_performance_is_estimated(
    bundle: Bundle, expected: Expectation, rows: pl.DataFrame
) -> None:
    found = decide(bundle, expected, logged(rows, bundle, outcomes=False), SETTINGS)
    assert not found.quality
    assert found.estimated
    assert all(row["error"] is None for row in found.estimated)
    assert "no outcomes yet" in found.notes[0]


def test_other_models_are_counted_and_not_judged(
    bundle: Bundle, expected: Expectation, rows: pl.DataFrame
) -> None:
    log = logged(rows, bundle).with_columns(
        model=pl.when(pl.int_range(pl.len()) < 10).then(pl.lit("old")).otherwise("model")
    )
    found = decide(bundle, expected, log, SETTINGS)
    assert found.window["other_models"] == {"old": 10}
    assert found.window["n_rows"] == rows.height - 10
