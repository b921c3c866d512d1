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
MIN_CUT_ROWS = 500
"""Rows from which outcomes that lie apart on a number are taken for its ranges; of fewer some are just easy to tell."""
MAX_SOLVED, MAX_PARTS, MOST_PARTS = 5_000, 100, 5
"""Rows and columns among which parts of the target are looked for, and how many parts there may be."""
SAME_ORDER = 0.9998
"""Correlation of ranks from which only rounding tells two orders apart."""
TOGETHER = 0.98
"""Share of the rows without an outcome that lack a value, and of those that lack it, from which the two come together."""
BY_NULL = ("it is null", "it is not null")
"""What a suspect's detail says if missing values tell the target."""
OUTCOME = "|outcome"
MAX_SQUARED = 1e150


@dataclass(frozen=True)
class Later:
    roles: Mapping[str, Guess]
    """Of the columns that are proposed as outcomes, by name."""
    suspects: tuple[Suspect, ...]
    """The others that look too good, which stay features until somebody says otherwise."""
    notes: tuple[str, ...]


@np.errstate(
    all="ignore"
)  # sums near the end of a float's range overflow, which no comparison takes for evidence
def known_later(
    columns: Sequence[Facts],
    y: NDArray[np.float64],
    target: str,
    kind: "Kind",
    check: LeakCheck,
    event: Facts | None = None,
    classes: Sequence[str] = (),
) -> Later:
    """What of the columns (n_rows each) seems to be known only once the outcome y (n_rows,) is. Rows are ordered by the event."""
    rows = _seen([*columns, *([event] if event else [])], y, event)
    sure = {one.name: guess for one in columns if (guess := _copy(one, rows, target, kind)) is not None}
    if kind == "amount":
        sure |= _parts([one.name for one in columns if one.is_number and one.name not in sure], rows, target)
    left = {one.name: one for one in columns if one.name not in sure}
    if not left:
        return Later(sure, (), _missing_together(columns, y, target))
    around = Surroundings(rows.select(event.name), event.name) if event else Surroundings()
    outcome = {target: (rows[OUTCOME].to_numpy(), kind)}
    found = suspects(rows.select(left.keys()), outcome, check, around, {target: classes})
    likely = {one.feature: guess for one in found if (guess := _told(one, left[one.feature])) is not None}
    others = tuple(one for one in found if one.feature not in likely)
    return Later({**sure, **likely}, others, _missing_together(list(left.values()), y, target))


def _told(suspect: Suspect, facts: Facts) -> Guess | None:
    """The role of a suspect whose name, or whose missing values, say that it comes with the outcome."""
    named = says(facts.source, OUTCOMES)
    if named is None and not any(words in suspect.detail for words in BY_NULL):
        return None
    why = f", and it is called like something known later ({named})" if named else ""
    return _outcome(f"{suspect.target} {suspect.detail}{why}")


def _missing_together(columns: Sequence[Facts], y: NDArray[np.float64], target: str) -> tuple[str, ...]:
    """What to say of columns, if only a few, whose values are missing just where the target is: they may come with it."""
    unknown = np.isnan(y)
    n_unknown = int(unknown.sum())
    if n_unknown < MIN_ROWS or n_unknown > len(y) / 2:
        return ()
    found = []
    for facts in columns:
        missing = facts.column.values.is_null().to_numpy()
        n_both = int((missing & unknown).sum())
        if n_both >= TOGETHER * n_unknown and n_both >= TOGETHER * missing.sum():
            found.append(facts.name)
    if not found or len(found) > len(columns) / 4:  # rows without anything
        return ()
    return (
        f"missing just in the {n_unknown:,} rows without {target}: {', '.join(found)}; if known only together with it, role: outcome",
    )


def _seen(columns: Sequence[Facts], y: NDArray[np.float64], event: Facts | None) -> pl.DataFrame:
    """The rows with a known outcome, or some of them, the same ones in whatever order the rows are, with the outcome beside."""
    rows = pl.DataFrame([*(one.column.values.alias(one.name) for one in columns), pl.Series(OUTCOME, y)])
    known = np.flatnonzero(~np.isnan(y))
    by_hash = rows.hash_rows(0).to_numpy()[known].argsort(kind="stable")
    seen = rows[known[by_hash[:MAX_SEEN]]]
    return seen if event is None else seen.sort(event.name, maintain_order=True)


def _copy(facts: Facts, rows: pl.DataFrame, target: str, kind: "Kind") -> Guess | None:
    """The role of a column that says what the outcome is in every row."""
    pairs = rows.select(x=facts.name, y=OUTCOME).drop_nulls()
    if pairs.height < max(MIN_ROWS, rows.height / 2):
        return None
    if facts.is_number and kind == "amount" and _is_line(pairs):
        return _outcome(f"tells {target} in every row without an error")
    if kind == "amount" and _is_order(pairs):
        return _outcome(f"puts the rows in the same order as {target}")
    if kind != "amount" and _is_cut(pairs):
        return _outcome(f"cut where {target} changes, in {pairs.height:,} rows without an error")
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
    if not (_are_moderate(x) and _are_moderate(y)) or np.ptp(x) == 0 or np.ptp(y) == 0:
        return False
    slope, at = np.polyfit(x - x.mean(), y, 1)
    return bool(np.abs(y - at - slope * (x - x.mean())).max() <= ROUNDING * np.abs(y).max())


def _is_order(pairs: pl.DataFrame) -> bool:
    """Whether the column, such as a logarithm, puts the rows in the target's order, or in the opposite one."""
    if not pairs["x"].dtype.is_numeric() or min(pairs["x"].n_unique(), pairs["y"].n_unique()) < FEW:
        return False
    x, y = (pairs[name].rank().to_numpy() for name in ("x", "y"))
    return bool(abs(np.corrcoef(x, y)[0, 1]) >= SAME_ORDER)


def _is_cut(pairs: pl.DataFrame) -> bool:
    """Whether a number's ranges, without a gap or an overlap, are what the outcomes are, in many rows of each."""
    if not pairs["x"].dtype.is_numeric() or pairs["x"].n_unique() <= FEW:
        return False
    ranges = pairs.group_by("y").agg(low=pl.col("x").min(), high=pl.col("x").max(), n=pl.len()).sort("low")
    if ranges.height < 2 or pairs.height < MIN_CUT_ROWS or (ranges["n"] < MIN_ROWS).any():
        return False
    return bool((ranges["low"][1:] > ranges["high"][:-1]).all())


def _parts(names: Sequence[str], rows: pl.DataFrame, target: str) -> dict[str, Guess]:
    """The roles of columns that add up to the target, each times a factor, in every row."""
    known = rows.select(*names, OUTCOME).drop_nulls().head(MAX_SOLVED)
    varied = [name for name in names if known[name].n_unique() > 1][:MAX_PARTS]
    if not varied or known.height < MIN_ROWS * len(varied):
        return {}
    X = known.select(varied).cast(pl.Float64).to_numpy()
    scale = np.abs(X).max(axis=0)
    X = np.column_stack([X / scale, np.ones(len(X))])
    y = known[OUTCOME].to_numpy()
    if not (_are_moderate(X) and _are_moderate(y) and _adds_up(X, y)):
        return {}
    needed = list(range(len(varied)))
    for j in range(len(varied)):
        without = [i for i in needed if i != j]
        if _adds_up(X[:, [*without, -1]], y):
            needed = without
    parts = [varied[i] for i in needed]
    if not 2 <= len(parts) <= MOST_PARTS:
        return {}
    told = _outcome(f"{' and '.join(parts)} add up to {target}, each times a factor, in every row")
    return dict.fromkeys(parts, told)


def _are_moderate(values: NDArray[np.float64]) -> bool:
    """Whether squares of the values are numbers too."""
    return bool((np.abs(values) < MAX_SQUARED).all())


def _adds_up(X: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    factors = np.linalg.lstsq(X, y)[0]
    return bool(np.abs(X @ factors - y).max() <= ROUNDING * max(float(np.abs(y).max()), 1.0))
