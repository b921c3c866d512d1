"""Finds features that hold what comes later: the target of the next row, or a time after the decision."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.data.leaks.copies import telling
from accord.data.leaks.cutting import FEW_VALUES, Vector, as_numbers
from accord.data.leaks.evidence import (
    MAX_ENTITIES,
    Case,
    Finding,
    auc,
    certainty,
    critical,
    mean_ranks,
    reached,
)

LATE_SHARE = 0.01
"""If more than this share of a column's times are after the decision, they are not just errors in the data."""
LATE_AUC = 0.75
"""The AUC that such a column must exceed. Planned times, such as a scheduled arrival, are after the decision too."""


def next_targets(case: Case) -> list[Finding]:
    """Features that predict the target of the next row, in the table or of an entity, better than the limit allows, and better
    than they predict the row's own target."""
    rows, limit = case.rows, case.check.score
    sure = critical((MAX_ENTITIES + 1) * len(rows.bins))
    findings: dict[str, Finding] = {}
    for words, later in _next_outcomes(case):
        known = ~np.isnan(later)
        about = dict(zip(rows.ordered, _about(rows.ranks, later), strict=True)) if rows.ordered else {}
        for name, codes in rows.bins.items():
            few = codes.max() < FEW_VALUES
            if name in findings or not (few or about.get(name, 0.5) > limit - 0.03) or not known.any():
                continue
            values = codes if few else rows.ordered[name]
            score = reached(codes[known], mean_ranks(values[known]), later[known])
            strength = telling(codes[known], score, later[known], limit, sure)
            if strength is not None and score > case.alone[name] + 0.01:
                detail = f"of the next row{words} {case.outcome.face.words}is told by it with {strength}"
                findings[name] = Finding(name, "next", detail)
    return list(findings.values())


def _about(ranks: NDArray[np.float32], face: Vector) -> Vector:
    """An approximate AUC of each feature, in the better direction (n_features,): its ranks are those among all rows, also the
    rows without an outcome."""
    pos, neg = face == 1, face == 0
    if not pos.any() or not neg.any():
        return np.full(len(ranks), 0.5)
    between: Vector = np.abs(ranks[:, pos].mean(axis=1) - ranks[:, neg].mean(axis=1))
    between /= (pos | neg).sum()
    return 0.5 + between


def _next_outcomes(case: Case) -> Iterator[tuple[str, Vector]]:
    """Whether each row's next row has the outcome (n,): in the table, then per column that may name an entity."""
    yield "", case.rows.next_in_table(case.outcome)
    for groups in case.rows.entities:
        yield f" of its {groups.name}", groups.following(case.outcome)


def late_times(case: Case) -> list[Finding]:
    """Times whose distance from another time predicts the target better than the limit allows, and times after the decision
    that are later for one outcome than for the other."""
    rows, face = case.rows, case.outcome.face
    times = [column for column in rows.frame.iter_columns() if column.dtype == pl.Datetime]
    if not times or not face.is_natural:
        return []
    others = [column for column in [*rows.beside.iter_columns(), *times] if column.dtype == pl.Datetime]
    sure = critical(2 * len(times) * len(others))
    findings: dict[str, Finding] = {}
    for column in times:
        for other in others:
            if other.name == column.name or column.name in findings:
                continue
            is_moment = other.name in (rows.around.event, rows.around.decision)
            if (detail := _told_by_distance(case, column, other, is_moment, sure)) is not None:
                findings[column.name] = Finding(column.name, "time", face.words + detail)
    return list(findings.values())


def _told_by_distance(
    case: Case, column: pl.Series, other: pl.Series, is_moment: bool, sure: float
) -> str | None:
    micros = pl.Datetime("us")
    distance = as_numbers(column.cast(micros).to_physical() - other.cast(micros).to_physical())
    present = np.isfinite(distance)
    ahead, face = distance[present], case.face[present]
    n_pos, n_neg = float(face.sum()), float(len(face) - face.sum())
    if not n_pos or not n_neg:
        return None
    score = auc(mean_ranks(ahead), face)
    score, error = max(score, 1 - score), ((n_pos + n_neg + 1) / (12 * n_pos * n_neg)) ** 0.5
    if certainty(score, case.check.score, n_pos, n_neg) > sure:
        return f"is told by its distance from {other.name} with AUC {score:.3f} (limit {case.check.score})"
    share = float((ahead > 0).mean())
    if is_moment and share > LATE_SHARE and score > LATE_AUC and score - 0.5 > sure * error:
        later = f"{share:.1%} of its times are after {other.name}"
        return f"is told with AUC {score:.3f} by how long after {other.name} it is: {later}"
    return None
