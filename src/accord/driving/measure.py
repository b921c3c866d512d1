"""Measure: the packaged service under load, candidate and champion in turn on the same machine.

Latency is measured with a given number of clients, each of which sends its next request when the last is answered.
Saturation is found by doubling the clients until throughput stops rising.

What other processes take of the machine meanwhile, and what its host does, is noted with each round. While a figure misses what a
team wants and that may be for the machine's sake, further rounds are measured, and quiet ones alone then count.
"""

import asyncio
import os
import shutil
import signal
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy import stats

from accord.bundle.bundle import Bundle, load_bundle
from accord.data import partitions
from accord.driving import wire
from accord.errors import AccordError
from accord.files import read_as, write_json
from accord.objective.teams import MEASURED
from accord.paths import Paths
from accord.promotion import pairs, releases
from accord.promotion.judge import Measured, is_untold
from accord.schema.config import Config
from accord.schema.objective import Objective
from accord.schema.serving import Serving
from accord.serving import bento, server
from accord.serving.guard import end_with_parent
from accord.training.cost import training_cpu_s

N_ROWS = 500
READY_WITHIN_S = 90
MAX_CLIENTS = 128
RISING = 1.05
"""Throughput that rises by less than this factor when the clients double has reached saturation."""
QUIET_SHARE = 0.1
"""Others take at most this share of the machine's processor time in a quiet round."""
MORE_ROUNDS = 3
"""At most so many times the rounds of the config are measured."""
SURE = 0.95
"""Level of the one-sided bound that is the best value which rounds allow."""
TIMED = ("p50_ms", "p95_ms", "p99_ms", "requests_per_second", "usd_per_million")
"""Figures that vary from round to round."""
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Round:
    """What was measured of a service in one turn."""

    latencies_ms: list[float]
    per_second: float
    """At saturation, as are the next two."""
    cpu_s_per_row: float
    clients: int
    others: float
    """The share of the machine's processor time that other processes, and the machine's host, took meanwhile."""

    @property
    def is_quiet(self) -> bool:
        return self.others <= QUIET_SHARE


@dataclass
class Service:
    """A running Bento, and what has been measured of it."""

    tag: str
    bundle: Path
    port: int
    process: "subprocess.Popen[bytes]"
    requests: list[bytes]
    startup_s: float = 0.0
    rounds: list[Round] = field(default_factory=list)

    def figures(self, turns: Sequence[int], settings: Serving, paths: Paths) -> dict[str, float]:
        """The builtins of the scorecard, from the rounds of these turns."""
        size = sum(file.stat().st_size for file in self.bundle.rglob("*") if file.is_file())
        figures = {
            **_timed([self.rounds[i] for i in turns], settings),
            "startup_s": self.startup_s,
            "memory_mb": sum(_memory_mb(pid) for pid in _tree(self.process.pid)),
            "bundle_mb": size / 1e6,
        }
        training = training_cpu_s(self.bundle / "models", paths)
        return figures if training is None else {**figures, "training_cpu_s": training}

    def best(self, turns: Sequence[int], settings: Serving) -> dict[str, float | None]:
        """The best that each timed figure may truly be, by how the rounds of these turns differ; None if one turn alone counts,
        which says nothing of that."""
        rounds = [self.rounds[i] for i in turns]
        if len(rounds) < 2:
            return dict.fromkeys(TIMED)
        whole, each = _timed(rounds, settings), [_timed([one], settings) for one in rounds]
        best: dict[str, float | None] = {}
        for name in TIMED:
            margin = _margin([one[name] for one in each])
            is_higher = MEASURED[name][0] == "higher"
            best[name] = whole[name] + margin if is_higher else max(whole[name] - margin, 0.0)
        return best


def counting(services: Sequence[Service]) -> list[int]:
    """The turns in which the machine was quiet for every service, or all of them if it never was."""
    turns = range(len(services[0].rounds))
    return [i for i in turns if all(one.rounds[i].is_quiet for one in services)] or [*turns]


def _timed(rounds: Sequence[Round], settings: Serving) -> dict[str, float]:
    latencies = [one for turn in rounds for one in turn.latencies_ms]
    p50, p95, p99 = np.quantile(latencies, [0.5, 0.95, 0.99]).tolist()
    cpu_s = statistics.median(one.cpu_s_per_row for one in rounds)
    return {
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "requests_per_second": statistics.median(one.per_second for one in rounds),
        "usd_per_million": cpu_s * 1e6 / 3600 * settings.measure.usd_per_vcpu_hour,
    }


def _margin(values: Sequence[float]) -> float:
    """How far the truth may be from the mean of two values or more."""
    return float(stats.t.ppf(SURE, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5)


@dataclass(frozen=True)
class Models:
    """The ids of the models that were measured, the champion's also if it is the candidate."""

    candidate: str
    champion: str | None


@dataclass(frozen=True)
class Measurement:
    """reports/measurement.json. Figures and clients are by role: candidate, and champion if it is another model, of the same rows."""

    model: Models
    figures: dict[str, dict[str, float]]
    clients_at_saturation: dict[str, int]
    settings: dict[str, int | float]
    machine: dict[str, float | None]
    """Its cores, its load when measuring began, and the share of its processor time that others took in the rounds that count."""
    best: dict[str, float | None] = field(default_factory=dict)
    """The best that the candidate's timed figures may truly be; None where that can't be told."""

    @property
    def busy(self) -> str | None:
        """What others did, if it was too much to tell."""
        others, cores = self.machine.get("others") or 0.0, self.machine.get("cores") or 1
        if others <= QUIET_SHARE:
            return None
        return f"others took {others * cores:.2g} of {cores:g} cores"

    def judged(self, champion: str | None) -> Measured:
        """As the judge takes it, beside this champion."""
        figures = dict(self.figures["candidate"])
        if self.model.champion == champion and "champion" in self.figures:
            figures |= {f"champion_{name}": value for name, value in self.figures["champion"].items()}
        return Measured(figures, self.best, self.busy)


def measure(config: Config, paths: Paths) -> Measurement:
    """Measures models/bundle and the champion, if it is another model that answers the same rows, and writes
    reports/measurement.json. The objective says whether further rounds could tell more."""
    settings = config.serving
    champion = releases.champion_id(paths)
    candidate = load_bundle(paths.bundle)
    folders = {"candidate": paths.bundle}
    if champion is not None and pairs.champion_beside(candidate, config, paths).bundle is not None:
        folders["champion"] = releases.restored(champion, paths)
    with ExitStack() as stack:
        services = {
            role: stack.enter_context(_started(folder, settings, paths)) for role, folder in folders.items()
        }
        for service in services.values():
            asyncio.run(_load(service, 1, 1.0))  # what only the first requests pay is not measured
        load = os.getloadavg()[0]
        for i in range(MORE_ROUNDS * settings.measure.rounds):
            for service in services.values():
                service.rounds.append(asyncio.run(_round(service, list(services.values()), settings)))
            result = _measurement(Models(candidate.model_id, champion), services, load, settings, paths)
            if i + 1 >= settings.measure.rounds and not _is_untold(config.objective, result):
                break
    write_json(paths.measurement, result)
    return result


def _measurement(
    models: Models, services: Mapping[str, Service], load: float, settings: Serving, paths: Paths
) -> Measurement:
    turns = counting(list(services.values()))
    others = statistics.fmean(service.rounds[i].others for service in services.values() for i in turns)
    return Measurement(
        models,
        {role: service.figures(turns, settings, paths) for role, service in services.items()},
        {role: max(one.clients for one in service.rounds) for role, service in services.items()},
        settings.measure.model_dump(),
        {"cores": os.cpu_count(), "load": load, "others": others},
        services["candidate"].best(turns, settings),
    )


def _is_untold(objective: Objective, result: Measurement) -> bool:
    measured = result.judged(result.model.champion)
    return any(is_untold(metric, measured) for metric in objective.metrics.values())


def measured_for(candidate: str, champion: str | None, paths: Paths) -> Measured:
    """The last measurement if it was of this candidate, with the champion's figures if it was of these two."""
    if not paths.measurement.exists():
        return Measured()
    measured = read_as(paths.measurement, Measurement)
    return measured.judged(champion) if measured.model.candidate == candidate else Measured()


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


async def _round(service: Service, services: Sequence[Service], settings: Serving) -> Round:
    """One round: latency at the set number of clients, then ever more clients up to saturation."""
    chosen, before = settings.measure, _processors(services)
    latencies = (await _load(service, chosen.clients, chosen.seconds)).latencies_ms
    clients, best = 1, 0.0
    while clients <= MAX_CLIENTS:
        load = await _load(service, clients, chosen.seconds / 2)
        if load.per_second < best * RISING:
            break
        best, at_best, clients = load.per_second, load, clients * 2
    others = _processors(services).others_since(before)
    return Round(latencies, best, at_best.cpu_s / len(at_best.latencies_ms), clients // 2, others)


@dataclass(frozen=True)
class Processors:
    """Processor time since the machine began, in seconds."""

    total: float
    idle: float
    own: float
    """Of this process and of the services that are measured."""

    def others_since(self, before: "Processors") -> float:
        """The share that others had since then. Time that the machine's host took away counts as theirs."""
        total = self.total - before.total
        busy = total - (self.idle - before.idle) - (self.own - before.own)
        return min(max(busy / total, 0.0), 1.0) if total > 0 else 0.0


def _processors(services: Sequence[Service]) -> Processors:
    times = [
        int(ticks) / CLOCK_TICKS for ticks in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    ]
    own = time.process_time() + sum(_cpu_s(service.process.pid) for service in services)
    return Processors(sum(times), times[3] + times[4], own)


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
