"""The batches in use, which data/batches.json lists with the hash of their bytes. So the pipeline's results change only when
the list does."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from accord.files import read_json, write_json


class Batch(NamedTuple):
    file: str
    """Relative to the project's root."""
    sha256: str
    data: str
    """The name of the data set that the rows are of."""


def listed(path: Path, data: str | None = None) -> list[Batch]:
    """The batches in use, in the order in which they were added; only those of one data set, if it is named."""
    batches = [Batch(**entry) for entry in read_json(path)["batches"]] if path.exists() else []
    return [batch for batch in batches if data in (None, batch.data)]


def write(batches: Iterable[Batch], path: Path) -> None:
    write_json(path, {"batches": [batch._asdict() for batch in batches]})


def sha256(file: Path) -> str:
    """The hash of a file's bytes, as sha256sum prints it."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def relist(folder: Path) -> None:
    """Corrects the hashes in the list after rows were erased from its batches."""
    path = folder.with_suffix(".json")
    before = listed(path)
    files = [folder / Path(batch.file).name for batch in before]
    now = [
        batch._replace(sha256=sha256(file)) if file.exists() else batch
        for batch, file in zip(before, files, strict=True)
    ]
    if now != before:
        write(now, path)
