"""Features that hold what comes later: the next row's target, or a time after the decision."""

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
    Rows,
    auc,
    certainty,
    critical,
    mean_ranks,
    reached,
)

LATE_SHARE = 0.01
"""Share of times after the decision from which they are no slips."""
LATE_AUC = 0.75
"""How well the time past the decision must rank the target: a plan, such as a scheduled arrival, is later too."""


def next_targets(case: Case) -> list[Finding]:
    """Features that tell the target of the next row, or of the entity's next row, better than the limit and better than
    the row's own."""
    rows, limit = case.rows, case.check.score
    sure = critical((MAX_ENTITIES + 1) * len(rows.bins))
    found: dict[str, Finding] = {}
    for words, following in _next_rows(rows):
        later = np.where(following < 0, np.nan, case.outcome.face.y[following])
        known = ~np.isnan(later)
        about = dict(zip(rows.ordered, _about(rows.ranks, later), strict=True)) if rows.ordered else {}
        for name, codes in rows.bins.items():
            few = codes.max() < FEW_VALUES
            if name in found or not (few or about.get(name, 0.5) > limit - 0.03) or not known.any():
                continue
            values = codes if few else rows.ordered[name]
            score = reached(codes[known], mean_ranks(values[known]), later[known])
            told = telling(codes[known], score, later[known], limit, sure)
            if told is not None and score > case.alone[name] + 0.01:
                detail = f"of the next row{words} {case.outcome.face.words}is told by it with {told}"
                found[name] = Finding(name, "next", detail)
    return list(found.values())


def _about(ranks: NDArray[np.float32], face: Vector) -> Vector:
    """The AUC of each feature in either direction (n_features,), nearly: by its ranks among all rows, those without an
    outcome included."""
    pos, neg = face == 1, face == 0
    if not pos.any() or not neg.any():
        return np.full(len(ranks), 0.5)
    between: Vector = np.abs(ranks[:, pos].mean(axis=1) - ranks[:, neg].mean(axis=1))
    between /= (pos | neg).sum()
    return 0.5 + between


def _next_rows(rows: Rows) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """The place of each row's next (n,), -1 where there is none: in the table, and by what may name an entity."""
    yield "", np.where(rows.index + 1 < rows.features.height, rows.index + 1, -1)
    for groups in rows.entities:
        yield f" of its {groups.name}", groups.following[rows.index]


def late_times(case: Case) -> list[Finding]:
    """Times that are later than the decision by more where the outcome is another; and times whose distance to another
    time tells the target."""
    rows, face = case.rows, case.outcome.face
    times = [column for column in rows.frame.iter_columns() if column.dtype == pl.Datetime]
    if not times or not face.is_natural:
        return []
    others = [column for column in [*rows.beside.iter_columns(), *times] if column.dtype == pl.Datetime]
    sure = critical(2 * len(times) * len(others))
    found: dict[str, Finding] = {}
    for column in times:
        for other in others:
            if other.name == column.name or column.name in found:
                continue
            is_moment = other.name in (rows.around.event, rows.around.decision)
            if (detail := _told_by_distance(case, column, other, is_moment, sure)) is not None:
                found[column.name] = Finding(column.name, "time", face.words + detail)
    return list(found.values())


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
