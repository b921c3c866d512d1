"""What is predicted: the task that a target's values suggest, and its SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PolarsError

from accord.data.infer.facts import Facts
from accord.data.infer.guess import Guess
from accord.data.infer.hints import words
from accord.data.infer.suggested import Suggestion, suggested
from accord.errors import AccordError
from accord.losses import Kind


@dataclass(frozen=True)
class TargetGuess:
    guesses: tuple[Guess, ...]
    """About the keys of the target in `targets`."""
    y: NDArray[np.float64]
    """The outcome of each row (n_rows,), NaN where it is unknown."""
    outcome: Kind
    classes: tuple[str, ...]
    """What its outcomes are called, if they are classes."""
    notes: tuple[str, ...]


def target(facts: Facts, name: str, wanted: str | None = None, positive: str | None = None) -> TargetGuess:
    """What is predicted of the column, as target `name`. Raises AccordError where nothing can be."""
    known = facts.present
    if facts.n_present == 0:
        raise AccordError(
            f"target '{facts.source}': no row has a value; found {facts.n_rows:,} rows, expected two different values or more"
        )
    if facts.n_distinct == 1:
        raise AccordError(
            f"target '{facts.source}': all {facts.n_present:,} known rows have the value {known[0]}; expected two different values or more"
        )
    try:
        found = suggested(known, words(facts.source), wanted, positive)
    except AccordError as error:
        raise AccordError(f"target '{facts.source}': {error}") from error
    where = f"targets.{name}"
    guesses = [
        Guess(f"{where}.task", found.task, found.reason, found.alternative),
        Guess(f"{where}.sql", _sql(facts.name, found), "", ""),
        *(Guess(f"{where}.{key}", value, "", "") for key, value in found.keys.items()),
    ]
    y, classes = _outcomes(facts.column.values, found), tuple(found.keys.get("classes", ()))
    return TargetGuess(tuple(guesses), y, found.outcome, classes, tuple(_left_out(facts)))


def _left_out(facts: Facts) -> Sequence[str]:
    n = facts.n_rows - facts.n_present
    if not n:
        return ()
    blanks = [
        f"{count:,} {word!r}" if word else f"{count:,} blank"
        for word, count in sorted(facts.column.missing.items())
        if count
    ]
    how = f" ({', '.join(blanks)})" if blanks else ""
    return (
        f"{n:,} of {facts.n_rows:,} rows have no {facts.source}{how}: no model is trained or measured on them",
    )


def _sql(column: str, found: Suggestion) -> str:
    return reference(column) if found.positive is None else f"{reference(column)} = {literal(found.positive)}"


def reference(column: str) -> str:
    """The column's name as SQL has it, in quotes only where it needs them.

    >>> reference("price"), reference("select")
    ('price', '"select"')
    """
    try:
        plain = (
            column.isascii() and column.isidentifier() and pl.sql_expr(column).meta.root_names() == [column]
        )
    except PolarsError:
        plain = False
    return column if plain else f'"{column}"'


def literal(value: Any) -> str:
    """The value as SQL has it.

    >>> literal("it's"), literal(True), literal(3.0)
    ("'it''s'", 'true', '3')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"{value:g}" if value == float(f"{value:g}") else repr(value)


def _outcomes(values: pl.Series, found: Suggestion) -> NDArray[np.float64]:
    if values.dtype.is_float():
        values = values.set(~values.is_finite(), None)
    if found.positive is not None:
        values = values == found.positive
    elif found.outcome == "class":
        values = values.rank("dense") - 1  # its number among the classes, which are sorted
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
