"""The simulation page: policies of retraining side by side, one file without a network."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from markupsafe import Markup

from accord import terminal
from accord.intervals import Estimate
from accord.page import charts, words
from accord.page.shell import environment
from accord.retraining.simulated import Followed, Simulated

TEMPLATE = "simulation.html.j2"
MARKS = {"promoted": "▲", "refused": "✕", "kept": "·"}
"""So that nobody has to tell colours apart."""
N_HINDSIGHT = 2


def render(report: Simulated) -> str:
    """The page as HTML, from the report of accord.retraining.simulate."""
    labels = names_of([period.begin for period in report.periods], report.period)
    metrics = report.metrics
    weighed = sorted(metrics[1:], key=lambda metric: -metric.weight)
    return environment(Path(__file__).parent).get_template(TEMPLATE).render(
        report=report,
        metrics=metrics,
        labels=labels,
        marks=MARKS,
        tone=tone,
        in_words=in_words,
        figures=[(metric, _chart(report, metric, labels)) for metric in metrics],
        hindsight=[metrics[0], *weighed[: N_HINDSIGHT - 1]],
        level=f"{report.level * 100:g} %",
    )  # fmt: skip


def names_of(begins: Sequence[date], period: str) -> list[str]:
    """A short name per period: its month where it is one, else its first day."""
    is_monthly = period == "1mo" and all(day.day == 1 for day in begins)
    return [f"{day:%b}" if is_monthly else f"{day:%d %b}" for day in begins]


def in_words(metric: Followed) -> str:
    if metric.builtin and metric.name.endswith(f" {metric.builtin}"):
        return f"{words.metric_title(metric.builtin)}, {(metric.target or '').replace('_', ' ')}"
    return metric.name.replace("_", " ")


def tone(change: Estimate, direction: str) -> str:
    """Whether a change is surely better or worse, as a class of the page."""
    low, high = change.low, change.high
    if low is None or high is None or low <= 0 <= high or direction == "zero":
        return "unknown"
    return "better" if (low > 0) == (direction == "higher") else "worse"


def _chart(report: Simulated, metric: Followed, labels: list[str]) -> Markup | None:
    series = [
        (policy.name, [period.metrics[metric.name].value for period in policy.periods])
        for policy in report.policies
    ]
    if not any(value is not None for _, values in series for value in values):
        return None
    title = in_words(metric) + (f", {metric.unit}" if metric.unit else "")
    return charts.lines(series, labels, title, f"{title} by period and policy")


def as_text(report: Simulated) -> terminal.Lines:
    """The totals for a terminal: a line per policy, then the differences from the first."""
    names = [metric.name for metric in report.metrics]
    head = ("policy", *names, "trainings", "CPU s", "promoted", "refused")
    rows = []
    for policy in report.policies:
        totals = policy.totals
        cells = [words.number(totals.metrics[name].value) for name in names]
        counts = (f"{totals.trainings}", f"{totals.cpu_s:.1f}", f"{totals.promoted}", f"{totals.refused}")
        rows.append((policy.name, *cells, *counts))
    span = f"{report.begin} to {report.end}, {report.n_rows:,} rows of {report.n_blocks} days"
    changes = [
        f"  {policy.name}: {name} {found.value:+.4g} [{found.low:+.4g}, {found.high:+.4g}] against {report.reference}"
        for policy in report.policies[1:]
        for name in names
        if (found := policy.totals.metrics[name].change) and found.value and found.low is not None
    ]
    return terminal.lines(["", *terminal.table(head, rows, right=range(1, len(head))), "", span, *changes])
