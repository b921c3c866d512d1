"""Whether the last row of a table sums up those above it."""

from collections.abc import Sequence

import polars as pl

from accord.data.infer.guess import Inferred

WORDS = frozenset(
    ("total", "totals", "grand total", "overall total", "sum", "sums", "subtotal", "summe", "gesamt", "gesamtsumme", "insgesamt", "somme", "totale", "suma", "soma", "totaal", "\u03a3", "\u2211")
)  # fmt: skip
"""What such a row is called, in small letters and without a colon."""
MIN_ROWS = 3
PRECISION = 1e-6
"""Relative to the sum: amounts are often rounded in such a row."""


def totals(columns: Sequence[Inferred]) -> str | None:
    """The clause that says so, if a word in the last row alone means a sum and a number beside it is one."""
    word = next(filter(None, map(_word, columns)), None)
    if word is None:
        return None
    summed = next((one for one in columns if _is_sum(one.values)), None)
    if summed is None:
        return None
    return f"the last row has '{word}', and its {summed.source}, {summed.values[-1]:g}, is the sum of those above it"


def _word(column: Inferred) -> str | None:
    """The word for a sum that the column has in its last row alone, as a value or taken for a missing one."""
    last = column.values[-1]
    if isinstance(last, str):
        return last if _means_sum(last) and (column.values == last).sum() == 1 else None
    found = [word for word, n in column.missing.items() if n == 1 and _means_sum(word)]
    return found[0] if found and last is None else None


def _means_sum(word: str) -> bool:
    return word.strip(" :").lower() in WORDS


def _is_sum(values: pl.Series) -> bool:
    if not values.dtype.is_numeric() or len(values) <= MIN_ROWS or values[-1] is None:
        return False
    total = float(values[:-1].cast(pl.Float64).sum())
    return total != 0 and abs(total - float(values[-1])) <= PRECISION * abs(total)
