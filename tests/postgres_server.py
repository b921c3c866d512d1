"""A real Postgres for tests, to start and stop."""

import os
import socket
import subprocess
from pathlib import Path


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
