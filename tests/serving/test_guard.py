"""The guard starts a server again when it dies, gives up one that can't start, and ends at once when it is asked to."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHIN_S = 60
STARTED = 'import os; print(os.getpid(), file=open("started", "a"), flush=True);'
"""What a server of these tests does first."""
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a guard of a server that runs some Python."""
    begun = []

    def started(server: str, pause_s: float = 0.01, longest_pause_s: float = 0.01) -> subprocess.Popen[bytes]:
        program = (
            "import sys; from accord.serving import guard;"
            f"guard.PAUSE_S, guard.LONGEST_PAUSE_S = {pause_s}, {longest_pause_s};"
            f"sys.exit(guard.guard([sys.executable, '-c', {STARTED + server!r}]))"
        )
        begun.append(
            subprocess.Popen(
                [sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
                stderr=subprocess.PIPE, start_new_session=True,
            )
        )  # fmt: skip
        return begun[-1]

    yield started
    for guard in begun:
        if guard.poll() is None:
            guard.kill()
        guard.communicate()


def starts(folder: Path, n: int) -> list[int]:
    """The servers' process ids, once there are n."""
    file = folder / "started"
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        found = file.read_text().split() if file.exists() else []
        if len(found) >= n:
            return [int(pid) for pid in found]
        time.sleep(0.02)
    raise AssertionError(f"not {n} starts within {WITHIN_S} s")


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_server_that_is_killed_is_started_again_however_often(start: Start, tmp_path: Path) -> None:
    guard = start("import time; time.sleep(600)")
    for n in range(1, 16):
        os.kill(starts(tmp_path, n)[-1], signal.SIGKILL)
    last = starts(tmp_path, 16)[-1]
    assert guard.poll() is None
    guard.terminate()
    assert guard.wait(WITHIN_S) == 0
    assert is_gone(last)


def test_a_server_that_cannot_start_is_given_up(start: Start, tmp_path: Path) -> None:
    guard = start("raise SystemExit(3)")
    assert guard.wait(WITHIN_S) == 1
    assert len(starts(tmp_path, 1)) == 10
    assert b"ended 10 times in a row, the last time with 3" in guard.stderr.read()


def test_a_server_that_ends_well_is_not_started_again(start: Start, tmp_path: Path) -> None:
    guard = start("pass")
    assert guard.wait(WITHIN_S) == 0
    assert len(starts(tmp_path, 1)) == 1


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_comes_while_the_guard_pauses_is_not_lost(
    start: Start, tmp_path: Path, asked: signal.Signals
) -> None:
    """The server would start once more, and run for good."""
    guard = start(
        'import time; len(open("started").readlines()) > 1 and time.sleep(600); raise SystemExit(1)',
        pause_s=3,
        longest_pause_s=3,
    )
    [first] = starts(tmp_path, 1)
    assert is_gone(first)
    guard.send_signal(asked)
    assert guard.wait(WITHIN_S) == 0
    assert len(starts(tmp_path, 1)) == 1


def test_a_server_ends_with_its_guard_however_that_ends(start: Start, tmp_path: Path) -> None:
    guard = start("import time; time.sleep(600)")
    [server] = starts(tmp_path, 1)
    guard.kill()
    guard.wait()
    assert is_gone(server)


SUPERVISOR = """
import os, subprocess, sys, time
from accord.serving import guard

guard.report_deaths("worker")
ends = ["os.kill(os.getpid(), 7)", "os.kill(os.getpid(), 9)", "sys.exit(3)", "os.kill(os.getpid(), 15)", ""]
workers = [subprocess.Popen([sys.executable, "-c", f"import os, sys; {end}"]) for end in ends]
while any(os.waitid(os.P_PID, w.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None for w in workers):
    time.sleep(0.02)
print(*(f"{worker.pid} {worker.wait()}" for worker in workers), sep="\\n")
"""


def test_a_supervisor_says_which_worker_died_of_what_and_may_still_wait_for_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SUPERVISOR],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, timeout=WITHIN_S,
    )  # fmt: skip
    pids, codes = zip(*(line.split() for line in done.stdout.splitlines()), strict=True)
    assert codes == ("-7", "-9", "3", "-15", "0")
    assert set(done.stderr.splitlines()) == {
        f"accord: worker {pids[0]} was killed by SIGBUS (Bus error)",
        f"accord: worker {pids[1]} was killed by SIGKILL (Killed)",
        f"accord: worker {pids[2]} ended with exit code 3",
    }
