"""Finds rows on both sides of the split: the same row twice, or a subject whose rows are on both sides."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from accord.data.leaks.evidence import FALSE_ALARMS, Suspect
from accord.schema.data import DUPLICATES, Data

LEARNED, JUDGED = ("train", "tune"), ("test", "holdout")
AGREEING, AGREEING_IF_COARSE = 0.5, 0.75
"""The agreement of outcomes beyond chance (Cohen's kappa) that is allowed for honest rows alike in all features. If no feature
is fine, rows are alike by chance, and strong features make their outcomes agree."""
FINE = 0.5
"""A feature is fine if it has at least this many values per row."""
DIVIDED = 0.01


def across_splits(parts: Mapping[str, pl.DataFrame], data: Data) -> list[Suspect]:
    """Suspects among the rows of the named splits. Rows split by time may have a subject on both sides; rows split by a hash
    should not."""
    learned = pl.concat([parts[name] for name in LEARNED])
    judged = pl.concat([parts[name] for name in JUDGED])
    if learned.is_empty() or judged.is_empty():
        return []
    details = {DUPLICATES: ("duplicate", _duplicates(learned, judged, data))}
    if data.subject is not None and data.time is None:
        details[data.subject] = ("subject", _divided(learned, judged, data.subject))
    accepted = data.checks.leaks.accepted
    return [
        Suspect(name, "all", kind, detail, name in accepted)
        for name, (kind, detail) in details.items()
        if detail is not None
    ]


def _duplicates(learned: pl.DataFrame, judged: pl.DataFrame, data: Data) -> str | None:
    """What is suspected, in words, if rows alike in all features have the same outcomes more often than features explain."""
    features = [name for name, column in data.columns.items() if column.role == "feature"]
    outcomes = [name for name, column in data.columns.items() if column.role == "outcome"]
    both = pl.concat([learned.select(features + outcomes), judged.select(features + outcomes)])
    n_values = {name: both[name].n_unique() for name in features}
    features = [
        name for name in features if n_values[name] < both.height
    ]  # a column that names each row can't make rows alike
    if not features or not outcomes:
        return None
    counted = pl.DataFrame({
        "x": both.select(pl.struct(features).hash(1)).to_series(),
        "y": both.select(pl.struct(outcomes).hash(2)).to_series(),
        "side": np.arange(both.height) < learned.height,
    })  # fmt: skip
    n_rows, n_same, by_chance = _agreement(counted)
    is_fine = any(n_values[name] >= FINE * both.height for name in features)
    fault = (1 - (AGREEING if is_fine else AGREEING_IF_COARSE)) * (1 - by_chance)
    share = 1 - n_same / n_rows if n_rows else 1.0
    if share >= fault or n_rows * _divergence(share, fault) < -np.log(FALSE_ALARMS):
        return None
    return (
        f"{n_rows:,} of {judged.height:,} rows of test and holdout are in train or tune too: alike in every feature, and "
        f"{n_same / n_rows:.1%} of them in every outcome, where chance makes it {by_chance:.1%}"
    )


def _agreement(counted: pl.DataFrame) -> tuple[int, float, float]:
    """How many judged rows have a trained-on row with the same features, how many of them have its outcome too, and the share of
    any two rows whose outcomes agree."""
    sides = {"learned": pl.col("side"), "judged": ~pl.col("side")}
    cells = counted.group_by("x", "y").agg(**{name: side.sum() for name, side in sides.items()})
    shared = cells.with_columns(rows=pl.col("learned").sum().over("x")).filter(pl.col("rows") > 0)
    n_rows = int(shared["judged"].sum())
    n_same = float((shared["judged"] * shared["learned"] / shared["rows"]).sum() or 0.0)
    outcomes = counted.group_by("y").agg(**{name: side.sum() for name, side in sides.items()})
    n_learned = float(counted["side"].sum())
    alike = float((outcomes["learned"].cast(pl.Float64) * outcomes["judged"]).sum())
    return n_rows, n_same, alike / (n_learned * (counted.height - n_learned))


def _divergence(share: float, p: float) -> float:
    """The divergence of two Bernoulli distributions, which bounds the chance of so small a share (Chernoff)."""
    terms = ((share, p), (1 - share, 1 - p))
    return float(sum(a * np.log(a / b) for a, b in terms if a > 0))


def _divided(learned: pl.DataFrame, judged: pl.DataFrame, subject: str) -> str | None:
    n_rows = judged.select(pl.col(subject).is_in(learned[subject].unique().implode())).to_series().sum() or 0
    if n_rows <= DIVIDED * judged.height:
        return None
    return f"{n_rows:,} of {judged.height:,} rows of test and holdout have a {subject} of which train or tune has rows too"
