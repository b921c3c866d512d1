"""Releases: the champion, the logs of what was released and trained, and each release's bytes, here and in the store."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from accord import conflicts, dvc
from accord.bundle.bundle import load_bundle
from accord.doctor import mending
from accord.doctor.finding import Finding, in_one_line, json_of, read, some, trouble, yaml_of
from accord.doctor.objects import FILL_S, Hasher, Store, damaged, differing, is_list
from accord.doctor.project_files import folder_finding
from accord.errors import AccordError
from accord.paths import Paths
from accord.promotion import made_from, releases


class Release(msgspec.Struct):
    """What a record of a release can't be without."""

    action: str
    model_id: str
    at: str
    by: str
    reason: str
    previous: str | None
    scorecard: dict[str, Any]


class Training(msgspec.Struct):
    """What a record of the decision log can't be without."""

    id: str
    at: str
    action: str
    reason: str


class Try(msgspec.Struct):
    """What a record of a try can't be without."""

    at: str
    candidate: str
    champion: str
    rows: str
    trained: str
    policy: str


class Named(msgspec.Struct):
    """models/champion.json, which is empty before the first promotion."""

    model_id: str | None = None
    action: str | None = None
    at: str | None = None
    by: str | None = None
    reason: str | None = None


def champion(paths: Paths) -> Iterator[Finding]:
    """The file that alone decides which model is in use."""
    path = paths.champion
    named, problem = read(path, paths.root, json_of(Named))
    released = _whole_lines(paths.release_log, Release)
    if named is None and problem is None and (released or mending.is_in_git(path, paths)):
        problem = "is missing"
    elif named is not None and named.model_id is None and released:
        problem = "names no champion, though there are releases"
    elif named is not None and named.model_id is not None and None in (named.action, named.at, named.by, named.reason):  # fmt: skip
        problem = "lacks one of the keys action, at, by and reason"
    if problem is not None:
        yield _champion_finding(problem, released, paths)
    elif named is not None and named.model_id is not None:
        yield from _released(named.model_id, paths)


def logs(paths: Paths) -> Iterator[Finding]:
    """The logs in git, a record a line."""
    for path, shape in ((paths.release_log, Release), (paths.retraining_log, Training), (paths.tries, Try)):
        content, problem = read(path, paths.root, str)
        broken = [] if content is None else _broken(content, shape)
        means = (
            "Nothing can be judged: it tells how many candidates have been tried"
            if path == paths.tries
            else f"accord history ends in an error: {path.name} is what tells which models were in use, and why"
        )
        if problem is None and content is None:
            if not mending.is_in_git(path, paths) and not (
                path == paths.release_log and releases_here(paths)
            ):
                continue
            problem = "is missing"
        elif problem == "is empty" and not mending.is_in_git(path, paths) and not releases_here(paths):
            continue
        if problem is not None and ("has mode" in problem or "belongs to" in problem):
            yield folder_finding(path, problem, means, paths)
        elif problem is not None or broken:
            found = problem or f"has {len(broken)} lines that are no records: line {some(broken)}"
            yield Finding(
                str(path), found, means, f"accord doctor --fix, or git checkout HEAD -- {path}",
                partial(_log_mended, path, shape, paths),
            )  # fmt: skip


def stored(paths: Paths, hasher: Hasher) -> Iterator[Finding]:
    """The bytes of each release: in the project, and in the store where they outlive it."""
    folder = dvc.remote(paths, releases.REMOTE)
    if folder is not None:
        problem = trouble(folder, paths.root, is_folder=True, is_written=True)
        if problem is not None:
            yield folder_finding(folder, problem, "Nothing can be promoted, and no release be fetched", paths)
            return
    for pointer in sorted(paths.releases.glob("*.dvc")):
        held, _ = read(pointer, paths.root, yaml_of(dvc.Pointer))
        if held is not None and held.outs and held.outs[0].md5:
            yield from _bytes_of(pointer.with_suffix(""), held.outs[0].md5, folder, hasher, paths)
    for bundle in sorted(path for path in paths.releases.glob("[!.]*") if path.is_dir()):
        if made_from.is_folder(bundle):
            continue
        pointer = bundle.with_name(f"{bundle.name}.dvc")
        if not os.path.lexists(pointer):
            yield Finding(
                str(bundle), f"has no pointer {pointer.name} beside it", "Git doesn't know of this release, so no clone gets it",
                f"dvc add {bundle}", partial(_added, bundle, paths),
            )  # fmt: skip


def releases_here(paths: Paths) -> bool:
    return any(paths.releases.glob("*.dvc"))


def _champion_finding(problem: str, released: list[dict[str, Any]], paths: Paths) -> Finding:
    path = paths.champion
    means = "Nobody can tell which model is in use: promote, rollback and serve stop or go by none"
    if "has mode" in problem or "belongs to" in problem:
        return folder_finding(path, problem, means, paths)
    if "conflict" in problem:
        how = dict(conflicts.found(paths)).get(path, "accord rollback MODEL_ID")
        return Finding(str(path), problem, "Two people named a champion, and a person has to choose", how)
    if released:
        last = released[-1]
        text = json.dumps(last, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        return Finding(
            str(path), problem, means, f"accord rollback {last['model_id']}, which {paths.release_log} names last, or accord doctor --fix",
            partial(mending.written_again, path, text, paths),
        )  # fmt: skip
    if mending.is_in_git(path, paths):
        return Finding(
            str(path), problem, means, f"git checkout HEAD -- {path}", partial(mending.restored, path, paths)
        )
    return Finding(
        str(path), problem, means, f"echo '{{}}' > {path}, if nothing was promoted yet",
        partial(mending.written_again, path, "{}\n", paths),
    )  # fmt: skip


def _released(model_id: str, paths: Paths) -> Iterator[Finding]:
    """Whether the champion is a release, and one of the data set that is selected."""
    folder = paths.releases / model_id
    pointer = folder.with_name(f"{model_id}.dvc")
    if not os.path.lexists(pointer) and not folder.is_dir():
        is_restorable = mending.is_in_git(pointer, paths)
        fix = partial(mending.restored, pointer, paths) if is_restorable else None
        command = (
            f"git checkout HEAD -- {pointer}"
            if is_restorable
            else f"accord rollback MODEL_ID, with one of {paths.release_log}, or bring {pointer}"
        )
        yield Finding(
            str(paths.champion), f"names {model_id}, and {pointer} is missing",
            "Nothing tells where the champion's bytes are, and the service can't load it", command, fix,
        )  # fmt: skip
        return
    if not folder.is_dir():
        return  # said of the release's bytes
    try:
        bundle = load_bundle(folder)
    except Exception as error:
        yield Finding(
            str(folder), f"is the champion's bundle, and can't be loaded: {in_one_line(error)}",
            "The service can't answer with it", f"accord rollback to another release, or move {folder} away and dvc pull --remote {releases.REMOTE} {pointer}",
        )  # fmt: skip
        return
    from accord.config import lock

    of, selected = bundle.manifest["data"]["name"], lock.load(paths).data.name
    if of != selected:
        yield Finding(
            str(paths.champion), f"names {model_id}, a model of the data set {of}; {paths.params} selects {selected}",
            "Candidates can't be compared with it, and the service answers other rows than you train on",
            f"accord run data={of}, or accord promote --reason 'another data set'",
        )  # fmt: skip


def _whole_lines(path: Path, shape: type) -> list[dict[str, Any]]:
    """The records of a log that can be read, the oldest first."""
    try:
        content = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return _in_order(record for line in content.splitlines() if (record := _record(line, shape)) is not None)


def _in_order(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each record once, the oldest first, with all keys that it has."""
    each_once = {json.dumps(record, sort_keys=True): record for record in records}
    return sorted(each_once.values(), key=lambda record: str(record["at"]))


def _record(line: str, shape: type) -> dict[str, Any] | None:
    try:
        msgspec.json.decode(line.encode(), type=shape)
        value: dict[str, Any] = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value


def _broken(content: str, shape: type) -> list[str]:
    """The numbers of lines that are no records."""
    return [
        str(number)
        for number, line in enumerate(content.splitlines(), 1)
        if line.strip() and _record(line, shape) is None
    ]


def _log_mended(path: Path, shape: type, paths: Paths) -> str:
    """All records that are left of a log: its own, those of git's last commit, and the champion's."""
    committed = mending.git(paths, "show", f"HEAD:./{paths.in_root(path)}").stdout.splitlines()
    records = [*_whole_lines(path, shape), *(r for line in committed if (r := _record(line, shape)))]
    if path == paths.release_log:
        named, _ = read(paths.champion, paths.root, json_of(dict[str, Any]))
        records += [named] if named and _record(json.dumps(named), shape) else []
    kept: list[Mapping[str, Any]] = list(_in_order(records))
    text = "".join(json.dumps(record, sort_keys=True) + "\n" for record in kept)
    return f"{mending.written_again(path, text, paths)}, with {len(kept)} records"


def _bytes_of(folder: Path, md5: str, remote: Path | None, hasher: Hasher, paths: Paths) -> Iterator[Finding]:
    """One release: in its folder, and in the store if that is a folder of this machine."""
    cache = Store(dvc.cache(paths))
    members = cache.members(md5) or (Store(remote).members(md5) if remote is not None else None)
    pointer = f"{folder}.dvc"
    pull = f"dvc pull --remote {releases.REMOTE} {pointer}"
    wrong = trouble(folder, paths.root, is_folder=True)
    if wrong is None and not folder.exists():
        wrong = "is missing"
    if wrong is None and (names := differing(folder, md5, members, hasher)):
        wrong = f"is not what its pointer says ({some(names)})"
    lost = dict(damaged(Store(remote), md5, hasher)) if remote is not None else {}
    if wrong is not None:
        in_cache = not dict(damaged(cache, md5, hasher))
        means = "A rollback to it, or a service that has it, can't load it"
        if not lost or in_cache:
            yield Finding(f"Release {folder}", wrong, means, pull, partial(_fetched, folder, paths))
        else:
            yield Finding(
                f"Release {folder}", wrong, f"{means}, and the store hasn't got all of it either",
                "accord doctor --fix in a clone that has it whole, then here",
            )  # fmt: skip
    if lost and remote is not None:
        is_whole_here = wrong is None
        yield _store_finding(folder, md5, Store(remote), lost, is_whole_here, paths)


def _store_finding(
    folder: Path, md5: str, store: Store, lost: Mapping[str, str], is_whole_here: bool, paths: Paths
) -> Finding:
    """A release of which the store has nothing, half, or damaged bytes."""
    found = f"is not whole in the store: {some([f'{store.file(one)} {what}' for one, what in lost.items()])}"
    means = "Another clone, or this one once its bytes are gone, can't fetch it"
    if not is_whole_here:
        command = "accord doctor --fix, in a clone that has it whole"
        return Finding(f"Release {folder}", found, means, command)
    # DVC takes a release for whole that the store has the list of, and passes over an object that is there.
    there = [str(store.file(one)) for one in {md5, *lost} if store.file(one).exists()]
    push = f"dvc push --remote {releases.REMOTE} {folder}.dvc"
    by_hand = f"rm {' '.join(sorted(there))} && {push}" if there else push
    fix = partial(_stored, folder, store, list(lost), paths)
    return Finding(f"Release {folder}", found, means, f"accord doctor --fix, or {by_hand}", fix)


def _fetched(folder: Path, paths: Paths) -> str:
    said = f"{mending.set_aside(folder, paths)}; " if os.path.lexists(folder) else ""
    releases.restored(folder.name, paths)
    return f"{said}{folder} is fetched again"


def _stored(folder: Path, store: Store, lost: list[str], paths: Paths) -> str:
    """Copies what the store lacks from the cache, which gets what it lacks itself from the release's folder before. The
    list comes last: it tells others that all is there."""
    cache = Store(dvc.cache(paths))
    for md5 in [one for one in lost if not Hasher(FILL_S).agrees(cache.file(one), one)]:
        if os.path.lexists(cache.file(md5)):
            mending.set_aside(cache.file(md5), paths)
    _run(paths, "add", paths.in_root(folder))
    said = [mending.copied(cache.file(one), store.file(one), paths) for one in sorted(lost, key=is_list)]
    return f"{folder} is stored again: {some(said)}"


def _added(folder: Path, paths: Paths) -> str:
    _run(paths, "add", paths.in_root(folder))
    return f"{folder}.dvc is written by dvc add"


def _run(paths: Paths, *words: str) -> None:
    done = dvc.run(paths, *words)
    if done.returncode:
        raise AccordError(f"dvc {words[0]} failed: {in_one_line(done.stderr)}")
