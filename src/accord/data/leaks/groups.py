"""Finds features that hold the outcomes of a group of rows: the target's mean per entity or day over the whole table, and
names of entities whose rows share their outcome.

A group's mean over the whole table is its true rate plus a sampling error. What was known beforehand says nothing about that
error. So the means scatter around an honest feature at least as widely as sampling makes them. A feature around which they
scatter less was made from these very outcomes.
"""

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from accord.data.leaks.cutting import Vector, codes_of
from accord.data.leaks.evidence import MAX_ENTITIES, Case, Finding, critical, mean_ranks
from accord.data.leaks.means import Means

MIN_GROUPS = 5
MIN_VALUES = 2 * MIN_GROUPS
"""Values that a feature has which is the mean of the rows with each of them."""
EXACT = 0.02
"""If the means scatter around a feature by less than this share of the sampling error, it is the means, perhaps rounded."""
LESS = 0.8
"""If they scatter by less than this share, the feature holds part of the means' errors: those of later rows."""
SHARED = 0.5
"""Rows of an entity count as sharing their outcome from this intraclass correlation on. Honest categories stay far below."""
MIN_ENTITIES = 100


class Scatter(NamedTuple):
    """How widely the groups' means scatter around a line over a feature, relative to the sampling error."""

    ratio: float
    total: float
    """The same around their common mean. Below 1 a group's rows are no random sample, as in data with matched cases."""
    freedom: int
    kurtosis: float
    """The excess kurtosis of a group's mean."""

    def is_less(self, sure: float) -> bool:
        error = ((2 + self.kurtosis) / self.freedom) ** 0.5
        return self.total > 0.9 and self.ratio < LESS and 1 - self.ratio > sure * error

    def is_none(self, sure: float) -> bool:
        """By Chernoff's bound on the lower tail of the chi-squared distribution."""
        bound = self.freedom / 2 * (1 - self.ratio + np.log(max(self.ratio, 1e-12)))
        is_sure = bool(bound < np.log(1 - NormalDist().cdf(sure)))
        return is_sure and self.ratio < EXACT * min(self.total, 1.0)


def group_means(case: Case) -> list[Finding]:
    """Features that hold the target's mean per group over the whole table."""
    rows, words = case.rows, case.outcome.face.words
    numbers = [c.name for c in rows.frame.iter_columns() if c.dtype.is_numeric()]
    sure = critical(len(numbers) * 2 * (MAX_ENTITIES + 2))
    findings: dict[str, Finding] = {}
    for groups in [*rows.days, *rows.entities] if numbers else ():
        codes, is_first = groups.codes, groups.is_first
        whole, later = groups.means(case.outcome), groups.later_means(case.outcome)
        for name in numbers:
            if name in findings or name == groups.name:
                continue
            x = rows.ordered[name]
            if _is_constant(x, codes) and _lies_on(x, codes, whole, sure):
                detail = f"has the same mean per {groups.name} over the whole table, its own and later outcomes included"
                findings[name] = Finding(name, "mean", detail)
            elif case.outcome.face.is_natural and _knows(x[is_first], codes[is_first], later, sure):
                detail = f"{words}has means per {groups.name} closer to it than sampling allows: it holds later outcomes"
                findings[name] = Finding(name, "mean", detail)
    for name in numbers:
        if name not in findings and _holds_its_own_means(case, name, sure):
            detail = "has just its values as means over the whole table, its own and later outcomes included"
            findings[name] = Finding(name, "mean", detail)
    return list(findings.values())


def _holds_its_own_means(case: Case, name: str, sure: float) -> bool:
    """Whether each value of the feature is the mean of the target over the rows with that value."""
    if not may_be_means(case.rows.ordered[name], case.y):
        return False
    groups = case.rows.by_value(name, MIN_VALUES)
    return groups is not None and _lies_on(
        case.rows.ordered[name], groups.codes, groups.means(case.outcome), sure
    )


def may_be_means(x: Vector, y: Vector) -> bool:
    """Whether a feature's values (n,) have a mean and a variance such as means of a target's values (n,) have."""
    near = float(np.std(y)) / 10 + 1e-12
    return bool(np.isfinite(x).all() and abs(x.mean() - y.mean()) <= near and np.var(x) < np.var(y))


def _scatter(x: Vector, codes: NDArray[np.integer[Any]], means: Means) -> Scatter | None:
    """How the target's means scatter around a line over the feature's means. None if too few groups have both, or if one of
    them is constant."""
    present = np.isfinite(x) & (codes >= 0) & (codes < len(means.n))
    x, codes = x[present], codes[present]
    n_x = np.bincount(codes, minlength=len(means.n))
    used = (n_x > 0) & ~np.isnan(means.mean)
    if used.sum() < MIN_GROUPS or not means.within > 0:
        return None
    n = means.n[used].astype(float)
    x_mean = np.bincount(codes, x, minlength=len(means.n))[used] / n_x[used]
    dx, dy = x_mean - (n * x_mean).sum() / n.sum(), means.mean[used] - (n * means.mean[used]).sum() / n.sum()
    varies = float((n * dx * dx).sum())
    if not varies > 0 or not (dy != 0).any():
        return None
    slope = float((n * dx * dy).sum()) / varies
    ratio = float((n * (dy - slope * dx) ** 2).sum()) / means.within / (len(n) - 2)
    total = float((n * dy**2).sum()) / means.within / (len(n) - 1)
    return Scatter(ratio, total, len(n) - 2, means.kurtosis * float((1 / n).mean()))


def _lies_on(x: Vector, codes: NDArray[np.integer[Any]], means: Means, sure: float) -> bool:
    scatter = _scatter(x, codes, means)
    return scatter is not None and scatter.is_none(sure)


def _knows(x: Vector, codes: NDArray[np.integer[Any]], later: Means, sure: float) -> bool:
    """Whether the feature, in the first rows of each group, holds part of the errors of the later rows' means. Ranks are
    tried too, since means of amounts have a heavy tail."""
    scatters = [_scatter(x, codes, later), _scatter(mean_ranks(x), codes, later)]
    return any(scatter is not None and scatter.is_less(sure) for scatter in scatters)


def _is_constant(x: Vector, codes: NDArray[np.integer[Any]]) -> bool:
    """Whether the feature has one value in each group."""
    x, codes = x[codes >= 0], codes[codes >= 0]
    first = np.zeros(codes.max(initial=0) + 1)
    first[codes[::-1]] = x[::-1]
    return bool(np.isclose(x, first[codes], rtol=1e-9, atol=1e-12).all())


def shared_outcomes(case: Case) -> list[Finding]:
    """Features that name entities whose rows share their outcome, so that a model would memorise it per entity."""
    findings = []
    face = case.outcome.face
    for column in case.rows.frame.iter_columns() if face.is_natural else ():
        if column.dtype.is_float() or column.dtype.is_temporal():
            continue
        codes = codes_of(column)
        alike, n_several = _intraclass(
            np.bincount(codes).astype(float), np.bincount(codes, case.face).astype(float)
        )
        if alike < SHARED or n_several < MIN_ENTITIES:
            continue
        bins = case.rows.bins[column.name]
        if column.name in case.rows.ordered:
            by_size = (np.bincount(bins, case.face) / np.bincount(bins))[bins].var()
            if by_size > case.face.var() * alike / 2:  # its size explains as much, so it is more than a name
                continue
        detail = f"is shared by the rows of each of its {codes.max() + 1:,} values"
        findings.append(
            Finding(column.name, "entity", f"{face.words}{detail} (intraclass correlation {alike:.2f})")
        )
    return findings


def _intraclass(n: Vector, k: Vector) -> tuple[float, int]:
    """The correlation of two rows' outcomes within a group, and the number of groups with two rows or more.

    `n` (n_groups,) counts a group's rows and `k` (n_groups,) those with the outcome.
    """
    several = n >= 2
    n, k = n[several], k[several]
    if not 0 < k.sum() < n.sum():
        return 0.0, len(n)
    p = k.sum() / n.sum()
    both = (k * (k - 1) / (n - 1)).sum() / n.sum()
    return float((both - p * p) / (p * (1 - p))), len(n)
