"""One module a DVC stage: read, call, write. Run with words, such as `model=linear`, a stage takes a config composed
afresh instead of its slice of the lock."""

import sys
import time
from collections.abc import Callable, Sequence

import yaml

from accord import paths
from accord.errors import AccordError
from accord.program import exit_with_message
from accord.schema.config import Config
from accord.terminal import say


def run(stage: Callable[[Config], str]) -> None:
    """Runs a stage as a program: prints what it did, or one line about a user's mistake and exit code 2."""
    exit_with_message(lambda: _run(stage))


def _run(stage: Callable[[Config], str]) -> None:
    start = time.perf_counter()
    name = stage.__name__
    done = stage(_config(name, sys.argv[1:]))
    say(f"  {name}: {done} ({time.perf_counter() - start:.1f} s)")


def _config(stage: str, words: Sequence[str]) -> Config:
    """What the stage reads of the config: its slice, or, given words, one composed afresh. See accord.config.slices."""
    if words:
        from accord.config import slices

        return slices.afresh(stage, words)
    path = paths.SLICES / f"{stage}.yaml"
    if not path.exists():
        raise AccordError(f"{path} is missing; stage compose writes it: run `dvc repro`")
    cut = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    del cut["libraries"]  # they stand there to be compared
    return Config.partial(cut)
