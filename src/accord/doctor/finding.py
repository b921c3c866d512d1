"""What a check finds, and the one way to look at a file or folder, which may be anything."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import yaml

from accord import conflicts

T = TypeVar("T")
Parser = Callable[[str], Any]
ENOUGH = 3
"""How many of several damaged things are named; the others are counted."""


class Damage(NamedTuple):
    """A finding, for programs."""

    what: str
    """What is damaged."""
    found: str
    means: str
    """What follows from it."""
    mend: str
    """The command that mends it, or what to do."""
    is_mended: bool
    """Whether `accord doctor --fix` mends it."""


class Examined(NamedTuple):
    """What `accord doctor` found, for programs."""

    damage: list[Damage]
    notes: list[str]
    """What was not looked at, and why."""


class Finding(NamedTuple):
    what: str
    """What is damaged."""
    found: str
    """What was found: the line goes on with it."""
    means: str
    """What follows from it."""
    mend: str
    """The command that mends it, or what to do."""
    fix: Callable[[], str] | None = None
    """Mends it without a loss, and says what it did; None where that takes a decision, or hours."""

    def line(self) -> str:
        return f"{self.what} {self.found}. {self.means}. Mend it: {self.mend}"


def trouble(path: Path, root: Path, *, is_folder: bool = False, is_written: bool = False) -> str | None:
    """Why it can't be used as the file or folder that it should be; None if it can, or if nothing is there."""
    try:
        if path.is_symlink() and not path.exists():
            return f"is a link to {os.readlink(path)}, which is not there"
        found = path.stat()
        owner = root.stat().st_uid
    except (FileNotFoundError, NotADirectoryError):
        return None  # what stands where its folder should be is found there
    except OSError as error:
        return f"can't be reached: {error.strerror}"
    if is_folder != stat.S_ISDIR(found.st_mode) or not (is_folder or stat.S_ISREG(found.st_mode)):
        expected = "folder" if is_folder else "file"
        return f"is {_kind(found.st_mode)}, where a {expected} is expected"
    needed = 0o400 | (0o200 if is_written else 0) | (0o100 if is_folder else 0)
    asked = os.R_OK | (os.W_OK if is_written else 0) | (os.X_OK if is_folder else 0)
    mode = stat.S_IMODE(found.st_mode)
    if mode & needed != needed or not os.access(path, asked):
        return f"has mode {mode:04o} and the owner {_user(found.st_uid)}, so that {_user(os.geteuid())} or its owner can't {_verbs(is_folder, is_written)} it"
    if found.st_uid not in (owner, os.geteuid()) and mode & 0o060 != 0o060:
        return f"belongs to {_user(found.st_uid)}, and the project to {_user(owner)}"
    return None


def read(path: Path, root: Path, parse: Callable[[str], T]) -> tuple[T | None, str | None]:
    """What the file holds, or else what is wrong with it; neither if it is not there."""
    problem = trouble(path, root)
    if problem is not None or not path.exists():
        return None, problem
    try:
        content = path.read_bytes()
    except OSError as error:
        return None, f"can't be read: {error.strerror}"
    if not content.strip(b"\0 \t\r\n"):
        return None, "is empty" if not content.strip() else "holds nothing but zeros"
    if conflicts.is_in(content):
        return None, "holds a conflict that a merge left"
    try:
        return parse(content.decode("utf-8")), None
    except UnicodeDecodeError as error:
        return None, f"is no text: byte {error.start + 1:,} of {len(content):,} is not UTF-8"
    except Exception as error:  # a parser may raise anything where what it reads is damaged
        return None, f"is damaged or cut short: {in_one_line(error)}"


def json_of(shape: type[T]) -> Callable[[str], T]:
    return msgspec.json.Decoder(shape).decode


def yaml_of(shape: type[T]) -> Callable[[str], T]:
    return lambda text: msgspec.convert(yaml.load(text, Loader=yaml.CSafeLoader), shape, strict=False)


def in_one_line(error: object) -> str:
    text = " ".join(str(error).split())
    return f"{text[:200]}..." if len(text) > 200 else text or type(error).__name__


def some(names: list[str]) -> str:
    """A few of the names, and how many more there are.

    >>> some(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = f" and {len(names) - ENOUGH:,} more" if len(names) > ENOUGH else ""
    return ", ".join(names[:ENOUGH]) + more


def _kind(mode: int) -> str:
    return "a folder" if stat.S_ISDIR(mode) else "a file" if stat.S_ISREG(mode) else "a pipe or device"


def _verbs(is_folder: bool, is_written: bool) -> str:
    return " and ".join(["read", *(["write"] if is_written else []), *(["enter"] if is_folder else [])])


def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
