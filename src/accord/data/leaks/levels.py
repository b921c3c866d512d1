"""Finds levels, nulls and words of texts that occur with nearly one outcome alone.

Levels differ in honest data too. The null hypothesis is that the log odds of a column's levels are normal around those of
the other rows, as in a model with random effects; their spread is that of the other levels, and at least 1. Where levels
have an order, a level is compared with its neighbours, and the spread is the largest step between two others: the
highest level of a strong feature may hold one outcome alone.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from accord.data.leaks.cutting import FEW_VALUES, Units, Vector
from accord.data.leaks.evidence import FALSE_ALARMS, Case, Finding

DECIDED = 0.98
"""A level decides the outcome if at least this share of its rows have the rarer one."""
EXCLUDED = 0.05
"""A level rules the rarer outcome out if its rate there is below this share of the overall rate."""
MIN_SPREAD = 1.0
MIN_COUNTED = 10
"""Levels with fewer rows are not used to estimate the spread."""
GRID = np.linspace(-8, 8, 161)
WEIGHTS = np.exp(-(GRID**2) / 2) / np.exp(-(GRID**2) / 2).sum()


class Level(NamedTuple):
    """A level that is pure, and what honest data would have there."""

    feature: str
    words: str
    """The condition for the level in words, such as `it is null`."""
    n: float
    k: float
    """How many rows the level has, and how many of them have the outcome."""
    center: float
    spread: float
    """The center and spread of its log odds in honest data."""


class Judge(NamedTuple):
    """Which levels are looked at: those with enough rows that have one outcome nearly alone."""

    base: float
    """The share of all rows that have the outcome."""
    level_rows: int
    is_class: bool
    """Then a level that has none of it is no news: another class takes its place there."""

    def is_pure(self, n: Any, k: Any) -> Any:
        rarer, rate = (self.base, k / n) if self.base <= 0.5 else (1 - self.base, 1 - k / n)
        is_pure = (n >= self.level_rows) & ((rate >= DECIDED) | (rate <= EXCLUDED * rarer))
        return is_pure & (k / n > self.base) if self.is_class else is_pure

    def chance(self, level: Level) -> float:
        """An upper bound on the chance of a level this pure in honest data: Chernoff's bound on the binomial tail, averaged
        over the odds that the level might have."""
        rate = level.k / level.n
        p = np.clip(1 / (1 + np.exp(-(level.center + level.spread * GRID))), 1e-15, 1 - 1e-15)
        terms = [(rate, p), (1 - rate, 1 - p)]
        divergence = sum(share * np.log(share / q) for share, q in terms if share > 0)
        beyond = p < rate if rate > self.base else p > rate
        return float(WEIGHTS @ np.where(beyond, np.exp(-level.n * divergence), 1.0))


def deciding_levels(case: Case) -> list[Finding]:
    """Levels that are purer than honest data allow, only the surest one of each feature."""
    face = case.outcome.face
    if not face.is_natural:
        return _fixed_amounts(case)
    y = face.y[case.rows.counted]
    judge = Judge(float(y.mean()), case.check.level_rows, case.outcome.kind == "class")
    counted = [_counted(units, y) for units in case.rows.units]
    levels = [level for one in counted for level in _of_column(one, judge)]
    return _judged(
        case, levels, "level", judge, sum(int((one.n >= judge.level_rows).sum()) for one in counted)
    )


def deciding_words(case: Case) -> list[Finding]:
    """The same for the words of texts, which are columns of hundreds of values."""
    judge = Judge(case.n_pos / len(case.face), case.check.level_rows, case.outcome.kind == "class")
    levels: list[Level] = []
    n_tests = 0
    for column in case.rows.frame.iter_columns() if case.outcome.face.is_natural else ():
        if column.dtype == pl.String and case.rows.bins[column.name].max() >= FEW_VALUES:
            words = _words(column, case.face, judge.level_rows)
            n_tests += words.height
            levels += _of_words(column.name, words, case.face, judge)
    return _judged(case, levels, "text", judge, n_tests)


def _judged(case: Case, levels: list[Level], kind: str, judge: Judge, n_tests: int) -> list[Finding]:
    worst: dict[str, tuple[float, Level]] = {}
    for level in levels:
        p = judge.chance(level)
        if p < FALSE_ALARMS / n_tests and p < worst.get(level.feature, (1.0, level))[0]:
            worst[level.feature] = (p, level)
    words = case.outcome.face.words
    return [
        Finding(
            name,
            kind,
            f"{words}is {x.k / x.n:.1%} where {x.words} ({x.n:,.0f} rows), {judge.base:.1%} overall",
        )
        for name, (_, x) in worst.items()
    ]


class Counted(NamedTuple):
    """A column's levels with their rows and those that have the outcome (n_levels,)."""

    units: Units
    n: Vector
    k: Vector


def _counted(units: Units, face: Vector) -> Counted:
    n = np.bincount(units.codes).astype(float)
    return Counted(units, n, np.bincount(units.codes, face).astype(float))


def _of_column(counted: Counted, judge: Judge) -> Iterator[Level]:
    units, n, k = counted
    name, labels = units.column, units.labels
    if (null := units.missing) is not None:
        rest_n, rest_k = n.sum() - n[null], k.sum() - k[null]
        if rest_n and judge.is_pure(n[null], k[null]):
            yield Level(name, "it is null", n[null], k[null], _log_odds(rest_k, rest_n), MIN_SPREAD)
        if rest_n and judge.is_pure(rest_n, rest_k):
            yield Level(name, "it is not null", rest_n, rest_k, _log_odds(k[null], n[null]), MIN_SPREAD)
        n, k, labels = np.delete(n, null), np.delete(k, null), labels[:null] + labels[null + 1 :]
    if len(n) < 2:
        return
    expected = _beside if units.is_ordered and len(n) > 2 else _around
    for j in np.flatnonzero(judge.is_pure(n, k)).tolist():
        if labels[j] is not None:
            center, spread = expected(j, n, k)
            yield Level(name, f"it is {labels[j]}", n[j], k[j], center, max(MIN_SPREAD, spread))


def _around(j: int, n: Vector, k: Vector) -> tuple[float, float]:
    """Center and spread of a level's log odds from the other levels, without regard to order: their median absolute deviation."""
    others = np.delete(_log_odds(k, n), j)[np.delete(n, j) >= MIN_COUNTED]
    spread = 1.4826 * np.median(np.abs(others - np.median(others))) if len(others) > 1 else 0.0
    return _log_odds(k.sum() - k[j], n.sum() - n[j]), float(spread)


def _beside(j: int, n: Vector, k: Vector) -> tuple[float, float]:
    """The same from the levels before and after it; the spread is the largest step between two other levels."""
    odds = _log_odds(k, n)
    beside = [odds[i] for i in (j - 1, j + 1) if 0 <= i < len(n)]
    steps = np.delete(np.abs(np.diff(odds)), [i for i in (j - 1, j) if 0 <= i < len(n) - 1])
    nearest = min(beside, key=lambda other: abs(other - odds[j]))
    return float(nearest), float(steps.max()) if len(steps) else 0.0


def _words(column: pl.Series, face: Vector, level_rows: int) -> pl.DataFrame:
    """Words that at least `level_rows` texts have, but not all. A word is in n texts, k of which have the outcome."""
    return (
        pl.DataFrame({"word": column.str.to_lowercase().str.extract_all(r"\w+").list.unique(), "face": face})
        .explode("word")
        .drop_nulls("word")
        .group_by("word")
        .agg(n=pl.len(), k=pl.col("face").sum())
        .filter(pl.col("n") >= level_rows, pl.col("n") < len(face))
        .sort("word")
    )


def _of_words(name: str, words: pl.DataFrame, face: Vector, judge: Judge) -> Iterator[Level]:
    for word, n, k in words.iter_rows():
        if judge.is_pure(n, k):
            center = _log_odds(face.sum() - k, len(face) - n)
            yield Level(name, f"its text has '{word}'", n, k, center, MIN_SPREAD)


def _log_odds(k: Any, n: Any) -> Any:
    """The log odds of k in n rows, kept finite."""
    return np.log((k + 0.5) / (n - k + 0.5))


def _fixed_amounts(case: Case) -> list[Finding]:
    """Levels on which an amount is nearly constant and far from its overall mean."""
    y = case.outcome.y[case.rows.counted]
    sd, base = float(y.std()), float(y.mean())
    findings = []
    for units in case.rows.units:
        n = np.bincount(units.codes)
        mean = np.bincount(units.codes, y) / n
        within = np.sqrt(np.maximum(np.bincount(units.codes, y * y) / n - mean**2, 0.0))
        fixed = (
            (n >= case.check.level_rows) & (within <= (1 - DECIDED) * sd) & (np.abs(mean - base) >= 3 * sd)
        )
        for j in [j for j in np.flatnonzero(fixed) if units.labels[j] is not None][:1]:
            where = f"is {mean[j]:.4g} where it is {units.labels[j]}"
            findings.append(Finding(units.column, "level", f"{where} ({n[j]:,} rows), {base:.4g} overall"))
    return findings
