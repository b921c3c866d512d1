"""Finds leaks that take two columns: pairs that predict the target together, and slices in which a feature predicts it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accord.data.leaks.copies import telling
from accord.data.leaks.cutting import FEW_VALUES, Vector
from accord.data.leaks.evidence import Case, Finding, Rows, auc, critical, learned, mean_ranks, reached

MAX_PAIRED = 8_000
"""Pairs are searched for on this many rows."""
MAX_PAIRED_FEATURES = 200
N_CUTS = 4
MAX_LEVELS = 8
WEAK = 0.85
"""A feature with a lower AUC is weak. Two stronger ones may honestly predict the target well together."""
PROMISING = 0.5
"""A pair is checked on all rows if it explains this share of the target's variance on the few."""
APART = 2.0
"""A slice is checked on all rows if the mean ranks of its two outcomes lie this many standard deviations apart."""


def telling_pairs(case: Case) -> list[Finding]:
    """Pairs of weak features that together predict the target better than the limit allows."""
    weak = {name: coarse(case.rows, name) for name, score in case.alone.items() if score < WEAK}
    names = [name for name, codes in weak.items() if codes.max() > 0][:MAX_PAIRED_FEATURES]
    codes = [weak[name] for name in names]
    sure = critical(len(names) * (len(names) - 1) // 2)
    findings: dict[str, Finding] = {}
    for i, j in _promising_pairs(codes, case.face):
        joint = codes[i] * (codes[j].max() + 1) + codes[j]
        score = auc(mean_ranks(learned(joint, case.face)), case.face)
        strength = telling(joint, score, case.face, case.check.score, sure)
        for one, other in ((i, j), (j, i)) if strength is not None else ():
            detail = f"{case.outcome.face.words}is told by it together with {names[other]}, by neither alone, with {strength}"
            findings.setdefault(names[one], Finding(names[one], "pair", detail))
    return list(findings.values())


def coarse(rows: Rows, name: str) -> NDArray[np.intp]:
    """The feature as a few codes (n,): its commonest levels, or the quarters of a number."""
    bins = rows.bins[name]
    n = np.bincount(bins)
    if len(n) <= MAX_LEVELS:
        return bins
    if name in rows.ordered:
        ranks = rows.ranks[list(rows.ordered).index(name)]
        return np.unique(np.floor((ranks - 0.5) / len(ranks) * N_CUTS), return_inverse=True)[1]
    place = np.minimum(np.argsort(np.argsort(-n, kind="stable"), kind="stable"), MAX_LEVELS - 1)
    commonest: NDArray[np.intp] = place[bins]
    return commonest


class Cells(NamedTuple):
    """The counts of all pairs of levels of several columns, computed by two matrix products."""

    n: NDArray[np.float32]
    k: NDArray[np.float32]
    """How many rows have both levels, and how many of those have the outcome (n_levels, n_levels)."""
    starts: NDArray[np.intp]
    """The first level of each column."""

    @classmethod
    def of(cls, codes: Sequence[NDArray[np.intp]], face: Vector) -> "Cells":
        step = max(1, len(face) // MAX_PAIRED)
        ends = np.cumsum([int(c.max()) + 1 for c in codes])
        starts = np.concatenate([[0], ends[:-1]])
        y = face[::step].astype(np.float32)
        hot = np.zeros((len(y), ends[-1]), np.float32)
        for start, column in zip(starts, codes, strict=True):
            hot[np.arange(len(y)), start + column[::step]] = 1
        return cls(hot.T @ hot, hot.T @ (hot * y[:, None]), starts)

    def explained(self) -> Vector:
        """The share of the target's variance within each level that each column explains (n_levels, n_columns)."""
        n, k = np.diagonal(self.n)[:, None], np.diagonal(self.k)[:, None]
        between = self.squares() - k**2 / np.maximum(n, 1)
        within = k - k**2 / np.maximum(n, 1)
        share: Vector = between / np.where(within > 0, within, np.inf)
        return share

    def squares(self) -> Vector:
        squares: Vector = np.add.reduceat(self.k**2 / np.maximum(self.n, 1), self.starts, axis=1)
        return squares


def _promising_pairs(codes: list[NDArray[np.intp]], face: Vector) -> list[tuple[int, int]]:
    """Pairs of columns whose combined levels explain much of the target's variance."""
    if len(codes) < 2:
        return []
    cells = Cells.of(codes, face)
    squares = np.add.reduceat(cells.squares(), cells.starts, axis=0)
    last = slice(cells.starts[-1], None)
    n, k = float(np.diagonal(cells.n)[last].sum()), float(np.diagonal(cells.k)[last].sum())
    share = (squares - k * k / n) / max(k - k * k / n, 1e-9)
    return [(i, j) for i, j in np.argwhere(np.triu(share > PROMISING, k=1)).tolist()]


def telling_slices(case: Case) -> list[Finding]:
    """Features that predict the target better than the limit allows where another column has a certain value, and only there."""
    rows = case.rows
    weak = [name for name, score in case.alone.items() if score < WEAK][:MAX_PAIRED_FEATURES]
    slices = [
        (column, codes, level)
        for column, codes in rows.levels.items()
        for level in range(int(codes.max()) + 1)
    ]
    sure = critical(len(slices) * len(weak))
    findings: dict[str, Finding] = {}
    for name, s in _promising_slices(case, weak, slices):
        column, codes, level = slices[s]
        if column == name or name in findings:
            continue
        inside = codes == level
        face, bins = case.face[inside], rows.bins[name][inside]
        score = reached(bins, mean_ranks(rows.ordered[name][inside] if name in rows.ordered else bins), face)
        strength = telling(bins, score, face, case.check.score, sure)
        if strength is not None:
            where = f"where {column} is {_label(rows, column, inside)} ({len(face):,} rows)"
            findings[name] = Finding(
                name, "slice", f"{case.outcome.face.words}is told by it with {strength} {where}"
            )
    return list(findings.values())


Slice = tuple[str, NDArray[np.intp], int]
"""A column, its codes (n,), and one of them."""


def _promising_slices(case: Case, weak: list[str], slices: list[Slice]) -> Iterator[tuple[str, int]]:
    """Features with the slices in which the two outcomes differ much in their ranks, or levels explain much."""
    if not weak or not slices:
        return
    for j, s in np.argwhere(_apart(case, slices) > APART).tolist():
        if (name := list(case.rows.ordered)[j]) in weak:
            yield name, s
    few = [name for name in weak if case.rows.bins[name].max() < FEW_VALUES]
    columns = [codes for _, codes, level in slices if level == 0]
    cells = Cells.of([*columns, *(case.rows.bins[name] for name in few)], case.face)
    for s, j in np.argwhere(cells.explained()[: len(slices), len(columns) :] > PROMISING).tolist():
        yield few[j], s


def _apart(case: Case, slices: list[Slice]) -> Vector:
    """How many standard deviations the mean ranks of the two outcomes lie apart within each slice (n_ordered, n_slices)."""
    ranks = case.rows.ranks / len(case.face) - np.float32(0.5)
    if not len(ranks):
        return np.zeros((0, len(slices)))
    inside = np.array([codes == level for _, codes, level in slices], np.float32).T
    means, spreads = [], []
    for y in (case.face, 1 - case.face):
        weight = inside * y[:, None].astype(np.float32)
        n = np.maximum(weight.sum(axis=0), 1)
        mean = ranks @ weight / n
        means.append(mean)
        spreads.append(np.maximum(ranks**2 @ weight / n - mean**2, 0))
    apart: Vector = np.abs(means[0] - means[1]) / np.sqrt((spreads[0] + spreads[1]) / 2 + 1e-9)
    return apart


def _label(rows: Rows, column: str, inside: NDArray[np.bool_]) -> str:
    frame = rows.frame if column in rows.frame.columns else rows.beside
    value = frame[column][int(np.argmax(inside))]
    return "null" if value is None else str(value)
