"""What training may take of the machine."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MANY = 1_000_000


@dataclass(frozen=True)
class Room:
    """No result depends on it."""

    chunk_rows: int = MANY
    """Rows of the splits that are in memory at once."""
    scratch: Path | None = None
    """A folder for what doesn't fit into memory. None: all of it is held in memory."""
    threads: int = 1
    """More are for many rows: on few they would wait for each other."""
    kept: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What a library has made of the last training's rows, for the next training on the same."""
