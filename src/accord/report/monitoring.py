"""The page of a window: the decision first, then what it rests on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from accord import terminal
from accord.monitoring.alarms import LIMITS
from accord.monitoring.decision import Decision
from accord.monitoring.expectation import ACTUAL, PREDICTED
from accord.monitoring.window import REPORTS
from accord.page import charts, words
from accord.page.shell import environment

TEMPLATE = "monitor.html.j2"
TITLES = {"features": "Features", "predictions": "Predictions", "targets": "Outcomes"}


def render(decision: Decision, data: str, reports: Sequence[str], said: Sequence[str]) -> str:
    """The page as HTML. `reports` are the names of Evidently's files beside it, `said` what there is to say of them."""
    return environment(Path(__file__).parent).get_template(TEMPLATE).render(
        decision=decision,
        data=data,
        reports={name: title for name, title in REPORTS.items() if name in reports},
        said=said,
        groups=[(TITLES[group], rows) for group in TITLES if (rows := columns(decision, group))],
        targets=list(dict.fromkeys(row["target"] for row in [*decision.quality, *decision.estimated])),
        gauge=gauge,
        metric_name=metric_name,
        column_name=column_name,
        limits=limits,
        refused=refused(decision),
    )  # fmt: skip


def columns(decision: Decision, group: str) -> list[dict[str, Any]]:
    """A row a column: its distance, its missing values and its mean, those with an alarm first."""
    means = {row["column"]: row for row in decision.shifts}
    found: dict[str, dict[str, Any]] = {}
    for row in decision.drift:
        if row["group"] == group:
            kind = "gone" if row["score"] == "missing" else "distance"
            found.setdefault(row["column"], {"column": row["column"], "distance": None, "gone": None})[
                kind
            ] = row
    rows = [{**row, "mean": means.get(name)} for name, row in found.items()]
    for row in rows:
        parts = [part for part in (row["distance"], row["gone"], row["mean"]) if part]
        row["alarm"] = any(part["alarm"] for part in parts)
        row["notes"] = list(dict.fromkeys(part["note"] for part in parts if part["note"]))
    return sorted(rows, key=lambda row: not row["alarm"])


def gauge(row: Mapping[str, Any]) -> Markup:
    """The value in its expected range, or nothing where none is expected."""
    if row["low"] is None:
        return Markup("")
    value, low, high, test = (words.number(row[side]) for side in ("value", "low", "high", "test"))
    label = f"{value}; expected {low} to {high}; on test {test}"
    return charts.gauge(row["value"], row["low"], row["high"], row["test"], row["alarm"], label)


def metric_name(name: str) -> str:
    return words.METRIC_WORDS[name].name if name in words.METRIC_WORDS else name.replace("_", " ")


def column_name(name: str) -> str:
    """A column as the page calls it.

    >>> column_name("predicted|payout"), column_name("actual|payout"), column_name("temp")
    ('predicted payout', 'actual payout', 'temp')
    """
    for prefix in (PREDICTED, ACTUAL):
        if name.startswith(prefix):
            return f"{prefix.rstrip('|')} {name.removeprefix(prefix)}"
    return name


def refused(decision: Decision) -> str:
    """How many requests were refused, of how many."""
    return f"{decision.service.refused:,} of {decision.service.requests:,}"


def limits(row: Mapping[str, Any]) -> str:
    return " ".join(
        f"{said} {words.number(row[side])}" for side, said in LIMITS.items() if row[side] is not None
    )


def as_text(decision: Decision) -> terminal.Lines:
    """The decision for a terminal: the alarms first."""
    window = decision.window
    lines = [
        f"Model {decision.model}, {window.n_rows:,} rows, {window.n_labelled:,} with outcomes"
        + (
            f", decided {window.begin.isoformat()} to {window.end.isoformat()}"
            if window.begin and window.end
            else ""
        )
        + (f"; {refused(decision)} requests refused" if decision.service.refused else ""),
        *(f"  {note}" for note in decision.notes),
        "",
    ]
    if not decision.alarms:
        lines.append("Quiet: nothing beyond what is expected")
    width = max((len(alarm.kind) for alarm in decision.alarms), default=0)
    lines += [f"ALARM  {a.kind:<{width}}  {a.what}: {a.evidence}" for a in decision.alarms]
    return terminal.lines(lines)
