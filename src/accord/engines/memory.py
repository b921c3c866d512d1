"""How much memory the work may take, and how many rows at once that makes."""

import re
from pathlib import Path

import psutil

from accord.schema.config import Engine

CGROUPS = (
    Path("/sys/fs/cgroup/memory.max"),  # version 2
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),  # version 1
)
UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
CELL_BYTES = 60
"""What a value of a row takes while a stage works on it, with the copies of it: about 950 bytes for the 20 columns of a flight."""
SHARE = 0.25
"""The part of the memory that a chunk's rows may take; the rest is for models, sums, and what libraries keep."""
MAX_CHUNK_ROWS, MIN_CHUNK_ROWS = 1_000_000, 1000


def limit(engine: Engine) -> int:
    """The bytes that a stage may take: `engine.memory`, by default half of what the machine, or its cgroup, has."""
    if engine.memory is None:
        return available() // 2
    found = re.fullmatch(r"([\d.]+)\s*([MGT]B)", engine.memory)
    assert found is not None, "the schema lets no other text through"
    return int(float(found[1]) * UNITS[found[2]])


def available() -> int:
    """The bytes of memory that this machine has, or the cgroup of this process if that has fewer."""
    of_machine = int(psutil.virtual_memory().total)
    limits = [path.read_text().strip() for path in CGROUPS if path.is_file()]
    return min([of_machine, *(int(text) for text in limits if text.isdecimal())])


def chunk_rows(engine: Engine, n_columns: int) -> int:
    """How many rows of so many columns a stage takes at once."""
    if engine.chunk_rows is not None:
        return engine.chunk_rows
    return max(MIN_CHUNK_ROWS, min(MAX_CHUNK_ROWS, fitting_rows(engine, n_columns)))


def fitting_rows(engine: Engine, n_columns: int) -> int:
    """How many rows of so many columns have room beside a chunk."""
    return int(limit(engine) * SHARE) // (CELL_BYTES * max(n_columns, 1))
