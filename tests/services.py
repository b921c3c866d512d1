"""Running services for tests: bundles made without the pipeline, a home of their own, and the processes behind the port."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import polars as pl
from projects import Project
from shipped import shipped, shipped_option

from accord.bundle.bundle import Bundle, as_json_row
from accord.config import lock
from accord.files import read_json
from accord.paths import Paths
from accord.schema.config import Config
from accord.schema.objective import Policy
from accord.schema.serving import Serving
from accord.serving import server
from accord.stages import bundle as bundling
from accord.stages import decide, evaluate
from accord.training import jobs

TOKEN = "a token of the tests"
READY_WITHIN_S = 300
MODELS: dict[str, dict[str, Any]] = {
    "lightgbm": {**shipped_option("model", "lightgbm"), "n_estimators": 20},
    "linear": shipped_option("model", "linear"),
    "baseline": shipped_option("model", "baseline"),
}
POLICY = shipped(
    Policy,
    weights={"fee": 4.0, "w": 0.5},
    score="fee - w * delay_minutes - 2 * late + CASE WHEN distance > 5.5 THEN 0.5 ELSE 0 END",
)
PERSONAL = {"bike": "hash", "booked_at": "drop"}


def make_bundle(
    project: Project,
    folder: Path,
    model: str = "lightgbm",
    policy: Policy | None = POLICY,
    personal: Mapping[str, str] = PERSONAL,
    has_rules: bool = True,
) -> Path:
    """A bundle of the project's data with another model or policy, or without its rules, at `folder`/its id."""
    work = folder / "work"
    paths = Paths(work)
    for made in ("data", "reports"):
        (work / made).mkdir(parents=True)
    for name in (
        "conf.lock.yaml",
        *(p.relative_to(project.root) for p in project.root.glob("data/*")),
        *(p.relative_to(project.root) for p in project.root.glob("reports/*.json")),
    ):
        if work / name not in (paths.predictions, paths.decisions):
            (work / name).symlink_to(project.root / name)
    config = _changed(lock.load(paths), MODELS[model], policy, personal, has_rules)
    targets = config.objective.targets
    for name, target in targets.items():
        (paths.trained / name).mkdir(parents=True)
        jobs.train_one(
            jobs.Job(name, target, config.model, config.seed, paths.features, paths.splits, paths.trained)
        )
    for stage in (evaluate.evaluate, decide.decide, bundling.bundle):
        stage(config, paths)
    made = folder / read_json(paths.bundle / "manifest.json")["model_id"]
    paths.bundle.rename(made)
    shutil.rmtree(work)
    return made


def _changed(
    config: Config,
    model: dict[str, Any],
    policy: Policy | None,
    personal: Mapping[str, str],
    has_rules: bool,
) -> Config:
    columns = {
        name: column.model_copy(update={"pii": personal.get(name)})
        for name, column in config.data.columns.items()
    }
    return config.model_copy(
        update={
            "model": model,
            "data": config.data.model_copy(
                update={"columns": columns, "rules": config.data.rules if has_rules else {}}
            ),
            "objective": config.objective.model_copy(update={"policy": policy}),
        }
    )


def json_rows(project: Project, bundle: Bundle, split: str = "test") -> list[dict[str, Any]]:
    """The split's rows as requests carry them."""
    names = [*bundle.columns, *bundle.context]
    frame = pl.read_parquet(project.root / f"data/splits/{split}/*.parquet").select(names)
    return [as_json_row(frame, i) for i in range(frame.height)]


@dataclass
class Home:
    """A project folder as a service sees it: released bundles, the pointer to the champion, the traffic."""

    root: Path

    def __post_init__(self) -> None:
        self.paths = Paths(self.root)
        self.paths.releases.mkdir(parents=True, exist_ok=True)

    def release(self, bundle: Path) -> str:
        """The id of the bundle, whose bytes are here from now on."""
        shutil.copytree(bundle, self.paths.releases / bundle.name)
        return bundle.name

    def name_champion(self, model_id: str) -> None:
        """As releases do it: written beside the pointer and renamed into its place."""
        pointer = self.paths.champion
        temporary = pointer.with_name(f".{pointer.name}.tmp")
        temporary.write_text(json.dumps({"model_id": model_id}))
        temporary.rename(pointer)

    def champion(self) -> str:
        return str(read_json(self.paths.champion)["model_id"])

    @property
    def traffic(self) -> Path:
        return self.paths.traffic

    def records(self) -> list[dict[str, Any]]:
        """What the log holds, each worker's records in their order; a half line at a segment's end is dropped."""
        found = []
        for segment in sorted((self.traffic / "segments").glob("*.jsonl")):
            *lines, _ = segment.read_bytes().split(b"\n")
            found += [json.loads(line) for line in lines]
        return found

    def predicted(self) -> dict[str, list[dict[str, Any]]]:
        """The logged rows by their prediction's id, each with its record's own fields."""
        found: dict[str, list[dict[str, Any]]] = {}
        for record in self.records():
            for row in record["rows"] if record["kind"] == "predicted" else ():
                found.setdefault(row["prediction_id"], []).append(
                    {**{k: v for k, v in record.items() if k != "rows"}, **row}
                )
        return found

    def refused(self) -> list[dict[str, Any]]:
        return [record for record in self.records() if record["kind"] == "refused"]


def home_with(released: dict[str, Path], folder: Path) -> Home:
    """A project folder whose champion is lightgbm, with the other models released too."""
    home = Home(folder)
    for bundle in released.values():
        home.release(bundle)
    home.name_champion(released["lightgbm"].name)
    return home


@dataclass
class Running:
    """A service that answers, and what belongs to it."""

    home: Home
    client: httpx.Client
    port: int
    guard: "subprocess.Popen[bytes]"
    log: Path
    settings: Serving
    environment: dict[str, str] = field(default_factory=dict)

    def ask(self, *rows: Mapping[str, Any], **headers: str) -> dict[str, Any]:
        answer = self.client.post("/predict", json={"rows": rows}, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def supervisor(self) -> int | None:
        return next(iter(children(self.guard.pid)), None)

    def workers(self) -> list[int]:
        """The processes that answer."""
        supervisor = self.supervisor()
        return [] if supervisor is None else [p for p in children(supervisor) if "worker" in _command(p)]

    def metrics(self) -> dict[str, float]:
        """The samples of /metrics by their names with labels."""
        lines = self.client.get("/metrics").text.splitlines()
        pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def until(self, holds: Any, what: str) -> None:
        """Waits until something holds; what takes this long has failed rather than been slow."""
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if holds():
                    return
            time.sleep(0.02)
        raise AssertionError(f"not within {READY_WITHIN_S} s: {what}\n{self.log.read_text()[-3000:]}")

    def until_ready(self) -> None:
        self.until(lambda: self.client.get("/readyz").status_code == 200, "ready")

    def until_model(self, model_id: str) -> None:
        self.until(lambda: self.client.get("/model").json()["model_id"] == model_id, f"model {model_id}")


@contextmanager
def running(
    project: Project, home: Home, settings: Mapping[str, Any] | None = None, **environment: str
) -> Iterator[Running]:
    """The project's Bento as `accord serve` starts it, with a home and settings of its own."""
    traffic = {"segment_seconds": 1e6, "min_free_mb": 0, **(settings or {}).get("traffic", {})}
    chosen = shipped(Serving, **{"port": free_port(), **(settings or {}), "traffic": traffic})
    tag = f"accord:{read_json(project.paths.bundle / 'manifest.json')['model_id']}"
    words, source, variables = server.command(tag, chosen, home.root, project.paths)
    variables |= {"ACCORD_TOKEN": TOKEN}
    for name, value in environment.items():
        variables[name] = f"{value}{os.pathsep}{variables[name]}" if name == "PYTHONPATH" else value
    log = home.root / "serve.log"
    with log.open("ab") as out:
        guard = subprocess.Popen(
            [sys.executable, "-m", "accord.serving.guard", *words],
            cwd=source, env=variables, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{chosen.port}", timeout=120) as client:
            service = Running(home, client, chosen.port, guard, log, chosen)
            service.until_ready()
            yield service
    finally:
        stop(guard)


def stop(guard: "subprocess.Popen[bytes]") -> None:
    """Ends the guard and all of its session."""
    if guard.poll() is None:
        guard.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            guard.wait(timeout=30)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(guard.pid, signal.SIGKILL)
    guard.wait()


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


def exchange(port: int, request: bytes, n_replies: int = 1) -> list[Reply]:
    """The replies to bytes sent as they are; fewer if the service closes the connection before."""
    found = []
    with socket.create_connection(("127.0.0.1", port), timeout=READY_WITHIN_S) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
        stream = connection.makefile("rb")
        while len(found) < n_replies and (reply := _reply(stream)) is not None:
            found.append(reply)
    return found


def _reply(stream: BinaryIO) -> Reply | None:
    status = stream.readline().split()
    if len(status) < 2:
        return None
    headers = {}
    while (line := stream.readline()) != b"\r\n":
        if not line.endswith(b"\r\n"):
            return None
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", 0))
    body = stream.read(length)
    return Reply(int(status[1]), headers, body) if len(body) == length else None


def post(path: str, body: bytes, *headers: str) -> bytes:
    """A request as bytes for the wire."""
    lines = [
        f"POST {path} HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Clients:
    """Clients that send a request, one after the other, while the block runs, and keep the replies that came whole.
    One whose connection breaks opens another."""

    def __init__(self, port: int, requests: Sequence[bytes], n_clients: int, pause_s: float = 0.0) -> None:
        self.replies: list[tuple[int, Reply]] = []
        """Which request, and its reply, in the order of arrival."""
        self.n_broken = 0
        """Connections that could not be opened or that ended before the reply."""
        self._port, self._requests, self._pause_s = port, requests, pause_s
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(n_clients)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def until_more(self, n: int) -> None:
        """Waits for so many more replies."""
        wanted, deadline = len(self.replies) + n, time.monotonic() + READY_WITHIN_S
        while len(self.replies) < wanted:
            assert time.monotonic() < deadline, f"not {n} replies within {READY_WITHIN_S} s"
            time.sleep(0.01)

    def _run(self, at: int) -> None:
        while not self._stopping.is_set():
            try:
                with socket.create_connection(
                    ("127.0.0.1", self._port), timeout=READY_WITHIN_S
                ) as connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    stream = connection.makefile("rb")
                    while not self._stopping.is_set():
                        which = at % len(self._requests)
                        connection.sendall(self._requests[which])
                        reply = _reply(stream)
                        if reply is None:
                            raise ConnectionError
                        self.replies.append((which, reply))
                        at += len(self._threads)
                        self._stopping.wait(self._pause_s) if self._pause_s else None
            except (OSError, ValueError):
                self.n_broken += 1
                time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def memory_mb(pid: int) -> float:
    """The memory that is the process's own."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = (int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_"))
    return sum(found) / 1000


def is_running(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def children(pid: int) -> list[int]:
    """The processes that this one has started and that run."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        return [int(child) for task in tasks for child in task.read_text().split()]
    return []


def _command(pid: int) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""
