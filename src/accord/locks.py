"""Locks between processes: flock on a file, which the system takes back when the last process that has it ends. A kill
leaves no lock behind, only a file that nobody has locked."""

import fcntl
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from accord.errors import AccordError
from accord.terminal import complain

POLL_S = 0.05
ORPHAN_S = 600.0
"""How long what a killed process has started may take to end."""


def locked(fd: int) -> bool:
    """Whether this process has the file's lock now; closing the file lets it go."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def share(fd: int) -> None:
    """Waits until this process has the file's lock together with others that share it; `locked` fails meanwhile."""
    fcntl.flock(fd, fcntl.LOCK_SH)


@contextmanager
def held(path: Path, wait_s: float = 0.0, mode: int = 0o666) -> Iterator[int | None]:
    """The descriptor of the file, whose lock this process has until the block ends; None if another has had it all that
    time. A process that the descriptor is passed on to has the lock too, for as long as it runs."""
    with _opened(path, mode) as fd:
        deadline = time.monotonic() + wait_s
        while not (is_mine := locked(fd)) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        yield fd if is_mine else None


@contextmanager
def alone(path: Path) -> Iterator[int]:
    """The same lock with the holder's name in the file. Raises AccordError if another command has it, which says who that
    is. A command that was killed may have left processes with the lock behind: their end is waited for."""
    with _opened(path) as fd:
        deadline, is_said = time.monotonic() + ORPHAN_S, False
        while not locked(fd):
            holder = _holder(path)
            if holder is not None and _runs(holder):
                raise AccordError(in_the_way(_described(holder)))
            if time.monotonic() > deadline:
                raise AccordError(
                    f"What a killed command has started still runs after {ORPHAN_S:g} s and holds {path}; end it, if it hangs, and run this again"
                )
            if holder is not None and not is_said:
                is_said = True
                complain(f"Waiting for what '{holder['command']}' had started before it was killed")
            time.sleep(POLL_S)
        _write_holder(fd)
        yield fd


def at_work(path: Path) -> str | None:
    """Which other process has the lock that `alone` takes, as far as can be told without taking it; None if none has."""
    holder = _holder(path) if path.is_file() else None
    if (
        holder is None
        or not _runs(holder)
        or (holder["pid"], holder["host"]) == (os.getpid(), platform.node())
    ):
        return None
    return _described(holder)


def in_the_way(who: str) -> str:
    """What a command says that has to wait for another."""
    return f"{who} is at work in this project; wait until it has ended, or end it, and run this again"


def _described(holder: dict[str, Any]) -> str:
    return f"'{holder['command']}' (process {holder['pid']}, since {holder['since']})"


@contextmanager
def _opened(path: Path, mode: int = 0o666) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        yield fd
    finally:
        os.close(fd)


def _write_holder(fd: int) -> None:
    """In place, since the lock is on this very file: who can't read it yet tries again."""
    name = Path(sys.argv[0]).name
    command = " ".join(["accord" if name == "__main__.py" else name, *sys.argv[1:]])
    holder = {
        "pid": os.getpid(),
        "host": platform.node(),
        "command": command[:200],
        "since": datetime.now().astimezone().isoformat(" ", "seconds"),
    }
    os.ftruncate(fd, 0)
    os.pwrite(fd, json.dumps(holder).encode(), 0)


def _holder(path: Path) -> dict[str, Any] | None:
    """Who had the lock last; None while that is being written."""
    try:
        holder: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return holder if holder.keys() == {"pid", "host", "command", "since"} else None
    except (ValueError, AttributeError):
        return None


def _runs(holder: dict[str, Any]) -> bool:
    """Whether the holder itself still runs; of another machine's that can't be told, so that it does."""
    from accord import processes

    if holder["host"] != platform.node():
        return True
    process = processes.found(holder["pid"])
    return process is not None and processes.ran_at(
        process, datetime.fromisoformat(holder["since"]).timestamp()
    )
