"""`accord monitor`: a window of the log, decided on and reported."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl

from accord.bundle.bundle import Bundle, load_bundle
from accord.expectation import expectation
from accord.expectation.expectation import Expectation
from accord.files import read_json, replacing, write_json, write_text
from accord.monitoring import webhook
from accord.monitoring.decision import Decision, decide
from accord.monitoring.health import Refused
from accord.monitoring.maturity import matured
from accord.monitoring.observed import DECIDED, MODEL, decided, observed, sampled, with_known
from accord.paths import Paths
from accord.promotion import releases
from accord.schema.config import Config
from accord.schema.loop import Monitoring
from accord.schema.serving import Postgres, Serving
from accord.traffic import outcomes
from accord.traffic.reading import scan_refusals

if TYPE_CHECKING:
    from evidently.core.report import Snapshot

Render = Callable[[Decision, str, Sequence[str], Sequence[str]], str]
"""The page of a window, from the decision, the data set's name, the names of Evidently's reports, and what there is to say."""
REPORTS = {
    "data_drift": "data drift", "prediction_drift": "prediction drift", "target_drift": "target drift",
    "data_quality": "data quality", "performance": "performance",
}  # fmt: skip
"""Evidently's reports and their titles."""
SHOWN = "workspace.json"
"""The ids of a window's reports in Evidently's workspace."""
N_LATEST = 10
"""So many rows are at least as late as the instant that a window of the latest is counted from."""


class Asked(NamedTuple):
    """Which rows to look at; without any of these the config says."""

    begin: date | None = None
    end: date | None = None
    """The day after the last."""
    n_rows: int | None = None


def monitor(
    config: Config, asked: Asked, render: Render, with_reports: bool, paths: Paths
) -> tuple[Decision, Path, list[str]]:
    """Decides on the window, tells the webhook and writes the reports; the reports' folder, and what else to say.

    The decision is written, and told, before there are any reports: no failure of theirs can lose it.

    Raises AccordError if there is no model, or one that was made without an expectation.
    """
    settings = config.monitoring
    champion = releases.champion_id(paths)
    place = paths.bundle if champion is None else releases.restored(champion, paths)
    bundle, expected = load_bundle(place), expectation.load(place)
    with window(config.serving, settings, bundle, expected, asked, paths.traffic) as (rows, refused, n_ahead):
        now = datetime.now(UTC).replace(tzinfo=None)
        decision = decide(bundle, expected, rows, settings, refused, now)
        write_json(paths.decision, decision.as_dict())
        told = [webhook.notify(settings.webhook, decision)] if settings.webhook else []
        folder = paths.monitoring / _name(decision)
        ahead = [f"Rows left out, for they are far ahead of all others: {n_ahead}"] if n_ahead else []
        said = _report(
            folder,
            decision,
            bundle,
            expected,
            rows,
            config,
            render,
            with_reports,
            ahead,
            paths.workspace,
            now,
        )
    return decision, folder, [*said, *told]


@contextmanager
def window(
    serving: Serving, settings: Monitoring, bundle: Bundle, expected: Expectation, asked: Asked, traffic: Path
) -> Iterator[tuple[pl.LazyFrame, Refused, int]]:
    """The window's rows as `traffic.outcomes.labelled` has them, how many requests were refused since the first of them, and
    how many rows lie ahead of a window that was not asked for by days.

    The rows are laid out in a file, so that columns can be read one by one however many rows there are.
    """
    postgres = serving.traffic.postgres
    rows = outcomes.labelled(traffic, postgres=postgres)
    instant = decided(bundle, expected.time, rows.collect_schema())
    zone = "UTC" if expected.time is None else expected.time.zone
    begin, end = (None if day is None else _in_utc(day, zone) for day in (asked.begin, asked.end))
    until, n_ahead = end, 0
    if begin is None and end is None:
        begin, until, n_ahead = _latest(rows.select(at=instant), asked.n_rows or settings.window)
    conditions = [
        *([] if begin is None else [instant >= begin]),
        *([] if until is None else [instant < until]),
    ]
    with TemporaryDirectory(prefix="accord-monitor-") as folder:
        file = Path(folder) / "window.parquet"
        (rows.filter(conditions) if conditions else rows).sink_parquet(file)
        kept = pl.scan_parquet(file)
        first, last = kept.select(first=pl.col("at").min(), last=pl.col("at").max()).collect().row(0)
        yield kept, _refused(traffic, postgres, first or _aware(begin), last, _aware(end)), n_ahead


def _refused(
    traffic: Path,
    postgres: Postgres | None,
    begin: datetime | None,
    last: datetime | None,
    end: datetime | None,
) -> Refused:
    """Requests that were refused from `begin` on; where the window has an end, until then or, if that is later, until the
    last was answered: rows that are replayed arrive after their time."""
    until = None if end is None else end if last is None else max(end, last)
    rows = scan_refusals(traffic, begin, until, postgres)
    n_later = pl.len() if last is None else (pl.col("at") > last).sum()
    return Refused(*rows.select(n=pl.len(), in_a_row=n_later).collect(engine="streaming").row(0))


def _latest(instants: pl.LazyFrame, length: str | int) -> tuple[datetime | None, datetime | None, int]:
    """Where the window of the latest instants begins and, if it is a stretch of time, ends, and how many lie after that.

    Times are the clients', and in a log that was replayed rows without one have that of their arrival: the few that are
    alone far ahead of all others are not where a stretch is counted from.
    """
    at = pl.col("at")
    if isinstance(length, int):
        begin: datetime | None = instants.select(at.top_k(length).min()).collect(engine="streaming").item()
        return begin, None, 0
    latest = instants.select(at.top_k(N_LATEST).min()).collect(engine="streaming")
    begin, end = latest.select(at.dt.offset_by(f"-{length}"), end=at.dt.offset_by(length)).row(0)
    ahead = instants.select((at >= pl.lit(end, pl.Datetime("us"))).sum())
    return begin, end, ahead.collect(engine="streaming").item()


def _in_utc(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)


def _aware(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.replace(tzinfo=UTC)


def _name(decision: Decision) -> str:
    """The window as a folder's name."""
    begin, end = decision.window.begin, decision.window.end
    if begin is None or end is None:
        return "empty"
    return "_".join(side.isoformat(timespec="minutes") for side in (begin, end)).replace(":", "")


def _report(
    folder: Path,
    decision: Decision,
    bundle: Bundle,
    expected: Expectation,
    rows: pl.LazyFrame,
    config: Config,
    render: Render,
    with_reports: bool,
    said_before: Sequence[str],
    workspace: Path,
    now: datetime,
) -> list[str]:
    """Writes the folder whole or not at all; what there is to say of it, after what was said before."""
    settings, n_rows = config.monitoring, decision.window.n_rows
    said = list(said_before)
    snapshots: dict[str, Snapshot] = {}
    if with_reports and n_rows >= settings.min_rows and (at := decision.window.end) is not None:
        from accord.monitoring import evidently

        counted, _ = matured(observed(rows, bundle, expected.time), expected.time, now)
        answered = counted.filter(pl.col(MODEL) == bundle.model_id)
        names = [name for name in answered.collect_schema() if not name.startswith("log|")]
        chosen = sampled(answered, n_rows, settings.max_report_rows, names)
        current = with_known(chosen, expected.objective).sort(DECIDED)
        reference = expectation.thinned(expected.reference, settings.max_report_rows)
        snapshots, left_out = evidently.reports(
            current, reference, expected.test, decision.drift, decision.shifts, expected.objective.targets, at,
            settings.min_rows,
        )  # fmt: skip
        said.append(
            f"Evidently draws {current.height:,} of {n_rows:,} rows beside {reference.height:,} of the reference, and performance beside that of test"
        )
        said += [f"Evidently leaves out {one}" for one in left_out]
    shown: list[str] = []
    if snapshots:
        before = folder / SHOWN
        replaced = read_json(before) if before.exists() else []
        shown = evidently.add_to_workspace(snapshots, workspace, config.data.name, replaced)
    with replacing(folder) as temporary:
        temporary.mkdir(parents=True)
        write_json(temporary / SHOWN, shown)
        for name, snapshot in snapshots.items():
            title = f"{REPORTS[name]} of {config.data.name}"
            write_text(temporary / f"{name}.html", evidently.page(snapshot, title))
            snapshot.save_json(str(temporary / f"{name}.json"))
        write_json(temporary / "decision.json", decision.as_dict())
        write_text(temporary / "index.html", render(decision, config.data.name, list(snapshots), said))
    return said
