"""The page of a window: the decision first, then what it rests on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from accord import terminal
from accord.expectation.expectation import ACTUAL, PREDICTED
from accord.monitoring import relations
from accord.monitoring.columns import DriftRow
from accord.monitoring.decision import Decision
from accord.monitoring.performance import TeamRow
from accord.monitoring.quality import Judged
from accord.monitoring.window import REPORTS
from accord.page import charts, words
from accord.page.shell import environment

TEMPLATE = "monitor.html.j2"
TITLES = {
    "features": "Features", relations.GROUP: "Columns together", "predictions": "Predictions", "targets": "Outcomes",
}  # fmt: skip


def render(decision: Decision, data: str, reports: Sequence[str], said: Sequence[str]) -> str:
    """The page as HTML. `reports` are the names of Evidently's files beside it, `said` what there is to say of them."""
    return environment(Path(__file__).parent).get_template(TEMPLATE).render(
        decision=decision,
        data=data,
        reports={name: title for name, title in REPORTS.items() if name in reports},
        said=said,
        groups=[(TITLES[group], rows) for group in TITLES if (rows := columns(decision, group))],
        targets=targets(decision),
        gauge=gauge,
        metric_name=words.metric_title,
        column_name=column_name,
        limits=limits,
        refused=refused(decision),
        how_sure=_how_sure(decision),
    )  # fmt: skip


def _how_sure(decision: Decision) -> str:
    """Of the figures from known outcomes."""
    window = decision.window
    if window.n_labelled_days is None:
        return f"The figures rest on {window.n_labelled:,} rows with outcomes; in brackets stand their intervals."
    return words.how_sure(window.n_labelled, window.n_labelled_days, "days")


def targets(decision: Decision) -> list[str]:
    """Those whose performance is known or estimated."""
    names = [row.target for row in decision.quality] + [row.target for row in decision.estimated]
    return list(dict.fromkeys(names))


@dataclass(frozen=True)
class ColumnRow:
    """What is known of a column: its distance, its missing values and its mean, each where it was looked at."""

    column: str
    distance: DriftRow | None = None
    gone: DriftRow | None = None
    mean: Judged | None = None

    @property
    def parts(self) -> list[DriftRow | Judged]:
        return [part for part in (self.distance, self.gone, self.mean) if part is not None]

    @property
    def alarm(self) -> bool:
        return any(part.alarm for part in self.parts)

    @property
    def notes(self) -> list[str]:
        return list(dict.fromkeys(part.note for part in self.parts if part.note))


def columns(decision: Decision, group: str) -> list[ColumnRow]:
    """A row per column of the group, those with an alarm first."""
    means = {row.column: row.judged for row in decision.shifts}
    if group == relations.GROUP:
        rows = [ColumnRow(row.column, row) for row in decision.drift if row.group == group]
        return sorted(rows, key=lambda column: not column.alarm)
    by_name: dict[str, ColumnRow] = {}
    for row in decision.drift:
        if row.group == group:
            column = by_name.get(row.column, ColumnRow(row.column, mean=means.get(row.column)))
            is_missing = row.score == "missing"
            by_name[row.column] = replace(column, gone=row) if is_missing else replace(column, distance=row)
    if group == "targets" and by_name:  # whose classes have a mean each
        classes = [name for name in means if name.startswith(ACTUAL) and name not in by_name]
        by_name |= {name: ColumnRow(name, mean=means[name]) for name in classes}
    return sorted(by_name.values(), key=lambda column: not column.alarm)


def gauge(judged: Judged) -> Markup:
    """The value in its expected range, or nothing where none is expected."""
    if judged.low is None or judged.high is None or judged.test is None:
        return Markup("")
    value, low, high, test = (
        words.number(side) for side in (judged.value, judged.low, judged.high, judged.test)
    )
    label = f"{value}; expected {low} to {high}; on test {test}"
    return charts.gauge(judged.value, judged.low, judged.high, judged.test, judged.alarm, label)


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


def limits(row: TeamRow) -> str:
    return " ".join(f"{said} {words.number(limit)}" for said, limit in row.limits)


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
        *([f"  {decision.sure}"] if decision.sure else []),
        *(f"  {note}" for note in decision.notes),
        "",
    ]
    if not decision.alarms:
        lines.append("Quiet: nothing beyond what is expected")
    lines += terminal.columns([("ALARM", a.kind, f"{a.what}: {a.evidence}") for a in decision.alarms])
    return terminal.lines(lines)
