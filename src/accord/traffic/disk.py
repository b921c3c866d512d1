"""Writing the log's files so that neither a kill nor a power failure undoes it or leaves it half done, and so that other
users can't read them, whatever the umask."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accord.files import replacing

FILE_MODE, FOLDER_MODE = 0o640, 0o750


def make_folder(folder: Path) -> None:
    """Makes the folder with those above it that are missing; those that are there stay as they are."""
    missing = [each for each in (folder, *folder.parents) if not each.is_dir()]
    for each in reversed(missing):
        each.mkdir(FOLDER_MODE, exist_ok=True)
        each.chmod(FOLDER_MODE)


def opened(path: str, flags: int) -> int:
    """The descriptor of a file; if it is new, with the mode of the log's files. For `open`, as its opener too."""
    fd = os.open(path, flags | os.O_CLOEXEC, FILE_MODE)
    if not os.fstat(fd).st_size:
        os.fchmod(fd, FILE_MODE)
    return fd


@contextmanager
def placing(path: Path) -> Iterator[Path]:
    """Like `files.replacing`; in addition the file is on the disk itself when the block has ended."""
    make_folder(path.parent)
    with replacing(path) as temporary:
        yield temporary
        temporary.chmod(FILE_MODE)
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
