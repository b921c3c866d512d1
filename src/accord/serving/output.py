"""The service's own output, for the people who run it. Nothing fails if a line can't be written there: the output may be
on the disk that is full, or a pipe whose reader has gone."""

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
    """Writes a line at once, so that it doesn't mix with those of other processes, and signal handlers may call this."""
    _write(visible(f"accord: {text}"))


def say_exception() -> None:
    """The exception that is being handled, with its traceback."""
    import traceback

    _write(foreign(traceback.format_exc().rstrip("\n")))


def _write(text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(STDERR, f"{text}\n".encode())
