"""Work in a child process that gets no more memory than it may take, and ends with one line where it needs more.

The limit is one of the system's (RLIMIT_DATA), so no library can pass it. Some raise an error when they are refused memory; others,
such as Polars, end the process. So a parent waits for the child, and says what happened. Files that are mapped don't count.
"""

import ctypes
import os
import resource
import selectors
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from accord import program
from accord.errors import AccordError
from accord.terminal import complain

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
POLL_S = 0.1
CRASHES = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS)
NEAR = 0.6
"""A process that crashes with as large a part of its memory in use has been refused more, most likely."""
ABORTED = 127
"""The exit code with which the C library ends a process that has no memory for a thread."""
ROOM_BYTES = 100_000_000
PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl


def in_child(work: str) -> None:
    """Goes on in a child process. This one waits, passes signals on, and ends as the child does; but where the child was ended
    for want of memory, with one line about this work and exit code 2."""
    sys.stdout.flush()
    sys.stderr.flush()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    reading, writing = os.pipe()
    parent, child = os.getpid(), os.fork()
    if child:
        os.close(writing)
        _end_as(child, work, reading, mask)
    os.close(reading)
    os.dup2(writing, 2)
    os.close(writing)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    end_with(parent)


def end_with(parent: int) -> None:
    """From now on this process is killed when that parent of it ends, however it does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended already
        os.kill(os.getpid(), signal.SIGKILL)


def limit(n_bytes: int) -> None:
    """This process, and each that it starts, gets no more memory than that."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = n_bytes if most == resource.RLIM_INFINITY else min(n_bytes, most)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, most))


@contextmanager
def limited(work: str, n_bytes: int) -> Iterator[None]:
    """This process, and each that it starts, gets no more memory than that; what then fails in the block is an AccordError, and so is
    a limit that leaves no room to begin with."""
    if n_bytes < (least := _data_bytes(os.getpid()) + ROOM_BYTES):
        raise AccordError(
            f"engine.memory is {n_bytes / 1e9:.2f} GB; {work} and its libraries need {least / 1e9:.2f} GB before they read a row. Raise it"
        )
    limit(n_bytes)
    try:
        yield
    except BaseException as error:  # as a panic of Polars is
        reason = program.machines_reason(error)
        if reason is None or not program.is_of_memory(reason):
            raise
        raise AccordError(_refused(work, f"{type(error).__name__}: {error}", n_bytes)) from None


def _end_as(child: int, work: str, reading: int, mask: Iterable[int]) -> NoReturn:
    def pass_on(number: int, frame: FrameType | None) -> None:
        if not (number == signal.SIGINT and _is_typed()):  # then the terminal has sent it to the child too
            os.kill(child, number)

    for number in PASSED_ON:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    held, taken = _followed(child, reading)
    may_take = resource.prlimit(child, resource.RLIMIT_DATA)[0] if sys.platform == "linux" else 0
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    said = _why(code, held, taken, may_take)
    if said is not None:
        complain(f"accord: {_refused(work, said, may_take)}")
        os._exit(2)
    if held:
        complain(*([line for line in held if line.startswith("accord: ")] or held))
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _why(code: int, held: Sequence[str], taken: int, limit: int) -> str | None:
    """What ended the child, if that was want of memory."""
    if code >= 0 and code != ABORTED:
        return None
    if held:
        return held[0]
    if code == -signal.SIGKILL:
        return "the system, or somebody, has killed it, as is done with what takes too much"
    if -code in CRASHES and 0 < NEAR * limit < taken:
        return f"it crashed with {taken / 1e9:.2f} GB in use"
    return None


def _followed(child: int, reading: int) -> tuple[list[str], int]:
    """Passes on what the child writes to standard error until it has ended, and leaves it to be waited for. From a line about memory on,
    a backtrace mostly, it is held back and returned. Also how many bytes the child was last seen to have."""
    held: list[str] = []
    rest, taken, is_open = b"", 0, True
    os.set_blocking(reading, False)
    with selectors.DefaultSelector() as selector:
        selector.register(reading, selectors.EVENT_READ)
        while is_open:
            ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
            taken = taken if ended else _data_bytes(child) or taken
            while is_open and selector.select(0 if ended else POLL_S):
                written = os.read(reading, 65536)
                *lines, rest = (rest + written).splitlines(keepends=True) or [b""]
                if not written or rest.endswith(b"\n"):
                    lines, rest = [*lines, rest], b""
                for line in lines:
                    if program.is_of_memory(text := line.decode(errors="replace")) or held:
                        held.append(text.rstrip("\n"))
                    else:
                        with suppress(OSError):  # nobody reads it any more
                            os.write(2, line)
                is_open = bool(written)
            is_open = is_open and not ended  # others that it started may still have the pipe
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    return held, taken


def _data_bytes(process: int) -> int:
    """What of the process counts to its limit; 0 if that can't be known."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _is_typed() -> bool:
    """Whether this process is in the foreground of a terminal, which sends ^C to all that is."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def _refused(work: str, said: str, limit: int) -> str:
    may = f"It may take {limit / 1e9:.2f} GB (engine.memory)" if limit > 0 else "See engine.memory"
    return (
        f"There is too little memory for {work}: {' '.join(said.split())[:300]}. {may}; raise that if the machine has more, or have fewer "
        "rows in memory at once (engine.chunk_rows). Nothing was lost"
    )
