"""What has changed in the columns: drift of distributions, and means that are no longer those of test."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from accord.bundle.bundle import Bundle
from accord.monitoring import quality
from accord.monitoring.calibration import Finding, alarms, whole_days
from accord.monitoring.comparison import judge, numbers, outcome_of
from accord.monitoring.drift import Drift, drifts
from accord.monitoring.expectation import ACTUAL, GROUPS, PREDICTED, Expectation, with_actuals
from accord.monitoring.observed import EVENT, KNOWN, Window
from accord.monitoring.quality import finite
from accord.objective import teams
from accord.objective.teams import Played
from accord.schema.loop import Monitoring
from accord.sql.rows import columns_of

MEANS_SHARE = 0.5
"""Of drift's false alarms: distances are calibrated for the other half."""


def drift_of_columns(
    rows: pl.LazyFrame, window: Window, expectation: Expectation, settings: Monitoring
) -> list[dict[str, Any]]:
    labelled = rows.filter(pl.col(KNOWN).is_not_null())
    targets = expectation.objective.targets.items()
    needs = set().union(*(columns_of(t.sql, f"objective.targets.{name}.sql") for name, t in targets))
    found = []
    for group in GROUPS:
        calibration = expectation.drift.get(group)
        if calibration is None:
            continue
        frame, n_rows = rows, window.n_rows
        if group == "targets":
            n_rows = window.n_labelled
            outcomes = labelled.select(EVENT, *needs).collect(engine="streaming")
            actual = with_actuals(outcomes, expectation.objective)
            frame = actual.select(EVENT, *calibration.references).lazy()
        scores = drifts(calibration.references, frame if expectation.time is None else _of_whole_days(frame))
        constant = _constant(frame, list(calibration.references)) if n_rows else set()
        hours = None if expectation.time is None else window.hours
        for finding in alarms(calibration, n_rows, scores, hours):
            if n_rows < settings.min_rows:
                thin = f"insufficient: {n_rows:,} rows of {settings.min_rows:,}"
                finding = Finding(finding.column, finding.score, finding.value, None, False, thin)
            found.append(_as_row(GROUPS[group], finding, scores[finding.column], finding.column in constant))
    return found


def _of_whole_days(rows: pl.LazyFrame) -> pl.LazyFrame:
    times = rows.select(pl.col(EVENT).sort()).collect(engine="streaming")[EVENT]
    return rows.filter(pl.col(EVENT) >= times[whole_days(times)]) if len(times) else rows


def _constant(rows: pl.LazyFrame, columns: Sequence[str]) -> set[str]:
    """Columns that have one value alone."""
    spans = rows.select((pl.col(name).min() == pl.col(name).max()).alias(name) for name in columns)
    return {name for name, same in spans.collect(engine="streaming").row(0, named=True).items() if same}


def _as_row(group: str, finding: Finding, drift: Drift, is_constant: bool) -> dict[str, Any]:
    said = [finding.note]
    if drift.n_rows and drift.n_missing == drift.n_rows:
        said = ["all missing"]
    elif is_constant and finding.score != "missing":
        said.append("constant")
    return {
        "group": group,
        "column": finding.column,
        "score": finding.score,
        "value": finite(finding.value),
        "threshold": finding.threshold,
        "alarm": finding.alarm,
        "missing": drift.n_missing / drift.n_rows if drift.n_rows else None,
        "note": "; ".join(filter(None, said)),
    }


def shifts_of_means(
    live: Played,
    known: Played | None,
    test: Played,
    n_rows: int,
    n_labelled: int,
    bundle: Bundle,
    expectation: Expectation,
) -> list[dict[str, Any]]:
    """Means of numbers, predictions, actions and outcomes: other than those of test, though perhaps nothing new."""
    targets = expectation.objective.targets
    features = [
        n
        for n, c in bundle.columns.items()
        if c.role == "feature" and c.type in ("integer", "number") and c.pii is None
    ]
    wanted: dict[str, quality.Computed] = {name: quality.of_mean(_column(name)) for name in features}
    wanted |= {f"{PREDICTED}{name}": quality.of_mean(_prediction(name)) for name in targets}
    if expectation.objective.policy is not None:
        wanted["action"] = quality.of_mean(lambda played: np.asarray(played.action, dtype=np.float64))
    judged = judge(
        {n: quality.watch(live, one, "zero") for n, one in wanted.items()},
        live,
        test,
        n_rows,
        expectation,
        MEANS_SHARE / 2,
    )
    if known is not None:
        outcomes = {
            f"{ACTUAL}{name}": quality.watch(known, quality.of_mean(outcome_of(name)), "zero")
            for name in targets
        }
        judged |= judge(outcomes, known, test, n_labelled, expectation, MEANS_SHARE / 2)
    return [{"column": name, **asdict(one)} for name, one in judged.items()]


def _column(name: str) -> Callable[[Played], teams.Vector]:
    return lambda played: numbers(played.rows[name])


def _prediction(target: str) -> Callable[[Played], teams.Vector]:
    return lambda played: played.predictions[target]
