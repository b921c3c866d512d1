"""How a command or a stage ends as a program: with one line and an exit code where the user or the machine is to blame."""

import errno
import getpass
import re
import sys
from collections.abc import Callable, Sequence

from accord.errors import AccordError
from accord.terminal import complain, take_over_tracebacks

Signs = tuple[frozenset[int], tuple[str, ...]]
"""Error numbers, and words by which libraries that have errors of their own, such as Polars and BentoML, say the same."""
FULL: Signs = (frozenset({errno.ENOSPC, errno.EDQUOT}), ("No space left", "Disk quota exceeded"))
FORBIDDEN: Signs = (
    frozenset({errno.EACCES, errno.EPERM, errno.EROFS}),
    ("PermissionError", "[Errno 13]", "[Errno 1]", "os error 13", "os error 30", "Read-only file system"),
)
NO_MEMORY: Signs = (
    frozenset({errno.ENOMEM}),
    (
        "MemoryError", "Cannot allocate memory", "memory allocation of", "bad_alloc", "Unable to allocate", "realloc of size",
        "failed to map segment", "can't start new thread", "code: 11, kind: WouldBlock", "cannot allocate memory",
        "A process in the process pool was terminated abruptly",
    ),
)  # fmt: skip

MADE = re.compile(r"(\.\./)*(data|models|reports)/[^'\"\s]+")
"""A path of what the pipeline writes, as a command names it."""


def exit_with_message(work: Callable[[], None]) -> None:
    """Does the work; a user's mistake, a full disk, a file that may not be written, or too little memory ends the program with
    one line and exit code 2."""
    take_over_tracebacks()
    try:
        work()
    except AccordError as error:
        if (reason := _misread(error)) is not None:
            sys.exit(_failed(reason))
        sys.exit(_failed(error.message, error.details))
    except Exception as error:
        reason = machines_reason(error) or _missing(error)
        if reason is None:
            raise
        sys.exit(_failed(reason))


def _missing(error: Exception) -> str | None:
    """Where a file that the pipeline writes isn't there: a stage that fails leaves none of its outputs."""
    found = MADE.search(str(error)) if isinstance(error, FileNotFoundError) else None
    if found is None:
        return None
    return f"{found[0]} is missing: what writes it was not run, or did not end. Make it: accord run"


def _misread(error: AccordError) -> str | None:
    """The machine's reason for an error that blames the user for what a full disk, or too little memory, has done."""
    cause = None if error.__cause__ is None else machines_reason(error.__cause__)
    return None if cause is None or cause.startswith("Not allowed") else cause


def machines_reason(error: BaseException) -> str | None:
    """Why the machine did not let the program go on, in one line; None if that is not what the error says. The error that it
    was raised from counts too."""
    known: BaseException | None = error
    while known is not None and not isinstance(known, AccordError):
        number = known.errno if isinstance(known, OSError) else None
        if (reason := reason_in(f"{type(known).__name__}: {known}", number)) is not None:
            return reason
        known = known.__cause__ or known.__context__
    return None


def reason_in(text: str, number: int | None = None) -> str | None:
    """The same, from what a program said and the number of the system's error, if it is known."""
    said = " ".join(text.split()).removeprefix("ERROR: ")[:300]
    if _says(FULL, text, number):
        return f"The disk is full: {said}. Nothing was lost; free some space and run again"
    if _says(FORBIDDEN, text, number):
        return f"Not allowed for {_user()}: {said}. Change the owner or mode, or work in a copy of the project that is yours"
    if _says(NO_MEMORY, text, number):
        return f"There is too little memory: {said}. Nothing was lost; end other programs, or raise the limit, and run again"
    return None


def is_of_memory(text: str) -> bool:
    """Whether a program says there that it was refused memory."""
    return _says(NO_MEMORY, text, None)


def _says(signs: Signs, text: str, number: int | None) -> bool:
    numbers, words = signs
    return number in numbers or any(word in text for word in words)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an id without a name
        return "this user"


def _failed(message: str, details: Sequence[str] = ()) -> int:
    complain(f"accord: {message}", *(f"  {detail}" for detail in details))
    return 2
