"""The figures of the packaged service for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from accord import terminal


def as_text(result: Mapping[str, Any]) -> terminal.Lines:
    """The figures for a terminal."""
    roles: Sequence[str] = list(result["figures"])
    lines = ["  ".join([f"{'measured':<20}", *(f"{role:>12}" for role in roles)])]
    for name in result["figures"]["candidate"]:
        values = (result["figures"][role].get(name) for role in roles)
        lines.append(
            "  ".join([f"{name:<20}", *(f"{'-' if v is None else format(v, '.4g'):>12}" for v in values)])
        )
    return terminal.lines(lines)
