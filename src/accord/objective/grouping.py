"""Groups of people: the rows that have the same values in one column, or in several at once."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

NULL = "null"
"""What rows without a value are called: they are a group of their own."""


def names_in(group: str | Sequence[str]) -> list[str]:
    return [group] if isinstance(group, str) else list(group)


def title(group: str | Sequence[str]) -> str:
    """
    >>> title("origin"), title(["sex", "race"])
    ('origin', 'sex and race')
    """
    return " and ".join(names_in(group))


def groups(rows: pl.DataFrame, group: str | Sequence[str]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Each group's name and which rows (n,) are its own, by the columns' values; those without a value last."""
    labels = rows.select(names_in(group))
    found = labels.unique().sort(labels.columns, nulls_last=True)
    place = labels.with_row_index("#row").join(
        found.with_row_index("#group"), on=labels.columns, nulls_equal=True, maintain_order="left"
    )["#group"]
    for number, values in enumerate(found.iter_rows()):
        name = ", ".join(NULL if value is None else str(value) for value in values)
        yield name, (place == number).to_numpy()


def small(rows: pl.DataFrame, group: str | Sequence[str], min_rows: int) -> dict[str, int]:
    """The groups with fewer rows than asked, and how many each has."""
    counts = {name: int(mask.sum()) for name, mask in groups(rows, group)}
    return {name: n for name, n in counts.items() if n < min_rows}
