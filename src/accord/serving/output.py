"""The service's own output, which whoever runs it reads. A line that can't be written there fails nothing: the output
may lie on the disk that is full, or behind a pipe whose reader has gone."""

import contextlib
import os

from accord.terminal import foreign, visible

STDERR = 2


def encodable(text: str) -> str:
    r"""Foreign text as UTF-8 can hold it: half of a surrogate pair, as JSON's escapes may name, in its escaped form.

    >>> encodable("Gr\u00fc\u00dfe \ud800")
    'Grüße \\ud800'
    """
    return text.encode("utf-8", "backslashreplace").decode()


def say(text: str) -> None:
    """A line, by one write: whole beside those of other processes, and safe in a signal's handler."""
    _write(visible(f"accord: {text}"))


def say_exception() -> None:
    """The exception that is being handled, with its traceback."""
    import traceback

    _write(foreign(traceback.format_exc().rstrip("\n")))


def _write(text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(STDERR, f"{text}\n".encode())
