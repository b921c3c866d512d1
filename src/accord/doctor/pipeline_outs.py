"""What DVC keeps: its locks, dvc.lock, its cache, and the outs of the stages and batches beside it."""

import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from accord import dvc, files
from accord.doctor import mending
from accord.doctor.finding import Finding, read, some, trouble, yaml_of
from accord.doctor.objects import FILL_S, Hasher, Member, Store, damaged, differing, is_list, listing
from accord.doctor.project_files import folder_finding
from accord.errors import AccordError
from accord.paths import Paths


class Out(NamedTuple):
    """A file or folder that DVC tracks by its hash."""

    path: Path
    md5: str
    target: str
    """What DVC calls it."""
    is_cached: bool


def locks(paths: Paths) -> Iterator[Finding]:
    """DVC's own locks: a folder or mode in their way, and an rwlock that stops each later DVC."""
    for name in (dvc.LOCK, dvc.RWLOCK_LOCK, dvc.RWLOCK):
        path = paths.dvc / name
        problem = trouble(path, paths.root, is_written=True)
        if problem is not None:
            fix = partial(_in_order, path, problem, paths)
            yield Finding(
                str(path), problem, "DVC refuses to start", "accord doctor --fix, or move it away", fix
            )
            return
    problem, living = dvc.rwlock_state(paths)
    if problem is not None and not living:
        yield Finding(
            str(paths.dvc / dvc.RWLOCK), problem, "DVC refuses to start, or waits for a process that has ended",
            "accord doctor --fix, or any command such as accord judge",
            partial(_mended, paths, f"{paths.dvc / dvc.RWLOCK} is empty again"),
        )  # fmt: skip


def lock_file(paths: Paths) -> Iterator[Finding]:
    """dvc.lock, which says what each stage has read and written."""
    path = paths.pipeline_lock
    lockfile, problem = read(path, paths.root, yaml_of(dvc.Lockfile))
    if lockfile is None and problem is None:
        made = [
            out
            for out in dvc.outs(dvc.stages(paths))
            if (paths.root / out).exists() and not str(out).startswith("conf.lock")
        ]
        if not made and not mending.is_in_git(path, paths):
            return  # a project that has not run yet
        problem = "is missing"
    if problem is None and lockfile is not None and not lockfile.stages:
        problem = "names no stage"
    if problem is None:
        return
    means = "DVC doesn't know what is made, and may refuse to start"
    if "conflict" in problem:
        yield Finding(
            str(path), problem, means, f"git checkout --ours {path}, then accord run, then git add {path}"
        )
    elif "has mode" in problem or "belongs to" in problem:
        yield folder_finding(path, problem, means, paths)
    elif mending.is_in_git(path, paths):
        yield Finding(
            str(path), problem, means, f"accord run, or git checkout HEAD -- {path}",
            partial(mending.restored, path, paths),
        )  # fmt: skip
    else:
        fix = partial(mending.set_aside, path, paths) if os.path.lexists(path) else None
        yield Finding(str(path), problem, means, "accord run, which writes it anew", fix)


def outs(paths: Paths, hasher: Hasher) -> Iterator[Finding]:
    """Outs that are missing or aren't what DVC's hash says, and objects of its cache that are."""
    cache = Store(dvc.cache(paths))
    problem = trouble(cache.folder, paths.root, is_folder=True, is_written=True)
    if problem is not None:
        yield folder_finding(cache.folder, problem, "Nothing that was made before can be brought back", paths)
        return
    absent = []
    tracked = [*_of_stages(paths), *_of_batches(paths)]
    for out in tracked:
        wrong = _wrong(out, cache, hasher, paths)
        lost = dict(damaged(cache, out.md5, hasher)) if out.is_cached else {}
        if wrong == "is missing" and lost:
            absent.append(out)
            lost = {md5: what for md5, what in lost.items() if what != "is missing"}
        elif wrong is not None:
            yield _out_finding(out, wrong, bool(lost), paths)
        if lost:
            yield _cache_finding(out, lost, wrong is None, cache, paths)
    if absent:
        pull = "dvc pull" if dvc.has_default_remote(paths) else "accord run"
        yield Finding(
            f"{some([str(out.path) for out in absent])} ({len(absent)} of {len(tracked)} outs)",
            "are neither here nor in DVC's cache",
            "This clone has the pointers without the bytes",
            f"{pull}, or bring {cache.folder} from where it was made",
        )


def run_cache(paths: Paths) -> Iterator[Finding]:
    """The run cache, from which a stage's earlier outs come back: DVC stops at an entry that it can't read."""
    for entry in sorted(dvc.cache(paths).glob("runs/*/*/*")):
        if entry.name.startswith("."):
            continue
        problem = trouble(entry, paths.root)
        if problem is None and not dvc.is_whole_run(entry):
            problem = "is empty" if not entry.stat().st_size else "is damaged or cut short"
        if problem is not None:
            yield Finding(
                f"DVC's run cache entry {entry}", problem, "A stage that ran so before fails or runs again",
                f"accord doctor --fix, or rm -r {entry}", partial(mending.set_aside, entry, paths),
            )  # fmt: skip


def pointers(paths: Paths) -> Iterator[Finding]:
    """DVC's pointers to batches and releases."""
    for pointer in sorted([*paths.batches.glob("*.dvc"), *paths.releases.glob("*.dvc")]):
        _, problem = read(pointer, paths.root, yaml_of(dvc.Pointer))
        if problem is None:
            continue
        means, folder = "DVC refuses to start where it reads this", pointer.with_suffix("")
        if mending.is_in_git(pointer, paths):
            command, fix = f"git checkout HEAD -- {pointer}", partial(mending.restored, pointer, paths)
        elif folder.exists():
            command, fix = f"rm {pointer} && dvc add {folder}", partial(_added, pointer, paths)
        else:
            command, fix = f"bring {pointer} from another clone", partial(mending.set_aside, pointer, paths)
        yield Finding(str(pointer), problem, means, command, fix)


def leftovers(paths: Paths) -> Iterator[Finding]:
    """What commands that were killed had begun to write."""
    outs = [paths.root / out for out in dvc.outs(dvc.stages(paths))]
    found = [
        *(leftover for out in outs for leftover in out.parent.glob(f".{out.name}.tmp")),
        *paths.releases.glob(".*.tmp"),
        *dvc.cache_leftovers(paths),
        *paths.dvc.glob(dvc.TRANSFER),
    ]
    if found:
        yield Finding(
            some([str(path) for path in found]), "is left of a command that was killed" if len(found) == 1 else "are left of commands that were killed",
            "They take room, and nothing else", "accord doctor --fix, or any command such as accord judge",
            partial(_swept, found, paths),
        )  # fmt: skip


def _of_stages(paths: Paths) -> Iterator[Out]:
    lockfile, _ = read(paths.pipeline_lock, paths.root, yaml_of(dvc.Lockfile))
    cached = dvc.cached_outs(dvc.stages(paths))
    for stage in lockfile.stages.values() if lockfile else ():
        for out in stage.outs:
            if out.md5:
                yield Out(paths.root / out.path, out.md5, out.path, out.path in cached)


def _of_batches(paths: Paths) -> Iterator[Out]:
    for pointer in sorted(paths.batches.glob("*.dvc")):
        held, _ = read(pointer, paths.root, yaml_of(dvc.Pointer))
        for out in held.outs if held else ():
            yield Out(paths.batches / out.path, out.md5, paths.in_root(pointer), True)


def _wrong(out: Out, cache: Store, hasher: Hasher, paths: Paths) -> str | None:
    """What is wrong with an out as it lies in the project."""
    is_folder = is_list(out.md5)
    problem = trouble(out.path, paths.root, is_folder=is_folder)
    if problem is not None:
        return problem
    if not out.path.exists():
        return "is missing"
    names = differing(out.path, out.md5, cache.members(out.md5) if is_folder else None, hasher)
    if not names:
        return None
    which = "" if not is_folder or names == ["."] else f" ({some(names)})"
    return f"is not what DVC's hash says{which}"


def _out_finding(out: Out, wrong: str, is_lost: bool, paths: Paths) -> Finding:
    means = "What reads it fails, or answers by other bytes than the pipeline made"
    if "has mode" in wrong or "belongs to" in wrong:
        return folder_finding(out.path, wrong, means, paths)
    if out.is_cached and not is_lost:
        return Finding(
            str(out.path),
            wrong,
            means,
            f"dvc checkout --force {out.target}",
            partial(_checked_out, out, paths),
        )
    return Finding(str(out.path), wrong, means, "accord run")


def _cache_finding(
    out: Out, lost: Mapping[str, str], is_whole_here: bool, cache: Store, paths: Paths
) -> Finding:
    """What the cache has not of an out; it comes back from the out itself, where that is whole."""
    found = f"is not whole: {some([f'{cache.file(md5)} {what}' for md5, what in lost.items()])}"
    what, means = f"DVC's cache of {out.path}", f"{out.path} can't be brought back from the cache"
    if is_whole_here:
        fix = partial(_refilled, out, cache, paths)
        return Finding(what, found, means, "accord doctor --fix, or accord run", fix)
    spoiled = [cache.file(md5) for md5 in lost if os.path.lexists(cache.file(md5))]
    return Finding(
        what,
        found,
        means,
        "accord run, or dvc pull",
        partial(_all_aside, spoiled, paths) if spoiled else None,
    )


def _refilled(out: Out, cache: Store, paths: Paths) -> str:
    """Puts what the cache lacks of an out there again, the list of a folder last."""
    hasher = Hasher(FILL_S)
    sources = {out.md5: out.path}
    text = listing(out.path, hasher) if is_list(out.md5) else None
    if text is not None:
        sources = {one.md5: out.path / one.relpath for one in msgspec.json.decode(text, type=list[Member])}
    lost = [md5 for md5 in sources if not hasher.agrees(cache.file(md5), md5)]
    for md5 in lost:
        mending.copied(sources[md5], cache.file(md5), paths)
    if text is not None and cache.members(out.md5) is None:
        mending.written_again(cache.file(out.md5), text.decode(), paths)
    return f"{out.path} is in DVC's cache again"


def _all_aside(damaged: list[Path], paths: Paths) -> str:
    return "; ".join(mending.set_aside(path, paths) for path in damaged if os.path.lexists(path))


def _checked_out(out: Out, paths: Paths) -> str:
    said = f"{mending.set_aside(out.path, paths)}; " if os.path.lexists(out.path) else ""
    done = dvc.run(paths, "checkout", "--force", out.target)
    if done.returncode:
        raise AccordError(f"{said}dvc checkout {out.target} failed: {' '.join(done.stderr.split())[:200]}")
    return f"{said}{out.path} is brought back from DVC's cache"


def _added(pointer: Path, paths: Paths) -> str:
    said = mending.set_aside(pointer, paths)
    done = dvc.run(paths, "add", paths.in_root(pointer.with_suffix("")))
    if done.returncode:
        raise AccordError(f"{said}; dvc add failed: {' '.join(done.stderr.split())[:200]}")
    return f"{said}; {pointer} is written again by dvc add"


def _in_order(path: Path, problem: str, paths: Paths) -> str:
    if "has mode" in problem:
        return mending.opened_for_owner(path, 0o600)
    return mending.set_aside(path, paths)


def _mended(paths: Paths, did: str) -> str:
    with dvc.alone(paths):
        return did


def _swept(found: list[Path], paths: Paths) -> str:
    with dvc.alone(paths):  # which sweeps, and leaves what a process still has open
        files.remove(paths.dvc / dvc.TRANSFER)
    return f"{some([str(path) for path in found])} removed"
