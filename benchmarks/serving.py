"""What the service costs beside the least that could answer and beside what teams commonly use, on the same rows.

    python benchmarks/serving.py --rounds 3 --seconds 5
    python benchmarks/serving.py --only ours,floor

Run it in a project whose pipeline has run. Before anything is measured every server answers every row, and those with
the model's predictions must have them right: ours and the floor to the last bit. Then servers take turns over several
rounds, since a machine's speed drifts; figures are medians of the rounds. An answer that isn't 200 or whose length was
not among the checked ones ends the program. Needs a C compiler.
"""

import argparse
import http.client
import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import machine
from servers import HOST, REQUIREMENTS, SERVERS, Server, Task

from accord.bundle.bundle import load_bundle
from accord.data import partitions
from accord.paths import Paths

PATHS = Paths(Path())
LOAD = Path(__file__).with_name("load.c")
CACHE = Path(".cache/benchmarks")
LIBRARIES = ("bentoml", "lightgbm", "msgspec", "uvicorn", "uvloop", "httptools", "pandas", "scikit-learn")
N_ROWS = 500
WARM_UP_S = 1.0
READY_WITHIN_S = 120
SETTLED_WITHIN_S = 30
GONE_WITHIN_S = 30
LAST_LINES = 40
RELATIVE_ERROR = 1e-9
"""Of predictions by LightGBM's own exponential, which differs from the bundle's in the last bits."""


@dataclass(frozen=True)
class Target:
    """What the ratio of a figure of one server to that of another should be."""

    figure: str
    server: str
    other: str
    at_most: float = math.inf
    at_least: float = 0.0
    to_figure: str | None = None
    """The other's figure, if it is another one."""


FIGURES = {
    "p50_1": ("p50 ms, 1 client", ".3f"),
    "p99_1": ("p99 ms, 1 client", ".3f"),
    "p50_16": ("p50 ms, 16 clients", ".2f"),
    "p99_16": ("p99 ms, 16 clients", ".2f"),
    "per_second_16": ("requests/s, 16 clients", ",.0f"),
    "per_second_64": ("requests/s, 64 clients", ",.0f"),
    "startup_s": ("start-up s", ".1f"),
    "idle_mb": ("memory MB, idle", ".0f"),
    "loaded_mb": ("memory MB, after load", ".0f"),
}
TARGETS = (
    Target("p50_1", "ours", "floor", at_most=1.5),
    Target("p50_1", "ours", "bento-empty", at_most=0.35),
    Target("per_second_16", "ours", "floor", at_least=0.6),
    Target("per_second_16", "ours", "bento-empty", at_least=8),
    Target("per_second_16", "ours", "mlflow", at_least=80),
    Target("per_second_16", "ours-2", "ours", at_least=1.5),
    Target("p99_16", "ours", "ours", at_most=5, to_figure="p50_16"),
    Target("startup_s", "ours", "bento-empty", at_most=1.2),
    Target("idle_mb", "ours", "bento-training", at_most=0.6),
    Target("loaded_mb", "ours", "bento-training", at_most=0.6),
)
Round = Mapping[str, float]
"""The figures of a server, by name."""


@dataclass(frozen=True)
class Running:
    pid: int
    port: int
    startup_s: float
    """Until the first answer of status 200."""


@contextmanager
def running(name: str, server: Server, folder: Path) -> Iterator[Running]:
    """The server, ready; afterwards all of its processes are gone. Ends the program with its output if it fails."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = int(free.getsockname()[1])
    words, place, environment = server.command(port)
    # Where bytecode isn't kept, every start would compile the libraries anew.
    environment = {key: value for key, value in environment.items() if key != "PYTHONDONTWRITEBYTECODE"}
    members: list[int] = []
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            words, cwd=place, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        while not is_ready(port, server.requests[0]):
            if process.poll() is not None or time.perf_counter() - began > READY_WITHIN_S:
                sys.exit(f"{name} did not get ready within {READY_WITHIN_S} s")
            time.sleep(0.01)
        ready = Running(process.pid, port, time.perf_counter() - began)
        members = machine.tree(process.pid)
        yield ready
    except SystemExit:
        print(output_of(log), file=sys.stderr)
        raise
    finally:
        stop(process, members)


def output_of(log: Path) -> str:
    """The last lines that the server wrote."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])


def is_ready(port: int, first: bytes) -> bool:
    try:
        return ask(port, [first])[0][0] == http.client.OK
    except (OSError, http.client.HTTPException):
        return False


def ask(port: int, requests: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """Status and body of the answer to each request, on one connection."""
    found = []
    with socket.create_connection((HOST, port), timeout=READY_WITHIN_S) as connection:
        for each in requests:
            connection.sendall(each)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            found.append((answer.status, answer.read()))
    return found


def stop(process: "subprocess.Popen[bytes]", members: Sequence[int]) -> None:
    """Ends the server's processes by SIGTERM: the first one's group, or each known member if that one has died and left
    them. What is still there after a while is killed, and ends the program."""
    pids = {*members, *machine.tree(process.pid)}
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    else:
        signal_each(pids, signal.SIGTERM)
    deadline = time.perf_counter() + GONE_WITHIN_S
    while left := [pid for pid in pids if machine.is_running(pid)]:
        if time.perf_counter() > deadline:
            signal_each(left, signal.SIGKILL)
            sys.exit(
                f"{len(left)} processes of {process.args} outlived SIGTERM by {GONE_WITHIN_S} s; they were killed"
            )
        time.sleep(0.02)
    process.wait()


def signal_each(pids: Iterable[int], kind: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, kind)


def settle(pid: int) -> None:
    """Waits until the server does nothing: another worker may still be starting after the first answer."""
    deadline, before = time.perf_counter() + SETTLED_WITHIN_S, -math.inf
    while (used := machine.cpu_seconds(pid)) - before > 0.02:
        if time.perf_counter() > deadline:
            sys.exit(f"The server {pid} is still busy {SETTLED_WITHIN_S} s after its last answer")
        before = used
        time.sleep(0.5)


def check(name: str, server: Server, expected: Sequence[Mapping[str, float]], folder: Path) -> range:
    """The sizes that an answer's body may have. Ends the program if the answer to any row is wrong."""
    with running(name, server, folder) as service:
        settle(service.pid)
        answers = ask(service.port, server.requests)
    for i, (status, body) in enumerate(answers):
        if status != http.client.OK:
            sys.exit(f"{name} answered row {i} with {status}: {body[:500]!r}")
        for target, found in (server.predictions(json.loads(body)) if server.predictions else {}).items():
            right = expected[i][target]
            if found != right if server.exact else not math.isclose(found, right, rel_tol=RELATIVE_ERROR):
                sys.exit(f"{name} predicted {found!r} as {target} of row {i}; expected {right!r}")
    sizes = [len(body) for _, body in answers]
    return range(min(sizes), max(sizes) + 1)


@dataclass(frozen=True)
class Load:
    """The compiled load.c, against a server."""

    program: Path
    requests: Path
    sizes: range

    def __call__(self, port: int, clients: int, seconds: float) -> dict[str, Any]:
        """What it found. Ends the program if an answer was wrong."""
        words = [str(self.program), str(port), str(clients), str(seconds), str(WARM_UP_S), str(self.requests)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{self.requests.stem} at {clients} clients: {done.stderr}")
        found = json.loads(done.stdout)
        shortest, longest = found["shortest_body"], found["longest_body"]
        if set(found["statuses"]) != {"200"}:
            sys.exit(f"{self.requests.stem} at {clients} clients: answers by status {found['statuses']}")
        if shortest not in self.sizes or longest not in self.sizes:
            sys.exit(
                f"{self.requests.stem} at {clients} clients: bodies of {shortest} to {longest} bytes; expected {self.sizes.start} to {self.sizes.stop - 1}"
            )
        return found


def measured(name: str, server: Server, load: Load, seconds: float, folder: Path) -> Round:
    """The figures of one round."""
    with running(name, server, folder) as service:
        settle(service.pid)
        load(service.port, 1, WARM_UP_S)
        settle(service.pid)
        idle = machine.proportional(service.pid)
        at = {1: load(service.port, 1, seconds)}  # one of both works at a time, wherever it is
        if server.workers == 1:
            machine.leave_the_last_core(service.pid)
        at |= {clients: load(service.port, clients, seconds) for clients in (16, 64)}
        settle(service.pid)
        return {
            **{f"{p}_{n}": at[n][f"{p}_us"] / 1000 for n in (1, 16) for p in ("p50", "p99")},
            **{f"per_second_{n}": at[n]["per_second"] for n in (16, 64)},
            "startup_s": service.startup_s,
            "idle_mb": idle,
            "loaded_mb": machine.proportional(service.pid),
        }


def compare(names: Sequence[str], task: Task, rounds: int, seconds: float) -> dict[str, list[Round]]:
    """The rounds of each server."""
    program = task.folder / "load"
    subprocess.run(["cc", "-O2", "-o", program, LOAD], check=True)
    servers = {name: SERVERS[name](task) for name in names}
    loads = {}
    for name, server in servers.items():
        requests = task.folder / f"{name}.requests"
        requests.write_bytes(b"".join(server.requests))
        loads[name] = Load(program, requests, check(name, server, task.expected, task.folder))
    print(f"  every server answered {task.rows.height} rows as it should", flush=True)
    found: dict[str, list[Round]] = {name: [] for name in names}
    for i in range(rounds):
        for name, server in servers.items():
            figures = measured(name, server, loads[name], seconds, task.folder)
            found[name].append(figures)
            p50, per_second = figures["p50_1"], figures["per_second_16"]
            print(f"  round {i + 1}, {name}: {p50:.3f} ms, {per_second:,.0f} requests/s", flush=True)
    return found


def show(medians: Mapping[str, Round]) -> None:
    """A row for each server; ours to each; and what the ratios should be."""
    heads = " | ".join(words for words, _ in FIGURES.values())
    rule = "|---" * (len(FIGURES) + 1) + "|"
    print(f"\n| server | {heads} |\n{rule}")
    for name, figures in medians.items():
        cells = (format(figures[key], form) for key, (_, form) in FIGURES.items())
        print(f"| {name} | {' | '.join(cells)} |")
    if "ours" in medians:
        print(f"\n| ours to | {heads} |\n{rule}")
        ours = medians["ours"]
        for name in [name for name in medians if name != "ours"]:
            cells = (f"{ours[key] / medians[name][key]:.2f}" for key in FIGURES)
            print(f"| {name} | {' | '.join(cells)} |")
    print("\n| ratio | found | target |   |\n|---|---|---|---|")
    for target in TARGETS:
        if {target.server, target.other} <= medians.keys():
            print(verdict(target, medians))


def verdict(target: Target, medians: Mapping[str, Round]) -> str:
    """A row of the table of targets."""
    other = target.to_figure or target.figure
    ratio = medians[target.server][target.figure] / medians[target.other][other]
    met = "met" if target.at_least <= ratio <= target.at_most else "MISSED"
    bound = f"at least {target.at_least:g}" if target.at_least else f"at most {target.at_most:g}"
    to = f"{target.other}'s {FIGURES[other][0]}" if target.to_figure else target.other
    return f"| {FIGURES[target.figure][0]}: {target.server} to {to} | {ratio:.2f} | {bound} | {met} |"


def versions() -> str:
    """The machine and what runs on it."""
    pins = [line.partition("#")[0].strip() for line in REQUIREMENTS.read_text().splitlines()]
    peers = ", ".join(pin.replace("==", " ") for pin in pins if pin)
    return f"{machine.described(LIBRARIES)}; MLflow and FastAPI with {peers}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often the servers take turns (default: 3)")
    parser.add_argument("--seconds", type=float, default=5, help="of each load (default: 5)")
    parser.add_argument(
        "--only", default=",".join(SERVERS), help="servers, separated by commas (default: %(default)s)"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=CACHE,
        help="where the peers' environment is kept (default: %(default)s)",
    )
    found = parser.parse_args()
    found.only = found.only.split(",")
    if unknown := set(found.only) - SERVERS.keys():
        parser.error(f"--only: no server {', '.join(sorted(unknown))}; there are {', '.join(SERVERS)}")
    if found.rounds < 1:
        parser.error("--rounds: expected 1 or more")
    return found


def main() -> None:
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped"))  # so that the servers are stopped too
    print(versions(), flush=True)
    model = load_bundle(PATHS.bundle)
    rows = partitions.scan(PATHS.splits / "test").select(list(model.columns)).head(N_ROWS).collect()
    given.cache.mkdir(parents=True, exist_ok=True)
    # On the project's disk: a temporary folder in memory would make a durable log look free.
    with tempfile.TemporaryDirectory(dir=given.cache.absolute()) as folder:
        found = compare(given.only, Task(model, rows, Path(folder), given.cache), given.rounds, given.seconds)
    show(
        {
            name: {key: median(each[key] for each in rounds) for key in FIGURES}
            for name, rounds in found.items()
        }
    )


if __name__ == "__main__":
    main()
