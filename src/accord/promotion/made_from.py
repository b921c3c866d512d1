"""What a model was made from, as plain text: kept beside its release, and put back when the project returns to that release.

    params.yaml  conf/                         the selection, and what it selects from
    conf.lock.yaml  conf.lock/  dvc.lock       what the pipeline wrote of it
    data/batches.json                          the collected batches in use

models/releases/ID.made_from has a copy of each, which costs git nothing, since it stores equal files once. The code isn't
among them: it stays as it is when the project goes back to an earlier release.
"""

import json
import shutil
from collections.abc import Set
from pathlib import Path

from accord import dvc
from accord.data.batch_list import relist
from accord.errors import AccordError
from accord.files import remove, replacing
from accord.paths import Paths
from accord.promotion import commits

SUFFIX = ".made_from"
SHOWN = 5
"""How many files a message names."""


def files(paths: Paths) -> list[Path]:
    return [*_edited(paths), paths.config_lock, paths.slices, paths.pipeline_lock]


def pointers(paths: Paths) -> list[Path]:
    """DVC's pointers to data that no stage writes."""
    return [*sorted((paths.root / "data/raw").rglob("*.dvc")), *sorted(paths.batches.glob("*.dvc"))]


def changed(paths: Paths) -> list[str]:
    """What has changed in the project since models/bundle was made, by DVC's word; empty if nothing has."""
    done = dvc.run(paths, "status", "--json", "--with-deps", "bundle")
    if done.returncode:
        raise AccordError(f"dvc status failed: {' '.join(done.stderr.split())[:300]}")
    stages = json.loads(done.stdout)
    return sorted({name for found in stages.values() for name in _names(found)})


def keep(model_id: str, paths: Paths) -> None:
    """Copies what models/bundle was made from, as long as nothing of it has changed."""
    with replacing(_folder(model_id, paths)) as temporary:
        temporary.mkdir(parents=True)
        for path in files(paths):
            copy = temporary / paths.in_root(path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, copy)
            elif path.exists():
                shutil.copyfile(path, copy)


def check_restorable(model_id: str, paths: Paths) -> None:
    """Raises AccordError if the release lacks what it was made from, or if a user's edits would be lost."""
    if not _folder(model_id, paths).is_dir():
        raise AccordError(
            f"What {model_id} was made from was not kept with its release; roll back without --commit, and commit by hand"
        )
    if lost := _unsaved(paths):
        raise AccordError(
            f"Changes that are not committed would be overwritten: {shown(lost)}; commit or stash them, or roll back without --commit"
        )


def restore(model_id: str, paths: Paths) -> list[Path]:
    """Puts back what the release was made from; returns the files that this is about, removed ones too. Files that git
    doesn't have stay where they are."""
    folder = _folder(model_id, paths)
    kept = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    later = {name for of in (paths.conf, paths.slices) for name in commits.tracked(paths, of)} - kept
    for name in later:
        remove(paths.root / name)
    for name in kept:
        with replacing(paths.root / name) as temporary:
            shutil.copyfile(folder / name, temporary)
    relist(paths.batches)
    return [paths.root / name for name in sorted(kept | later)]


def left_out(paths: Paths) -> str:
    """What git has not got after a commit, in one line: of the model's origins, and how much else. Empty if it has all."""
    stages = dvc.stages(paths)
    written = {path.as_posix() for path in dvc.outs(stages)}
    origins = {name for stage in stages for name in stage["deps"] if name not in written}
    found = commits.changes(
        paths, paths.pipeline, *(paths.root / name for name in sorted(origins)), ignored=True
    )
    missing = sorted(change.file for change in found if not _is_elsewhere(change.file, written, paths))
    others = len({change.file for change in commits.changes(paths)} - {*missing})
    said = [f"though the model was made from it: {shown(missing)}"] if missing else []
    said += [f"{others} other change{'s' if others > 1 else ''}, which stay as they are"] if others else []
    return f"Not committed: {'; '.join(said)}" if said else ""


def shown(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _edited(paths: Paths) -> list[Path]:
    """Those that people write; the others are written anew by the pipeline."""
    return [paths.params, paths.conf, paths.batch_list]


def is_folder(path: Path) -> bool:
    """Whether a folder among the releases is of this kind: plain files in git beside the bundles, which DVC has."""
    return path.suffix == SUFFIX


def _folder(model_id: str, paths: Paths) -> Path:
    return paths.releases / f"{model_id}{SUFFIX}"


def _unsaved(paths: Paths) -> list[str]:
    """Files whose content is neither in git nor kept with any release."""
    return [
        change.file
        for change in commits.changes(paths, *_edited(paths))
        if change.is_staged_otherwise or not _is_kept(change.file, paths)
    ]


def _is_kept(name: str, paths: Paths) -> bool:
    """Whether restoring loses nothing of the file: it doesn't exist, or a release has the same, or none has it at all."""
    file = paths.root / name
    copies = [copy for copy in paths.releases.glob(f"*{SUFFIX}/{name}") if copy.is_file()]
    if not file.is_file() or (not copies and name not in commits.tracked(paths, file)):
        return True
    return any(copy.read_bytes() == file.read_bytes() for copy in copies)


def _is_elsewhere(name: str, written: Set[str], paths: Paths) -> bool:
    """Whether git needn't have the file: a stage writes it, DVC tracks it, or Python has compiled it."""
    path = Path(name)
    above = [path, *path.parents]
    return (
        any(one.as_posix() in written or one.name == "__pycache__" for one in above)
        or path.suffix == ".pyc"
        or any((paths.root / f"{one}.dvc").is_file() for one in above)
    )


def _names(found: object) -> list[str]:
    """The files in what DVC says of a stage: `[{"changed deps": {"conf": "modified"}}, "changed command"]`."""
    if isinstance(found, dict):
        return [name for part in found.values() if isinstance(part, dict) for name in part]
    return [name for one in found for name in _names(one)] if isinstance(found, list) else ["dvc.yaml"]
