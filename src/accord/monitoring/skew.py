"""Does the service answer as the batch path does? Logged rows are predicted again, and must come out the same, bit for bit."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from accord.bundle import Bundle
from accord.monitoring.expectation import PREDICTED
from accord.monitoring.observed import ID, PROBABILITY, WEIGHTS

CHUNK_ROWS = 50_000
N_EXAMPLES = 5


@dataclass(frozen=True)
class Skew:
    n_compared: int
    n_different: int
    examples: list[dict[str, Any]]
    """The first that differ: prediction_id, what, logged and again."""
    note: str = ""


def columns(bundle: Bundle) -> list[str]:
    return [
        *bundle.columns,
        *(f"{PREDICTED}{name}" for name in bundle.targets),
        "score",
        "action",
        WEIGHTS,
        PROBABILITY,
    ]


def compare(rows: pl.DataFrame, bundle: Bundle) -> Skew:
    """The rows' logged answers against the bundle's. Scores and actions count only where the policy was the bundle's own,
    and actions only where they were not drawn at random."""
    hidden = [name for name, column in bundle.columns.items() if column.pii is not None]
    if hidden:
        return Skew(0, 0, [], f"not possible: the log does not keep {', '.join(hidden)} as it came")
    found = [_compare(rows.slice(i, CHUNK_ROWS), bundle) for i in range(0, rows.height, CHUNK_ROWS)]
    examples = [example for part in found for example in part.examples]
    return Skew(rows.height, sum(part.n_different for part in found), examples[:N_EXAMPLES])


def _compare(rows: pl.DataFrame, bundle: Bundle) -> Skew:
    again = bundle.answer(rows.select(list(bundle.columns)))
    own_policy = rows[WEIGHTS].is_null().to_numpy()
    asked = {name: np.ones(rows.height, bool) for name in again}
    asked |= {"score": own_policy, "action": own_policy & rows[PROBABILITY].is_null().to_numpy()}
    different = {}
    for name, values in again.items():
        logged = (
            rows[name if name in ("score", "action") else f"{PREDICTED}{name}"].cast(pl.Float64).to_numpy()
        )
        different[name] = asked[name] & ~(
            (logged == values) | (np.isnan(logged) & np.isnan(values.astype(float)))
        )
    any_of = np.logical_or.reduce(list(different.values()))
    examples = [
        {
            "prediction_id": rows[ID][int(i)],
            "what": name,
            "logged": rows[name if name in ("score", "action") else f"{PREDICTED}{name}"][int(i)],
            "again": again[name][i].item(),
        }
        for name, mask in different.items()
        for i in np.flatnonzero(mask)[:N_EXAMPLES]
    ]
    return Skew(rows.height, int(any_of.sum()), examples)
