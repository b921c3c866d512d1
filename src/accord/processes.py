"""Processes of this machine: whether one still runs, what it is, and what it has open."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import psutil
from psutil import Process

__all__ = ["Process", "described", "found", "in_project", "is_open", "ran_at", "words_of"]

CLOCK_S = 2.0
"""By how much the time of a process's start and that of a file may disagree."""


def found(pid: int) -> Process | None:
    """The process of that id, or None if it has ended, which one that nobody has waited for yet has too."""
    try:
        process = Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.NoSuchProcess:
        return None


def ran_at(process: Process, instant: float) -> bool:
    """Whether it had started by then: the id of a process that ended is given to another."""
    return float(process.create_time()) <= instant + CLOCK_S


def described(process: Process) -> str:
    """What runs, as which process, since when: the beginning of a sentence."""
    try:
        words = _shortened(words_of(process) or []) or process.name()
        since = datetime.fromtimestamp(process.create_time()).astimezone().isoformat(" ", "seconds")
    except psutil.NoSuchProcess:
        return f"Process {process.pid}"
    return f"'{words[:200]}' (process {process.pid}, since {since})"


def _shortened(words: Sequence[str]) -> str:
    """The command as it was typed: without the interpreter of a script, and the folder."""
    is_script = len(words) > 1 and "python" in Path(words[0]).name and not words[1].startswith("-")
    program, *rest = words[1:] if is_script else words or [""]
    return " ".join([Path(program).name, *rest])


def words_of(process: Process) -> list[str] | None:
    """Its command line, which a process of the system has none of; None if this user may not read it."""
    try:
        return list(process.cmdline())
    except psutil.AccessDenied:
        return None
    except psutil.NoSuchProcess:
        return []


def in_project(root: Path, marker: str, matches: Callable[[list[str]], bool]) -> list[Process]:
    """The processes whose command line matches and whose current folder is in this project, rather than in another within
    it, by what the root of each has; also those whose folder this user may not read."""
    here = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words, cwd = process.info["cmdline"], process.info["cwd"]
        if words and matches(words) and (not cwd or _root_of(Path(cwd), marker) == root.resolve()):
            here.append(process)
    return here


def _root_of(folder: Path, marker: str) -> Path | None:
    return next((one for one in (folder, *folder.parents) if (one / marker).exists()), None)


def is_open(path: Path) -> bool:
    """Whether a process of this user has the file open."""
    whole = str(path.resolve())
    for process in psutil.process_iter():
        try:
            if any(file.path == whole for file in process.open_files()):
                return True
        except (psutil.Error, OSError):  # it ended meanwhile, or is another user's
            continue
    return False
