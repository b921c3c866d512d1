"""Whether rows with a known outcome stand for the others, and what they are compared with where they don't.

Outcomes may be known only where the policy acted, or more often where it did: loans that were granted, parcels that were opened. Metrics
of these rows are of other rows than those of test, and look better or worse for that alone. Where actions were explored, each
known row counts by the inverse of the probability that its outcome came to be known (Horvitz & Thompson 1952, A generalization of
sampling without replacement), and stands for all. Elsewhere test is thinned to rows alike in action and score.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from accord.monitoring.maturity import MATURE
from accord.monitoring.observed import KNOWN, PROBABILITY
from accord.objective.fairness import restricted
from accord.objective.teams import Played, Vector

N_BINS = 10
MIN_ROWS = 300
ALL = 0.99
"""Where this share of outcomes is known, those are all."""
SAME = 0.05
"""Standard deviation, over actions and scores, of the share whose outcome is known, below which it doesn't depend on them."""
SURE = 4.0
"""So many standard deviations of its own above what counting does is a difference that is there."""
COPIES = 4
"""Rows are repeated by their weight, so that all metrics, a team's SQL too, count them so; this often on average."""
HEAVIEST = 50.0
"""No row weighs more than this times the lightest: a few would decide."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Selected:
    """Rows with an outcome, and the rows of test that they are compared with."""

    known: Played
    test: Played
    share: float = 1.0
    """How many rows known ones are worth, of each."""
    note: str = ""


def selected(live: Played, known: Played, test: Played, seed: int) -> Selected:
    """What is known, so that it can be compared with test: `live` are all rows of the window, `known` those with an outcome."""
    mature = live.rows[MATURE].fill_null(False).to_numpy()
    told = live.rows[KNOWN].is_not_null().to_numpy()[mature]
    if mature.sum() < MIN_ROWS or not told.any() or told.mean() >= ALL or not known.rows.height:
        return Selected(known, test)
    edges = np.unique(np.nanquantile(_score(live)[mature], np.linspace(0, 1, N_BINS + 1)[1:-1]))
    cell = _cells(live, edges)[mature]
    shares = _shares(told, cell, len(edges))
    if _spread(told, cell) < SAME:
        return Selected(known, test)
    found = _by_propensity(live, known, mature, told, cell)
    if found is not None:
        return replace(found, test=test)
    rng = np.random.Generator(np.random.PCG64(seed))
    of_test = shares[_cells(test, edges)]
    kept = rng.random(test.rows.height) < of_test / max(of_test.max(initial=0), 1e-9)
    note = (
        f"{_in_words(live, mature, told)}: metrics are of such rows only, and are compared with {kept.sum():,} rows of test that are "
        "alike in action and score; with serving.explore above 0 known rows could stand for all"
    )
    return Selected(known, restricted(test, kept), note=note)


def _by_propensity(
    live: Played, known: Played, mature: Mask, told: Mask, cell: NDArray[np.intp]
) -> Selected | None:
    """Known rows by their weight, where the log has the probability of each action and nothing but the action decides what is known."""
    if live.action is None or PROBABILITY not in live.rows.columns:
        return None
    probability = _probability(live)
    if np.isfinite(probability[mature]).mean() < ALL:
        return None
    acted = live.action[mature]
    if not acted.any() or acted.all():
        return None
    by_action = np.array([told[acted == action].mean() for action in (False, True)])
    within = [_spread(told[acted == a], cell[acted == a]) for a in (False, True)]
    if max(within) >= SAME:
        return None
    taken = np.asarray(known.action, dtype=np.intp)
    chosen = np.nan_to_num(_probability(known), nan=1.0)
    chance = chosen * by_action[taken] + (1 - chosen) * by_action[1 - taken]
    weight = 1 / np.maximum(chance, chance.max() / HEAVIEST)
    share = float(weight.sum() ** 2 / (weight**2).sum() / len(weight))
    ends = np.floor(np.cumsum(weight) / weight.sum() * COPIES * len(weight) + 0.5).astype(np.intp)
    index = np.repeat(np.arange(len(weight)), np.diff(ends, prepend=0))
    note = (
        f"{_in_words(live, mature, told)}: known rows are weighted by the logged probability of their action, and stand for all, "
        f"with the certainty of {share * len(weight):,.0f} rows"
    )
    return Selected(_taken(known, index), known, share, note)


def _in_words(live: Played, mature: Mask, told: Mask) -> str:
    if live.action is not None and 0 < live.action[mature].sum() < mature.sum():
        on, off = (told[live.action[mature] == action].mean() for action in (True, False))
        if abs(on - off) >= SAME:
            return f"outcomes are known of {on:.0%} of the rows that were acted on, and of {off:.0%} of the others"
    score = _score(live)[mature]
    high = score > np.nanmedian(score)
    return f"outcomes are known of {told[high].mean():.0%} of the rows with a high score, and of {told[~high].mean():.0%} of the others"


def _score(part: Played) -> Vector:
    """What rows are told apart by beside their action: the policy's score, or else the first prediction."""
    return next(iter(part.predictions.values())) if part.score is None else part.score


def _cells(part: Played, edges: Vector) -> NDArray[np.intp]:
    """The bin of each row's score (n,), in a half for each action."""
    acted = np.zeros(part.rows.height, bool) if part.action is None else part.action
    return np.digitize(np.nan_to_num(_score(part)), edges) + (len(edges) + 1) * acted.astype(np.intp)


def _shares(told: Mask, cell: NDArray[np.intp], n_edges: int) -> Vector:
    """The share of outcomes known in each cell, 0 where there are no rows."""
    n_cells = 2 * (n_edges + 1)
    count = np.bincount(cell, minlength=n_cells)
    return np.asarray(np.bincount(cell, told, minlength=n_cells) / np.maximum(count, 1))


def _spread(told: Mask, cell: NDArray[np.intp]) -> float:
    """How far the share of known outcomes differs between cells, beyond what counting does; 0 where that may be all."""
    cells, place, count = np.unique(cell, return_inverse=True, return_counts=True)
    share, mean, free = np.bincount(place, told) / count, told.mean(), max(len(cells) - 1, 1)
    between = float((count / count.sum() * (share - mean) ** 2).sum())
    noise = mean * (1 - mean) * free / count.sum()
    is_chance = between <= noise * (1 + SURE * np.sqrt(2 / free))
    return 0.0 if is_chance else float(np.sqrt(between - noise))


def _probability(part: Played) -> Vector:
    return part.rows[PROBABILITY].cast(float).fill_null(float("nan")).to_numpy()


def _taken(part: Played, index: NDArray[np.intp]) -> Played:
    """The rows of these places (n,), some of them several times."""
    return replace(
        part,
        rows=part.rows[index],
        outcomes={name: one[index] for name, one in part.outcomes.items()},
        predictions={name: one[index] for name, one in part.predictions.items()},
        baselines={name: one[index] for name, one in part.baselines.items()},
        score=None if part.score is None else part.score[index],
        action=None if part.action is None else part.action[index],
        block=part.block[index],
    )
