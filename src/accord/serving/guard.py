"""The guard of a server: starts it, restarts it when it dies, and passes signals on.

BentoML's supervisor restarts its workers, and reports with `report_deaths` when one dies; the guard restarts the
supervisor. It imports next to nothing, so that it takes next to no memory: `python -m accord.serving.guard COMMAND...`.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from functools import partial
from types import FrameType

from accord.serving.output import say

PR_SET_PDEATHSIG = 1
"""Of Linux: https://man7.org/linux/man-pages/man2/prctl.2.html"""
PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
LASTED_S = 30.0
"""A server that ran this long counts as started."""
ASKED = {0, -signal.SIGTERM, -signal.SIGINT}
"""The exit codes of a process that was asked to end."""
MAX_FAILURES = 10
"""After this many starts in a row that failed at once, and not by a kill, the guard gives up."""


def end_with_parent(parent: int) -> None:
    """Has the kernel stop this process when its parent dies, however it dies: otherwise it would keep the port for good."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before
        os.kill(os.getpid(), signal.SIGTERM)


def ending(code: int) -> str:
    """How a process ended, from its exit code, which is minus the signal that killed it.

    >>> ending(3)
    'ended with exit code 3'
    >>> ending(-7)
    'was killed by SIGBUS (Bus error)'
    """
    if code >= 0:
        return f"ended with exit code {code}"
    name = next((one.name for one in signal.Signals if one == -code), f"signal {-code}")
    return f"was killed by {name} ({signal.strsignal(-code)})"


def report_deaths(what: str) -> None:
    """From now on reports when a child of this process dies, and of what, unless it was asked to end. For the main thread.

    It leaves the dead children to the supervisor, which waits for them and replaces them some seconds later."""
    said: set[int] = set()

    def look(*_: object) -> None:
        children = _children()
        said.intersection_update(children)  # the kernel may give a number again
        for pid in children - said:
            with contextlib.suppress(ChildProcessError):
                dead = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if dead is None:
                    continue
                said.add(pid)
                code = dead.si_status if dead.si_code == os.CLD_EXITED else -dead.si_status
                if code not in ASKED:
                    say(f"{what} {pid} {ending(code)}")

    signal.signal(signal.SIGCHLD, look)


def _children() -> set[int]:
    """The children of this process, with the dead ones that nobody has waited for. Those that can't be read are missing: a
    signal handler that raises would end the process."""
    children: set[int] = set()
    with contextlib.suppress(OSError):
        for task in os.listdir("/proc/self/task"):
            with contextlib.suppress(FileNotFoundError), open(f"/proc/self/task/{task}/children") as file:
                children.update(map(int, file.read().split()))
    return children


def guard(command: list[str]) -> int:
    """Runs the command until it ends well or is stopped; its exit code."""
    stopping = False
    server: subprocess.Popen[bytes] | None = None

    def stop(signum: int, _: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        if server is not None and server.poll() is None:
            server.send_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    failures, pause_s = 0, PAUSE_S
    while not stopping:
        began = time.monotonic()
        server = subprocess.Popen(command, preexec_fn=partial(end_with_parent, os.getpid()))
        if stopping:  # the signal came while the server was being started
            server.send_signal(signal.SIGTERM)
        code = server.wait()
        if stopping or code == 0:
            break
        if time.monotonic() - began >= LASTED_S:
            failures, pause_s = 0, PAUSE_S
        failures += code > 0  # what was killed did not fail by itself
        if failures >= MAX_FAILURES:
            say(f"the server ended {failures} times in a row, the last time with {code}; it is given up")
            return 1
        say(f"the server {ending(code)}; starting it again")
        until = time.monotonic() + pause_s
        while not stopping and time.monotonic() < until:
            time.sleep(PAUSE_S)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
    return 0


if __name__ == "__main__":
    sys.exit(guard(sys.argv[1:]))
