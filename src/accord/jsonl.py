"""Records as lines of JSON, in files to which lines are only added: plain text, for git and for people.

`append` renames the whole file into place, for files that one process at a time writes. `append_in_place` writes the line
alone, for a file that is watched by its bytes and may stand on a full disk. Lines of earlier versions stay as they are.
Where two people added lines, git's union merge (.gitattributes) keeps all of them, maybe twice and out of order: see `in_order`.
"""

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from accord.errors import AccordError
from accord.files import write_text

T = TypeVar("T")
Opener = Callable[[str, int], int]


class Timed(Protocol):
    @property
    def at(self) -> str:
        """An instant in UTC, as ISO 8601."""


R = TypeVar("R", bound=Timed)


def read(path: Path, kind: type[T]) -> list[T]:
    """All records, the oldest first; none where there is no file. Raises AccordError for a line that is no such record."""
    records = []
    for number, line in _lines(path):
        try:
            records.append(msgspec.json.decode(line, type=kind))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise AccordError(
                f"{path}, line {number}, can't be read: {error}; expected a record as accord writes it. Correct the line or remove it"
            ) from error
    return records


def readable(path: Path, kind: type[T]) -> list[T]:
    """The records among the lines. Half a line that a crash left, or one of another program, is passed over."""
    records = []
    for _, line in _lines(path):
        try:
            records.append(msgspec.json.decode(line, type=kind))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return records


def in_order(records: Iterable[R]) -> list[R]:
    """Each record once, the oldest first."""
    each_once = {_line(record): record for record in records}
    return sorted(each_once.values(), key=lambda record: record.at)


def append(path: Path, *records: Any) -> None:
    """Adds the records. A reader, or a crash, meets the file before or after, never half of it."""
    known = path.read_text(encoding="utf-8") if path.exists() else ""
    end = "" if known.endswith("\n") or not known else "\n"
    write_text(path, known + end + "".join(f"{_line(record)}\n" for record in records))


def append_in_place(path: Path, record: Any, opener: Opener | None = None) -> None:
    """Adds one line, on the disk when this returns, or nothing of it; half a line that a crash left before it stays one by
    itself. `opener` is `open`'s: it gives a new file its mode."""
    line = _line(record)
    with open(path, "a+b", buffering=0, opener=opener) as file:
        size = file.seek(0, os.SEEK_END)
        if size and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":
            line = "\n" + line
        whole = f"{line}\n".encode()
        try:
            if file.write(whole) < len(whole):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    lines = path.read_bytes().splitlines() if path.exists() else []
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _line(record: Any) -> str:
    return json.dumps(record, sort_keys=True, default=msgspec.to_builtins)
