"""The scorecard page: each team's verdict on the candidate, and why."""

from collections.abc import Mapping
from typing import Any

from accord.report.page import environment


def render(card: Mapping[str, Any], data: str) -> str:
    """The page as HTML, from the scorecard and the data set's name."""
    return (
        environment()
        .get_template("scorecard.html.j2")
        .render(card={**card, "rows": list(card["rows"])}, data=data)
    )
