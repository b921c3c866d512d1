"""The folder for what doesn't fit into memory."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accord.files import remove
from accord.schema.config import Engine


@contextmanager
def scratch(engine: Engine, project: Path, purpose: str) -> Iterator[Path]:
    """An empty folder for one purpose in one project, for a process that is the only one in the project at this. It is removed at
    the end, and what a killed process left in it at the next beginning."""
    base = project / engine.scratch
    if not base.is_relative_to(project):  # a disk that projects may share
        base /= hashlib.sha256(str(project.resolve()).encode()).hexdigest()[:16]
    folder = base / purpose
    remove(folder)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        remove(folder)
