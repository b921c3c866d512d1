"""A feature that tells the target alone: its copy, also with noise, in other units, or as text."""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from accord.data.leaks.cutting import FEW_VALUES, Vector
from accord.data.leaks.evidence import (
    Case,
    Finding,
    certainty,
    critical,
    learned,
    mean_ranks,
)

MIN_COPY_ROWS = 10
"""Rows with the rarer outcome from which a column of two values that never errs is a copy."""


def told_alone(case: Case) -> list[Finding]:
    """Features whose order or bins rank the target better than the limit, surely."""
    sure = critical(2 * case.rows.features.width)
    found = []
    for name, codes in case.rows.bins.items():
        detail = _as_amount(case, name, codes, sure) if case.outcome.kind == "amount" else None
        if detail is None and case.outcome.face.is_natural:
            detail = _as_face(case, name, codes, sure)
        if detail is not None:
            found.append(Finding(name, "column", detail))
    return found


def _as_face(case: Case, name: str, codes: NDArray[np.intp], sure: float) -> str | None:
    words = case.outcome.face.words
    told = telling(codes, case.alone[name], case.face, case.check.score, sure)
    if told is not None:
        return f"{words}alone reaches {told}"
    never_errs = codes.max() == 1 and (np.ptp(codes - case.face) == 0 or np.ptp(codes + case.face) == 0)
    if never_errs and min(case.n_pos, case.n_neg) >= MIN_COPY_ROWS:
        return f"{words}alone reaches AUC 1.000: its two values are those of the target"
    return None


def telling(codes: NDArray[np.intp], score: float, face: Vector, limit: float, sure: float) -> str | None:
    """How well codes (n,) that reach the AUC `score` tell the outcomes, if that is surely better than the limit.

    The AUC of few values falls short of what they tell. So their best cut is compared with that of two normal
    distributions; the limit is half way to 1, since those with heavier tails have better cuts.
    """
    n_pos = float(face.sum())
    if not 0 < n_pos < len(face):
        return None
    if certainty(score, limit, n_pos, len(face) - n_pos) > sure:
        return f"AUC {score:.3f} (limit {limit})"
    if codes.max() < FEW_VALUES:
        normal = NormalDist()
        least = normal.cdf(normal.inv_cdf((1 + limit) / 2) / 2**0.5)
        right = _sure_cut(codes, face, sure)
        if right > least:
            return f"a balanced accuracy of at least {right:.1%} by one cut (limit {least:.1%})"
    return None


def _as_amount(case: Case, name: str, codes: NDArray[np.intp], sure: float) -> str | None:
    """Judges the amount as a whole, and apart from its commonest value."""
    limit = case.check.score
    parts = [("", np.ones(len(case.y), bool))]
    if case.outcome.face.is_natural:
        parts.append((case.outcome.face.words, case.face == 1))
    for words, part in parts:
        y = mean_ranks(case.y[part])
        if len(y) < MIN_COPY_ROWS or np.ptp(y) == 0:
            continue
        score = _rank_r2(mean_ranks(learned(codes[part], y)), y)
        if name in case.rows.ordered:
            score = max(score, _rank_r2(mean_ranks(case.rows.ordered[name][part]), y))
        error = np.sqrt(1.06 / max(len(y) - 3, 1))
        if np.arctanh(min(score, 1 - 1e-12) ** 0.5) - np.arctanh(limit**0.5) > sure * error:
            return f"{words}alone reaches R2 {score:.3f} in ranks (limit {limit})"
    return None


def _rank_r2(x: Vector, y: Vector) -> float:
    """Spearman's correlation, squared. Its error on Fisher's scale: Fieller, Hartley and Pearson (1957)."""
    x, y = x - x.mean(), y - y.mean()
    norm = float((x * x).sum() * (y * y).sum())
    return float((x * y).sum()) ** 2 / norm if norm else 0.0


def _sure_cut(codes: NDArray[np.intp], face: Vector, sure: float) -> float:
    """The mean share of rows with and without the outcome that the best cut surely gets right."""
    n = np.bincount(codes).astype(float)
    pos = np.bincount(codes, face)
    order = np.argsort(-pos / np.maximum(n, 1))
    right = np.cumsum(pos[order]), (n - pos).sum() - np.cumsum((n - pos)[order])
    of = pos.sum(), (n - pos).sum()
    lows = [_lower(k, n_rows, sure) for k, n_rows in zip(right, of, strict=True)]
    return float(np.clip(((lows[0] + lows[1]) / 2).max(), 1e-6, 1 - 1e-6))


def _lower(k: Vector, n: float, sure: float) -> Vector:
    """Wilson's lower bound of a share."""
    p = k / max(n, 1)
    middle = p + sure**2 / (2 * n)
    half = sure * np.sqrt(p * (1 - p) / n + sure**2 / (4 * n**2))
    lower: Vector = (middle - half) / (1 + sure**2 / n)
    return lower
