"""One module a DVC stage: read, call, write. Run with words, such as `model=linear`, a stage takes a config composed
afresh instead of its slice of the lock."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from accord.engines import bound, memory
from accord.errors import AccordError
from accord.paths import Paths
from accord.program import exit_with_message
from accord.schema.config import Config
from accord.terminal import say

Stage = Callable[[Config, Paths], str]

# Address space that Polars' allocator would keep counts against the limit. It reads this when Polars is imported, after this module.
os.environ.setdefault("_RJEM_MALLOC_CONF", "retain:false")


def run(stage: Stage) -> None:
    """Runs a stage as a program, in no more memory than `engine.memory` lets it take: prints what it did, or one line about a
    user's mistake and exit code 2."""
    bound.in_child(f"stage {stage.__name__}")
    exit_with_message(lambda: _run(stage))


def _run(stage: Stage) -> None:
    start = time.perf_counter()
    name, paths = stage.__name__, Paths(Path())  # DVC runs a stage in the project's root
    config = _config(name, sys.argv[1:], paths)
    with bound.limited(f"stage {name}", memory.limit(config.engine)):
        done = stage(config, paths)
    say(f"  {name}: {done} ({time.perf_counter() - start:.1f} s)")


def _config(stage: str, words: Sequence[str], paths: Paths) -> Config:
    """What the stage reads of the config: its slice and the engine, or, given words, those composed afresh. See
    accord.config.slices."""
    if words:
        from accord.config import slices

        return slices.afresh(stage, words, paths)
    cut = _cut(paths.slices / f"{stage}.yaml")
    del cut["libraries"]  # they stand there to be compared
    return Config.partial(cut | _cut(paths.slices / "engine.yaml"))


def _cut(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise AccordError(f"{path} is missing; stage compose writes it: run `dvc repro`")
    return dict(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
