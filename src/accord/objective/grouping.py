"""Groups of people: the rows that have the same values in one column, or in several at once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.engines import mapped
from accord.engines.mapped import in_parts

NULL = "null"
"""What rows without a value are called: they are a group of their own."""
NUMBER = "group|number"
"""Names in the config can't hold a bar, so this never clashes with a column."""


def names_in(group: str | Sequence[str]) -> list[str]:
    return [group] if isinstance(group, str) else list(group)


def title(group: str | Sequence[str]) -> str:
    """
    >>> title("origin"), title(["sex", "race"])
    ('origin', 'sex and race')
    """
    return " and ".join(names_in(group))


class Chunked(Protocol):
    """Rows (n) that are read a chunk at a time."""

    @property
    def n(self) -> int: ...

    @property
    def scratch(self) -> Path | None: ...

    def chunks(self, columns: Iterable[str]) -> Iterator[tuple[slice, pl.DataFrame]]:
        """Where each chunk of the rows is among them, and these columns of it."""


@dataclass(frozen=True)
class Grouped:
    """The groups' values in order, those without a value last (n_groups, n_columns), each row's group (n,), and how many rows
    each has (n_groups,)."""

    levels: pl.DataFrame
    number: NDArray[np.int32]

    @property
    def names(self) -> list[str]:
        return [
            ", ".join(NULL if value is None else str(value) for value in values)
            for values in self.levels.iter_rows()
        ]

    def counts(self, keep: NDArray[np.bool_] | None = None) -> NDArray[np.intp]:
        """How many rows each group has (n_groups,), of those to keep (n,)."""
        counts = np.zeros(self.levels.height, np.intp)
        for rows in in_parts(len(self.number)):
            number = self.number[rows] if keep is None else self.number[rows][keep[rows]]
            counts += np.bincount(number, minlength=len(counts))
        return counts

    def parts(
        self, chosen: NDArray[np.intp], keep: NDArray[np.bool_] | None, scratch: Path | None
    ) -> NDArray[np.int32]:
        """Of each row (n,) that is to be kept its group's place among the chosen; -1 of others."""
        place = np.full(self.levels.height, -1, np.int32)
        place[chosen] = np.arange(len(chosen))

        def of(rows: slice) -> NDArray[np.int32]:
            found = place[self.number[rows]]
            return found if keep is None else np.where(keep[rows], found, -1)

        return mapped.computed(of, len(self.number), scratch, np.int32)


def grouped(rows: Chunked, group: str | Sequence[str]) -> Grouped:
    """The groups of rows by the columns' values."""
    names = names_in(group)
    seen = pl.concat([frame.select(names).unique() for _, frame in rows.chunks(names)])
    levels = seen.unique().sort(names, nulls_last=True)
    numbered = levels.with_row_index(NUMBER)
    number = mapped.empty(rows.scratch, rows.n, np.int32)
    for some, frame in rows.chunks(names):
        found = frame.select(names).join(
            numbered, on=names, how="left", nulls_equal=True, maintain_order="left"
        )
        number[some] = found[NUMBER].to_numpy()
    return Grouped(levels, number)


def small(rows: Chunked, group: str | Sequence[str], min_rows: int) -> dict[str, int]:
    """The groups with fewer rows than asked, and how many each has."""
    found = grouped(rows, group)
    return {name: int(n) for name, n in zip(found.names, found.counts(), strict=True) if n < min_rows}
