"""The tradeoff page: one file with a chart to explore, without a network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from accord import terminal
from accord.objective import sweep
from accord.page.shell import environment
from accord.page.words import number

TEMPLATE = "tradeoff.html.j2"
MARKS = {"better": "▲", "worse": "▼", "same": "·", "mixed": "◆"}
"""So that nobody has to tell colours apart."""


def render(report: Mapping[str, Any]) -> str:
    """The page as HTML, from the report of accord.promotion.experiments. Without script its tables say the same."""
    names = [f"{report['weight']} = {point['weight']:g}" for point in report["points"]]
    names += [one["name"] for one in report["experiments"]]
    shipped = next((point for point in report["points"] if point["shipped"]), None)
    return environment(Path(__file__).parent).get_template(TEMPLATE).render(
        report=report,
        names=names,
        marks=MARKS,
        shipped=shipped,
        of_team={
            team: [metric["name"] for metric in report["metrics"] if metric["team"] == team]
            for team in report["teams"]
        },
        level="{:g} %".format(report["settings"]["level"] * 100),
        sure="{:g} %".format(report["settings"]["promotion_level"] * 100),
    )  # fmt: skip


def as_text(report: Mapping[str, Any]) -> terminal.Lines:
    """The report for a terminal: a line a value of the weight, then the experiments and what was left out."""
    metrics = [metric["name"] for metric in report["metrics"]]
    head = ("", report["weight"], "acted", *metrics, "score", "better for", "worse for", "dominated")
    names = [f"{report['weight']}={p['weight']:g}" for p in report["points"]]
    names += [one["name"] for one in report["experiments"]]
    last = set(range(len(head) - 3, len(head)))
    rows = []
    for point in report["points"]:
        rows.append(
            (
                "*" if point["shipped"] else "",
                f"{point['weight']:g}",
                f"{point['acted']:.1%}",
                *(_limited(point["metrics"][name]) for name in metrics),
                number(point["score"] and point["score"]["value"]),
                *(_teams(point, verdict) for verdict in (sweep.BETTER, sweep.WORSE)),
                _dominated(point, names),
            )
        )
    for one in report["experiments"]:
        values = (number(one["metrics"][name]["value"]) for name in metrics)
        rows.append(
            (
                "",
                f"{one['name']} ({one['selection'].get('model')}, {one['selection'].get('objective')})",
                "",
                *values,
                number(one["score"]),
                "",
                "",
                _dominated(one, names),
            )
        )
    left = {1, *last} if report["experiments"] else last
    text = terminal.table(head, rows, right=set(range(len(head))) - left)
    level = report["settings"]["promotion_level"]
    text += [
        "",
        f"* as shipped; better and worse than that at {level:.0%} confidence, on {report['n_rows']:,} test rows of {report['n_blocks']} {report['blocks']}",
    ]
    if any(not found["keeps_limits"] for point in report["points"] for found in point["metrics"].values()):
        text.append("! breaks a hard limit")
    for metric in report["metrics"]:
        found = metric["sensitivity"]
        if found["value"]:
            text.append(
                f"  {metric['name']}: {found['value']:+.4g} [{found['low']:.4g}, {found['high']:.4g}] as {report['weight']} rises by {report['slope']:g}"
            )
    text += [f"Left out {one['name']}: {one['reason']}" for one in report["left_out"]]
    return terminal.lines(text)


def _limited(found: Mapping[str, Any]) -> str:
    return number(found["value"]) + ("" if found["keeps_limits"] else "!")


def _teams(point: Mapping[str, Any], verdict: str) -> str:
    return ", ".join(team for team, found in point["teams"].items() if found in (verdict, sweep.MIXED)) or "-"


def _dominated(point: Mapping[str, Any], names: Sequence[str]) -> str:
    by = point["dominated_by"]
    more = f" and {len(by) - 1} more" if len(by) > 1 else ""
    return f"by {names[by[0]]}{more}" if by else "-"
