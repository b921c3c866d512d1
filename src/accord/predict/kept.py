"""What of a prediction is finished, kept until all of it is: a kill costs no more than the pieces that were at work."""

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accord.errors import AccordError
from accord.files import remove, replacing, write_json
from accord.locks import held

ABOUT, MOVING = "about.json", "moving.json"
STALE_S = 7 * 24 * 3600.0
"""How long pieces of a prediction wait that nobody takes up again."""


@dataclass(frozen=True)
class Kept:
    """A folder with a file for each finished piece, and for each output that is whole; their names say how many rows they have."""

    folder: Path

    def finished(self) -> dict[str, tuple[Path, int]]:
        """By name, the files and their numbers of rows."""
        found = {}
        for path in self.folder.glob("*-*.*"):
            name, _, n_rows = path.stem.rpartition("+")
            if path.suffix != ".tmp" and n_rows.isdecimal():
                found[name] = path, int(n_rows)
        return found

    def path(self, name: str, n_rows: int, suffix: str) -> Path:
        return self.folder / f"{name}+{n_rows}{suffix}"

    def begin_moving(self, moves: dict[str, str]) -> None:
        """Notes that from now on files leave for these places."""
        write_json(self.folder / MOVING, moves)

    @property
    def moving(self) -> dict[str, str] | None:
        """What was noted so; None if it wasn't, or if a file that has left is gone from its place."""
        path = self.folder / MOVING
        moves: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        is_there = all(
            (self.folder / name).exists() or Path(target).exists() for name, target in moves.items()
        )
        return moves if moves and is_there else None

    def move_all(self, moves: dict[str, str]) -> None:
        """Puts the files into their places, each whole. What is missing has left before a kill."""
        for name, target in moves.items():
            if (self.folder / name).exists():
                move(self.folder / name, Path(target))


@contextmanager
def kept(scratch: Path, about: dict[str, Any], output: Path) -> Iterator[Kept]:
    """The folder for a prediction of which `about` says all that decides it. It is removed when the block ends well, or with an AccordError,
    after which the same can't succeed; and so are those of other predictions that nobody will take up again. Raises AccordError if
    another process is at the same."""
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
    folder, where = scratch / key, str(output.resolve())
    with held(scratch / f"{key}.lock") as lock:
        if lock is None:
            raise AccordError(
                f"Another process predicts the same files into {output}; wait until it has ended, or end it, and run this again"
            )
        _sweep(scratch, key, where)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / ABOUT, {"output": where})
        try:
            yield Kept(folder)
        except AccordError:
            _forget(folder)
            raise
        _forget(folder)


def move(file: Path, target: Path) -> None:
    """Puts the file into its place, also on another disk, where it appears whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(file, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with replacing(target) as temporary:
            shutil.copyfile(file, temporary)
        file.unlink()


def _sweep(scratch: Path, own: str, where: str) -> None:
    """Removes what is left of predictions into the same place that have been overtaken, and of others that are old."""
    for folder in [path for path in scratch.iterdir() if path.is_dir() and path.name != own]:
        with held(folder.with_suffix(".lock")) as lock:
            if lock is not None and (_output_of(folder) == where or _age_s(folder) > STALE_S):
                _forget(folder)


def _forget(folder: Path) -> None:
    remove(folder)
    folder.with_suffix(".lock").unlink(missing_ok=True)


def _output_of(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / ABOUT).read_text(encoding="utf-8"))["output"])
    except (OSError, ValueError, KeyError):
        return None


def _age_s(folder: Path) -> float:
    return time.time() - folder.stat().st_mtime
