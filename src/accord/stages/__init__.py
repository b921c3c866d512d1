"""One module a DVC stage: read, call, write. Run with words, such as `model=linear`, a stage takes a config composed
afresh instead of conf.lock.yaml."""

import errno
import sys
import time
from collections.abc import Callable

from accord.config import lock
from accord.config.schema import Config
from accord.errors import AccordError
from accord.terminal import complain, say, take_over_tracebacks


def run(stage: Callable[[Config], str]) -> None:
    """Runs a stage as a program: prints what it did, or one line about a user's mistake and exit code 2."""
    exit_with_message(lambda: _run(stage))


def _run(stage: Callable[[Config], str]) -> None:
    start = time.perf_counter()
    name = stage.__name__
    done = stage(lock.load(sys.argv[1:]))
    say(f"  {name}: {done} ({time.perf_counter() - start:.1f} s)")


def exit_with_message(work: Callable[[], None]) -> None:
    """Does the work; a user's mistake, or a full disk, ends the program with one line and exit code 2."""
    take_over_tracebacks()
    try:
        work()
    except AccordError as error:
        sys.exit(_failed(str(error)))
    except OSError as error:
        if error.errno != errno.ENOSPC and "No space left" not in str(error):
            raise
        sys.exit(_failed(f"The disk is full: {error}. Nothing was lost; free some space and run again"))
    except Exception as error:  # Polars reports a full disk in errors of its own
        if "No space left" not in str(error):
            raise
        sys.exit(
            _failed(
                f"The disk is full: {' '.join(str(error).split())[:200]}. Nothing was lost; free some space and run again"
            )
        )


def _failed(message: str) -> int:
    complain(f"accord: {message}")
    return 2
