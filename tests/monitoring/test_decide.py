"""The decision on traffic of a real bundle."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from on_disk import on_disk
from projects import Project
from shipped import shipped

from accord.bundle import interface
from accord.bundle.bundle import Bundle, load_bundle
from accord.config import lock
from accord.data import partitions
from accord.data.scored import Columns
from accord.expectation import expectation
from accord.expectation.expectation import Expectation
from accord.monitoring import columns
from accord.monitoring.alarms import Alarm
from accord.monitoring.decision import Decision, decide
from accord.monitoring.health import Refused
from accord.monitoring.observed import DECIDED, KNOWN, Window, observed, with_known
from accord.schema.config import Config
from accord.schema.loop import Monitoring
from accord.schema.objective import Metric, Policy
from accord.sql.rows import with_derived

SETTINGS = shipped(Monitoring, min_rows=100)


@pytest.fixture(scope="module")
def bundle(project: Project) -> Bundle:
    return load_bundle(project.root / "models/bundle")


@pytest.fixture(scope="module")
def expected(project: Project) -> Expectation:
    return expectation.load(project.root / "models/bundle")


@pytest.fixture(scope="module")
def rows(project: Project) -> pl.DataFrame:
    return partitions.read(project.root / "data/splits/test")


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
    return {alarm.kind for alarm in decision.alarms}


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
    assert found.skew.n_different == 1
    assert "skew" in kinds(found)


def test_a_thin_window_is_said_and_not_judged(
    bundle: Bundle, expected: Expectation, rows: pl.DataFrame
) -> None:
    found = decide(bundle, expected, logged(rows.head(41), bundle), SETTINGS)
    assert found.notes[0] == "insufficient: 41 rows of 100"
    assert not found.alarms
    assert decide(bundle, expected, logged(rows.head(0), bundle), SETTINGS).window.n_rows == 0


def test_a_column_without_values_is_said(bundle: Bundle, expected: Expectation, rows: pl.DataFrame) -> None:
    log = logged(rows.with_columns(rain=pl.lit(None, pl.Float64), station=pl.lit("moon")), bundle)
    found = decide(bundle, expected, log, SETTINGS)
    notes = {(row.column, row.score): row.note for row in found.drift}
    assert notes["rain", "missing"] == "all missing"
    assert "new: 'moon'" in notes["station", "jensenshannon"]
    assert {"rain", "station"} <= {alarm.what for alarm in found.alarms}


def test_without_outcomes_performance_is_estimated(
    bundle: Bundle, expected: Expectation, rows: pl.DataFrame
) -> None:
    found = decide(bundle, expected, logged(rows, bundle, outcomes=False), SETTINGS)
    assert not found.quality
    assert found.estimated
    assert all(row.error is None for row in found.estimated)
    assert "no outcomes yet" in found.notes[0]


def test_other_models_are_counted_and_not_judged(
    bundle: Bundle, expected: Expectation, rows: pl.DataFrame
) -> None:
    log = logged(rows, bundle).with_columns(
        model=pl.when(pl.int_range(pl.len()) < 10).then(pl.lit("old")).otherwise("model")
    )
    found = decide(bundle, expected, log, SETTINGS)
    assert found.window.other_models == {"old": 10}
    assert found.window.n_rows == rows.height - 10


def asking(expected: Expectation, **metrics: Metric) -> Expectation:
    """The expectation of an objective with these metrics of teams."""
    return replace(expected, objective=expected.objective.model_copy(update={"metrics": metrics}))


def reading_missing_as_late(expected: Expectation) -> Expectation:
    """The expectation of an objective to which a ride without a delay was never finished."""
    targets = expected.objective.targets
    late = targets["late"].model_copy(update={"sql": "delay IS NULL OR delay > 10"})
    objective = expected.objective.model_copy(update={"targets": {**targets, "late": late}})
    return replace(expected, objective=objective)


def test_an_outcome_that_is_still_to_come_is_none(
    bundle: Bundle, expected: Expectation, rows: pl.DataFrame
) -> None:
    half = pl.int_range(pl.len()) % 2 == 0
    log = logged(rows, bundle).with_columns(
        pl.when(half).then(name).alias(name) for name in ("outcome_at", "outcome|delay")
    )
    strict = reading_missing_as_late(expected)
    found = with_known(observed(log, bundle, expected.time).collect(), strict.objective)
    assert found.height == rows.height
    assert (found["actual|late"].is_null() == found[KNOWN].is_null()).all()
    assert found["actual|late"].mean() == rows.filter(half).select(pl.col("delay") > 10).to_series().mean()


def test_a_derived_feature_is_a_slice_and_a_group(
    bundle: Bundle, expected: Expectation, rows: pl.DataFrame
) -> None:
    gap = shipped(Metric, team="riders", builtin="log_loss", target="late", group="is_long")
    share = shipped(Metric, team="riders", sql="COUNT(*) FILTER (WHERE is_long)", better="higher")
    asked = replace(asking(expected, gap=gap, share=share), slices=["station", "is_long"])
    found = decide(bundle, asked, logged(rows, bundle), SETTINGS)
    judged = {(row.column, row.level): row.judged.low for row in found.slices}
    assert judged["is_long", "true"] is not None
    assert judged["is_long", "false"] is not None
    assert all(row.judged.value is not None and row.judged.low is not None for row in found.teams)


def test_a_slice_of_a_few_days_has_no_limits(
    bundle: Bundle, expected: Expectation, rows: pl.DataFrame
) -> None:
    asked = replace(
        expected, derived={**expected.derived, "weekday": "extract(dow FROM started_at)"}, slices=["weekday"]
    )
    found = decide(bundle, asked, logged(rows, bundle), shipped(Monitoring, min_rows=30))
    assert found.slices
    assert {re.sub(r"\d days", "N days", row.judged.note) for row in found.slices} == {
        "insufficient: N days of 7"
    }
    assert not any(row.judged.alarm or row.judged.low is not None for row in found.slices)


def test_a_derived_feature_that_cannot_be_computed_is_said_and_left_out(
    bundle: Bundle, expected: Expectation, rows: pl.DataFrame
) -> None:
    derived = {"weekday": "extract(dow FROM date(concat(station, '-1')))", **expected.derived}
    gap = shipped(Metric, team="riders", builtin="log_loss", target="late", group="weekday")
    asked = replace(asking(expected, gap=gap), derived=derived, slices=["weekday", "is_long"])
    nobodys = logged(rows, bundle).with_columns(pl.lit(None, pl.String).alias("row|station"))
    found = decide(bundle, asked, nobodys, SETTINGS)
    assert "derived feature weekday can't be computed from these rows, and is left out" in found.notes
    assert {row.column for row in found.slices} == {"is_long"}
    transform = replace(
        bundle.transform, derived={"is_long": "extract(dow FROM date(concat(station, '-1'))) > 3"}
    )
    found = decide(replace(bundle, transform=transform), asked, nobodys, SETTINGS)
    assert found.skew.n_compared == 0
    assert [a.evidence for a in found.alarms if a.kind == "skew"] == [found.skew.note]


def test_the_bundle_holds_nothing_that_identifies_a_person(
    project: Project, bundle: Bundle, rows: pl.DataFrame, tmp_path: Path
) -> None:
    config = personal(lock.load(project.paths))
    frames = {"train": partitions.read(project.root / "data/splits/train"), "test": rows}
    splits = on_disk(frames, config, tmp_path)
    predictions = {
        name: Columns(bundle.predict(with_derived(part, config.data.derived)))
        for name, part in frames.items()
    }
    targets = config.objective.targets
    contract = interface.contract(config.data, bundle.transform, config.objective)
    undecided = expectation.build(config, contract.columns, contract.context, splits, predictions)
    kept = expectation.decided(config, undecided, splits, {}, dict.fromkeys(targets, 0.0))
    for frame in (kept.test, kept.reference):
        assert frame["station"].null_count() == frame["distance"].null_count() == frame.height > 0
        assert {name: frame.schema[name] for name in rows.columns} == dict(rows.schema)
        assert frame["rain"].null_count() < frame.height
    assert kept.test[expectation.BLOCK].n_unique() > 7
    assert kept.test["actual|late"].null_count() == 0
    assert not {"station", "distance"} & set(kept.drift["features"].references)
    columns = {name: config.data.columns[name] for name in bundle.columns}
    found = decide(replace(bundle, columns=columns), kept, logged(rows, bundle), SETTINGS)
    assert not found.alarms
    assert {row.column for row in found.slices} == set()


def test_actions_are_calibrated_apart_and_reported_with_predictions(
    project: Project, bundle: Bundle, rows: pl.DataFrame, tmp_path: Path
) -> None:
    """So that another weight leaves all other calibrations as they are. Bundles made before have them in one group."""
    policy = shipped(Policy, weights={"w": 10.0}, score="w - delay_minutes")
    acting = replace(bundle, policy=policy)
    config = lock.load(project.paths)
    config = config.model_copy(update={"objective": config.objective.model_copy(update={"policy": policy})})
    frames = dict.fromkeys(("tune", "test"), rows)
    splits = on_disk(frames, config, tmp_path)
    answers = acting.answer(with_derived(rows, config.data.derived))
    predictions = dict.fromkeys(splits, Columns({name: answers[name] for name in bundle.targets}))
    decisions = dict.fromkeys(splits, Columns({name: answers[name] for name in ("score", "action")}))
    contract = interface.contract(config.data, bundle.transform, config.objective)
    undecided = expectation.build(config, contract.columns, contract.context, splits, predictions)
    kept = expectation.decided(config, undecided, splits, decisions, dict.fromkeys(bundle.targets, 0.0))
    assert {group: kept.drift[group] for group in undecided.drift} == undecided.drift
    assert kept.test[expectation.ACTION].to_list() == answers["action"].tolist()
    apart = decide(acting, kept, logged(rows, acting), SETTINGS)
    assert {row.group for row in apart.drift if row.column == "action"} == {"predictions"}

    action, others = kept.drift["action"], kept.drift["predictions"]
    thresholds = tuple(
        replace(one, values={**one.values, **its.values})
        for one, its in zip(others.thresholds, action.thresholds, strict=True)
    )
    together = replace(others, thresholds=thresholds, references={**others.references, **action.references})
    former = {**undecided.drift, "predictions": together}
    found = decide(acting, replace(kept, drift=former), logged(rows, acting), SETTINGS)
    by_name = [
        sorted(one.drift, key=lambda row: (row.group, row.column, row.score)) for one in (found, apart)
    ]
    assert by_name[0] == by_name[1]
    assert found.notes == apart.notes


def test_windows_of_the_reference_hold_whole_subjects_where_the_data_name_them(
    project: Project, bundle: Bundle, rows: pl.DataFrame, tmp_path: Path
) -> None:
    config = lock.load(project.paths)
    data = config.data.model_copy(update={"time": None, "subject": "station"})
    config = config.model_copy(update={"data": data})
    splits = on_disk(dict.fromkeys(("tune", "test"), rows), config, tmp_path)
    answers = bundle.answer(with_derived(rows, config.data.derived))
    predictions = dict.fromkeys(splits, Columns({name: answers[name] for name in bundle.targets}))
    contract = interface.contract(config.data, bundle.transform, config.objective)
    undecided = expectation.build(config, contract.columns, contract.context, splits, predictions)
    n_stations = rows["station"].fill_null("").n_unique()
    assert {c.independent[100] for c in undecided.drift.values()} <= set(range(n_stations + 1))
    groups = undecided.reference.group_by(expectation.SUBJECT).agg(pl.len())
    assert groups.height == n_stations
    kept = expectation.decided(config, undecided, splits, {}, dict.fromkeys(bundle.targets, 0.0))
    found = decide(bundle, kept, logged(rows, bundle), SETTINGS)
    assert expectation.SUBJECT not in {row.column for row in found.drift}


def personal(config: Config) -> Config:
    """The config with two columns that identify a person."""
    columns = config.data.columns
    station = columns["station"].model_copy(update={"pii": "hash"})
    data = config.data.model_copy(update={"subject": "distance", "columns": {**columns, "station": station}})
    return config.model_copy(update={"data": data})


def test_a_row_without_a_prediction_is_left_out_and_said(
    bundle: Bundle, expected: Expectation, rows: pl.DataFrame
) -> None:
    log = logged(rows, bundle)
    none = [
        pl.when(pl.int_range(pl.len()) != 5).then(name).alias(name)
        for name in log.columns
        if name.startswith("predicted|")
    ]
    whole, holed = (decide(bundle, expected, log.with_columns(changed), SETTINGS) for changed in ([], none))
    assert (
        f"1 of {rows.height:,} rows without a prediction of late; its metrics and estimates leave them out"
        in holed.notes
    )
    for before, after in ((whole.estimated, holed.estimated), (whole.quality, holed.quality)):
        assert [row.judged.value for row in after] == pytest.approx(
            [row.judged.value for row in before], rel=0.05, abs=0.05
        )
    json.dumps(holed.as_dict(), allow_nan=False)


def test_a_prediction_that_is_no_number_again_is_an_example_that_json_can_hold(
    bundle: Bundle, expected: Expectation, rows: pl.DataFrame
) -> None:
    class Broken:
        """A model that fell apart after it had answered."""

        def __init__(self, fitted: Any) -> None:
            self.fitted = fitted

        def raw(self, X: Any) -> Any:
            return np.full((len(X), 1), np.nan)

    log = logged(rows, bundle)
    broken = replace(bundle, models={name: Broken(model) for name, model in bundle.models.items()})  # type: ignore[arg-type]
    found = decide(broken, expected, log, SETTINGS)
    assert found.skew.n_different == rows.height
    assert found.skew.examples[0].again is None
    json.dumps(found.as_dict(), allow_nan=False)


def test_a_decision_is_due_when_its_question_comes_at_the_latest(
    bundle: Bundle, expected: Expectation, rows: pl.DataFrame
) -> None:
    ahead = pl.when(pl.int_range(pl.len()) == 0).then(datetime(2031, 1, 1)).otherwise("row|started_at")
    log = logged(rows, bundle).with_columns(ahead.alias("row|started_at"))
    decided = observed(log, bundle, expected.time).collect()[DECIDED]
    assert decided[0] == datetime(2026, 1, 1)
    assert (decided[1:] == rows["started_at"][1:]).all()


def test_requests_are_counted_and_not_their_rows(
    bundle: Bundle, expected: Expectation, rows: pl.DataFrame
) -> None:
    log = logged(rows, bundle).with_columns(pl.col("at").dt.truncate("100s"))
    n = log["at"].n_unique()
    few = decide(bundle, expected, log, SETTINGS, Refused(1))
    assert few.service.requests == n + 1
    assert few.service.refused_share == 1 / (n + 1)
    assert "service" not in kinds(few)
    many = decide(bundle, expected, log, SETTINGS, Refused(n)).alarms
    assert many[0] == Alarm("service", "requests", f"{n} of {2 * n} are refused")
    in_a_row = decide(bundle, expected, logged(rows, bundle), SETTINGS, Refused(40, 40)).alarms
    assert in_a_row[0].evidence == "none is answered since the last 40, which are refused"


def test_a_reference_with_too_few_windows_is_said(
    bundle: Bundle, expected: Expectation, rows: pl.DataFrame
) -> None:
    notes = decide(bundle, expected, logged(rows, bundle), SETTINGS).notes
    assert any(
        note.startswith("drift of features") and "independent windows of 1,000 rows" in note for note in notes
    )
    without = replace(expected, drift={})
    assert (
        "drift of features and predictions and targets: not judged, the reference has too few rows"
        in decide(bundle, without, logged(rows, bundle), SETTINGS).notes
    )


def test_drift_of_targets_reads_only_what_they_are_made_of(
    bundle: Bundle, expected: Expectation, rows: pl.DataFrame
) -> None:
    def refuse(_: pl.Series) -> pl.Series:
        raise ValueError("was read")

    distance = pl.col("row|distance").map_batches(refuse, pl.Float64)
    unreadable = logged(rows, bundle).lazy().with_columns(distance)
    window = Window(None, None, rows.height, rows.height, None, {})
    of_targets = replace(expected, drift={"targets": expected.drift["targets"]})
    live = observed(unreadable, bundle, expected.time)
    with pytest.raises(ValueError, match="was read"):
        live.collect()
    found = columns.drift_of_columns(live, window, of_targets, SETTINGS)
    assert {row.column for row in found} == {"actual|late", "actual|delay_minutes"}


def test_it_says_on_how_many_rows_and_days_it_rests(
    bundle: Bundle, expected: Expectation, rows: pl.DataFrame
) -> None:
    n_days = rows["started_at"].dt.date().n_unique()
    found = decide(bundle, expected, logged(rows, bundle), SETTINGS)
    assert found.sure.startswith(
        f"Rests on {rows.height:,} rows on {n_days} days of the window and {rows.height:,}"
    )
    assert decide(bundle, expected, logged(rows.head(41), bundle), SETTINGS).sure == ""
