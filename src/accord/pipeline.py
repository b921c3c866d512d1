"""The pipeline as the commands run it: `dvc repro`, and what comes after it and stays out of the DAG."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accord import judging, paths
from accord.config import lock
from accord.config.schema import Objective
from accord.errors import AccordError
from accord.objective.teams import MEASURED


def reproduce(quiet: bool = False, pass_fds: Sequence[int] = (), stage: str | None = None) -> None:
    """Runs `dvc repro`, up to a stage if one is named. It holds the files that are passed on for as long as it runs. Ends
    the program with its exit code, or 2 if a stage blamed the user's input."""
    if not Path(".git").exists():
        raise AccordError("There is no git repository here, which DVC needs; create one: git init")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", *([stage] if stage else [])],
        env=environment,
        stdout=subprocess.DEVNULL if quiet else None,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=pass_fds,
    )
    assert process.stderr is not None
    blamed = full = False
    for line in process.stderr:
        blamed = blamed or "exited with 2" in line
        full = full or "No space left on device" in line
        print(line, end="", file=sys.stderr, flush=True)
    if process.wait():
        if full and not blamed:
            raise AccordError(
                "The disk is full: DVC found no space left. Nothing was lost; free some space and run again"
            )
        sys.exit(2 if blamed else process.returncode)


def candidate(pass_fds: Sequence[int] = ()) -> tuple[str, dict[str, Any]]:
    """Makes the candidate of what params.yaml selects, measures it if a team asks for that, and judges it; its Bento's
    tag and the scorecard. Tells what it does."""
    from accord.serving import measuring, packaging

    reproduce(pass_fds=pass_fds)
    config = lock.load()
    tag = packaging.package(paths.BUNDLE, config.serving)
    print()
    if asks_for_measuring(config.objective):
        print(measuring.as_text(measuring.measure(config.serving)), end="\n\n")
    card = judging.judge_candidate(config)
    print(judging.as_text(card))
    return tag, card


def asks_for_measuring(objective: Objective) -> bool:
    """Whether a team's metric is about the running service."""
    return any(metric.builtin in MEASURED for metric in objective.metrics.values())
