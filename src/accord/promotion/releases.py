"""Releases: which model is the champion, how it got there, and the way back.

    models/champion.json        the champion and how it became it; this file alone decides, and it is renamed into place
    models/releases.jsonl       one line a promotion or rollback
    models/tries.jsonl          one line a candidate that was judged for promotion: see tries.py
    models/releases/ID.dvc      DVC's pointer to each released bundle; the bytes are in the remote `releases`
    models/releases/ID.made_from/  what the model was made from, where it was known: see made_from.py

All of it is plain text for git.
"""

import getpass
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from accord import conflicts, dvc, jsonl
from accord.bundle.bundle import load_bundle
from accord.errors import AccordError, nearest
from accord.files import read_as, read_json, replacing, write_json
from accord.paths import Paths
from accord.promotion import commits, made_from, tries
from accord.promotion.card import Scorecard
from accord.promotion.judge import PASS

REMOTE = "releases"


@dataclass(frozen=True)
class Release:
    """A promotion or rollback: which model became the champion, and how."""

    model_id: str
    action: str = ""
    """Promote or rollback."""
    previous: str | None = None
    """The champion before."""
    at: str = ""
    """An instant in UTC, as ISO 8601."""
    by: str = ""
    reason: str = ""
    scorecard: dict[str, Any] = field(default_factory=dict)
    """The candidate's, as it was written then; it is kept as evidence for people, and nothing reads it."""
    overridden: bool | msgspec.UnsetType = msgspec.UNSET
    """Whether a person promoted it against the verdict; of promotions alone."""


def champion(paths: Paths) -> Release | None:
    """The record of the champion, or None while there is none. Raises AccordError for a file that names none, or two."""
    named = _named(paths)
    if len(named) > 1:
        raise AccordError(
            f"{paths.champion} holds a conflict of two champions; choose one: accord rollback MODEL_ID"
        )
    return named[0] if named else None


def champion_id(paths: Paths) -> str | None:
    record = champion(paths)
    return None if record is None else record.model_id


@dataclass(frozen=True)
class History:
    champion: str | None
    """The model's id."""
    releases: list[Release]
    """All promotions and rollbacks, the oldest first."""


def history(paths: Paths) -> list[Release]:
    """All promotions and rollbacks, the oldest first. The champion's own record is among them even if the program died
    between naming the champion and writing the log."""
    return jsonl.in_order([*jsonl.read(paths.release_log, Release), *_named(paths)])


def promote(scorecard: Scorecard | None, reason: str | None, paths: Paths, commit: bool = False) -> Release:
    """Makes models/bundle the champion. Raises AccordError unless the scorecard is of exactly this candidate against
    this champion and passes, or a person gives a reason; and if it is to be committed, but the project has changed since
    the model was made."""
    candidate = load_bundle(paths.bundle)
    if candidate.model_id == champion_id(paths):
        raise AccordError(f"{candidate.model_id} is the champion already; make another candidate: accord run")
    why = reason or _verdict(scorecard, candidate.model_id, paths)
    changed = made_from.changed(paths)
    if changed and commit:
        raise AccordError(_not_whole(candidate.model_id, changed))
    _store(candidate.model_id, paths)
    if not changed:
        made_from.keep(candidate.model_id, paths)
    overridden = (
        scorecard is not None and scorecard.candidate == candidate.model_id and scorecard.verdict != PASS
    )
    release = _release("promote", candidate.model_id, why, paths)
    kept = {} if scorecard is None else msgspec.to_builtins(scorecard)
    return _name(replace(release, scorecard=kept, overridden=bool(reason) and overridden), paths)


def rollback(
    model_id: str | None, reason: str | None, selected: str | None, paths: Paths, commit: bool = False
) -> Release:
    """Makes an earlier release the champion again: the one named, which also ends a conflict of two champions, or else the
    one before the current, if that is of the selected data set. If it is to be committed, what the model was made from is
    put back. Raises AccordError if that can't be done without a loss."""
    released, named = [record.model_id for record in history(paths)], model_id
    if model_id is None:
        earlier = _before(released, champion_id(paths))
        if earlier is None:
            raise AccordError("There is no release before the champion to go back to; see accord history")
        model_id = earlier
    if model_id not in released:
        raise AccordError(f"'{model_id}' was never released; {nearest(model_id, released)}")
    if commit:
        made_from.check_restorable(model_id, paths)
    found = load_bundle(restored(model_id, paths)).manifest["data"]["name"]
    if named is None and found != selected:
        raise AccordError(
            f"The release before the champion, {model_id}, is of the data set {found}, but {selected} is selected. "
            f"Go back to it all the same: accord rollback {model_id}"
        )
    return _name(_release("rollback", model_id, reason or "rolled back", paths), paths)


def restored(model_id: str, paths: Paths) -> Path:
    """The released bundle's folder; its bytes are fetched from the remote if they aren't here."""
    folder = paths.releases / model_id
    if not (folder / "manifest.json").is_file():
        done = dvc.transfer(paths, "pull", "--remote", REMOTE, f"{paths.in_root(folder)}.dvc")
        if done.returncode:
            raise AccordError(
                f"The bytes of release {model_id} are not here; fetch them: dvc pull --remote {REMOTE} {folder}.dvc"
            )
    return folder


def uncommitted(action: str, paths: Paths) -> Release | None:
    """The champion's record if it is of this action and git has not got it yet."""
    record = champion(paths)
    if record is None or record.action != action or not commits.changes(paths, *_files(paths)):
        return None
    return record


def commit_promotion(release: Release, paths: Paths) -> str:
    """Commits the champion, models/bundle, and what it was made from. Returns a line about what git has not got, if any."""
    if changed := made_from.changed(paths):
        raise AccordError(_not_whole(release.model_id, changed))
    made_from.keep(release.model_id, paths)
    origins = [*made_from.files(paths), *made_from.pointers(paths), paths.retraining_log]
    return _commit(f"Promote {release.model_id}: {release.reason}", origins, paths)


def commit_rollback(release: Release, paths: Paths) -> str:
    """Puts back what the champion was made from and commits both. Returns a line about what git has not got, if any."""
    put_back = made_from.restore(release.model_id, paths)
    return _commit(f"Roll back to {release.model_id}: {release.reason}", put_back, paths)


def _commit(message: str, origins: list[Path], paths: Paths) -> str:
    jsonl.append(paths.release_log, *_unlogged(jsonl.read(paths.release_log, Release), paths))
    commits.commit(message, [*_files(paths), paths.tries, *origins], paths)
    return made_from.left_out(paths)


def _files(paths: Paths) -> list[Path]:
    """What git has of the releases."""
    return [paths.champion, paths.release_log, paths.releases]


def _not_whole(model_id: str, changed: list[str]) -> str:
    return (
        f"The project has changed since {model_id} was made ({made_from.shown(changed)}), so a commit would not hold what made it; "
        "put it back or make another candidate: accord run. Or promote without --commit"
    )


def _verdict(scorecard: Scorecard | None, model_id: str, paths: Paths) -> str:
    """Why the candidate may be promoted, in the scorecard's words. It counts as a try from now on, refused or not."""
    champion = champion_id(paths)
    if scorecard is None or scorecard.candidate != model_id:
        raise AccordError(f"Candidate {model_id} has not been judged; judge it: accord judge")
    if scorecard.champion != champion:
        raise AccordError(
            f"Candidate {model_id} was judged against {scorecard.champion}, but the champion is {champion}; judge it again: accord judge"
        )
    if (tried := scorecard.attempt) is not None:
        if (n := tries.number(tried, paths)) != tried.n:
            raise AccordError(
                f"Candidate {model_id} was judged as try {tried.n}, but is try {n} by {paths.tries}; judge it again: accord judge"
            )
        tries.begin(tried, paths)
    if scorecard.verdict != PASS:
        raise AccordError(
            f"Candidate {model_id} is refused: {'; '.join(scorecard.reasons)}. To promote it all the same, give a --reason"
        )
    return "; ".join(scorecard.reasons)


def _store(model_id: str, paths: Paths) -> None:
    """The candidate's bytes in the release store, before anything names it champion."""
    folder = paths.releases / model_id
    if not folder.exists():
        with replacing(folder) as temporary:
            shutil.copytree(paths.bundle, temporary)
    for run, command in (
        (dvc.run, ("add", paths.in_root(folder))),
        (dvc.transfer, ("push", "--remote", REMOTE, f"{paths.in_root(folder)}.dvc")),
    ):
        done = run(paths, *command)
        if done.returncode:
            raise AccordError(
                f"Storing release {model_id} failed, nothing is promoted: {' '.join(done.stderr.split())[:300]}"
            )


def _release(action: str, model_id: str, reason: str, paths: Paths) -> Release:
    """The record of what is done now."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    previous = next((record.model_id for record in _named(paths)), None)
    return Release(model_id, action, previous, at, getpass.getuser(), reason)


def _name(release: Release, paths: Paths) -> Release:
    """Names the champion, by one rename, and writes the log after it."""
    unlogged = _unlogged(jsonl.read(paths.release_log, Release), paths)  # of the champion before the rename
    write_json(paths.champion, release)
    jsonl.append(paths.release_log, *unlogged, release)
    return release


def _unlogged(records: Sequence[Release], paths: Paths) -> list[Release]:
    """The champion's record, where a promotion that was killed has left it out of the log."""
    return [record for record in _named(paths) if record not in records]


def _named(paths: Paths) -> list[Release]:
    """The champion's record; where a merge has left a conflict those of both sides, this clone's first."""
    if not paths.champion.exists():
        return []
    if conflicts.is_in(paths.champion.read_bytes()):
        sides = conflicts.sides(paths.champion, paths)
        return [msgspec.convert(side, Release) for side in sides if "model_id" in side]
    try:
        record = read_json(paths.champion)
    except ValueError as error:
        raise AccordError(f"{paths.champion} is damaged: {error}; see what to do: accord doctor") from error
    return [read_as(paths.champion, Release)] if record else []


def _before(released: list[str], current: str | None) -> str | None:
    """The latest release that isn't the current one and came before it was last promoted."""
    if current is None or current not in released:
        return None
    last = len(released) - 1 - released[::-1].index(current)
    return next((model_id for model_id in reversed(released[:last]) if model_id != current), None)
