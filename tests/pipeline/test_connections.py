"""No process of the project opens a connection off the machine, unless the config names one to connect to."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from projects import ROOT, Project, program
from services import READY_WITHIN_S, children, free_port
from tracing import off_the_machine, run, traced

SILENT = {"bentoml": "BENTOML_DO_NOT_TRACK=True", "evidently": "DO_NOT_TRACK=1"}
"""What must stand in front of a command of these for it to send nothing."""
DOCUMENTS = [ROOT / "README.md", ROOT / "Makefile", *sorted((ROOT / "docs").glob("*.md"))]
HIDING = ("CI", "DVC_TEST", "DVC_NO_ANALYTICS")
"""Where one of these is set DVC sends less than where people run it."""
LINES = [line.strip().lstrip("@") for path in DOCUMENTS for line in path.read_text().splitlines()]
FOREIGN = [line for line in LINES if re.match(r"([A-Z_]+=\S+ )*(bentoml|evidently) [a-z]+ -*[a-z]", line)]
"""The commands of BentoML and Evidently that a document names on a line of their own."""


@pytest.fixture
def own(project: Project, tmp_path: Path) -> Project:
    """A copy of the project that ran on the rides, which a test may change."""
    shutil.copytree(project.root, tmp_path / "own", symlinks=True)
    return Project(tmp_path / "own")


@pytest.mark.slow
def test_a_trace_shows_a_name_that_is_looked_up_and_what_a_child_connects_to(tmp_path: Path) -> None:
    resolve = "import socket, contextlib\nwith contextlib.suppress(OSError): socket.getaddrinfo('accord.invalid', 80)"
    far, near = (  # of datagrams: nothing is sent
        f"import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('{address}', 9))"
        for address in ("192.0.2.1", "127.0.0.1")
    )
    started = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {far!r}], check=True)"
    for script, found in ((resolve, True), (far, True), (started, True), (near, False)):
        run(tmp_path / "trace", [sys.executable, "-c", script], tmp_path, {})
        assert bool(off_the_machine(tmp_path / "trace")) == found


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "accord run model=linear",
        "accord package",
        "accord promote --reason test",
        "accord retrain --now --cutoff 2024-03-20",
        "accord predict data/raw/rides.csv reports/predicted.csv",
        "python -m accord.stages.train model=linear",
        "dvc version",
        "dvc status",
        "dvc repro --force bundle",
        "dvc exp run -S '+overrides.seed=1'",
        "dvc exp run --queue -S '+overrides.seed=2' && dvc queue start",
        "dvc exp show",
        "dvc plots show",
        "dvc push --remote releases",
    ],
)
def test_a_command_stays_on_the_machine(own: Project, tmp_path: Path, command: str) -> None:
    environment = {name: value for name, value in own.environment.items() if name not in HIDING}
    code, printed = run(tmp_path / "trace", ["sh", "-c", command], own.root, environment)
    assert code == 0, printed
    assert off_the_machine(tmp_path / "trace") == [], printed


@pytest.mark.parametrize("command", ["version", "status"])
def test_dvc_starts_nothing_that_reports_or_looks_for_updates(project: Project, command: str) -> None:
    """Such a process may end before it connects, and look innocent in a trace."""
    unset = [word for name in HIDING for word in ("--unset", name)]
    done = project.run("env", *unset, program("dvc"), command, "--verbose")
    assert "Trying to spawn" not in done.stdout + done.stderr


@pytest.mark.slow
def test_the_loop_stays_on_the_machine(own: Project, tmp_path: Path) -> None:
    """Served, replayed, collected and monitored with Evidently's reports."""
    port = free_port()
    service = started(own, tmp_path / "served", [program("accord"), "serve", "--port", str(port)], port)
    try:
        next(service)
        environment = own.environment | {"ACCORD_TOKEN": "token"}
        replay = f"replay --from 2024-03-12 --to 2024-04-01 --url http://127.0.0.1:{port}"
        for words in (replay, "collect", "monitor"):
            trace = tmp_path / "trace"
            code, printed = run(trace, [program("accord"), *words.split()], own.root, environment)
            assert code in (0, 3), printed  # 3 is an alarm
            assert off_the_machine(trace) == [], printed
        assert (own.root / ".evidently").is_dir()
    finally:
        service.close()
    assert off_the_machine(tmp_path / "served") == []


@pytest.mark.slow
def test_the_pages_of_evidently_stay_on_the_machine(own: Project, tmp_path: Path) -> None:
    """By the command of the Makefile."""
    [line] = [line for line in FOREIGN if "evidently ui" in line]
    port = free_port()
    assert "--port 8000" in line
    words = ["sh", "-c", f"exec env {line.replace('--port 8000', f'--port {port}')}"]
    ui = started(own, tmp_path / "trace", words, port)
    try:
        next(ui)
        assert httpx.get(f"http://127.0.0.1:{port}/api/projects").status_code == 200
    finally:
        ui.close()
    assert off_the_machine(tmp_path / "trace") == []


@pytest.mark.parametrize("line", FOREIGN)
def test_a_documented_command_of_another_program_has_its_usage_events_switched_off(line: str) -> None:
    words = line.split()
    name = next(word for word in words if "=" not in word)
    assert SILENT[name] in words[: words.index(name)]


@pytest.mark.slow
def test_the_documented_commands_of_bentoml_stay_on_the_machine(own: Project, tmp_path: Path) -> None:
    """Where there is no engine of containers they end early, which BentoML would tell too."""
    model = next((own.root / ".bentoml/bentos/accord").glob("[0-9a-f]*")).name
    lines = [line.partition("#")[0].replace("MODEL", model) for line in FOREIGN if "bentoml " in line]
    assert lines
    for line in lines:
        run(tmp_path / "trace", ["sh", "-c", f"exec env {line}"], own.root, own.environment)
        assert off_the_machine(tmp_path / "trace") == []


def started(own: Project, trace: Path, words: list[str], port: int) -> Iterator[None]:
    """A server that is traced, and that has ended in good order at the end."""
    log = trace.with_suffix(".log")
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*traced(trace), *words], cwd=own.root, env=own.environment | {"ACCORD_TOKEN": "token"},
            stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while not answers(port):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield
    finally:
        for child in children(server.pid):
            os.kill(child, signal.SIGTERM)
        try:
            server.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/").status_code < 500
    except httpx.TransportError:
        return False
