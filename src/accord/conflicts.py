"""Merges that git left unresolved in files that accord relies on: which they are, and how each is resolved.

.gitattributes says what git does with the files that two people write: the logs get the lines of both, what commands
generate stays as it was here, and models/champion.json is put to the person who merges.
"""

import json
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from accord.errors import AccordError
from accord.paths import Paths

BEGIN, END = b"<<<<<<<", b">>>>>>>"
OURS, THEIRS = 2, 3
"""Git's stages of a file in conflict."""


def is_in(content: bytes) -> bool:
    """Whether the content has a conflict's marks, each at the beginning of a line."""
    lines = content.splitlines()
    return all(any(line.startswith(mark) for line in lines) for mark in (BEGIN, END))


def found(paths: Paths) -> Iterator[tuple[Path, str]]:
    """The files that hold a conflict, each with how it is resolved."""
    for path in _merged(paths):
        try:
            is_marked = is_in(path.read_bytes())
        except OSError:  # missing, or no file: the command that needs it, or the doctor, says so
            continue
        if is_marked:
            yield path, _resolved_by(path, paths)


def refuse(paths: Paths, but: Collection[Path] = ()) -> None:
    """Raises AccordError for the first file that holds a conflict, but for those that the command resolves."""
    for path, how in found(paths):
        if path not in but:
            raise AccordError(f"{path} holds a conflict that a merge left; {how}")


def sides(path: Path, paths: Paths) -> list[dict[str, Any]]:
    """What this clone and the other had in a JSON file in conflict, in that order; one that can't be read is left out."""
    read = []
    for stage in (OURS, THEIRS):
        shown = subprocess.run(
            ["git", "show", f":{stage}:./{paths.in_root(path)}"], cwd=paths.root, capture_output=True
        )
        try:
            value = json.loads(shown.stdout)
        except ValueError:
            continue
        if isinstance(value, dict):
            read.append(value)
    return read


def _merged(paths: Paths) -> list[Path]:
    """The files of the project that two people may both have changed."""
    return [
        paths.champion, paths.params, paths.pipeline, paths.pipeline_lock, paths.config_lock, paths.batch_list,
        paths.release_log, paths.retraining_log, paths.tries, *sorted(paths.slices.glob("*.yaml")), *sorted(paths.releases.glob("*.dvc")),
    ]  # fmt: skip


def _resolved_by(path: Path, paths: Paths) -> str:
    if path == paths.champion:
        return _one_champion(paths)
    if path in (paths.release_log, paths.retraining_log, paths.tries):
        return (
            f"keep the lines of both sides, and take out the marks: accord doctor --fix, then git add {path}"
        )
    if path in (paths.pipeline_lock, paths.config_lock) or paths.slices in path.parents:
        return f"it is generated: git checkout --ours {path}, then accord run, then git add {path}"
    if path == paths.batch_list:
        return f"keep the batches of both sides, and take out the marks, then git add {path}"
    return f"choose a side or edit it: git checkout --ours {path} (or --theirs), then git add {path}"


def _one_champion(paths: Paths) -> str:
    """The two champions between which a person has to choose."""
    named = [record for record in sides(paths.champion, paths) if "model_id" in record]
    if len(named) < 2:
        return f"name the champion: accord rollback MODEL_ID, with an id that {paths.release_log} has"
    (ours, by, at), (theirs, their_by, their_at) = (
        tuple(str(record.get(key)) for key in ("model_id", "by", "at")) for record in named
    )
    return (
        f"here {by} named {ours} ({at}), in the other clone {their_by} named {theirs} ({their_at}). Choose one: "
        f"accord rollback {ours}, or accord rollback {theirs}; then git add {paths.root / 'models'} && git commit"
    )
