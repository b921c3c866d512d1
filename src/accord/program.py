"""How a command or a stage ends as a program: with one line and an exit code where the user or the disk is to blame."""

import errno
import sys
from collections.abc import Callable, Sequence

from accord.errors import AccordError
from accord.terminal import complain, take_over_tracebacks


def exit_with_message(work: Callable[[], None]) -> None:
    """Does the work; a user's mistake, or a full disk, ends the program with one line and exit code 2."""
    take_over_tracebacks()
    try:
        work()
    except AccordError as error:
        sys.exit(_failed(error.message, error.details))
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


def _failed(message: str, details: Sequence[str] = ()) -> int:
    complain(f"accord: {message}", *(f"  {detail}" for detail in details))
    return 2
