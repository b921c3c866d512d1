"""Columns that seem to hold what is known only later, with the evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.data.infer.facts import Facts
from accord.data.infer.guess import Guess
from accord.data.infer.hints import says
from accord.data.infer.times import OUTCOMES
from accord.data.leaks import Surroundings, Suspect, suspects
from accord.schema.data import LeakCheck

if TYPE_CHECKING:
    from accord.losses import Kind

MAX_SEEN = 100_000
"""Rows that are looked at."""
MIN_ROWS = 30
"""Rows with the rarer outcome from which a column that never errs is its copy and no chance."""
FEW = 50
ROUNDING = 1e-9


@dataclass(frozen=True)
class Later:
    roles: Mapping[str, Guess]
    """Of the columns that are proposed as outcomes, by name."""
    suspects: tuple[Suspect, ...]
    """The others that look too good, which stay features until somebody says otherwise."""


def known_later(
    columns: Sequence[Facts],
    y: NDArray[np.float64],
    target: str,
    kind: "Kind",
    check: LeakCheck,
    event: str | None,
) -> Later:
    """What of the columns (n_rows each) seems to be known only once the outcome y (n_rows,) is."""
    rows = _seen(columns, y, event)
    roles = {
        facts.name: guess for facts in columns if (guess := _copy(facts, rows, target, kind)) is not None
    }
    left = [facts for facts in columns if facts.name not in roles and facts.name != event]
    around = Surroundings()
    if event is not None:
        around = Surroundings(rows.select(event), event)
    frame = rows.select(facts.name for facts in left)
    found = suspects(frame, {target: (rows["|y"].to_numpy(), kind)}, check, around) if left else []
    by_name = {facts.name: facts for facts in left}
    honest = []
    for suspect in found:
        named = says(by_name[suspect.feature].source, OUTCOMES)
        only_then = suspect.kind == "level" and (
            "it is null" in suspect.detail or "it is not null" in suspect.detail
        )
        if suspect.feature not in roles and (named or only_then):
            why = f"{target} {suspect.detail}" + (
                f", and it is named like something known later ({named})" if named else ""
            )
            roles[suspect.feature] = Guess(
                "role", "outcome", f"known only later: {why}", "role: feature, if you vouch for it"
            )
        elif suspect.feature not in roles:
            honest.append(suspect)
    return Later(roles, tuple(honest))


def _seen(columns: Sequence[Facts], y: NDArray[np.float64], event: str | None) -> pl.DataFrame:
    """The rows with a known outcome, or some of them, the same ones in whatever order the rows are, with the outcome in `|y`."""
    rows = pl.DataFrame([facts.column.values.alias(facts.name) for facts in columns]).with_columns(
        pl.Series("|y", y)
    )
    order = rows.hash_rows(0)
    known = np.flatnonzero(~np.isnan(y))
    chosen = known[np.argsort(order.to_numpy()[known], kind="stable")[:MAX_SEEN]]
    seen = rows[chosen]
    return seen if event is None else seen.sort(event, maintain_order=True)


def _copy(facts: Facts, rows: pl.DataFrame, target: str, kind: "Kind") -> Guess | None:
    """The role of a column that says what the outcome is in every row."""
    pairs = rows.select(x=facts.name, y="|y").drop_nulls()
    if pairs.height < max(MIN_ROWS, rows.height / 2):
        return None
    if facts.is_number and kind == "amount" and _is_line(pairs):
        return _outcome(f"tells {target} in every row without an error")
    levels = pairs.group_by("x").agg(pl.col("y").n_unique(), n=pl.len())
    if levels.height > FEW or not (levels["y"] == 1).all() or pairs["y"].n_unique() < 2:
        return None
    rarest = pairs["y"].value_counts()["count"].min()
    if not isinstance(rarest, int) or rarest < MIN_ROWS or levels.height * MIN_ROWS > pairs.height:
        return None
    return _outcome(
        f"each of its {levels.height} values goes with a single {target}, in {pairs.height:,} rows without an error"
    )


def _outcome(reason: str) -> Guess:
    return Guess(
        "role", "outcome", f"known only later, it seems: {reason}", "role: feature, if you vouch for it"
    )


def _is_line(pairs: pl.DataFrame) -> bool:
    x, y = pairs["x"].cast(pl.Float64).to_numpy(), pairs["y"].to_numpy()
    if not np.isfinite(x).all() or np.ptp(x) == 0 or np.ptp(y) == 0:
        return False
    slope, at = np.polyfit(x - x.mean(), y, 1)
    return bool(np.abs(y - at - slope * (x - x.mean())).max() <= ROUNDING * np.abs(y).max())
