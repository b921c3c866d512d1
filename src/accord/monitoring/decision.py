"""The decision on a window of traffic: what has changed, by how much, and whether that is more than chance.

`decide` takes a frame and gives plain data; it reads no file and no clock, so real and simulated traffic are judged alike.
"""

from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

from accord.bundle.bundle import Bundle
from accord.expectation.expectation import Expectation
from accord.monitoring import alarms, columns, notes, performance, relations, skew
from accord.monitoring.alarms import Alarm
from accord.monitoring.columns import DriftRow, ShiftRow
from accord.monitoring.comparison import compared
from accord.monitoring.health import NONE_REFUSED, Refused, ServiceHealth, service_health
from accord.monitoring.maturity import matured
from accord.monitoring.observed import MODEL, Window, observed, sampled, window_of
from accord.monitoring.performance import EstimatedRow, QualityRow, SliceRow, TeamRow
from accord.monitoring.skew import Skew
from accord.schema.loop import Monitoring


@dataclass(frozen=True)
class Decision:
    model: str
    window: Window
    drift: list[DriftRow]
    shifts: list[ShiftRow]
    quality: list[QualityRow]
    estimated: list[EstimatedRow]
    teams: list[TeamRow]
    slices: list[SliceRow]
    service: ServiceHealth
    skew: Skew
    notes: list[str]
    """What could not be judged, and why."""
    alarms: list[Alarm]
    sure: str = ""
    """How sure it is: the rows and days that metrics and means rest on."""

    def as_dict(self) -> dict[str, Any]:
        """The content of decision.json."""
        parts = {field.name: _as_record(getattr(self, field.name)) for field in fields(self)}
        return {**parts, "window": self.window.as_dict()}


def _as_record(part: Any) -> Any:
    """The part as JSON has it: what was judged of a row stands beside the row's own fields."""
    if isinstance(part, list):
        return [_as_record(one) for one in part]
    if not is_dataclass(part) or isinstance(part, type):
        return part
    record = asdict(part)
    judged = record.pop("judged", {})
    return {**record, **judged}


def decide(
    bundle: Bundle,
    expectation: Expectation,
    labelled: pl.DataFrame | pl.LazyFrame,
    settings: Monitoring,
    refused: Refused = NONE_REFUSED,
    as_of: datetime | None = None,
) -> Decision:
    """What is to be said of the window: `labelled` as `traffic.outcomes.labelled` has it, of which the rows that the
    bundle's model answered are judged. `as_of` is now, in UTC, by which outcomes should be known; None: when the last of the
    rows, or of their outcomes, came."""
    everything, immature = matured(observed(labelled, bundle, expectation.time), expectation.time, as_of)
    rows = everything.filter(pl.col(MODEL) == bundle.model_id)
    window = window_of(everything, bundle.model_id)
    drift = [
        *columns.drift_of_columns(rows, window, expectation, settings),
        *relations.rows_of(rows, window, bundle, expectation, settings),
    ]
    comparison = compared(rows, window, expectation, settings)
    if expectation.time:
        n_days, n_labelled_days = comparison.live.n_blocks, comparison.known.n_blocks
        window = replace(window, n_days=n_days, n_labelled_days=n_labelled_days)
    judged = performance.judged_metrics(comparison)
    service = service_health(rows, window.n_rows, everything, refused)
    replayed = sampled(rows, window.n_rows, settings.max_replayed, skew.columns(bundle))
    without_alarms = Decision(
        bundle.model_id,
        window,
        drift,
        columns.shifts_of_means(comparison, bundle),
        performance.quality_rows(judged),
        performance.estimated_rows(comparison),
        performance.team_rows(comparison, judged, service),
        performance.slice_rows(comparison),
        service,
        skew.compare(replayed, bundle),
        [
            *notes.thin(window, settings),
            *immature,
            *([comparison.selected.note] if comparison.selected.note else []),
            *notes.unread(labelled, bundle),
            *notes.left_out(comparison),
            *notes.uncalibrated(window, expectation, settings),
        ],
        alarms=[],
        sure=notes.sure(comparison),
    )
    return replace(without_alarms, alarms=_alarms(without_alarms))


def _alarms(decision: Decision) -> list[Alarm]:
    """The alarms that the evidence of the decision raises."""
    return [
        *alarms.of_service(decision.service),
        *alarms.of_drift(decision.drift),
        *alarms.of_shifts(decision.shifts),
        *alarms.of_quality(decision.quality),
        *alarms.of_estimated(decision.estimated),
        *alarms.of_teams(decision.teams),
        *alarms.of_slices(decision.slices),
        *alarms.of_limits(decision.teams),
        *alarms.of_skew(decision.skew),
    ]
