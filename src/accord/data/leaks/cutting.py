"""Turns columns into numbers, codes, bins and levels."""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

Vector = NDArray[np.float64]

FEW_VALUES = 20
"""A number with at most this many distinct values is judged value by value."""
N_BINS = 50
ATOM = 5
"""A value of a fine number is a level if it is this many times as common as the values are on average."""
MAX_GROUPED = 500_000
"""Groups are formed of at most this many rows."""
N_BETWEEN = 20
"""The other values of a fine number are cut into this many quantiles."""


def has_order(column: pl.Series) -> bool:
    return column.dtype.is_numeric() or column.dtype.is_temporal() or column.dtype == pl.Boolean


def as_numbers(column: pl.Series) -> Vector:
    """The column's values (n,), -inf where missing."""
    values = column.to_physical().cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.where(np.isnan(values), -np.inf, values)


def codes_of(column: pl.Series) -> NDArray[np.intp]:
    """A code per value (n,), from 0 on. Null has one too. The codes of numbers are in the numbers' order."""
    if column.dtype == pl.String:
        codes = column.fill_null("null").rank("dense").to_numpy().astype(np.intp) - 1
    else:
        codes = np.unique(as_numbers(column), return_inverse=True)[1]
    return codes


def group_codes(column: pl.Series) -> NDArray[np.intp]:
    """The same in any order, which is quick on many rows."""
    return np.unique(column.hash(0).to_numpy(), return_inverse=True)[1]


def binned(column: pl.Series) -> NDArray[np.intp]:
    """Each row's bin (n,): a category's level, one of a number's few values, or else a quantile. A value that fills a
    quantile alone has a bin of its own, and so have missing values."""
    if not has_order(column):
        return codes_of(column)
    values, place, count = np.unique(as_numbers(column), return_inverse=True, return_counts=True)
    if len(values) <= FEW_VALUES:
        return place
    width = len(column) / N_BINS
    middle = (np.cumsum(count) - count / 2) / width
    bins = 2 * np.floor(middle).astype(np.intp) + (count > width)
    bins[np.isinf(values)] = 2 * N_BINS + 2
    return np.unique(bins, return_inverse=True)[1][place]


class Units(NamedTuple):
    """A column cut into levels, which are in order if the column has one."""

    column: str
    codes: NDArray[np.intp]
    """Each row's level as a code (n,)."""
    labels: list[str | None]
    """The levels' names; None for the values between two levels of a fine number."""
    is_ordered: bool
    missing: int | None
    """The code of null; None if no value is null."""


def units_of(column: pl.Series) -> Units:
    if not has_order(column) or column.dtype == pl.Boolean:
        codes = group_codes(column)
        _, first = np.unique(codes, return_index=True)
        texts = column[first].cast(pl.String).to_list()
        missing = texts.index(None) if None in texts else None
        return Units(column.name, codes, ["null" if text is None else text for text in texts], False, missing)
    values, place, count = np.unique(as_numbers(column), return_inverse=True, return_counts=True)
    own = np.ones(len(values), bool)
    if len(values) > FEW_VALUES:
        own = (count >= ATOM * len(column) / len(values)) | np.isinf(values)
    quantile = np.floor((np.cumsum(count) - count / 2) / len(column) * N_BETWEEN)
    begins = np.ones(len(values), bool)
    begins[1:] = own[1:] | own[:-1] | (quantile[1:] > quantile[:-1])
    unit = np.cumsum(begins) - 1
    labels = [_label(column, values[i]) if own[i] else None for i in np.flatnonzero(begins)]
    missing = 0 if np.isinf(values[:1]).any() else None
    return Units(column.name, unit[place], labels, True, missing)


def _label(column: pl.Series, value: float) -> str:
    if np.isinf(value):
        return "null"
    return str(pl.Series([int(value)]).cast(column.dtype)[0]) if column.dtype.is_temporal() else f"{value:g}"


class Groups:
    """The rows grouped by a column that may name an entity, a day, or another group. A large table has only some of its groups,
    but each of them whole."""

    def __init__(self, column: pl.Series) -> None:
        self.name = column.name
        keys = column.hash(0).to_numpy()
        n_parts = min(len(column) // MAX_GROUPED, column.n_unique() // 50)
        rows = np.flatnonzero(keys % n_parts == 0) if n_parts > 1 else np.arange(len(column))
        codes = np.unique(keys[rows], return_inverse=True)[1]
        self.size = np.bincount(codes)
        self.codes = np.full(len(column), -1, np.int32)
        """Each row's group (n,), -1 for rows that are left out."""
        self.codes[rows] = codes
        self.order = rows[np.argsort(codes, kind="stable")].astype(np.int32)
        """The rows' positions, group by group, in the original order within each."""

    @property
    def is_first(self) -> NDArray[np.bool_]:
        """Whether each row is in the first quarter of its group (n,)."""
        place = np.arange(len(self.order)) - np.repeat(np.cumsum(self.size) - self.size, self.size)
        first = np.zeros(len(self.codes), bool)
        first[self.order] = 4 * place < np.repeat(self.size, self.size)
        return first

    @property
    def following(self) -> NDArray[np.intp]:
        """The next row in each row's group (n,), -1 for the last one."""
        following = np.full(len(self.codes), -1)
        before, after = self.order[:-1], self.order[1:]
        same = self.codes[before] == self.codes[after]
        following[before[same]] = after[same]
        return following
