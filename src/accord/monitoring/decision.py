"""The decision on a window of traffic: what has changed, by how much, and whether that is more than chance.

`decide` takes a frame and gives plain data; it reads no file and no clock, so real and simulated traffic are judged alike.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import polars as pl

from accord.bundle.bundle import Bundle
from accord.monitoring import alarms, columns, notes, performance, quality, skew
from accord.monitoring.alarms import Alarm
from accord.monitoring.comparison import MAX_ROWS, MIN_DAYS, answered, judge
from accord.monitoring.expectation import Expectation
from accord.monitoring.health import NONE_REFUSED, Refused, ServiceHealth, service_health
from accord.monitoring.observed import KNOWN, MODEL, Window, observed, sampled, window_of
from accord.monitoring.performance import TEAM
from accord.monitoring.quality import Judged
from accord.monitoring.skew import Skew
from accord.schema.loop import Monitoring


@dataclass(frozen=True)
class Decision:
    model: str
    window: Window
    drift: list[dict[str, Any]]
    """A row a column and score: group, column, score, value, threshold, alarm, note."""
    shifts: list[dict[str, Any]]
    """A row a number, prediction or outcome: its mean, the mean on test, low and high (where it was expected), alarm."""
    quality: list[dict[str, Any]]
    """A row a target and metric: value, test, low and high (where it was expected), alarm, note."""
    estimated: list[dict[str, Any]]
    """The same of what probabilities imply, and their error once outcomes are known."""
    teams: list[dict[str, Any]]
    """A row a metric of the objective, with its limits."""
    slices: list[dict[str, Any]]
    service: ServiceHealth
    skew: Skew
    notes: list[str]
    """What could not be judged, and why."""
    alarms: list[Alarm]

    def as_dict(self) -> dict[str, Any]:
        """The content of decision.json."""
        return {**asdict(self), "window": self.window.as_dict()}


def decide(
    bundle: Bundle,
    expectation: Expectation,
    labelled: pl.DataFrame | pl.LazyFrame,
    settings: Monitoring,
    refused: Refused = NONE_REFUSED,
) -> Decision:
    """What is to be said of the window: `labelled` as `traffic.outcomes.labelled` has it, of which the rows that the
    bundle's model answered are judged."""
    everything = observed(labelled, bundle, expectation.time)
    rows = everything.filter(pl.col(MODEL) == bundle.model_id)
    window = window_of(everything, bundle.model_id)
    n_rows, n_labelled = window.n_rows, window.n_labelled
    names = [name for name in everything.collect_schema() if not name.startswith("log|")]
    drift = columns.drift_of_columns(rows, window, expectation, settings)
    live, known = (
        answered(sampled(part, n, MAX_ROWS, names), expectation)
        for part, n in ((rows, n_rows), (rows.filter(pl.col(KNOWN).is_not_null()), n_labelled))
    )
    test = answered(expectation.test, expectation)
    if expectation.time:
        window = replace(window, n_days=live.n_blocks, n_labelled_days=known.n_blocks)
    enough, outcomes = (
        n >= settings.min_rows and (part.n_blocks >= MIN_DAYS or expectation.time is None)
        for n, part in ((n_rows, live), (n_labelled, known))
    )
    judged: dict[str, Judged] = {}
    slices: list[dict[str, Any]] = []
    if outcomes:
        wanted = {
            **quality.metrics_of(expectation.objective.targets, known),
            **performance.of_teams(known, expectation, settings),
        }
        judged = judge(wanted, known, test, n_labelled, expectation)
        slices = performance.slices(known, test, n_labelled, expectation, settings)
    shifts = (
        columns.shifts_of_means(
            live, known if outcomes else None, test, n_rows, n_labelled, bundle, expectation
        )
        if enough
        else []
    )
    estimated = performance.estimated(live, known, test, n_rows, expectation, outcomes) if enough else []
    service = service_health(rows, n_rows, everything, refused)
    team_rows = performance.team_rows(known if outcomes else None, judged, service, expectation, settings)
    again = skew.compare(sampled(rows, n_rows, settings.max_replayed, skew.columns(bundle)), bundle)
    quality_rows = [
        {"target": name.partition("|")[0], "metric": name.partition("|")[2], **asdict(one)}
        for name, one in judged.items()
        if not name.startswith(TEAM)
    ]
    return Decision(
        bundle.model_id, window, drift, shifts, quality_rows, estimated, team_rows, slices, service, again,
        [*notes.thin(window, settings), *notes.unread(labelled, bundle), *notes.left_out((live, known, test), expectation), *notes.uncalibrated(window, expectation, settings)],
        alarms.alarms_of(service, drift, shifts, quality_rows, estimated, team_rows, slices, again),
    )  # fmt: skip
