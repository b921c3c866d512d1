"""Work in a child process, in no more memory than it may take: how it ends."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

FRAME = """
import os, signal, sys, time
from accord.engines import bound
from accord.program import exit_with_message

def work():
    with bound.limited("stage x", 500_000_000):
        {}

bound.in_child("stage x")
exit_with_message(work)
"""
FROM_POLARS = "import polars; polars.select(polars.int_range(0, 100_000_000).shuffle()).sort('literal')"


def started(body: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", FRAME.format(body)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(body: str) -> tuple[int, str, str]:
    process = started(body)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("body", "code"), [("pass", 0), ("sys.exit(7)", 7), ("os.abort()", -6), ("os.kill(os.getpid(), 15)", -15)]
)
def test_a_process_ends_as_its_work_does(body: str, code: int):
    assert ended(f"print('done'); sys.stdout.flush(); print('said', file=sys.stderr); {body}") == (code, "done\n", "said\n")  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        "b'x' * 600_000_000",
        "import numpy; numpy.ones(10**8)",
        FROM_POLARS,
        "os.write(2, b\"terminate called after throwing an instance of 'std::bad_alloc'\\n\"); os.abort()",
        "os.kill(os.getpid(), 9)",
        "kept = b'x' * 400_000_000; time.sleep(0.5); os.kill(os.getpid(), 11)",
    ],
    ids=["Python", "NumPy", "Polars", "C++", "killed", "crash"],
)
def test_too_little_memory_is_one_line(body: str):
    code, _, said = ended(body)
    assert code == 2
    assert said.startswith("accord: There is too little memory for stage x: "), said
    assert "It may take 0.50 GB (engine.memory)" in said or body.endswith("9)"), said
    assert said.count("\n") == 1


def test_what_fits_is_done():
    assert ended("print(len(b'x' * 300_000_000))") == (0, "300000000\n", "")


def test_a_crash_for_another_reason_is_none_of_memory():
    assert ended("os.kill(os.getpid(), 11)") == (-11, "", "")


def child_of(process: "subprocess.Popen[str]") -> psutil.Process:
    assert process.stdout is not None
    return psutil.Process(int(process.stdout.readline()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_reach_the_work(number: signal.Signals):
    process = started("print(os.getpid(), flush=True); time.sleep(60)")
    child = child_of(process)
    process.send_signal(number)
    assert process.wait(10) == -number
    assert not child.is_running()


def test_an_interrupt_lets_the_work_clean_up(tmp_path: Path):
    body = f"""
        try:
            print(os.getpid(), flush=True); time.sleep(60)
        finally:
            open({str(tmp_path / "cleaned")!r}, "w").close()"""
    process = started(body)
    child_of(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) != 0
    assert (tmp_path / "cleaned").exists()


def test_nothing_lives_on_when_the_waiting_process_is_killed():
    process = started("print(os.getpid(), flush=True); time.sleep(60)")
    child = child_of(process)
    process.kill()
    process.wait()
    with suppress(psutil.NoSuchProcess):
        child.wait(10)
    assert not psutil.pid_exists(child.pid)


def test_polars_is_told_to_give_back_address_space_before_it_is_imported() -> None:
    said = "import accord.stages, os, sys; print(os.environ['_RJEM_MALLOC_CONF'], 'polars' in sys.modules)"
    unset = {name: value for name, value in os.environ.items() if name != "_RJEM_MALLOC_CONF"}
    done = subprocess.run([sys.executable, "-c", said], env=unset, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["retain:false", "False"]
