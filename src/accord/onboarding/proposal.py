"""The guesses about a table, put together into a data set: what its file in conf/data says, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from accord.data.infer.guess import Guess, Inferred
from accord.data.infer.profiled import OWN_REASONS, Profile

IMPLIED: Mapping[str, tuple[Any, ...]] = {"role": ("feature", None), "nullable": (False,)}
"""What a column is unless the contract says otherwise."""


@dataclass(frozen=True)
class Member:
    """A column of the table, in the contract or left out of it."""

    name: str
    """In the contract."""
    source: str
    """In the table."""
    keys: Mapping[str, Any]
    """What the contract says of it."""
    guesses: tuple[Guess, ...]
    """Why; the first is about its type."""
    is_left_out: bool = False

    @property
    def role(self) -> str:
        return "left out" if self.is_left_out else str(self.keys.get("role", "feature"))


@dataclass(frozen=True)
class Proposal:
    """A data set, ready to be written to conf/data."""

    name: str
    description: str
    source: Mapping[str, Any]
    """The keys of its only source."""
    written: tuple[Guess, ...]
    """How the table is written: about the keys of the source."""
    members: tuple[Member, ...]
    """The table's columns, in its order."""
    guesses: tuple[Guess, ...]
    """About the data set as a whole, by dotted keys such as time.event, in the order in which they are written."""
    remarks: tuple[str, ...] = ()
    """What else the user has to know, a sentence each."""
    profile: Profile | None = None
    """What a page shows of the table."""

    objective: str | None = None
    """The text of an objective of its own; None where quality fits."""
    longest: int = 0
    """Characters of the longest text in its columns."""

    @property
    def columns(self) -> dict[str, Mapping[str, Any]]:
        """The contract's columns by name."""
        return {member.name: member.keys for member in self.members if not member.is_left_out}

    @property
    def values(self) -> dict[str, Any]:
        """The data set as its file in conf/data has it."""
        values: dict[str, Any] = {
            "name": self.name, "description": self.description, "sources": {self.name: dict(self.source)}, "columns": self.columns,
        }  # fmt: skip
        for guess in self.guesses:
            _put(values, guess.key.split("."), guess.value)
        return values


def member(column: Inferred, roles: Sequence[Guess]) -> Member:
    """The column with what was guessed of its type and of its role: a role of None leaves it out."""
    guesses = (*column.guesses, *roles)
    if any(guess.key == "pii" for guess in roles):
        guesses = tuple(map(_of_a_person, guesses))
    keys = {"type": column.type, **({"source": column.source} if column.source != column.name else {})}
    keys |= {guess.key: guess.value for guess in guesses if guess.value not in IMPLIED.get(guess.key, ())}
    is_left_out = any(guess.key == "role" and guess.value is None for guess in roles)
    return Member(column.name, column.source, keys, guesses, is_left_out)


def _of_a_person(guess: Guess) -> Guess:
    """The guess about a personal column: no reason quotes a value, for the file is committed, and rows that come back from the log, which
    doesn't keep them as they are, may lack one."""
    if guess.key == "nullable":
        return Guess("nullable", True, "the log doesn't keep it, so that labelled traffic has none")
    return guess if guess.key in OWN_REASONS else replace(guess, reason="", instead="")


def _put(values: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        values = values.setdefault(name, {})
    values[path[-1]] = value
