"""`accord monitor`: a window of the log, decided on and reported."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl

from accord import bundle as bundles
from accord import paths, releases
from accord.bundle import Bundle
from accord.config.schema import Config, Monitoring, Serving
from accord.files import read_json, replacing, write_json, write_text
from accord.monitoring import expectation, notifying, page
from accord.monitoring.decision import Decision, decide
from accord.monitoring.expectation import Expectation, with_actuals
from accord.monitoring.observed import DECIDED, MODEL, decided, observed, sampled
from accord.traffic import outcomes
from accord.traffic.reading import scan_refusals

if TYPE_CHECKING:
    from evidently.core.report import Snapshot

QUIET, ALARM = 0, 3
"""Exit codes."""
SHOWN = "workspace.json"
"""The ids of a window's reports in Evidently's workspace."""


class Asked(NamedTuple):
    """Which rows to look at; without any of these the config says."""

    begin: date | None = None
    end: date | None = None
    """The day after the last."""
    n_rows: int | None = None


def monitor(config: Config, asked: Asked, with_reports: bool = True) -> tuple[Decision, Path, list[str]]:
    """Decides on the window, writes the reports and tells the webhook; the reports' folder, and what else to say.

    Raises AccordError if there is no model, or one that was made without an expectation.
    """
    settings = config.monitoring
    champion = releases.champion_id()
    place = paths.BUNDLE if champion is None else releases.restored(champion)
    bundle, expected = bundles.load(place), expectation.load(place)
    with window(config.serving, settings, bundle, expected, asked) as (rows, n_refused):
        decision = decide(bundle, expected, rows, settings, n_refused)
        folder = paths.MONITORING / _name(decision)
        said = _report(folder, decision, bundle, expected, rows, config, with_reports)
    write_json(paths.DECISION, decision.as_dict())
    if settings.webhook:
        said.append(notifying.notify(settings.webhook, decision))
    return decision, folder, said


@contextmanager
def window(
    serving: Serving, settings: Monitoring, bundle: Bundle, expected: Expectation, asked: Asked
) -> Iterator[tuple[pl.LazyFrame, int]]:
    """The window's rows as `traffic.outcomes.labelled` has them, and how many requests were refused meanwhile.

    The rows are laid out in a file, so that columns can be read one by one however many rows there are.
    """
    postgres = serving.traffic.postgres
    rows = outcomes.labelled(paths.TRAFFIC, postgres=postgres)
    instant = decided(bundle, expected.time, rows.collect_schema())
    zone = "UTC" if expected.time is None else expected.time.zone
    begin, end = (None if day is None else _in_utc(day, zone) for day in (asked.begin, asked.end))
    if begin is None and end is None:
        begin = _latest(rows.select(at=instant), asked.n_rows or settings.window)
    conditions = [*([] if begin is None else [instant >= begin]), *([] if end is None else [instant < end])]
    with TemporaryDirectory(prefix="accord-monitor-") as folder:
        file = Path(folder) / "window.parquet"
        (rows.filter(conditions) if conditions else rows).sink_parquet(file)
        kept = pl.scan_parquet(file)
        first, last = kept.select(first=pl.col("at").min(), last=pl.col("at").max()).collect().row(0)
        n_refused = 0
        if first is not None:
            refused = scan_refusals(paths.TRAFFIC, first, last + timedelta(microseconds=1), postgres)
            n_refused = int(refused.select(pl.len()).collect(engine="streaming").item())
        yield kept, n_refused


def _latest(instants: pl.LazyFrame, length: str | int) -> datetime | None:
    """Where the window that ends with the latest instant begins."""
    if isinstance(length, int):
        begin = pl.col("at").top_k(length).min()
    else:
        begin = pl.col("at").max().dt.offset_by(f"-{length}")
    found: datetime | None = instants.select(begin).collect(engine="streaming").item()
    return found


def _in_utc(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)


def _name(decision: Decision) -> str:
    """The window as a folder's name."""
    begin, end = (decision.window[side] for side in ("begin", "end"))
    return "empty" if begin is None else f"{begin[:16]}_{end[:16]}".replace(":", "")


def _report(
    folder: Path,
    decision: Decision,
    bundle: Bundle,
    expected: Expectation,
    rows: pl.LazyFrame,
    config: Config,
    with_reports: bool,
) -> list[str]:
    """Writes the folder whole or not at all; what there is to say of it."""
    settings, n_rows = config.monitoring, decision.window["n_rows"]
    said: list[str] = []
    snapshots: dict[str, Snapshot] = {}
    if with_reports and n_rows >= settings.min_rows:
        from accord.monitoring import evidently_reports

        answered = observed(rows, bundle, expected.time).filter(pl.col(MODEL) == bundle.model_id)
        names = [name for name in answered.collect_schema() if not name.startswith("log|")]
        current = with_actuals(
            sampled(answered, n_rows, settings.max_report_rows, names).sort(DECIDED), expected.objective
        )
        reference = expectation.thinned(expected.reference, settings.max_report_rows)
        at = datetime.fromisoformat(decision.window["end"])
        snapshots, left_out = evidently_reports.reports(
            current, reference, decision.drift, expected.objective.targets, at
        )
        said.append(
            f"Evidently shows {current.height:,} of {n_rows:,} rows beside {reference.height:,} of the reference"
        )
        said += [f"Evidently leaves out {one}" for one in left_out]
    shown: list[str] = []
    if snapshots:
        before = folder / SHOWN
        replaced = read_json(before) if before.exists() else []
        shown = evidently_reports.add_to_workspace(snapshots, paths.WORKSPACE, config.data.name, replaced)
    with replacing(folder) as temporary:
        temporary.mkdir(parents=True)
        write_json(temporary / SHOWN, shown)
        for name, snapshot in snapshots.items():
            snapshot.save_html(str(temporary / f"{name}.html"))
            snapshot.save_json(str(temporary / f"{name}.json"))
        write_json(temporary / "decision.json", decision.as_dict())
        write_text(temporary / "index.html", page.render(decision, config.data.name, list(snapshots), said))
    return said


def as_text(decision: Decision) -> str:
    """The decision for a terminal: the alarms first."""
    window = decision.window
    lines = [
        f"Model {decision.model}, {window['n_rows']:,} rows, {window['n_labelled']:,} with outcomes"
        + (f", decided {window['begin']} to {window['end']}" if window["begin"] else ""),
        *(f"  {note}" for note in decision.notes),
        "",
    ]
    if not decision.alarms:
        lines.append("Quiet: nothing beyond what is expected")
    width = max((len(alarm["kind"]) for alarm in decision.alarms), default=0)
    lines += [f"ALARM  {a['kind']:<{width}}  {a['what']}: {a['evidence']}" for a in decision.alarms]
    return "\n".join(lines)
