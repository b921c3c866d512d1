"""What a page of the documentation has its reader type, and somebody who types it in a fresh copy of the project."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from projects import ROOT, Project, program

from accord.traffic.records import key_text

PROGRAMS = ("accord", "curl", "dvc", "git", "make", "python", "source")
SERVE = "make serve"
PORT = 3000
READY_WITHIN_S = 300
TYPED = re.compile(rf"    (?:\$ )?((?:{'|'.join(PROGRAMS)}) .*?)(?:\s+#.*)?$")
FENCES = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(text: str) -> Iterator[str]:
    """The commands of a page: lines of its blocks, and what the column `you type` of a table has."""
    shown = FENCES.sub(
        lambda block: re.sub("^", "    ", block[2], flags=re.MULTILINE) if not block[1] else "", text
    )
    in_table = False
    for line in shown.splitlines():
        if line.startswith("|"):
            in_table = in_table or line.startswith("| you type |")
            spans = re.findall(r"`([^`]+)`", line.split(" | ")[0]) if in_table else []
            yield from (span for span in spans if span.split()[0] in PROGRAMS)
        else:
            in_table = False
            typed = TYPED.match(line)
            if typed:
                yield typed[1]


def port_is_taken() -> bool:
    """Whether another program has the port at which the pages ask the service."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", PORT)) == 0


class Reader:
    """Somebody at a terminal of a fresh copy. `codes` are the exit codes, besides 0 alone, of commands that begin so."""

    def __init__(self, root: Path, codes: Mapping[str, tuple[int, ...]]) -> None:
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split(
            "\0"
        ):
            if name and (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, root / name)
                os.utime(root / name, (0, 0))  # older than the set-up of .venv, which is that of these tests
        (root / ".venv").symlink_to(sys.prefix)
        self.root, self._project = root, Project(root)
        self._project.run("git", "init", "--quiet")
        self._project.commit()
        own = str(Path(program("accord")).parent)
        path = [folder for folder in os.environ["PATH"].split(os.pathsep) if Path(folder) != Path(own)]
        self._environment = {**self._project.environment, "PATH": os.pathsep.join(path)}
        for name in ("ACCORD_TOKEN", "VIRTUAL_ENV"):
            self._environment.pop(name, None)
        self._codes = codes
        self._before = ""
        self.said: dict[str, str] = {}
        """What each command printed the last time."""

    def types(self, command: str) -> None:
        if command.startswith("source "):
            self._before = f"{command} && "
            return
        typed = self._resolved(command)
        began = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", f"{self._before}{typed}"], cwd=self.root, env=self._environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        print(f"{time.monotonic() - began:6.1f} s  {done.returncode}  {typed[:120]}", flush=True)
        expected = next((codes for start, codes in self._codes.items() if command.startswith(start)), (0,))
        assert done.returncode in expected, f"{typed} ended with {done.returncode}:\n{done.stdout[-4000:]}"
        assert "Traceback" not in done.stdout, done.stdout[-4000:]
        if done.returncode == 2:
            assert "accord: " in done.stdout
        self.said[command] = done.stdout

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The service in a terminal of its own, until the block ends."""
        with (self.root / "serve.log.tmp").open("w") as log:
            server = subprocess.Popen(
                ["bash", "-c", f"{self._before}{SERVE}"], cwd=self.root, env=self._environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            self._until_ready(server)
            yield
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=60)

    def _until_ready(self, server: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline and server.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz"):
                    return
            except OSError:
                time.sleep(0.2)
        raise AssertionError((self.root / "serve.log.tmp").read_text())

    def _resolved(self, command: str) -> str:
        """The command with what the reader puts in the place of its capitals, and a folder for the bucket."""
        own = {
            "PREDICTION_ID": self._prediction_id, "KEY": self._key, "FILE": self._outcomes, "INPUT": self._input,
            "OUTPUT": lambda: "predictions.csv", "s3://bucket/accord": lambda: "remote.tmp",
        }  # fmt: skip
        for word, value in own.items():
            if re.search(rf"\b{word}\b", command):
                command = command.replace(word, shlex.quote(value()))
        return command

    def _prediction_id(self) -> str:
        """Of the answer to README's request."""
        [answer] = (text for command, text in self.said.items() if command.startswith("curl"))
        return str(json.loads(answer)["rows"][0]["prediction_id"])

    def _key(self) -> str:
        """As `accord explain` shows it; here that of the first row of test."""
        rows = pl.read_parquet(self.root / "data/splits/test/*.parquet").select(self._contract["key"])
        return key_text(rows.row(0))

    def _outcomes(self) -> str:
        """As docs/loop.md has it: the prediction and every outcome column."""
        values = {"prediction_id": self._prediction_id(), **dict.fromkeys(self._contract["outcomes"], "12")}
        (self.root / "outcomes.csv").write_text(f"{','.join(values)}\n{','.join(values.values())}\n")
        return "outcomes.csv"

    def _input(self) -> str:
        return str(min((self.root / "data/splits/test").glob("*.parquet")))

    @property
    def _contract(self) -> dict[str, Any]:
        return dict(json.loads((self.root / "models/bundle/contract.json").read_text()))
