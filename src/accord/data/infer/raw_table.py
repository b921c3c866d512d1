"""A table as it is written, before anybody has said what its columns are."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import polars as pl

from accord.data.infer.dialect import dialect
from accord.data.infer.guess import Guess
from accord.data.ingest import csv_text, sources
from accord.errors import AccordError
from accord.paths import Paths
from accord.schema.data import Source

USUAL = {"separator": ",", "encoding": "utf-8", "quote": '"', "header": True}
"""How CSV is written unless the config says otherwise."""


N_CELLS = 6_000_000
"""Values of text that are in memory at a time."""


@dataclass(frozen=True)
class Table:
    """The source, with every column of CSV as text: no word is taken for a missing value, and a field without a sign is null."""

    source: Source
    names: list[str]
    """Its columns, in their order."""
    n_rows: int
    guesses: tuple[Guess, ...]
    """How it is written, one for each key of the source that says so; none for Parquet."""
    parts: Callable[[], Iterable[pl.DataFrame]]
    """Reads its columns, some at a time, so that a large table is never in memory as text."""

    @property
    def is_text(self) -> bool:
        return bool(self.guesses)

    @property
    def written(self) -> dict[str, Any]:
        """What the source in the config has to say of how it is written, beside its words for missing values."""
        return {guess.key: guess.value for guess in self.guesses if guess.value != USUAL[guess.key]}


def read(path: str, root: Path, given: Mapping[str, Any] = MappingProxyType({})) -> Table:
    """The table that a source's `path`, relative to `root`, holds; what is `given` of how it is written (separator, encoding,
    header, quote) is not guessed. Raises AccordError if it can't be read."""
    name = PurePosixPath(path).name
    where = f"Source '{name}' ({path})"
    source = Source(path=path, nulls=[], separator=",", encoding="utf-8")
    files = [] if path.startswith("sklearn://") else sources.files(where, path, root)
    content = sources.content(where, files[0]) if files else None
    if content is None:
        if given:
            raise AccordError(f"{path} says itself how it is written; leave out {', '.join(given)}")
        return whole(source, sources.read(name, source, root))
    guesses = tuple(dialect(content, given))
    source = source.model_copy(update={guess.key: guess.value for guess in guesses})
    if len(files) > 1:
        return whole(source, sources.read(name, source, root), guesses)
    return _in_parts(where, content, source, guesses, root)


def whole(source: Source, frame: pl.DataFrame, guesses: tuple[Guess, ...] = ()) -> Table:
    """A table that is in memory already."""
    return Table(source, frame.columns, frame.height, guesses, lambda: [frame])


def _in_parts(where: str, content: bytes, source: Source, guesses: tuple[Guess, ...], root: Path) -> Table:
    """A table whose columns, if it is large, wait in files: its content is not needed any more then."""
    with sources.readable(where):
        text = csv_text.opened(where, content, source)
        if text.has_blank_lines or content.count(b"\n") * len(text.names) < N_CELLS:
            return whole(source, sources.not_empty(where, text.read()), guesses)
        own = Paths(root).own
        folder = TemporaryDirectory(prefix="onboard-", dir=own if own.is_dir() else None)
        step, n_rows = max(N_CELLS // content.count(b"\n"), 1), 0
        for start in range(0, len(text.names), step):
            which = range(start, min(start + step, len(text.names)))
            n_rows = _put(text.read_columns(which), Path(folder.name) / f"{start:06d}.arrow")
    return Table(source, text.names, n_rows, guesses, partial(_parts, folder))


def _put(part: pl.DataFrame, path: Path) -> int:
    part.write_ipc(path, compression="lz4")
    return part.height


def _parts(folder: "TemporaryDirectory[str]") -> Iterator[pl.DataFrame]:
    """The parts of a table, in files of a folder that is there for as long as the table."""
    for path in sorted(Path(folder.name).iterdir()):
        yield pl.read_ipc(path)
