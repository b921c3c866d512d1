"""Every call of DVC, for one accord command at a time, and the repair of what a killed DVC or git leaves behind.

DVC writes most of its files in place. A kill therefore leaves them cut short, and DVC then refuses to read them:

    .dvc/tmp/lock, .dvc/tmp/rwlock.lock   locked by flock; DVC holds the first, except while a stage runs
    .dvc/tmp/rwlock                       says which process reads and writes which path, also for stages; written in place
    dvc.lock, *.dvc                       written in place; lost parts come back from the run cache, or by `dvc add`
    .dvc/cache                            written under temporary names and renamed; but a half-written file of the run
                                          cache is read as if it were whole
    the index in DVC's site cache         files of a push or pull; a half-written one is taken for whole: see `transfer`

`alone` repairs these while it holds both locks. It touches nothing that a living process uses: then it raises an error
that names that process.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from configparser import RawConfigParser
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from accord import files, locks, processes, program
from accord.errors import AccordError
from accord.paths import Paths
from accord.terminal import complain, foreign

LOCK, RWLOCK_LOCK, RWLOCK, TRANSFER = "tmp/lock", "tmp/rwlock.lock", "tmp/rwlock", "tmp/transfer"
"""In .dvc."""
WAIT_S = 5.0
"""How long DVC may have its lock for something short, such as `dvc status`."""
SETTLED_S = 1.0
"""A temporary file that is older, and that no process has open, was abandoned: no process will rename it."""
LITTLE_BYTES = 2_000_000
"""With less room than that DVC's failure is the disk's."""
ABANDONED_S = 600.0
"""The same, where other commands than this one may write."""
BUSY = ("is being blocked by:", "Unable to acquire lock")
"""How DVC says that another process is at work. It then advises to remove the lock, which would be wrong here."""

ADVICE = "Having any troubles?"
"""How the line begins in which DVC sends people to its support."""

EMPTY = re.compile(r"WARNING: '.*' is empty\.\n?")
"""How DVC remarks upon an output without files, such as the decisions of an objective without a policy."""

_locks: dict[Path, int] = {}
"""The lock's descriptor for each lock file that this process holds in `alone`. A sandbox shares its project's file."""


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    """An entry of .dvc/tmp/rwlock: the process that reads or writes a path."""

    pid: int
    cmd: str


class RWLock(msgspec.Struct, forbid_unknown_fields=True):
    read: dict[str, list[Entry]] = {}
    write: dict[str, Entry] = {}


class Hashed(msgspec.Struct):
    """A path in dvc.lock or in a pointer. A value that a kill has cut off reads as null, which DVC refuses too."""

    path: str
    hash: str = ""
    md5: str = ""
    size: int = 0
    nfiles: int = 0


class LockedStage(msgspec.Struct):
    cmd: str | list[str]
    deps: list[Hashed] = []
    params: dict[str, dict[str, Any]] = {}
    outs: list[Hashed] = []


class Lockfile(msgspec.Struct):
    schema: str
    stages: dict[str, LockedStage] = {}


class Pointer(msgspec.Struct):
    outs: list[Hashed]


@contextmanager
def alone(paths: Paths) -> Iterator[int]:
    """Holds the project's lock until the block ends, and repairs DVC's files first; yields the lock's descriptor.

    A block inside of such a block is entered at once. Raises an AccordError that names the process at work, if that is
    another accord command or a DVC that a user started.
    """
    file = paths.command_lock.resolve()
    if file in _locks:
        yield _locks[file]
        return
    with locks.alone(paths.command_lock) as lock:
        _locks[file] = lock
        try:
            _mend(paths)
            yield lock
        finally:
            del _locks[file]


def transfer(paths: Paths, *words: str) -> "subprocess.CompletedProcess[str]":
    """Runs `dvc push` or `dvc pull` with an empty site cache of its own.

    DVC indexes the files that it is about to transfer in its site cache, and commits them there one by one. After a kill in
    between, the next transfer would take that index for complete and skip the files that are missing from it, although it
    would store the directory that lists them.
    """
    site_cache = paths.dvc / TRANSFER
    with alone(paths):
        files.remove(site_cache)
        try:
            return run(paths, *words, DVC_SITE_CACHE_DIR=str(site_cache.resolve()))
        finally:
            files.remove(site_cache)


def run(paths: Paths, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs DVC in the project's root; paths among its words are relative to that. DVC inherits the lock, and holds it as
    long as it runs. Raises AccordError if another process has locked what it needs, or if the machine refuses.

    With `--quiet` DVC would not say why it fails.
    """
    with alone(paths) as lock:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *words],
            cwd=paths.root,
            env={**_environment(), **environment},
            capture_output=True,
            text=True,
            pass_fds=[lock],
        )
    if done.returncode and any(said in done.stderr for said in BUSY):
        raise AccordError(_in_the_way(done.stderr, paths))
    done.stderr = "\n".join(line for line in done.stderr.splitlines() if not line.startswith(ADVICE))
    if done.returncode and (reason := program.reason_in(done.stderr)):
        raise AccordError(reason)
    return done


def reproduce(paths: Paths, quiet: bool = False, stage: str | None = None) -> None:
    """Runs `dvc repro`, up to a stage if one is named. If it fails, the program ends with its exit code, or with 2 if a
    stage said that the user's input was wrong."""
    if not paths.git.exists():
        raise AccordError("There is no git repository here, which DVC needs; create one: git init")
    with alone(paths) as lock:
        process = subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro", *([stage] if stage else [])],
            cwd=paths.root,
            env=_environment(),
            stdout=subprocess.DEVNULL if quiet else None,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[lock],
        )
        assert process.stderr is not None
        blamed, reason, busy = False, None, ""
        for line in process.stderr:
            blamed = blamed or "exited with 2" in line
            reason = reason or program.reason_in(_killed(line) or line)
            if busy or any(said in line for said in BUSY):
                busy += line
            elif not EMPTY.fullmatch(line):
                complain(foreign(line.rstrip("\n")))
        process.wait()
    if process.returncode:
        if busy:
            raise AccordError(_in_the_way(busy, paths))
        reason = reason or _no_room(paths)
        if reason and not blamed:
            raise AccordError(reason)
        sys.exit(2 if blamed else process.returncode)


def _no_room(paths: Paths) -> str | None:
    """DVC has many words for a full disk, such as `No possible cache link types`; so the disk is asked."""
    free = shutil.disk_usage(paths.root).free
    return (
        program.reason_in(f"No space left: DVC failed with {free / 1e6:.1f} MB free")
        if free < LITTLE_BYTES
        else None
    )


def _killed(line: str) -> str | None:
    """What it means that a stage was ended by a signal that no user sends by hand."""
    ended = re.search(r"exited with -(6|9)\b", line)
    return f"Cannot allocate memory: a stage was ended by signal {ended[1]}" if ended else None


def stages(paths: Paths) -> list[dict[str, Any]]:
    """The stages of dvc.yaml, as it has them. Raises AccordError for a dvc.yaml that has none."""
    try:
        found = YAML(typ="safe").load(paths.pipeline)["stages"].values()
        return [dict(stage) for stage in found]
    except (OSError, YAMLError, UnicodeDecodeError, AttributeError, TypeError, ValueError, KeyError) as error:
        raise AccordError(
            f"{paths.pipeline} can't be read: {' '.join(str(error).split())[:200]}; see what to do: accord doctor"
        ) from error


def outs(stages: Iterable[Mapping[str, Any]]) -> list[Path]:
    """What these stages write, relative to the root."""
    return [Path(path) for path in _flags(stages)]


def cached_outs(stages: Iterable[Mapping[str, Any]]) -> set[str]:
    """Those of them whose bytes DVC's cache has, as dvc.lock names them."""
    return {path for path, flags in _flags(stages).items() if flags.get("cache", True)}


def _flags(stages: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The flags of each out of these stages."""
    listed = [
        out if isinstance(out, dict) else {out: {}} for stage in stages for out in stage.get("outs", [])
    ]
    return {path: flags for out in listed for path, flags in out.items()}


def _environment() -> dict[str, str]:
    """The environment in which DVC finds the programs of this virtual environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path}


def _mend(paths: Paths) -> None:
    """Repairs what a kill has left, once no DVC is at work, and no stage that outlived its DVC.

    Nothing is touched where DVC locks by hard links: they don't show whether the process that made them is alive.
    """
    if not paths.dvc.is_dir() or _config(paths).getboolean("core", "hardlink_lock", fallback=False):
        return
    deadline, is_said = time.monotonic() + locks.ORPHAN_S, False
    while True:
        with _dvc_locked(paths):
            _mend_rwlock(paths)
            running = processes.in_project(paths.root, ".dvc", _is_stage)
            if not running:
                _mend_lock_file(paths.pipeline_lock)
                _sweep(paths)
                break
        if time.monotonic() > deadline:
            raise AccordError(locks.in_the_way(processes.described(running[0])))
        if not is_said:
            is_said = True
            complain(f"Waiting for {processes.described(running[0])} to end")
        time.sleep(locks.POLL_S)
    _mend_pointers(paths)
    _mend_git(paths)


@contextmanager
def _dvc_locked(paths: Paths) -> Iterator[None]:
    """Holds DVC's own locks until the block ends, so that no DVC begins to work or changes rwlock."""
    with ExitStack() as stack:
        for path in (paths.dvc / LOCK, paths.dvc / RWLOCK_LOCK):  # in DVC's own order
            if stack.enter_context(locks.held(path, WAIT_S)) is None:
                raise AccordError(locks.in_the_way(_holder_of(path)))
        yield


def _mend_rwlock(paths: Paths) -> None:
    """Empties .dvc/tmp/rwlock if only dead processes stand in it, or if it can't be read and no DVC runs here."""
    problem, living = rwlock_state(paths)
    if living:
        raise AccordError(locks.in_the_way(processes.described(living[0])))
    if problem is not None:
        files.write_text(paths.dvc / RWLOCK, "{}")


def rwlock_state(paths: Paths) -> tuple[str | None, list[processes.Process]]:
    """What stops DVC at .dvc/tmp/rwlock, None if nothing does, and the living processes that may have paths locked."""
    path = paths.dvc / RWLOCK
    if not path.exists():
        return None, []
    content, written = path.read_bytes(), path.stat().st_mtime
    try:
        entries = msgspec.json.decode(content, type=RWLock)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = "is damaged or cut short" if content.strip() else "is empty"
        return problem, processes.in_project(paths.root, ".dvc", _is_dvc)
    named = [*(entry for one in entries.read.values() for entry in one), *entries.write.values()]
    if not named:
        return None, []
    problem = f"names '{named[0].cmd}' (process {named[0].pid}), which has ended"
    return problem, [process for entry in named if (process := _living(entry, written)) is not None]


def _living(entry: Entry, written: float) -> processes.Process | None:
    """The process of an entry in a file that was last written at `written`; None if that process has ended.

    Another process may have the id by now. It counts as the entry's if its command line ends as the entry's does, or if it
    is a Python that ran at that time, or if nothing can be learned of it.
    """
    process = processes.found(entry.pid)
    if process is None:
        return None
    words = processes.words_of(process)
    if words is None or " ".join(words).split()[-1:] == entry.cmd.split()[-1:]:
        return process
    is_python = any("python" in word or "dvc" in word for word in words[:2])
    return process if is_python and processes.ran_at(process, written) else None


def _is_dvc(words: Sequence[str]) -> bool:
    """Whether the command line is that of a DVC that may have locked paths. The one in the background only watches."""
    return any(Path(word).name == "dvc" for word in words[:3]) and not {"daemon", "queue-worker"} & {*words}


def _is_stage(words: Sequence[str]) -> bool:
    return len(words) > 2 and words[1] == "-m" and words[2].startswith("accord.stages.")


def _mend_lock_file(path: Path) -> None:
    """Removes a dvc.lock that a kill has cut short; one that holds a merge's conflict is the user's to mend."""
    if not path.exists() or is_whole(path, Lockfile):
        return
    if b"<<<<<<<" not in path.read_bytes():
        path.unlink()
        complain(f"{path} was cut short by a kill; the pipeline writes it anew")


def _mend_pointers(paths: Paths) -> None:
    """Runs `dvc add` again for the data beside a pointer that a kill has cut short."""
    for folder in (paths.releases, paths.batches):
        for pointer in sorted(folder.glob("*.dvc")):
            if pointer.with_suffix("").exists() and not is_whole(pointer, Pointer):
                pointer.unlink()
                run(paths, "add", paths.in_root(pointer.with_suffix("")))


def is_whole(path: Path, shape: type) -> bool:
    """Whether the file, read by the parser that DVC reads it with, has the shape."""
    try:
        msgspec.convert(YAML(typ="safe").load(path.read_bytes()), shape)
    except (YAMLError, msgspec.ValidationError, UnicodeDecodeError):
        return False
    return True


def _sweep(paths: Paths) -> None:
    """Removes temporary files that killed stages, promotions and DVC's cache had begun to write."""
    for out in outs(stages(paths)):
        files.remove_leftover(paths.root / out)
    for leftover in paths.releases.glob(".*.tmp"):
        files.remove(leftover)
    for folder in (
        paths.root,
        paths.page.parent,
        paths.monitoring,
        paths.champion.parent,
        paths.batches,
        paths.own,
    ):
        for leftover in folder.glob(".*.tmp"):  # a command beside this one may be writing there
            if (_age_s(leftover) or 0.0) > ABANDONED_S and not processes.is_open(leftover):
                files.remove(leftover)
    for leftover in cache_leftovers(paths):
        # Other projects, and copies of this one, may share the cache.
        while (age := _age_s(leftover)) is not None and age < SETTLED_S:
            time.sleep(locks.POLL_S)
        if age is not None and not processes.is_open(leftover):
            leftover.unlink(missing_ok=True)


def cache(paths: Paths) -> Path:
    return paths.dvc / _config(paths).get("cache", "dir", fallback="cache")


def cache_leftovers(paths: Paths) -> list[Path]:
    """What DVC had begun to write to its cache."""
    folder = cache(paths)
    return [*folder.glob("runs/*/*/.*.tmp"), *folder.glob("files/md5/*/.*.tmp")]


def remote(paths: Paths, name: str) -> Path | None:
    """The folder of a remote; None if it is no folder that this machine reaches."""
    section, config = f"'remote \"{name}\"'", _config(paths)
    url = config.get(section, "url", fallback="") if config.has_section(section) else ""
    return Path(os.path.normpath(paths.dvc / url)) if url and "://" not in url else None


def has_default_remote(paths: Paths) -> bool:
    return _config(paths).has_option("core", "remote")


def is_whole_run(path: Path) -> bool:
    """Whether an entry of the run cache is all there: its name is the hash of what it holds."""
    from dvc.utils import dict_sha256

    if not is_whole(path, LockedStage):
        return False
    held = YAML(typ="safe").load(path.read_bytes())
    return bool(dict_sha256(held, exclude=["size", "nfiles"]) == path.name)


def _age_s(path: Path) -> float | None:
    """Seconds since the file was last written; None if it no longer exists."""
    try:
        return abs(time.time() - path.stat().st_mtime)
    except FileNotFoundError:
        return None


def _config(paths: Paths) -> RawConfigParser:
    """DVC's config for the project, read directly, since asking DVC takes a second."""
    config = RawConfigParser(strict=False)
    config.read([paths.dvc / "config", paths.dvc / "config.local"], encoding="utf-8")
    return config


def _mend_git(paths: Paths) -> None:
    for lock in git_leftovers(paths):
        lock.unlink(missing_ok=True)


def git_leftovers(paths: Paths) -> list[Path]:
    """Git's lock files, if no git runs here, that no other program, such as an editor, has open."""
    asked = subprocess.run(
        ["git", "rev-parse", "--absolute-git-dir"], cwd=paths.root, capture_output=True, text=True
    )
    if asked.returncode:
        return []
    folder = Path(asked.stdout.strip())
    return [
        lock
        for lock in [*folder.glob("*.lock"), *(folder / "refs").rglob("*.lock")]
        if not processes.in_project(paths.root, ".git", _is_git) and not processes.is_open(lock)
    ]


def _is_git(words: Sequence[str]) -> bool:
    return Path(words[0]).name.startswith("git")


def _in_the_way(said: str, paths: Paths) -> str:
    """Which process is at work, according to DVC's message."""
    blocked = re.search(r"\(PID (\d+)\): (.*)", said)
    if blocked is None:
        return locks.in_the_way(_holder_of(paths.dvc / LOCK))
    process = processes.found(int(blocked[1]))
    return locks.in_the_way(
        processes.described(process) if process else f"'{blocked[2]}' (process {blocked[1]})"
    )


def _holder_of(lock: Path) -> str:
    """Which process holds a lock of DVC's: the lock is a file with the process's id."""
    text = lock.read_text(encoding="utf-8").strip() if lock.exists() else ""
    process = processes.found(int(text)) if text.isdecimal() else None
    return processes.described(process) if process else f"A DVC that has {lock} locked"
