"""Writing files so that neither a kill nor a power failure undoes it or leaves it half done."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accord.files import replacing


@contextmanager
def placing(path: Path) -> Iterator[Path]:
    """Like `files.replacing`; in addition the file is on the disk itself when the block has ended."""
    with replacing(path) as temporary:
        yield temporary
        sync(temporary)
    for folder in path.parents[:3]:  # any of predictions/day=2024-05-31/ may be new
        sync(folder)


def remove(path: Path) -> None:
    """Deletes a file so that it doesn't come back after a power failure."""
    path.unlink()
    sync(path.parent)


def sync(path: Path) -> None:
    """Flushes a file or folder to the disk itself."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
