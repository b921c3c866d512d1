"""The compaction of the traffic log, which the service starts now and then as a process of its own."""

import os
import subprocess
import sys
import time
from pathlib import Path

from accord.files import read_json
from accord.schema.serving import Serving
from accord.serving import handover
from accord.traffic.compaction import REPORT


class Compactor:
    """Starts one process at a time. Other workers start theirs, and of these processes one at a time compacts."""

    def __init__(self, folder: Path, settings: Serving) -> None:
        self._folder = folder
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._started = time.monotonic()

    def start_if_due(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        if time.monotonic() - self._started < self._settings.traffic.segment_seconds:
            return
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "accord.traffic.compaction", str(self._folder.absolute())],
            env={**os.environ, handover.VARIABLE: self._settings.model_dump_json()},
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: os.nice(19),
        )

    def problem(self) -> str | None:
        """Why complete segments have not been moved, by the last report. None if there is no problem, or no report."""
        try:
            problem = read_json(self._folder / REPORT).get("problem")
        except (OSError, ValueError):
            return None
        return None if problem is None else str(problem)
