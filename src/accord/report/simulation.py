"""The simulation page: policies of retraining side by side, one file without a network."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from accord import terminal
from accord.page import charts, words
from accord.page.shell import environment

TEMPLATE = "simulation.html.j2"
MARKS = {"promoted": "▲", "refused": "✕", "kept": "·"}
"""So that nobody has to tell colours apart."""
N_HINDSIGHT = 2


def render(report: Mapping[str, Any]) -> str:
    """The page as HTML, from the report of accord.retraining.simulate."""
    labels = names_of(report)
    metrics = [{**metric, "words": in_words(metric)} for metric in report["metrics"]]
    weighed = sorted(metrics[1:], key=lambda metric: -metric["weight"])
    return environment(Path(__file__).parent).get_template(TEMPLATE).render(
        report=report,
        metrics=metrics,
        labels=labels,
        marks=MARKS,
        tone=tone,
        figures=[(metric, _chart(report, metric, labels)) for metric in metrics],
        hindsight=[metrics[0], *weighed[: N_HINDSIGHT - 1]],
        level="{:g} %".format(report["level"] * 100),
    )  # fmt: skip


def names_of(report: Mapping[str, Any]) -> list[str]:
    """A short name a period: its month where it is one, else its first day."""
    begins = [date.fromisoformat(period["begin"]) for period in report["periods"]]
    is_monthly = report["period"] == "1mo" and all(day.day == 1 for day in begins)
    return [f"{day:%b}" if is_monthly else f"{day:%d %b}" for day in begins]


def in_words(metric: Mapping[str, Any]) -> str:
    if metric["builtin"] in words.METRIC_WORDS and metric["name"].endswith(f" {metric['builtin']}"):
        return f"{words.METRIC_WORDS[metric['builtin']].name}, {metric['target'].replace('_', ' ')}"
    return str(metric["name"].replace("_", " "))


def tone(change: Mapping[str, Any] | None, direction: str) -> str:
    """Whether a change is surely better or worse, as a class of the page."""
    if not change or change["low"] is None or change["low"] <= 0 <= change["high"] or direction == "zero":
        return "unknown"
    return "better" if (change["low"] > 0) == (direction == "higher") else "worse"


def _chart(report: Mapping[str, Any], metric: Mapping[str, Any], labels: list[str]) -> Any:
    series = [
        (policy["name"], [period["metrics"][metric["name"]]["value"] for period in policy["periods"]])
        for policy in report["policies"]
    ]
    if not any(value is not None for _, values in series for value in values):
        return None
    unit = f", {metric['unit']}" if metric["unit"] else ""
    title = f"{metric['words']}{unit}"
    return charts.lines(series, labels, title, f"{title} by period and policy")


def as_text(report: Mapping[str, Any]) -> terminal.Lines:
    """The totals for a terminal: a line a policy, differences from the first in brackets."""
    names = [metric["name"] for metric in report["metrics"]]
    head = ("policy", *names, "trainings", "CPU s", "promoted", "refused")
    rows = []
    for policy in report["policies"]:
        totals = policy["totals"]
        cells = [words.number(totals["metrics"][name]["value"]) for name in names]
        counts = (f"{totals[name]}" for name in ("promoted", "refused"))
        rows.append((policy["name"], *cells, f"{totals['trainings']}", f"{totals['cpu_s']:.1f}", *counts))
    span = f"{report['begin']} to {report['end']}, {report['n_rows']:,} rows of {report['n_blocks']} days"
    changes = [
        f"  {policy['name']}: {name} {found['value']:+.4g} [{found['low']:+.4g}, {found['high']:+.4g}] against {report['reference']}"
        for policy in report["policies"][1:]
        for name in names
        if (found := policy["totals"]["metrics"][name]["change"])["value"] and found["low"] is not None
    ]
    return terminal.lines(["", *terminal.table(head, rows, right=range(1, len(head))), "", span, *changes])
