"""The figures of the packaged service for a terminal."""

from collections.abc import Mapping
from typing import Any

from accord import terminal


def as_text(result: Mapping[str, Any]) -> terminal.Lines:
    """The figures for a terminal."""
    figures = result["figures"]
    rows = [
        (name, *("-" if (value := figures[role].get(name)) is None else f"{value:.4g}" for role in figures))
        for name in figures["candidate"]
    ]
    return terminal.lines(terminal.table(("measured", *figures), rows, right=range(1, 1 + len(figures))))
