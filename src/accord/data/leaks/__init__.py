"""Leak suspects: features that tell the target too well to have been known at decision time.

Kaufman, Rosset, Perlich and Stitelman (2012), Leakage in data mining; Kapoor and Narayanan (2023), Leakage and the
reproducibility crisis in machine-learning-based science.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from accord.data.leaks.beyond import Chunk, LookedAt, Sampling, Table, add_what_lies_beyond, most_looked_at
from accord.data.leaks.combined import telling_pairs, telling_slices
from accord.data.leaks.copies import told_alone
from accord.data.leaks.cutting import Vector
from accord.data.leaks.evidence import Case, Check, Finding, Outcome, Rows, Surroundings, Suspect
from accord.data.leaks.groups import group_means, shared_outcomes
from accord.data.leaks.levels import deciding_levels, deciding_words
from accord.data.leaks.order import late_times, next_targets
from accord.data.leaks.twins import Part, across_splits
from accord.schema.data import LeakCheck

if TYPE_CHECKING:
    from accord.losses import Kind

CHECKS: tuple[Check, ...] = (
    told_alone,
    deciding_levels,
    deciding_words,
    group_means,
    shared_outcomes,
    next_targets,
    late_times,
    telling_pairs,
    telling_slices,
)
"""Each sees all features beside one target, and answers with what it suspects."""
OF_EACH_CLASS: tuple[Check, ...] = (told_alone, deciding_levels, deciding_words)
"""What each class is looked at by; the commonest class is by all checks, of which others take ten times as long."""
MAX_CLASSES = 10
"""Classes of a target that are looked at, the commonest ones."""


def suspects(
    features: pl.DataFrame,
    targets: Mapping[str, tuple[Vector, "Kind"]],
    check: LeakCheck,
    around: Surroundings | None = None,
    classes: Mapping[str, Sequence[str]] = MappingProxyType({}),
    table: Table | None = None,
) -> list[Suspect]:
    """Suspects among the features (n rows) for targets given as name to (values (n,), their kind), feature by feature. Infinite
    values count as missing, as in training, which refuses conditions that have other values than 0 and 1. `classes` has the
    names of a target's classes; each of the commonest is looked at against the rest. Where the rows are a sample, `table` is what they
    are a sample of."""
    around = around or Surroundings()
    looked_at = _looked_at(features, targets, around, classes)
    if table is not None:
        add_what_lies_beyond(looked_at, features, around, table)
    found = []
    for name, kind, rows, outcomes in looked_at:
        findings = [
            finding
            for i, outcome in enumerate(outcomes)
            for finding in _findings(Case(rows, outcome, check), CHECKS if i == 0 else OF_EACH_CLASS)
        ]
        found += [(name, finding) for finding in (_once(findings) if kind == "class" else findings)]
    place = {feature: i for i, feature in enumerate(features.columns)}
    found.sort(key=lambda one: place[one[1].feature])
    return [Suspect(f.feature, name, f.kind, f.detail, f.feature in check.accepted) for name, f in found]


def _looked_at(
    features: pl.DataFrame,
    targets: Mapping[str, tuple[Vector, "Kind"]],
    around: Surroundings,
    classes: Mapping[str, Sequence[str]],
) -> list[LookedAt]:
    shared: dict[bytes, Rows] = {}  # targets mostly have the same rows
    found = []
    for name, (y, kind) in targets.items():
        y = np.where(np.isfinite(y), y, np.nan)
        known = np.flatnonzero(~np.isnan(y))
        if not len(known) or (y[known] == y[known[0]]).all():
            continue
        if kind == "condition" and not np.isin(y[known], (0, 1)).all():
            continue
        rows = shared.setdefault(np.packbits(np.isnan(y)).tobytes(), Rows(features, around, known))
        found.append(LookedAt(name, kind, rows, _outcomes(name, kind, y, classes.get(name, ()))))
    return found


def _outcomes(name: str, kind: "Kind", y: Vector, classes: Sequence[str]) -> list[Outcome]:
    """What is looked at of a target: itself, or each of its commonest classes against the rest."""
    if kind != "class":
        return [Outcome(name, kind, y)]
    numbers, counts = np.unique(y[~np.isnan(y)].astype(int), return_counts=True)
    commonest = numbers[np.argsort(-counts, kind="stable")][:MAX_CLASSES].tolist()
    names = {k: f"'{classes[k]}'" if k < len(classes) else str(k) for k in commonest}
    is_it = {k: np.where(np.isnan(y), np.nan, y == k) for k in commonest}
    return [Outcome(name, kind, is_it[k], f"being {names[k]} ", k) for k in commonest]


def _findings(case: Case, checks: Sequence[Check]) -> list[Finding]:
    # Products this small cost more than they save on several threads. Sums of values near the end of a float's range may
    # overflow, which no comparison takes for evidence.
    with threadpool_limits(1, "blas"), np.errstate(all="ignore"):
        return [finding for look in checks for finding in look(case)]


def _once(findings: Sequence[Finding]) -> list[Finding]:
    """The first finding of each kind about a feature, which may tell several classes."""
    return list({(finding.feature, finding.kind): finding for finding in reversed(findings)}.values())[::-1]


def warning(found: Sequence[Suspect], report: str) -> str:
    """What a stage adds to its summary."""
    listed = dict.fromkeys(f"{s.feature} ({s.target})" for s in found if not s.accepted)
    return f"; LEAK SUSPECTS: {', '.join(listed)}, see {report}" if listed else ""


def refusal(found: Sequence[Suspect], data: str, check: LeakCheck, report: str) -> str | None:
    """Why the data set goes no further, if the config wants it to fail on suspects that nobody vouches for."""
    listed = [suspect for suspect in found if not suspect.accepted]
    if not listed or check.action != "fail":
        return None
    words = "; ".join(
        f"{s.feature}: {s.detail}"
        if s.target == "all"
        else f"feature '{s.feature}': target {s.target} {s.detail}"
        for s in listed[:3]
    )
    more = f" and {len(listed) - 3} more in {report}" if len(listed) > 3 else ""
    return (
        f"Possible leak: {words}{more}. If it is known only later, give its column the role outcome; "
        f"if you vouch for it, list it in data.checks.leaks.accepted of conf/data/{data}.yaml"
    )


__all__ = [
    "CHECKS",
    "Chunk",
    "Part",
    "Sampling",
    "Surroundings",
    "Suspect",
    "Table",
    "across_splits",
    "most_looked_at",
    "refusal",
    "suspects",
    "warning",
]
