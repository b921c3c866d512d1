"""The tradeoff page: one file with a chart to explore, without a network."""

from collections.abc import Mapping
from typing import Any

from accord.report.page import environment

TEMPLATE = "tradeoff.html.j2"
MARKS = {"better": "▲", "worse": "▼", "same": "·", "mixed": "◆"}
"""So that nobody has to tell colours apart."""


def render(report: Mapping[str, Any]) -> str:
    """The page as HTML, from the report of accord.tradeoff. Without script its tables say the same."""
    names = [f"{report['weight']} = {point['weight']:g}" for point in report["points"]]
    names += [one["name"] for one in report["experiments"]]
    shipped = next((point for point in report["points"] if point["shipped"]), None)
    return environment().get_template(TEMPLATE).render(
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
