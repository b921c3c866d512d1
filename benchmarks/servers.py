"""The servers that benchmarks/serving.py compares, each asked for the same rows' predictions by the same bundle."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import polars as pl

from accord.bundle.bundle import Bundle, as_json_row
from accord.config import lock
from accord.paths import Paths
from accord.serving import bento, server

PATHS = Paths(Path())
HOST = "127.0.0.1"
PEERS = Path(__file__).resolve().parent / "peers"
REQUIREMENTS = PEERS / "requirements.txt"
BENTOML = [sys.executable, "-m", "bentoml", "serve"]

Command = tuple[list[str], Path, dict[str, str]]
"""The words, the folder to run them in, and the environment."""


@dataclass(frozen=True)
class Task:
    """What all servers are to do."""

    bundle: Bundle
    rows: pl.DataFrame
    folder: Path
    """For what is of no use afterwards."""
    cache: Path
    """For the peers' environment, which takes minutes to make."""

    @cached_property
    def requests(self) -> list[bytes]:
        """One for each row, as the service documents them."""
        rows = range(self.rows.height)
        return [request("/predict", {"rows": [as_json_row(self.rows, i)]}) for i in rows]

    @cached_property
    def expected(self) -> list[dict[str, float]]:
        """Each row's predictions by target."""
        return pl.DataFrame(self.bundle.predict(self.rows)).to_dicts()


@dataclass(frozen=True)
class Server:
    command: Callable[[int], Command]
    """What starts it on a port."""
    requests: Sequence[bytes]
    """One for each row."""
    predictions: Callable[[Any], Mapping[str, float]] | None
    """Those in an answer, if there are any."""
    exact: bool = False
    """Its predictions are the bundle's to the last bit."""
    workers: int = 1


def ours(task: Task, workers: int) -> Server:
    """The packaged service as `accord serve` starts it, with all that it does: guard, contract, policy, durable log. Each
    start has a home of its own, since its traffic is nobody's and it shall follow no champion."""
    settings = lock.load(PATHS).serving
    tag = bento.package(PATHS.bundle, settings, PATHS)

    def command(port: int) -> Command:
        chosen = settings.model_copy(update={"host": HOST, "port": port, "workers": workers})
        words, place, environment = server.command(tag, chosen, task.folder / f"home-{port}", PATHS)
        return [sys.executable, "-m", "accord.serving.guard", *words], place, environment

    return Server(command, task.requests, of_rows, exact=True, workers=workers)


def floor(task: Task) -> Server:
    words = [
        sys.executable, "-m", "uvicorn", "floor:app", "--loop", "uvloop", "--http", "httptools",
        "--no-access-log", "--no-server-header", "--no-date-header",
    ]  # fmt: skip
    return Server(peer(task, words), task.requests, of_rows, exact=True)


def bento_empty(task: Task) -> Server:
    return Server(peer(task, [*BENTOML, "bento_empty:Empty"]), task.requests, None)


def bento_training(task: Task) -> Server:
    return Server(peer(task, [*BENTOML, "bento_training:Training"]), task.requests, of_rows)


def fastapi(task: Task) -> Server:
    words = [peers_python(task.cache), "-m", "uvicorn", "fastapi_pandas:app"]
    return Server(peer(task, words), task.requests, of_rows)


def mlflow(task: Task) -> Server:
    """`mlflow models serve` of the first target alone, which it is asked for with features made beforehand."""
    python, model, target = peers_python(task.cache), task.folder / "mlflow", next(iter(task.bundle.targets))
    subprocess.run([python, PEERS / "save_mlflow_model.py", PATHS.bundle, target, model], check=True)
    words = [
        python, "-m", "mlflow", "models", "serve", "--model-uri", str(model), "--env-manager", "local",
        "--workers", "1",
    ]  # fmt: skip
    transform = task.bundle.transform
    columns = [feature.name for feature in transform.features]
    requests = [
        request("/invocations", {"dataframe_split": {"columns": columns, "data": [with_null(row)]}})
        for row in transform.matrix(task.rows).tolist()
    ]
    return Server(peer(task, words), requests, lambda answer: {target: answer["predictions"][0]})


SERVERS: dict[str, Callable[[Task], Server]] = {
    "ours": partial(ours, workers=1),
    "ours-2": partial(ours, workers=2),
    "floor": floor,
    "bento-empty": bento_empty,
    "mlflow": mlflow,
    "fastapi": fastapi,
    "bento-training": bento_training,
}


def peer(task: Task, words: Sequence[str]) -> Callable[[int], Command]:
    """What starts a peer; its first word is the interpreter of its environment."""
    environment = {
        **os.environ,
        "BUNDLE": str(PATHS.bundle.absolute()),
        "BENTOML_HOME": str(task.folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{Path(words[0]).parent}{os.pathsep}{os.environ['PATH']}",  # mlflow runs `uvicorn`
    }
    return lambda port: ([*words, "--host", HOST, "--port", str(port)], PEERS, environment)


def of_rows(answer: Any) -> Mapping[str, float]:
    """The predictions in an answer of the service's form, for one row."""
    (row,) = answer["rows"]
    return row["predictions"]


def with_null(values: Sequence[float]) -> list[float | None]:
    """JSON has no NaN."""
    return [None if math.isnan(value) else value for value in values]


def request(path: str, content: Mapping[str, Any]) -> bytes:
    """A POST as bytes for the wire."""
    body = json.dumps(content).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def peers_python(cache: Path) -> str:
    """The interpreter of the environment that has MLflow and FastAPI; made on first use."""
    wanted, installed = REQUIREMENTS.read_text(), cache / "installed.txt"
    python = str((cache / "venv/bin/python").absolute())
    if not installed.exists() or installed.read_text() != wanted:
        print(
            f"Setting up the peers' environment in {cache} (some minutes, once)", file=sys.stderr, flush=True
        )
        subprocess.run([sys.executable, "-m", "venv", "--clear", cache / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-qq", "--requirement", REQUIREMENTS], check=True)
        installed.write_text(wanted)
    return python
