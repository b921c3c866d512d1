"""What a project stands on: installed packages, room on the disk, the clock, and commands that were interrupted."""

import os
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from importlib.metadata import distributions
from typing import Any

from accord import dvc
from accord.adoption.plan import Adoption
from accord.doctor import mending, traffic_files
from accord.doctor.finding import Finding, json_of, read, some, trouble
from accord.paths import Paths
from accord.retraining.decision_log import Plan

PINNED = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)(?:\s*;\s*([^\\]+))?")
MIN_FREE_MB = 200.0
"""Below this a run of the pipeline may not end, where the config says no other figure."""
MIN_FREE_FILES = 1000
CLOCK_S = 300.0
"""By how much clocks of machines that work on one project may disagree."""


def environment(paths: Paths) -> Iterator[Finding]:
    """Installed packages against requirements.lock: names and versions."""
    from packaging.markers import Marker
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    def same(one: str, other: str) -> bool:
        try:
            return Version(one) == Version(other)
        except InvalidVersion:
            return one == other

    installed = defaultdict(set)
    for found in distributions():
        name = found.metadata["Name"] if found.metadata is not None else None
        if name:
            installed[canonicalize_name(name)].add(found.version)
    text = read(paths.root / "requirements.lock", paths.root, str)[0] or ""
    pinned = [match for line in text.splitlines() if (match := PINNED.match(line))]
    wanted = {
        canonicalize_name(match[1]): match[2]
        for match in pinned
        if not match[3] or Marker(match[3].strip()).evaluate()
    }
    missing = sorted(str(name) for name in wanted if name not in installed)
    other = [
        f"{name} {' and '.join(sorted(map(str, installed[name])))} rather than {version}"
        for name, version in sorted(wanted.items())
        if name in installed and not all(same(str(one), version) for one in installed[name])
    ]
    for names, found_words in ((missing, "lacks"), (other, "has")):
        if names:
            yield Finding(
                "The environment", f"{found_words} {some(names)}, against requirements.lock ({len(names)} of {len(wanted)} packages)",
                "Models may come out otherwise than on other machines, or a command may end in an error",
                "rm -f .venv/.ready && make setup",
            )  # fmt: skip
    if text and not wanted:
        yield Finding(
            str(paths.root / "requirements.lock"), "pins no package", "Nobody can set the same environment up",
            "git checkout HEAD -- requirements.lock", partial(mending.restored, paths.root / "requirements.lock", paths),
        )  # fmt: skip


def disk(paths: Paths) -> Iterator[Finding]:
    """Room for the log, the cache, the releases and what the pipeline makes."""
    free_of_log = _min_free_mb(paths)
    store = dvc.remote(paths, "releases")
    told: set[int] = set()
    for name, folder, wanted in (
        ("the log", paths.traffic, free_of_log), ("what stages make", paths.root, MIN_FREE_MB),
        ("DVC's cache", dvc.cache(paths), MIN_FREE_MB), ("released models", store or paths.releases, MIN_FREE_MB),
    ):  # fmt: skip
        here = next(one for one in (folder, *folder.absolute().parents) if one.is_dir())
        found = os.statvfs(here)
        free_mb, device = found.f_bavail * found.f_frsize / 1e6, here.stat().st_dev
        if device in told:
            continue
        problem = None
        if found.f_flag & os.ST_RDONLY:
            problem = "may only be read"
        elif free_mb < wanted:
            problem = f"has {free_mb:,.0f} MB left, less than {wanted:,.0f}"
        elif found.f_files and found.f_favail < MIN_FREE_FILES:
            problem = f"has room for {found.f_favail:,} more files"
        if problem is not None:
            told.add(device)
            yield Finding(
                f"The disk of {here}", problem, f"There is too little room for {name}, and commands stop half-way",
                "free some space: dvc gc --workspace --all-commits, or make clean",
            )  # fmt: skip


def clock(paths: Paths) -> Iterator[Finding]:
    """Whether now is before what was done already."""
    newest = [*_recorded(paths), *traffic_files.newest(paths)]
    committed = mending.git(paths, "log", "-1", "--format=%ct").stdout.strip()
    if committed.isdecimal():
        newest.append(("git's last commit", float(committed)))
    name, instant = max(newest, key=lambda one: one[1], default=("", 0.0))
    if instant > time.time() + CLOCK_S:
        then = datetime.fromtimestamp(instant).astimezone().isoformat(" ", "seconds")
        now = datetime.now().astimezone().isoformat(" ", "seconds")
        yield Finding(
            "The clock", f"says {now}, and {name} is of {then}",
            "Predictions are logged on the wrong day, and the order of releases is mixed up",
            "set the clock right: timedatectl set-ntp true; or correct the record, if the clock is right",
        )  # fmt: skip


def retraining(paths: Paths) -> Iterator[Finding]:
    """A retraining that was begun and did not end."""
    path = paths.retraining_plan
    plan, problem = read(path, paths.root, json_of(Plan))
    if problem is not None:
        yield Finding(
            str(path), problem, "A retraining was interrupted, and what it was about is lost: accord retrain stops",
            "accord doctor --fix, then accord retrain, which decides again", partial(mending.set_aside, path, paths),
        )  # fmt: skip
    elif plan is not None:
        yield Finding(
            str(path), f"is of a retraining that was interrupted, decided at {plan.at}: {plan.reason}",
            "Its model is neither promoted nor refused", "accord retrain, which carries it out",
        )  # fmt: skip


def adoption(paths: Paths) -> Iterator[Finding]:
    """A project that was begun of the template and is half of each."""
    path = paths.adoption_plan
    plan, problem = read(path, paths.root, json_of(Adoption))
    if problem is not None:
        yield Finding(
            str(path), problem, "accord init was interrupted, and what it had decided is lost",
            f"remove {path}, then git checkout . && git clean --force src tests docs, then accord init again",
        )  # fmt: skip
    elif plan is not None:
        yield Finding(
            str(path), f"is of a project {plan.name} that was begun and not ended", "Its files are half the template's",
            f"accord init {plan.words}",
        )  # fmt: skip


def command_lock(paths: Paths) -> Iterator[Finding]:
    """The file that accord's commands lock; whatever is in it, its lock is the system's."""
    path = paths.command_lock
    problem = trouble(path, paths.root, is_written=True)
    if problem is not None:
        yield Finding(
            str(path), problem, "No command that writes can start", f"accord doctor --fix, or move {path} away",
            partial(mending.set_aside, path, paths),
        )  # fmt: skip


def _min_free_mb(paths: Paths) -> float:
    from accord.config import lock

    try:
        return lock.load(paths).serving.traffic.min_free_mb
    except Exception:  # said of the config
        return MIN_FREE_MB


def _recorded(paths: Paths) -> list[tuple[str, float]]:
    """The newest record of each log in git, and the champion's."""
    found = []
    for path in (paths.release_log, paths.retraining_log, paths.tries):
        text, _ = read(path, paths.root, str)
        for number, line in enumerate((text or "").splitlines(), 1):
            found += _at(line, f"line {number} of {path}")
    text, _ = read(paths.champion, paths.root, str)
    return found + _at(text or "", str(paths.champion))


def _at(text: str, name: str) -> list[tuple[str, float]]:
    try:
        record: Any = json_of(dict[str, Any])(text)
        return [(name, datetime.fromisoformat(record["at"]).timestamp())]
    except (ValueError, KeyError, TypeError):
        return []
