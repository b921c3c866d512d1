"""Measure: the packaged service under load, candidate and champion in turn on the same machine.

Latency is measured with a given number of clients, each of which sends its next request when the last is answered.
Saturation is found by doubling the clients until throughput stops rising.
"""

import asyncio
import os
import shutil
import signal
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from accord.bundle.bundle import Bundle, load_bundle
from accord.data import partitions
from accord.driving import wire
from accord.errors import AccordError
from accord.files import read_as, write_json
from accord.paths import Paths
from accord.promotion import releases
from accord.schema.serving import Serving
from accord.serving import bento, server
from accord.serving.guard import end_with_parent
from accord.training.cost import training_cpu_s

N_ROWS = 500
READY_WITHIN_S = 90
MAX_CLIENTS = 128
RISING = 1.05
"""Throughput that rises by less than this factor when the clients double has reached saturation."""
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Service:
    """A running Bento, and what has been measured of it."""

    tag: str
    bundle: Path
    port: int
    process: "subprocess.Popen[bytes]"
    requests: list[bytes]
    startup_s: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    throughputs: list[float] = field(default_factory=list)
    cpu_s_per_row: list[float] = field(default_factory=list)
    clients: list[int] = field(default_factory=list)

    def figures(self, settings: Serving, paths: Paths) -> dict[str, float]:
        """The builtins of the scorecard."""
        p50, p95, p99 = np.quantile(self.latencies_ms, [0.5, 0.95, 0.99]).tolist()
        cost = statistics.median(self.cpu_s_per_row) * 1e6 / 3600 * settings.measure.usd_per_vcpu_hour
        size = sum(file.stat().st_size for file in self.bundle.rglob("*") if file.is_file())
        figures = {
            "p50_ms": p50,
            "p95_ms": p95,
            "p99_ms": p99,
            "requests_per_second": statistics.median(self.throughputs),
            "startup_s": self.startup_s,
            "memory_mb": sum(_memory_mb(pid) for pid in _tree(self.process.pid)),
            "bundle_mb": size / 1e6,
            "usd_per_million": cost,
        }
        training = training_cpu_s(self.bundle / "models", paths)
        return figures if training is None else {**figures, "training_cpu_s": training}


@dataclass(frozen=True)
class Models:
    """The ids of the models that were measured, the champion's also if it is the candidate."""

    candidate: str
    champion: str | None


@dataclass(frozen=True)
class Measurement:
    """reports/measurement.json. Figures and clients are by role: candidate, and champion if it is another model."""

    model: Models
    figures: dict[str, dict[str, float]]
    clients_at_saturation: dict[str, int]
    settings: dict[str, int | float]
    machine: dict[str, int | None]


def measure(settings: Serving, paths: Paths) -> Measurement:
    """Measures models/bundle and the champion, if it is another model, and writes reports/measurement.json."""
    champion = releases.champion_id(paths)
    candidate = load_bundle(paths.bundle).model_id
    folders = {"candidate": paths.bundle}
    if champion is not None and champion != candidate:
        folders["champion"] = releases.restored(champion, paths)
    with ExitStack() as stack:
        services = {
            role: stack.enter_context(_started(folder, settings, paths)) for role, folder in folders.items()
        }
        for service in services.values():
            asyncio.run(_load(service, 1, 1.0))  # what only the first requests pay is not measured
        for _ in range(settings.measure.rounds):
            for service in services.values():
                asyncio.run(_round(service, settings))
        figures = {role: service.figures(settings, paths) for role, service in services.items()}
        clients = {role: max(service.clients) for role, service in services.items()}
    result = Measurement(
        Models(candidate, champion),
        figures,
        clients,
        settings.measure.model_dump(),
        {"cores": os.cpu_count()},
    )
    write_json(paths.measurement, result)
    return result


def measured_for(candidate: str, champion: str | None, paths: Paths) -> dict[str, float]:
    """The last measurement's figures if it was of these two, the champion's with `champion_` in front."""
    if not paths.measurement.exists():
        return {}
    measured = read_as(paths.measurement, Measurement)
    if measured.model.candidate != candidate:
        return {}
    figures = dict(measured.figures["candidate"])
    if measured.model.champion == champion and "champion" in measured.figures:
        figures |= {f"champion_{name}": value for name, value in measured.figures["champion"].items()}
    return figures


@contextmanager
def _started(folder: Path, settings: Serving, paths: Paths) -> Iterator[Service]:
    tag = bento.package(folder, settings, paths)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    home = TemporaryDirectory(prefix="accord-measure-")  # its traffic is nobody's, and it follows no champion
    alone = settings.model_copy(update={"host": "127.0.0.1", "port": port, "workers": 1})
    command, source, environment = server.command(tag, alone, Path(home.name), paths)
    held = bento.hold(source.parent)
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=source,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=partial(end_with_parent, os.getpid()),
    )
    service = Service(tag, folder, port, process, _requests(load_bundle(folder), paths))
    try:
        asyncio.run(_until_ready(service))
        service.startup_s = time.perf_counter() - began
        yield service
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(held)
        home.cleanup()
        shutil.rmtree(environment["BENTOML_HOME"])  # made for this port alone


def _requests(bundle: Bundle, paths: Paths) -> list[bytes]:
    """Requests of one test row each."""
    rows = partitions.scan(paths.splits / "test").select(list(bundle.columns)).head(N_ROWS).collect()
    return wire.requests(rows)


async def _until_ready(service: Service) -> None:
    deadline = time.perf_counter() + READY_WITHIN_S
    while time.perf_counter() < deadline:
        if service.process.poll() is not None:
            break
        try:
            connection = await asyncio.open_connection("127.0.0.1", service.port)
            await _ask(connection, service.requests[0])
            connection[1].close()
            return
        except (OSError, asyncio.IncompleteReadError, AccordError):
            await asyncio.sleep(0.05)
    raise AccordError(
        f"The service {service.tag} was not ready within {READY_WITHIN_S} s; see what it says: accord serve"
    )


async def _round(service: Service, settings: Serving) -> None:
    """One round: latency at the set number of clients, then ever more clients up to saturation."""
    chosen = settings.measure
    service.latencies_ms += (await _load(service, chosen.clients, chosen.seconds)).latencies_ms
    clients, best = 1, 0.0
    while clients <= MAX_CLIENTS:
        load = await _load(service, clients, chosen.seconds / 2)
        if load.per_second < best * RISING:
            break
        best, at_best, clients = load.per_second, load, clients * 2
    service.throughputs.append(best)
    service.cpu_s_per_row.append(at_best.cpu_s / len(at_best.latencies_ms))
    service.clients.append(clients // 2)


@dataclass(frozen=True)
class Load:
    latencies_ms: list[float]
    per_second: float
    cpu_s: float


async def _load(service: Service, clients: int, seconds: float) -> Load:
    latencies: list[float] = []
    cpu, began = _cpu_s(service.process.pid), time.perf_counter()
    await asyncio.gather(*(_client(service, i, clients, began + seconds, latencies) for i in range(clients)))
    elapsed = time.perf_counter() - began
    return Load(latencies, len(latencies) / elapsed, _cpu_s(service.process.pid) - cpu)


async def _client(service: Service, first: int, step: int, until: float, latencies: list[float]) -> None:
    connection = await asyncio.open_connection("127.0.0.1", service.port)
    at = first
    while (began := time.perf_counter()) < until:
        await _ask(connection, service.requests[at % len(service.requests)])
        latencies.append((time.perf_counter() - began) * 1000)
        at += step
    connection[1].close()


async def _ask(connection: wire.Connection, request: bytes) -> None:
    status, _ = await wire.ask(connection, request)
    if status != 200:
        raise AccordError(f"The service answered {status} to a row of the test split; expected 200")


def _tree(pid: int) -> list[int]:
    """The process and all that descend from it."""
    pids = [pid]
    for parent in pids:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            pids += [int(child) for child in task.read_text().split()]
    return pids


def _cpu_s(pid: int) -> float:
    ticks = 0
    for process in _tree(pid):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / CLOCK_TICKS


def _memory_mb(pid: int) -> float:
    """The process's proportional share of memory: pages that processes share count once."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1000
