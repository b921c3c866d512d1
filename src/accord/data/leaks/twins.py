"""Finds rows on both sides of the split: the same row twice, or a subject whose rows are on both sides."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import fsum
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from accord.data.buckets import Buckets
from accord.data.leaks.evidence import FALSE_ALARMS, Suspect
from accord.schema.data import DUPLICATES, Data

LEARNED, JUDGED = ("train", "tune"), ("test", "holdout")
AGREEING, AGREEING_IF_COARSE = 0.5, 0.75
"""The agreement of outcomes beyond chance (Cohen's kappa) that is allowed for honest rows alike in all features. If no feature
is fine, rows are alike by chance, and strong features make their outcomes agree."""
FINE = 0.5
"""A feature is fine if it has at least this many values per row."""
DIVIDED = 0.01
IS_LEARNED, LEARNED_ROWS, JUDGED_ROWS = "side|is_learned", "rows|learned", "rows|judged"
"""Names in the config can't hold a bar, so these never clash with a column."""


class Part(NamedTuple):
    """The rows of a split."""

    n_rows: int
    read: Callable[[Sequence[str]], Iterable[pl.DataFrame]]
    """Gives these columns of the rows anew at each call: in one frame, or in several."""

    @classmethod
    def of(cls, rows: pl.DataFrame) -> "Part":
        return cls(rows.height, lambda columns: [rows.select(columns)])


class Sides:
    """The rows that a model learns from and those that it is judged by, and how many may be in memory at once."""

    def __init__(self, parts: Mapping[str, Part], most: int, scratch: Path) -> None:
        self._parts, self._most, self._scratch = parts, most, scratch
        self.n_learned = sum(parts[name].n_rows for name in LEARNED)
        self.n_judged = sum(parts[name].n_rows for name in JUDGED)
        self.n_rows = self.n_learned + self.n_judged

    def read(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The columns, beside IS_LEARNED."""
        for name in (*LEARNED, *JUDGED):
            for rows in self._parts[name].read(columns):
                yield rows.with_columns(pl.lit(name in LEARNED).alias(IS_LEARNED))

    def counted(self, by: Sequence[str], rows: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """How many learned and judged rows have the same values in all columns but IS_LEARNED; all with the same values `by`
        are in one frame."""
        buckets = Buckets(self._scratch / "cells", by, self.n_rows, self._most)
        for some in rows:
            buckets.add(some)
        yield from map(_counts, buckets)


def _counts(rows: pl.DataFrame) -> pl.DataFrame:
    learned = pl.col(IS_LEARNED)
    sums = {LEARNED_ROWS: learned.sum(), JUDGED_ROWS: (~learned).sum()}
    return rows.group_by(pl.exclude(IS_LEARNED)).agg(**{name: n.cast(pl.Int64) for name, n in sums.items()})


def across_splits(parts: Mapping[str, Part], data: Data, most: int, scratch: Path) -> list[Suspect]:
    """Suspects among the rows of the named splits. Rows split by time may have a subject on both sides; rows split by a hash
    should not. At most so many rows are in memory at once."""
    sides = Sides(parts, most, scratch)
    if not sides.n_learned or not sides.n_judged:
        return []
    details = {DUPLICATES: ("duplicate", _duplicates(sides, data))}
    if data.subject is not None and data.time is None:
        details[data.subject] = ("subject", _divided(sides, data.subject))
    accepted = data.checks.leaks.accepted
    return [
        Suspect(name, "all", kind, detail, name in accepted)
        for name, (kind, detail) in details.items()
        if detail is not None
    ]


def _duplicates(sides: Sides, data: Data) -> str | None:
    """What is suspected, in words, if rows alike in all features have the same outcomes more often than features explain."""
    features = [name for name, column in data.columns.items() if column.role == "feature"]
    outcomes = [name for name, column in data.columns.items() if column.role == "outcome"]
    features, is_fine = _alike(sides, features)
    if not features or not outcomes:
        return None
    n_rows, n_same, by_chance = _agreement(sides, features, outcomes)
    fault = (1 - (AGREEING if is_fine else AGREEING_IF_COARSE)) * (1 - by_chance)
    share = 1 - n_same / n_rows if n_rows else 1.0
    if share >= fault or n_rows * _divergence(share, fault) < -np.log(FALSE_ALARMS):
        return None
    return (
        f"{n_rows:,} of {sides.n_judged:,} rows of test and holdout are in train or tune too: alike in every feature, and "
        f"{n_same / n_rows:.1%} of them in every outcome, where chance makes it {by_chance:.1%}"
    )


def _alike(sides: Sides, features: Sequence[str]) -> tuple[list[str], bool]:
    """The features that can make rows alike, which one that names each row can't, and whether any of them is fine."""
    at_most = dict.fromkeys(features, 0)
    for rows in sides.read(features):
        at_most = {name: n + rows[name].n_unique() for name, n in at_most.items()}
    found, is_fine = [], False
    for name, n in at_most.items():
        may_name_each = n == sides.n_rows
        if may_name_each or (n >= FINE * sides.n_rows and not is_fine):
            n = _n_values(sides, name)
        if n < sides.n_rows or not may_name_each:
            found.append(name)
            is_fine = is_fine or n >= FINE * sides.n_rows
    return found, is_fine


def _n_values(sides: Sides, name: str) -> int:
    cells = sides.counted([name], sides.read([name]))
    return sum(values.height for values in cells)


def _agreement(sides: Sides, features: list[str], outcomes: list[str]) -> tuple[int, float, float]:
    """How many judged rows have a trained-on row with the same features, how many of them have its outcome too, and the share of
    any two rows whose outcomes agree."""
    x, y = pl.struct(features).hash(1).alias("x"), pl.struct(outcomes).hash(2).alias("y")
    n_rows, n_same = 0, list[float]()
    hashed = (rows.select(IS_LEARNED, x, y) for rows in sides.read([*features, *outcomes]))
    for cells in sides.counted(["x"], hashed):
        shared = cells.with_columns(rows=pl.col(LEARNED_ROWS).sum().over("x")).filter(pl.col("rows") > 0)
        n_rows += int(shared[JUDGED_ROWS].sum())
        same = shared.filter((pl.col(LEARNED_ROWS) > 0) & (pl.col(JUDGED_ROWS) > 0))
        n_same += (same[JUDGED_ROWS] * same[LEARNED_ROWS] / same["rows"]).to_list()
    hashed = (rows.select(IS_LEARNED, y) for rows in sides.read(outcomes))
    n_alike = sum(
        int((cells[LEARNED_ROWS] * cells[JUDGED_ROWS]).sum()) for cells in sides.counted(["y"], hashed)
    )
    return n_rows, fsum(n_same), n_alike / (sides.n_learned * sides.n_judged)


def _divergence(share: float, p: float) -> float:
    """The divergence of two Bernoulli distributions, which bounds the chance of so small a share (Chernoff)."""
    terms = ((share, p), (1 - share, 1 - p))
    return float(sum(a * np.log(a / b) for a, b in terms if a > 0))


def _divided(sides: Sides, subject: str) -> str | None:
    rows = (some.drop_nulls(subject) for some in sides.read([subject]))
    n_rows = sum(
        int(cells.filter(pl.col(LEARNED_ROWS) > 0)[JUDGED_ROWS].sum())
        for cells in sides.counted([subject], rows)
    )
    if n_rows <= DIVIDED * sides.n_judged:
        return None
    return f"{n_rows:,} of {sides.n_judged:,} rows of test and holdout have a {subject} of which train or tune has rows too"
