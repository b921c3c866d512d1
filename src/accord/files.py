"""Writing so that a reader, or a crash, never meets half a file."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, TypeVar

import msgspec

from accord.errors import AccordError

T = TypeVar("T")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary sibling to write a file or folder to; it takes `path`'s place when the block ends well."""
    temporary = _temporary(path)
    remove(temporary)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        if temporary.is_dir():
            remove(path)  # a folder can't be renamed over another
        temporary.rename(path)
    finally:
        remove(temporary)


@contextmanager
def scratch(purpose: str, project: Path) -> Iterator[Path]:
    """A folder outside the project, for a process that is the only one in the project at this; it is removed at the end,
    and so are those of processes that were killed."""
    owner = hashlib.sha256(f"{project.resolve()} {os.getuid()}".encode()).hexdigest()[:16]
    prefix = f"accord-{purpose}-{owner}-"
    for leftover in Path(gettempdir()).glob(f"{prefix}*"):
        remove(leftover)
    with TemporaryDirectory(prefix=prefix) as folder:
        yield Path(folder)


def remove_leftover(path: Path) -> None:
    """Removes what a killed process had begun to write in `path`'s place."""
    remove(_temporary(path))


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def write_json(path: Path, value: Any) -> None:
    """`value` as JSON with sorted keys: the same value gives the same bytes. Dataclasses, structs and sections of the config
    become objects."""
    write_text(path, as_json(value) + "\n")


def as_json(value: Any, ascii_only: bool = False) -> str:
    """The same as text, on request with escapes for all that isn't ASCII."""
    return json.dumps(
        value, indent=2, sort_keys=True, ensure_ascii=ascii_only, allow_nan=False, default=_plain
    )


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_as(path: Path, kind: type[T]) -> T:
    """The JSON of the file as the dataclass or struct that was written: keys that it doesn't have are passed over, and
    fields that are missing take their defaults, as of a file of another version. Raises AccordError if it is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind, dec_hook=_section)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AccordError(
            f"{path} can't be read: {error}; expected what this version of accord writes. Make it anew with the command that wrote it"
        ) from error


def sha256(*paths: Path) -> str:
    """One hex digest over the names and contents of files and, recursively, folders."""
    digest = hashlib.sha256()
    for path in paths:
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        for file in files:
            if "__pycache__" in file.parts:
                continue
            digest.update(file.relative_to(path.parent).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def remove(path: Path) -> None:
    """Removes a file, a link, or a folder with all in it; none is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, enc_hook=_of_other)


def _of_other(value: Any) -> Any:
    return value.as_posix() if isinstance(value, Path) else value.model_dump(mode="json")


def _section(kind: type[Any], value: Any) -> Any:
    """A section of the config, which is a model of pydantic, among what is read: it checks itself."""
    return kind.model_validate(value)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")
