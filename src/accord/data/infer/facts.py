"""What is counted once for each column and used by several guesses."""

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from accord.data.infer.guess import Inferred

FIRST = 1000
MAX_DISTINCT = 500
"""Different values that are looked at one by one."""


@dataclass(frozen=True)
class Facts:
    """A column of a table (n_rows,), counted. Nothing here depends on the order of its rows."""

    column: Inferred

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def source(self) -> str:
        return self.column.source

    @property
    def is_text(self) -> bool:
        return self.column.values.dtype == pl.String

    @property
    def is_instant(self) -> bool:
        return self.column.values.dtype.is_temporal()

    @property
    def is_number(self) -> bool:
        return self.column.values.dtype.is_numeric()

    @cached_property
    def present(self) -> pl.Series:
        """The values that are not missing."""
        values = self.column.values
        if values.null_count():
            values = values.drop_nulls()
        if values.dtype.is_float() and not (finite := values.is_finite()).all():
            values = values.filter(finite)
        return values  # as they are, without a copy, where nothing is missing

    @property
    def n_rows(self) -> int:
        return len(self.column.values)

    @property
    def n_present(self) -> int:
        return len(self.present)

    @property
    def missing_share(self) -> float:
        return 1 - self.n_present / self.n_rows if self.n_rows else 1.0

    @cached_property
    def n_distinct(self) -> int:
        return self.present.n_unique()

    @property
    def uniqueness(self) -> float:
        """Different values for each present one, at most 1."""
        return self.n_distinct / self.n_present if self.n_present else 0.0

    def counts(self) -> pl.Series:
        """How often each of its different values occurs (n_distinct,), the commonest first."""
        return self.present.value_counts(name="rows")["rows"].sort(descending=True)

    @cached_property
    def n_commonest(self) -> int:
        """Rows with its commonest value."""
        return int(self.counts()[0]) if self.n_present else 0

    @cached_property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        if not self.is_number or self.present.dtype.is_integer():
            return self.is_number
        return bool((self.present[:FIRST] % 1 == 0).all()) and bool((self.present % 1 == 0).all())

    @cached_property
    def sample(self) -> list[str]:
        """Some of its different values as text, the same ones in whatever order the rows are."""
        values = self.present
        if self.n_distinct > 4 * MAX_DISTINCT:  # those whose hash is low are as good as drawn
            share = 2 * MAX_DISTINCT / self.n_distinct
            values = values.filter(values.hash(0) < int(share * 2**64))
        values = values.unique()
        values = values.gather(values.hash(0).arg_sort()[:MAX_DISTINCT])
        return [text.strip() for text in values.cast(pl.String).to_list()]
