"""The figures of the packaged service for a terminal."""

from accord import terminal
from accord.driving.measure import Measurement
from accord.page import words


def as_text(result: Measurement) -> terminal.Lines:
    """The figures for a terminal."""
    figures = result.figures
    rows = [
        (name, *(words.short(figures[role].get(name)) for role in figures)) for name in figures["candidate"]
    ]
    table = terminal.table(("measured", *figures), rows, right=range(1, 1 + len(figures)))
    busy = (
        [f"The machine was busy: {result.busy}; a figure that misses is then no evidence"]
        if result.busy
        else []
    )
    return terminal.lines([*table, *busy])
