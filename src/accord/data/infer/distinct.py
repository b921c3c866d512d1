"""The distinct values of a column of text, and how many rows have each: types are told from these, so that no order of rows matters."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Words:
    text: pl.Series
    """The distinct values (n_words,) without blanks around them."""
    count: pl.Series
    """How many rows have each (n_words,)."""

    @classmethod
    def of(cls, values: pl.Series) -> "Words":
        """Those of a column, where null is the empty word."""
        counted = values.alias("text").value_counts(name="count")
        stripped = counted["text"].fill_null("").str.strip_chars()
        if stripped.n_unique() < len(stripped):
            grouped = counted.with_columns(stripped).group_by("text").agg(pl.col("count").sum())
            return cls(grouped["text"], grouped["count"])
        return cls(stripped, counted["count"])

    @property
    def n_rows(self) -> int:
        return int(self.count.sum())

    def where(self, mask: pl.Series) -> "Words":
        return Words(self.text.filter(mask), self.count.filter(mask))

    def without(self, words: Sequence[str]) -> "Words":
        return self.where(~self.text.is_in(list(words))) if words else self

    def rows(self, mask: pl.Series) -> int:
        """How many rows have the words that the mask picks."""
        return int(self.count.filter(mask).sum())

    def matching(self, pattern: str) -> pl.Series:
        return self.text.str.contains(pattern)

    def first(self, mask: pl.Series) -> int:
        """Where the first word in the order of the text is that the mask picks."""
        index = self.text.index_of(self.text.filter(mask).sort()[0])
        assert index is not None
        return index

    def examples(self, n: int = 3) -> list[str]:
        """The most frequent ones, in the order of the text where they are equally so."""
        top = pl.DataFrame({"text": self.text, "count": self.count})
        return top.sort(["count", "text"], descending=[True, False]).head(n)["text"].to_list()


def edges(values: pl.Series) -> tuple[float, float]:
    """The least and the greatest of numbers, of which there is at least one."""
    low, high = values.min(), values.max()
    assert isinstance(low, int | float)
    assert isinstance(high, int | float)
    return low, high
