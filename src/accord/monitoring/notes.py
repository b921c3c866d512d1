"""What of a window could not be judged, and why."""

import numpy as np
import polars as pl

from accord.bundle.bundle import Bundle
from accord.expectation.expectation import GROUPS, Expectation
from accord.monitoring.comparison import MAX_ROWS, MIN_DAYS, Comparison
from accord.monitoring.observed import Window, logged_columns
from accord.objective.teams import Played
from accord.schema.loop import Monitoring
from accord.traffic import typed


def thin(window: Window, settings: Monitoring) -> list[str]:
    """Where rows, days or outcomes are too few, and which rows are left aside."""
    n_rows, n_labelled = window.n_rows, window.n_labelled
    notes = []
    if n_rows < settings.min_rows:
        notes.append(f"insufficient: {n_rows:,} rows of {settings.min_rows:,}")
    elif window.n_days is not None and window.n_days < MIN_DAYS:
        notes.append(
            f"insufficient for means and metrics: {window.n_days} days of {MIN_DAYS}; a longer window would tell"
        )
    elif not n_labelled:
        notes.append("no outcomes yet: performance is estimated from the model's own probabilities")
    elif n_labelled < settings.min_rows:
        notes.append(
            f"insufficient outcomes: {n_labelled:,} rows of {settings.min_rows:,}; performance is estimated until "
            f"{settings.min_rows - n_labelled:,} more are known"
        )
    elif window.n_labelled_days is not None and window.n_labelled_days < MIN_DAYS:
        notes.append(
            f"insufficient outcomes: {window.n_labelled_days} days of {MIN_DAYS}; performance is estimated until those of "
            f"{MIN_DAYS - window.n_labelled_days} more days are known"
        )
    if window.other_models:
        others = ", ".join(f"{name} ({n:,} rows)" for name, n in window.other_models.items())
        notes.append(f"also in the window, not judged: answers of {others}")
    if n_rows > MAX_ROWS:
        notes.append(
            f"means and metrics rest on a sample of about {MAX_ROWS:,} rows; drift on all {n_rows:,}"
        )
    return notes


def sure(comparison: Comparison) -> str:
    """How sure metrics and means are: the rows and days that they rest on. Empty where none is judged."""
    if not comparison.has_rows:
        return ""
    parts = [f"{_amount(comparison.n_rows, comparison.live, comparison)} of the window"]
    if comparison.has_outcomes:
        parts.append(f"{_amount(comparison.n_labelled, comparison.known, comparison)} with outcomes")
    test = comparison.selected.test if comparison.has_outcomes else comparison.test
    level, time = comparison.expectation.level, comparison.expectation.time
    more = "More rows, of the window or of test, narrow a band"
    if time is not None:
        more = "More rows per day narrow a band little; more days, of the window or of test, narrow it"
    return (
        f"Rests on {' and '.join(parts)}, beside {_amount(test.rows.height, test, comparison)} of test. Of windows like test, "
        f"{level:.0%} raise no alarm of a kind. {more}"
    )


def _amount(n_rows: int, part: Played, comparison: Comparison) -> str:
    days = "" if comparison.expectation.time is None else f" on {len(np.unique(part.block)):,} days"
    return f"{n_rows:,} rows{days}"


def unread(labelled: pl.DataFrame | pl.LazyFrame, bundle: Bundle) -> list[str]:
    """Values that are judged as if they were missing."""
    columns = logged_columns(bundle)
    unread = typed.n_unread(labelled.lazy().filter(pl.col("model") == bundle.model_id), columns)
    return [f"{words}, and count as missing" for words in typed.in_words(unread, columns)]


def left_out(comparison: Comparison) -> list[str]:
    """What the rows, live, with outcomes and of test, have too few values to tell."""
    parts = (comparison.live, comparison.known, comparison.test)
    notes = [
        f"derived feature {name} can't be computed from these rows, and is left out"
        for name in comparison.expectation.derived
        if any(part.rows.schema[name] == pl.Null for part in parts)
    ]
    for name, predictions in comparison.live.predictions.items():
        if n := int((~np.isfinite(predictions)).sum()):
            notes.append(
                f"{n:,} of {len(predictions):,} rows without a prediction of {name}; its metrics and estimates leave them out"
            )
    return notes


def uncalibrated(window: Window, expectation: Expectation, settings: Monitoring) -> list[str]:
    """Where the reference has too few rows, or independent windows as large as this one."""
    groups: dict[str, list[str]] = {}
    for group in dict.fromkeys(GROUPS.values()):  # actions have the rows of predictions
        calibration = expectation.drift.get(group)
        n_rows = window.n_labelled if group == "targets" else window.n_rows
        note = calibration.note(n_rows) if calibration else "not judged, the reference has too few rows"
        if note and n_rows >= settings.min_rows:
            groups.setdefault(note, []).append(group)
    return [f"drift of {' and '.join(names)}: {note}" for note, names in groups.items()]
