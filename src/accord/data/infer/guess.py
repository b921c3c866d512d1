"""A guess, with its reason beside it and the words that change it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl


@dataclass(frozen=True)
class Guess:
    """What a key of the config should be."""

    key: str
    """Of a column, as `type`, `nulls` or `pii`, or of the data set, as `time.event` or `targets.late.task`."""
    value: Any
    reason: str
    """Why, in words that go on after what was guessed: "all 1,000 values are whole numbers"."""
    instead: str = ""
    """What to write in the config, or which option to give, if the guess is wrong."""
    is_open: bool = False
    """Whether the values allow another reading just as well, so that somebody has to choose."""


@dataclass(frozen=True)
class Inferred:
    """A column of a table, and how it is guessed to be read."""

    source: str
    """Its name in the table, which may be any text."""
    name: str
    """Its name in the contract, an identifier."""
    guesses: tuple[Guess, ...]
    """About its keys in the contract; the first is about its type."""
    values: pl.Series
    """Its values (n_rows,) in the type that was guessed, null where they are missing."""
    missing: Mapping[str, int]
    """How often each word for a missing value stands in it; the empty word is a blank."""

    @property
    def keys(self) -> dict[str, Any]:
        """The guesses as the column's keys in the contract."""
        return {guess.key: guess.value for guess in self.guesses}

    @property
    def type(self) -> str:
        return str(self.keys["type"])
