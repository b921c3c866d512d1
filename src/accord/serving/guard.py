"""The guard of a server: starts it, starts it again when it dies, and passes signals on.

BentoML's supervisor looks after its workers; this looks after the supervisor. It imports next to nothing, so that it
takes next to no memory: `python -m accord.serving.guard COMMAND...`.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from functools import partial
from types import FrameType

PR_SET_PDEATHSIG = 1
"""Of Linux: https://man7.org/linux/man-pages/man2/prctl.2.html"""
PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
LASTED_S = 30.0
"""A server that ran this long has started well."""
MAX_FAILURES = 10
"""So many starts in a row that ended at once, and not by a kill, are given up."""


def end_with_parent(parent: int) -> None:
    """Asks the kernel to stop this process when its parent dies, however it dies: it would hold the port for good."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before
        os.kill(os.getpid(), signal.SIGTERM)


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
            print(
                f"accord: the server ended {failures} times in a row, the last time with {code}; it is given up",
                file=sys.stderr,
            )
            return 1
        print(f"accord: the server ended with {code}; starting it again", file=sys.stderr, flush=True)
        until = time.monotonic() + pause_s
        while not stopping and time.monotonic() < until:
            time.sleep(PAUSE_S)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
    return 0


if __name__ == "__main__":
    sys.exit(guard(sys.argv[1:]))
