"""Reading segments: which of them are complete, and what their lines hold."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from accord.errors import AccordError
from accord.locks import locked
from accord.traffic.disk import FILE_MODE
from accord.traffic.log import ASK, SEGMENTS, SUFFIX
from accord.traffic.records import Predicted, Record, Reported, decode


def listed(folder: Path) -> list[Path]:
    """The segments in the order in which they were begun."""
    return sorted((folder / SEGMENTS).glob(f"*{SUFFIX}"))


@contextmanager
def if_complete(path: Path) -> Iterator[BinaryIO | None]:
    """The segment, open for reading and locked until the block ends. None if a worker still writes it."""
    with path.open("rb") as file:
        yield file if locked(file.fileno()) else None


def complete_all(folder: Path, timeout_s: float) -> None:
    """Asks the workers to complete their segments and waits for those that are there now. Raises AccordError if one
    is still written after the time."""
    waiting = listed(folder)
    if any(_is_written(path) for path in waiting):
        (folder / ASK).touch(FILE_MODE)
    deadline = time.monotonic() + timeout_s
    while waiting := [path for path in waiting if _is_written(path)]:
        if time.monotonic() > deadline:
            raise AccordError(
                f"{waiting[0]} is still written {timeout_s:g} s after its worker was asked to complete it; "
                "restart the service, or end the process that hangs, and run this again"
            )
        time.sleep(0.05)


class Lines:
    """A segment's lines, read once: the records, and the counts of what else was in it."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = lines
        self.n_predictions = 0
        self.n_refusals = 0
        self.n_outcomes = 0
        self.n_torn = 0
        """One if the last line is cut short, as a kill leaves it; its request was not answered."""
        self.damaged: list[bytes] = []
        """Whole lines that can't be decoded."""

    def records(self, only: bytes = b"") -> Iterator[tuple[int, Record]]:
        """The records with the numbers of their lines. With `only`, just those whose lines contain these bytes."""
        for number, line in enumerate(self._lines):
            if not line.endswith(b"\n"):
                self.n_torn += 1
            elif only in line:
                try:
                    record = decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    self.damaged.append(line)
                    continue
                if isinstance(record, Predicted):
                    self.n_predictions += len(record.rows)
                elif isinstance(record, Reported):
                    self.n_outcomes += len(record.rows)
                else:
                    self.n_refusals += 1
                yield number, record


def _is_written(path: Path) -> bool:
    try:
        with if_complete(path) as file:
            return file is None
    except FileNotFoundError:
        return False
