"""A table as it is written, before anybody has said what its columns are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import polars as pl

from accord.data.infer.dialect import dialect
from accord.data.infer.guess import Guess
from accord.data.ingest import sources
from accord.errors import AccordError
from accord.schema.data import Source

USUAL = {"separator": ",", "encoding": "utf-8", "quote": '"', "header": True}
"""How CSV is written unless the config says otherwise."""


@dataclass(frozen=True)
class Table:
    """The source, with every column of CSV as text: no word is taken for a missing value, and a field without a sign is null."""

    source: Source
    frame: pl.DataFrame
    guesses: tuple[Guess, ...]
    """How it is written, one for each key of the source that says so; none for Parquet."""

    @property
    def names(self) -> list[str]:
        return self.frame.columns

    @property
    def n_rows(self) -> int:
        return self.frame.height

    @property
    def is_text(self) -> bool:
        return bool(self.guesses)

    @property
    def written(self) -> dict[str, Any]:
        """What the source in the config has to say of how it is written, beside its words for missing values."""
        return {guess.key: guess.value for guess in self.guesses if guess.value != USUAL[guess.key]}

    def columns(self) -> Iterator[pl.Series]:
        return iter(self.frame.iter_columns())


def read(path: str, root: Path, given: Mapping[str, Any] = MappingProxyType({})) -> Table:
    """The table that a source's `path`, relative to `root`, holds; what is `given` of how it is written (separator, encoding,
    header, quote) is not guessed. Raises AccordError if it can't be read."""
    name = PurePosixPath(path).name
    source = Source(path=path, nulls=[], separator=",", encoding="utf-8")
    guesses: list[Guess] = []
    if not path.startswith("sklearn://"):
        first = sources.files(f"Source '{name}' ({path})", path, root)[0]
        content = sources.content(f"Source '{name}' ({path})", first)
        if content is not None:
            guesses = dialect(content, given)
            source = source.model_copy(update={guess.key: guess.value for guess in guesses})
        elif given:
            raise AccordError(
                f"{path} is Parquet, which says itself how it is written; leave out {', '.join(given)}"
            )
    return Table(source, sources.read(name, source, root), tuple(guesses))
