"""The distinct values of a column of text, and how many rows have each: types are told from these, so that no order of rows matters."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

MAX_WORD = 20
"""Characters of a word that may mean a missing value."""


MANY = 1000


@dataclass(frozen=True)
class Words:
    text: pl.Series
    """The distinct values (n_words,) without blanks around them."""
    count: pl.Series
    """How many rows have each (n_words,)."""
    padded: frozenset[str] = frozenset()
    """Those that stand with blanks around them in some rows, of all that may mean a missing value."""

    @classmethod
    def of(cls, values: pl.Series) -> "Words":
        """Those of a column, where null is the empty word."""
        counted = values.alias("text").value_counts(name="count")
        stripped = counted["text"].fill_null("").str.strip_chars()
        is_padded = stripped != counted["text"].fill_null("")
        if not is_padded.any() and counted["text"].null_count() + (stripped == "").sum() < 2:
            return cls(stripped, counted["count"])
        padded = frozenset(stripped.filter(is_padded & (stripped.str.len_chars() <= MAX_WORD)))
        grouped = counted.with_columns(stripped).group_by("text").agg(pl.col("count").sum())
        return cls(grouped["text"], grouped["count"], padded)

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

    def sample(self, n: int) -> pl.Series:
        """About `n` of the words, or all: the same ones in any order of rows."""
        every = len(self.text) // n
        return self.text if every < 2 else self.text.filter(self.text.hash(0) % every == 0)

    def examples(self, n: int = 3) -> list[str]:
        """The most frequent ones, in the order of the text where they are equally so."""
        least = self.count.top_k(n).min()
        often = self.where(self.count >= least)
        some = (
            often if len(often.text) <= MANY else often.where(often.text.is_in(often.sample(MANY).implode()))
        )
        top = pl.DataFrame({"text": some.text, "count": some.count})
        return top.sort(["count", "text"], descending=[True, False]).head(n)["text"].to_list()


def edges(values: pl.Series) -> tuple[float, float]:
    """The least and the greatest of numbers, of which there is at least one."""
    low, high = values.min(), values.max()
    assert isinstance(low, int | float)
    assert isinstance(high, int | float)
    return low, high
