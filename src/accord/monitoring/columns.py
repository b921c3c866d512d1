"""What has changed in the columns: drift of distributions, and means that are no longer those of test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from accord.bundle.bundle import Bundle
from accord.expectation.calibration import Calibration, Finding, alarms, whole_days
from accord.expectation.drift import Drift, drifts
from accord.expectation.expectation import (
    ACTION,
    ACTUAL,
    GROUPS,
    PLAIN_ACTION,
    PREDICTED,
    Expectation,
    with_actuals,
)
from accord.monitoring import quality
from accord.monitoring.comparison import Comparison, numbers, outcome_of
from accord.monitoring.observed import EVENT, KNOWN, Window
from accord.monitoring.quality import Judged, finite
from accord.objective import teams
from accord.objective.teams import Played
from accord.schema.loop import Monitoring
from accord.sql.rows import columns_of
from accord.tasks.registry import all_of

MEANS_SHARE = 0.25
"""The share of drift's false alarms that means may raise."""


@dataclass(frozen=True)
class DriftRow:
    """A column's score against its threshold."""

    group: str
    """features, predictions, targets, or together: what columns are only beside each other"""
    column: str
    score: str
    value: float | None
    threshold: float | None
    """None where the column is not judged."""
    alarm: bool
    missing: float | None
    """The share of rows without a value."""
    note: str


@dataclass(frozen=True)
class ShiftRow:
    """The mean of a number, prediction, action or outcome beside that on test."""

    column: str
    judged: Judged


def drift_of_columns(
    rows: pl.LazyFrame, window: Window, expectation: Expectation, settings: Monitoring
) -> list[DriftRow]:
    """A row per column and score."""
    found = []
    for group, reported in GROUPS.items():
        calibration = expectation.drift.get(group)
        if calibration is None:
            continue
        if group == "targets":
            frame, n_rows = _actuals(rows, calibration, expectation), window.n_labelled
        else:
            frame, n_rows = rows, window.n_rows
            if reported == "predictions":  # among which no column of the data is
                frame = rows.with_columns(pl.col(ACTION).alias(PLAIN_ACTION))
        hours = None if expectation.time is None else window.hours
        whole = frame if expectation.time is None else _of_whole_days(frame)
        scores = drifts(calibration.references, whole)
        constant = _constant(frame, list(calibration.references)) if n_rows else set()
        for finding in alarms(calibration, n_rows, scores, hours):
            if n_rows < settings.min_rows:
                note = f"insufficient: {n_rows:,} rows of {settings.min_rows:,}"
                finding = replace(finding, threshold=None, alarm=False, note=note)
            is_constant = finding.column in constant
            found.append(_drift_row(reported, finding, scores[finding.column], is_constant))
    return found


def _actuals(rows: pl.LazyFrame, calibration: Calibration, expectation: Expectation) -> pl.LazyFrame:
    """The targets of the rows with an outcome, from the columns alone that their SQL reads."""
    targets = expectation.objective.targets.items()
    needs = set().union(*(columns_of(t.sql, f"objective.targets.{name}.sql") for name, t in targets))
    labelled = rows.filter(pl.col(KNOWN).is_not_null())
    outcomes = labelled.select(EVENT, *needs).collect(engine="streaming")
    actual = with_actuals(outcomes, expectation.objective)
    return actual.select(EVENT, *calibration.references).lazy()


def _of_whole_days(rows: pl.LazyFrame) -> pl.LazyFrame:
    times = rows.select(pl.col(EVENT).sort()).collect(engine="streaming")[EVENT]
    return rows.filter(pl.col(EVENT) >= times[whole_days(times)]) if len(times) else rows


def _constant(rows: pl.LazyFrame, columns: Sequence[str]) -> set[str]:
    """Columns that have one value alone."""
    spans = rows.select((pl.col(name).min() == pl.col(name).max()).alias(name) for name in columns)
    return {name for name, same in spans.collect(engine="streaming").row(0, named=True).items() if same}


def _drift_row(group: str, finding: Finding, drift: Drift, is_constant: bool) -> DriftRow:
    notes = [finding.note]
    if drift.n_rows and drift.n_missing == drift.n_rows:
        notes = ["all missing"]
    elif is_constant and finding.score != "missing":
        notes.append("constant")
    return DriftRow(
        group, finding.column, finding.score, finite(finding.value), finding.threshold, finding.alarm,
        missing=drift.n_missing / drift.n_rows if drift.n_rows else None, note="; ".join(filter(None, notes)),
    )  # fmt: skip


def shifts_of_means(comparison: Comparison, bundle: Bundle) -> list[ShiftRow]:
    """A row per number, prediction, action and outcome: a mean that has moved, though perhaps to nothing new."""
    if not comparison.has_rows:
        return []
    objective, features = comparison.expectation.objective, comparison.expectation.drift.get("features")
    following = features.following if features else set()
    wanted: dict[str, quality.Computed] = {
        name: quality.of_mean(_column(name))
        for name, column in bundle.columns.items()
        if column.role == "feature"
        and column.type in ("integer", "number")
        and column.pii is None
        and name not in following
    }
    wanted |= {
        f"{PREDICTED}{name}": quality.of_mean(_prediction(name)) for name in comparison.live.predictions
    }
    if objective.policy is not None:
        wanted[PLAIN_ACTION] = quality.of_mean(lambda part: np.asarray(part.action, dtype=np.float64))
    watched = {name: quality.watch(comparison.live, one, "zero") for name, one in wanted.items()}
    judged = comparison.judge_rows(watched, MEANS_SHARE / 2)
    if comparison.has_outcomes:
        outcomes = {
            f"{ACTUAL}{name}": quality.watch(
                comparison.known, quality.of_mean(outcome_of(target, name)), "zero"
            )
            for target in all_of(objective.targets).values()
            for name in target.means
        }
        judged |= comparison.judge_outcomes(outcomes, MEANS_SHARE / 2)
    return [ShiftRow(name, one) for name, one in judged.items()]


def _column(name: str) -> Callable[[Played], teams.Vector]:
    return lambda part: numbers(part.rows[name])


def _prediction(column: str) -> Callable[[Played], teams.Vector]:
    return lambda part: part.predictions[column]
