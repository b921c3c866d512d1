"""Objects as DVC stores them, in its cache and in remotes: files named by the MD5 of their bytes, and lists of such."""

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from accord.terminal import end_progress, show_progress

CHUNK = 1 << 20
FILL_S = 600.0
"""How long a file may take to hash that an object is copied from."""
LIST = ".dir"
SHOWN_EVERY = 256_000_000
"""Bytes hashed between two looks at the progress."""


class Member(msgspec.Struct):
    md5: str
    relpath: str


class Store(NamedTuple):
    """A cache, or a remote that is a folder."""

    folder: Path

    def file(self, md5: str) -> Path:
        return self.folder / "files/md5" / md5[:2] / md5[2:]

    def members(self, md5: str) -> list[Member] | None:
        """What a list holds; None if it is missing or damaged."""
        try:
            content = self.file(md5).read_bytes()
            is_whole = _md5(content) == md5.removesuffix(LIST)
            return msgspec.json.decode(content, type=list[Member]) if is_whole else None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None


class Hasher:
    """The MD5 of files, within a time that all of them share; each file is read once."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.n_bytes = self.n_bytes_left = 0
        self._deadline = time.monotonic() + seconds
        self._known: dict[tuple[int, int, int, int], str] = {}
        self._shown = 0

    def md5(self, path: Path) -> str | None:
        """None if the time is up. Raises OSError for a file that can't be read."""
        found = path.stat()
        identity = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
        if identity in self._known:
            return self._known[identity]
        digest = hashlib.md5(usedforsecurity=False)
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                if time.monotonic() > self._deadline:
                    self.n_bytes_left += found.st_size
                    return None
                digest.update(chunk)
                self._count(len(chunk))
        self._known[identity] = digest.hexdigest()
        return self._known[identity]

    def agrees(self, path: Path, md5: str) -> bool | None:
        """Whether the file is there and has the hash, which for a list is that of its text; None if the time is up."""
        try:
            found = self.md5(path) if path.is_file() else ""
        except OSError:
            return False
        return None if found is None else found == md5.removesuffix(LIST)

    def _count(self, n_bytes: int) -> None:
        self.n_bytes += n_bytes
        if self.n_bytes - self._shown >= SHOWN_EVERY:
            self._shown = self.n_bytes
            show_progress(f"{self.n_bytes / 1e9:.1f} GB of DVC's objects compared with their hashes")

    def end(self) -> None:
        if self._shown:
            end_progress()


def is_list(md5: str) -> bool:
    return md5.endswith(LIST)


def damaged(store: Store, md5: str, hasher: Hasher) -> Iterator[tuple[str, str]]:
    """The objects that are missing or damaged among an object and, if it is a list, its members; each with what is wrong."""
    problem = _problem(store, md5, hasher)
    if problem is not None:
        yield md5, problem
    elif is_list(md5):
        for member in store.members(md5) or []:
            problem = _problem(store, member.md5, hasher)
            if problem is not None:
                yield member.md5, problem


def _problem(store: Store, md5: str, hasher: Hasher) -> str | None:
    file = store.file(md5)
    if file.is_symlink() and not file.exists():
        return "is a link to nothing"
    if not file.exists():
        return "is missing"
    if not file.is_file():
        return "is a folder, where a file is expected"
    if hasher.agrees(file, md5) is False:
        return "is empty" if not file.stat().st_size else "is damaged: its bytes don't have its hash"
    return None


def differing(folder: Path, md5: str, members: list[Member] | None, hasher: Hasher) -> list[str]:
    """Files of a folder, or the file itself, that differ from what DVC's hash says; empty too where the time was up. Where
    nothing tells which file it is, the folder itself stands for it."""
    if not is_list(md5):
        return [folder.name] if hasher.agrees(folder, md5) is False else []
    if not folder.is_dir():
        return ["."]
    if members is not None:
        wanted = {member.relpath: member.md5 for member in members}
        wrong = [name for name, one in wanted.items() if hasher.agrees(folder / name, one) is False]
        return sorted([*wrong, *(_files(folder).keys() - wanted.keys())])
    text = listing(folder, hasher)
    return [] if text is None or _md5(text) == md5.removesuffix(LIST) else ["."]


def listing(folder: Path, hasher: Hasher) -> bytes | None:
    """The text of a folder's list, as DVC writes it; None if the time is up, or a file can't be read."""
    try:
        hashes = {name: hasher.md5(path) for name, path in _files(folder).items()}
    except OSError:
        return None
    listed = [{"md5": one, "relpath": name} for name, one in sorted(hashes.items())]
    return None if None in hashes.values() else json.dumps(listed, sort_keys=True).encode()


def _files(folder: Path) -> dict[str, Path]:
    """The files in a folder that DVC counts, by their names in it."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if not path.is_dir() and path.suffix != ".pyc"
    }


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
