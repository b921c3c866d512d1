"""The tradeoff page: one file with an interactive chart, which needs no network."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from accord import terminal
from accord.page.shell import environment
from accord.page.words import number
from accord.promotion import sweep
from accord.promotion.experiments import Experiment, Report
from accord.promotion.sweep import MetricAt, Point

TEMPLATE = "tradeoff.html.j2"
MARKS = {"better": "▲", "worse": "▼", "same": "·", "mixed": "◆"}
"""Marks beside the colours, for readers who can't distinguish these."""


def render(report: Report) -> str:
    """The page as HTML. Without script its tables say the same."""
    names = _names(report, "{} = {:g}")
    shipped = next((point for point in report.points if point.shipped), None)
    return environment(Path(__file__).parent).get_template(TEMPLATE).render(
        report=report,
        for_script=asdict(report),
        names=names,
        marks=MARKS,
        shipped=shipped,
        of_team={team: [m.name for m in report.metrics if m.team == team] for team in report.teams},
        level=f"{report.settings.level * 100:g} %",
        sure=f"{report.settings.promotion_level * 100:g} %",
    )  # fmt: skip


def _names(report: Report, form: str) -> list[str]:
    """Of the points, by weight and value, and of the experiments after them."""
    points = [form.format(report.weight, point.weight) for point in report.points]
    return points + [one.name for one in report.experiments]


def as_text(report: Report) -> terminal.Lines:
    """The report for a terminal: a line per value of the weight, then the experiments and what was left out."""
    metrics = [metric.name for metric in report.metrics]
    head = ("", report.weight, "acted", *metrics, "score", "better for", "worse for", "dominated")
    names = _names(report, "{}={:g}")
    last = set(range(len(head) - 3, len(head)))
    rows = [_of_point(point, metrics, names) for point in report.points]
    rows += [_of_experiment(one, metrics, names) for one in report.experiments]
    left = {1, *last} if report.experiments else last
    text = terminal.table(head, rows, right=set(range(len(head))) - left)
    text += [
        "",
        f"* as shipped; better and worse than that at {report.settings.promotion_level:.0%} confidence, "
        f"on {report.n_rows:,} test rows of {report.n_blocks} {report.blocks}",
    ]
    if any(not metric.keeps_limits for point in report.points for metric in point.metrics.values()):
        text.append("! breaks a hard limit")
    text += [
        f"  {metric.name}: {slope.value:+.4g} [{slope.low:.4g}, {slope.high:.4g}] as {report.weight} rises by {report.slope:g}"
        for metric in report.metrics
        if (slope := metric.sensitivity).value
    ]
    text += [f"Left out {one.name}: {one.reason}" for one in report.left_out]
    return terminal.lines(text)


def _of_point(point: Point, metrics: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    return (
        "*" if point.shipped else "",
        f"{point.weight:g}",
        f"{point.acted:.1%}",
        *(_limited(point.metrics[name]) for name in metrics),
        number(None if point.score is None else point.score.value),
        *(_teams(point, verdict) for verdict in (sweep.BETTER, sweep.WORSE)),
        _dominated(point, names),
    )


def _of_experiment(one: Experiment, metrics: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    selected = f"{one.selection.get('model')}, {one.selection.get('objective')}"
    values = (number(one.metrics[name].value) for name in metrics)
    return ("", f"{one.name} ({selected})", "", *values, number(one.score), "", "", _dominated(one, names))


def _limited(metric: MetricAt) -> str:
    return number(metric.value) + ("" if metric.keeps_limits else "!")


def _teams(point: Point, verdict: str) -> str:
    return ", ".join(team for team, change in point.teams.items() if change in (verdict, sweep.MIXED)) or "-"


def _dominated(point: Point | Experiment, names: Sequence[str]) -> str:
    by = point.dominated_by
    more = f" and {len(by) - 1} more" if len(by) > 1 else ""
    return f"by {names[by[0]]}{more}" if by else "-"
