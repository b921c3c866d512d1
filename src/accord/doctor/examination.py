"""The examination: every check in turn, none of which stops another, and the mending of what they find."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple

from accord import locks
from accord.doctor.finding import Finding, in_one_line
from accord.errors import AccordError
from accord.paths import Paths

CHECKS = (
    "project_files.git", "project_files.needed", "project_files.code", "project_files.reports",
    "machine.environment", "machine.disk", "machine.command_lock",
    "pipeline_outs.locks", "pipeline_outs.lock_file", "pipeline_outs.pointers", "pipeline_outs.run_cache",
    "project_files.config", "project_files.sources",
    "pipeline_outs.outs", "pipeline_outs.leftovers",
    "release_store.champion", "release_store.logs", "release_store.stored",
    "traffic_files.folders", "traffic_files.segments", "traffic_files.days", "traffic_files.notes",
    "service_parts.bundle", "service_parts.packaged", "service_parts.own_token", "service_parts.port",
    "machine.clock", "machine.retraining", "machine.adoption",
)  # fmt: skip
"""By module and function. Modules are imported one by one: where one can't be, the others go on."""
HASHING = ("pipeline_outs.outs", "release_store.stored")
IN_FLIGHT = ("pipeline_outs.leftovers", "machine.retraining", "machine.adoption")
"""What these look at is no damage while a command is at work."""
ROUNDS = 5
"""What is mended may uncover more."""


class Examination(NamedTuple):
    findings: list[Finding]
    notes: list[str]
    """What was not looked at, and why."""


def examine(paths: Paths, seconds: float) -> Examination:
    """What is damaged. Hashes of DVC's objects are compared for so many seconds at most."""
    findings: dict[str, Finding] = {}
    failed, notes = defaultdict(list), []
    working = _at_work(paths)
    if working is not None:
        notes.append(f"{working} is at work in this project: what it has not finished yet may look damaged")
    hasher = None
    for name in CHECKS:
        if working is not None and name in IN_FLIGHT:
            continue
        module, _, function = name.partition(".")
        try:
            check = getattr(import_module(f"accord.doctor.{module}"), function)
            if name in HASHING:
                from accord.doctor.objects import Hasher

                hasher = hasher or Hasher(seconds)
                found = check(paths, hasher)
            else:
                found = check(paths)
            for finding in found:
                findings.setdefault(finding.what, finding)
        except (Exception, SystemExit) as error:  # whatever is damaged, the other checks go on
            failed[f"{type(error).__name__}: {in_one_line(error)}"].append(name)
    if hasher is not None:
        hasher.end()
        if hasher.n_bytes_left:
            notes.append(
                f"{hasher.n_bytes / 1e6:,.0f} MB were compared with their hashes within {seconds:g} s, "
                f"{hasher.n_bytes_left / 1e6:,.0f} MB were not; for all of it: accord doctor --seconds {10 * seconds:g}"
            )
    return Examination([*findings.values(), *map(_unlooked, failed.items())], notes)


def treat(paths: Paths, seconds: float, say: Callable[[str], None]) -> Examination:
    """Mends what it may, one after another, says each, and looks again; what it finds then. Raises AccordError while
    another command is at work."""
    working = _at_work(paths)
    if working is not None:
        raise AccordError(locks.in_the_way(working))
    tried: set[tuple[str, str]] = set()
    found = examine(paths, seconds)
    for _ in range(ROUNDS):
        due = [one for one in found.findings if one.fix is not None and one[:2] not in tried]
        if not due:
            break
        for finding in due:
            tried.add(finding[:2])
            say(_mended(finding))
        found = examine(paths, seconds)
    return found


def _mended(finding: Finding) -> str:
    """What was done, or why it couldn't be."""
    assert finding.fix is not None
    try:
        return f"Mended: {finding.fix()}"
    except (Exception, SystemExit) as error:  # the others are mended all the same
        return f"Not mended: {finding.what}: {in_one_line(error)}"


def count(findings: Sequence[Finding]) -> str:
    """The last line of a report."""
    n_fixed = sum(finding.fix is not None for finding in findings)
    if not findings:
        return f"Healthy: nothing is damaged, by {len(CHECKS)} checks"
    by_itself = f"; accord doctor --fix mends {n_fixed} of them" if n_fixed else ""
    return f"Damaged: {len(findings)}, by {len(CHECKS)} checks{by_itself}"


def _unlooked(failed: tuple[str, list[str]]) -> Finding:
    error, names = failed
    return Finding(
        f"The check{'s' if names[1:] else ''} {', '.join(names)}",
        f"failed: {error}",
        "What they are about was not looked at" if names[1:] else "What it is about was not looked at",
        "mend what else is named here, and run accord doctor again",
    )


def _at_work(paths: Paths) -> str | None:
    """Which command is at work, if that can be told."""
    try:
        return locks.at_work(paths.command_lock)
    except Exception:  # said of the lock's file
        return None
