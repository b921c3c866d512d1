"""The folder for what doesn't fit into memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accord.files import remove
from accord.schema.config import Engine


@contextmanager
def scratch(engine: Engine, project: Path, purpose: str) -> Iterator[Path]:
    """An empty folder for one purpose in one project. It is removed at the end, and what a killed process left in it at the
    next beginning."""
    folder = project / engine.scratch / purpose
    remove(folder)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        remove(folder)
