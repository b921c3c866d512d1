"""The machine that a benchmark runs on, and what a process and its descendants take of it."""

import os
import platform
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

MEGABYTE = 1e6
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def described(libraries: Sequence[str]) -> str:
    """Cores, processor and versions in one line."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = names[0].partition(":")[2].strip() if names else platform.machine()
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    return f"{os.cpu_count()} cores, {model}; Python {platform.python_version()}, {versions}"


def tree(pid: int) -> list[int]:
    """The process and all that descend from it."""
    found = [pid]
    for parent in found:
        with suppress(FileNotFoundError, ProcessLookupError):  # it may end meanwhile
            for task in os.listdir(f"/proc/{parent}/task"):
                found += map(int, _read(f"/proc/{parent}/task/{task}/children").split())
    return found


def resident(pid: int) -> float:
    """Resident memory of the tree in MB; pages that processes share count for each."""
    sizes = [_read(f"/proc/{p}/statm").split() for p in tree(pid)]
    return sum(int(pages[1]) for pages in sizes if pages) * PAGE_BYTES / MEGABYTE


def proportional(pid: int) -> float:
    """The tree's proportional share of memory (PSS) in MB: a page that n processes share counts 1/n for each."""
    lines = "\n".join(_read(f"/proc/{p}/smaps_rollup") for p in tree(pid)).splitlines()
    return sum(float(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")) / MEGABYTE


def anonymous(pid: int) -> float:
    """Anonymous memory of the tree in MB: what no file stands behind, so that it can't be given up."""
    lines = "\n".join(_read(f"/proc/{p}/status") for p in tree(pid)).splitlines()
    return sum(float(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")) / MEGABYTE


def cpu_seconds(pid: int) -> float:
    """CPU time that the tree has used, user and system."""
    fields = [_read(f"/proc/{p}/stat").rpartition(")")[2].split() for p in tree(pid)]
    return sum(int(each[11]) + int(each[12]) for each in fields if each) / CLOCK_TICKS


def is_running(pid: int) -> bool:
    """Whether the process exists and hasn't ended; one that has ended waits to be noticed by its parent."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return bool(fields) and fields[0] != "Z"


def leave_the_last_core(root: int) -> None:
    """Keeps a process and its descendants off the core that load.c stays on. With a choice, the scheduler puts a server
    of one process now beside the load and now on top of it, and its figures vary threefold."""
    others = sorted(os.sched_getaffinity(0))[:-1]
    if not others:
        return
    for pid in tree(root):
        with suppress(OSError):  # it has ended
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), others)


def _read(path: str) -> str:
    """The file's text; none for a process that is gone."""
    try:
        return Path(path).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
