"""Sections of verdicts.py on the judge: how often it promotes candidates that are no better, and those that are.

A model sees the truth of a row through noise of its own, part of which all rows of a day share; equal models have as much of it.
Candidates of one champion have its noise in common, so their gains correlate with 0.5, as those of real ones do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray
from shipped import shipped
from verdicts import LEVEL, TARGETS, Table, sigmoid

from accord.objective import teams
from accord.objective.teams import Played
from accord.promotion import judge
from accord.promotion.judge import PASS, Judgement, Pair
from accord.schema.objective import Objective

OBJECTIVE = shipped(
    Objective, name="quality", targets={"late": TARGETS["late"].model_dump()}, promotion={},
    metrics={"skill": {"team": "science", "builtin": "skill", "weight": 1, "scale": 0.01, "tolerance": 0.01}},
)  # fmt: skip
SETTINGS = judge.Settings(n_resamples=400, level=LEVEL, min_rows=100, seed=1)
PER_DAY = 200
DAYS = (7, 13, 28, 60)
N_TRIES = 20
EQUAL = 0.8
"""The noise of equal models, on the log-odds."""


@dataclass
class Days:
    """Rows of so many days, whose log-odds have a day's shock."""

    n: int
    rng: np.random.Generator
    day: NDArray[np.intp] = field(init=False)

    def __post_init__(self) -> None:
        self.day = np.repeat(np.arange(self.n), PER_DAY)
        shock = self.rng.normal(0, 0.5, self.n)
        self.truth = self.rng.normal(-1.5, 1, len(self.day)) + shock[self.day]
        late = self.rng.random(len(self.day)) < sigmoid(self.truth)
        self.rows = pl.DataFrame({"delay": np.where(late, 1.0, -1.0)})
        self.base = {"late": np.full(len(self.day), 0.22)}

    def model(self, noise: float) -> Played:
        of_days = self.rng.normal(0, noise / 4, self.n)[self.day]
        p = sigmoid(self.truth + self.rng.normal(0, noise, len(self.day)) + of_days)
        return teams.play(self.rows, TARGETS, None, {"late": p}, self.base, pl.Series(self.day))


def judged(pairs: dict[str, Pair], nth: int = 1) -> Judgement:
    return judge.judge(OBJECTIVE, pairs, judge.Measured(), None, SETTINGS, nth)


def size_and_power(n_worlds: int) -> Table:
    """How often the first and the twentieth candidate are promoted: equal ones, and ones with less noise."""
    noises = (EQUAL, 0.76, 0.7, 0.5)
    rows = []
    for n_days in (1, 3, *DAYS):
        passed = np.zeros((2, len(noises)))
        for seed in range(n_worlds):
            days = Days(n_days, np.random.default_rng([seed, n_days]))
            champion = days.model(EQUAL)
            for i, noise in enumerate(noises):
                pair = {"test": Pair(days.model(noise), champion)}
                passed[:, i] += [judged(pair, nth).verdict == PASS for nth in (1, N_TRIES)]
        for nth, found in zip(("first", "twentieth"), passed, strict=True):
            rows.append([str(n_days), nth, *(f"{share:.3f}" for share in found / n_worlds)])
    head = ["days", "candidate", "equal", "a little better", "better", "much better"]
    return Table("The judge: how often a candidate is promoted", head, rows)


def twenty(n_worlds: int) -> Table:
    """How often one of twenty equal candidates is promoted."""
    rows = []
    for n_days in DAYS:
        at_all = np.zeros(2)
        for seed in range(n_worlds):
            days = Days(n_days, np.random.default_rng([seed, n_days, 20]))
            champion = days.model(EQUAL)
            pairs = [{"test": Pair(days.model(EQUAL), champion)} for _ in range(N_TRIES)]
            at_all[0] += any(judged(pair, nth).verdict == PASS for nth, pair in enumerate(pairs, 1))
            at_all[1] += any(judged(pair).verdict == PASS for pair in pairs)
        rows.append([str(n_days), *(f"{share:.3f}" for share in at_all / n_worlds)])
    return Table("Twenty equal candidates: one is promoted", ["days", "tries counted", "not counted"], rows)


def holdout(n_worlds: int) -> Table:
    """How often the holdout refuses candidates: equal ones, and ones that lose skill there."""
    noises = (EQUAL, 0.9, 1.0, 1.2)
    rows = []
    for n_days in (3, *DAYS):
        vetoes, beyond, lost = np.zeros(len(noises)), np.zeros(len(noises)), np.zeros(len(noises))
        for seed in range(n_worlds):
            days = Days(n_days, np.random.default_rng([seed, n_days, 7]))
            champion = days.model(EQUAL)
            for i, noise in enumerate(noises):
                pair = Pair(days.model(noise), champion)
                card = judged({"test": pair, "holdout": pair})
                vetoes[i] += any("holdout" in reason for reason in card.reasons)
                gain = card.score["holdout"].gain or 0.0
                beyond[i] += gain < 0
                lost[i] -= gain / 100
        for name, found, of_skill in _cells(vetoes, beyond, lost, n_worlds):
            rows.append([str(n_days), name, *found, *of_skill])
    head = ["days", "vetoed", "equal", "0.9", "1.0", "1.2", "skill lost"]
    return Table("The holdout's veto, by a candidate's noise (the champion's is 0.8)", head, rows)


def _cells(
    vetoes: NDArray[np.float64], beyond: NDArray[np.float64], lost: NDArray[np.float64], n: int
) -> Sequence[tuple[str, list[str], list[str]]]:
    skill = " ".join(f"{x:.3f}" for x in lost / n)
    return [
        ("surely worse", [f"{x:.3f}" for x in vetoes / n], [skill]),
        ("value below", [f"{x:.3f}" for x in beyond / n], [skill]),
    ]


def announced(n_worlds: int) -> Table:
    """The gain that is announced of promoted candidates, beside the true one."""
    rows = []
    for noise in (0.79, 0.76, 0.7):
        whole = Days(1500, np.random.default_rng(0))
        true = judged({"test": Pair(whole.model(noise), whole.model(EQUAL))}).score["test"].gain or 0.0
        scores = []
        for seed in range(n_worlds * 2):
            days = Days(28, np.random.default_rng([seed, 28, 3]))
            card = judged({"test": Pair(days.model(noise), days.model(EQUAL))})
            scores += [card.score["test"]] if card.verdict == PASS else []
        means = [np.mean([getattr(one, name) for one in scores]) for name in ("gain", "likely_gain")]
        rows.append([f"{true:.3f}", f"{len(scores) / n_worlds / 2:.3f}", *(f"{mean:.3f}" for mean in means)])
    return Table(
        "The gain of promoted candidates over 28 days", ["true", "promoted", "measured", "announced"], rows
    )


SECTIONS = {
    "judge": (size_and_power, 100, 1000),
    "twenty": (twenty, 40, 300),
    "holdout": (holdout, 100, 500),
    "announced": (announced, 100, 1000),
}
"""As in verdicts.py."""
