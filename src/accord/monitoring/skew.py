"""Does the service answer as the batch path does? Logged rows are predicted again, and must come out the same, bit for bit."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from accord.bundle.bundle import Bundle
from accord.errors import AccordError
from accord.expectation.expectation import ACTION, PREDICTED, SCORE
from accord.monitoring.observed import ID, PROBABILITY, WEIGHTS
from accord.monitoring.quality import finite
from accord.sql.rows import reason

CHUNK_ROWS = 50_000
N_EXAMPLES = 5


@dataclass(frozen=True)
class Example:
    """A value that was logged, and what came out when its row was predicted again."""

    prediction_id: str
    what: str
    """A column of predictions, score or action."""
    logged: float | bool | None
    again: float | bool | None


@dataclass(frozen=True)
class Skew:
    n_compared: int
    n_different: int
    examples: list[Example]
    """The first that differ."""
    note: str = ""
    failed: bool = False
    """Whether rows that the service answered can't be predicted again at all."""


def columns(bundle: Bundle) -> list[str]:
    return [
        *bundle.columns,
        *(f"{PREDICTED}{name}" for name in bundle.predictions),
        SCORE,
        ACTION,
        WEIGHTS,
        PROBABILITY,
    ]


def compare(rows: pl.DataFrame, bundle: Bundle) -> Skew:
    """The rows' logged answers against the bundle's. Scores and actions count only where the policy was the bundle's own,
    and actions only where they were not drawn at random."""
    hidden = [name for name, column in bundle.columns.items() if column.pii is not None]
    if hidden:
        return Skew(0, 0, [], f"not possible: the log does not keep {', '.join(hidden)} as it came")
    try:
        found = [_compare(rows.slice(i, CHUNK_ROWS), bundle) for i in range(0, rows.height, CHUNK_ROWS)]
    except (AccordError, PolarsError) as error:
        return Skew(0, 0, [], f"logged rows can't be predicted again: {reason(error)}", failed=True)
    examples = [example for part in found for example in part.examples]
    return Skew(rows.height, sum(part.n_different for part in found), examples[:N_EXAMPLES])


def _compare(rows: pl.DataFrame, bundle: Bundle) -> Skew:
    again = bundle.answer(rows.select(list(bundle.columns)))
    own_policy = rows[WEIGHTS].is_null().to_numpy()
    asked = {name: np.ones(rows.height, bool) for name in again}
    before = {name: f"{PREDICTED}{name}" for name in bundle.predictions}
    if bundle.policy is not None:
        before |= {"score": SCORE, "action": ACTION}
        asked |= {"score": own_policy, "action": own_policy & rows[PROBABILITY].is_null().to_numpy()}
    different = {}
    for name, values in again.items():
        logged = rows[before[name]].cast(pl.Float64).to_numpy()
        numbers = np.isfinite(logged) | np.isfinite(values.astype(float))  # the log has null for what is none
        different[name] = asked[name] & numbers & (logged != values)
    any_of = np.logical_or.reduce(list(different.values()))
    examples = [
        Example(
            rows[ID][int(i)],
            name,
            rows[before[name]][int(i)],
            finite(again[name][i].item()),
        )
        for name, mask in different.items()
        for i in np.flatnonzero(mask)[:N_EXAMPLES]
    ]
    return Skew(rows.height, int(any_of.sum()), examples)
