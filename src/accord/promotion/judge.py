"""Judge: every team's verdict on a candidate, and whether all of them together let it be promoted.

The candidate meets the champion on rows that neither was trained or tuned on. Both are scored on the same resamples of
blocks, so that what the days have in common cancels out of their difference (the paired bootstrap: Efron and
Tibshirani 1993, An Introduction to the Bootstrap). A metric with a tolerance must be non-inferior: the one-sided bound
of the difference stays above minus the tolerance. The more candidates were tried before, the surer the score's gain has to be: see `tries`.
The holdout vetoes where it is sure of harm.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from accord import bootstrap, intervals
from accord.bootstrap import Blocks, Counts, Statistic
from accord.bundle.interface import Answered
from accord.intervals import MIN_BLOCKS, Chance, Estimate
from accord.objective import grouping, limits, teams
from accord.objective.limits import Figure
from accord.objective.teams import Played
from accord.page.words import short
from accord.promotion import paired, tries
from accord.schema.objective import Metric, Objective, Target

N_SHOWN = 5
"""Small groups that a reason names."""
PASS, FAIL, NO_EVIDENCE, INFORMATION = "pass", "fail", "no evidence", "information"


@dataclass(frozen=True)
class Row:
    """One metric's line of the scorecard. Values are in the metric's unit."""

    name: str
    team: str
    description: str
    unit: str | None
    better: str
    weight: float
    value: float | None
    low: float | None
    high: float | None
    min: float | None
    max: float | None
    champion: float | None
    worst_change: float | None
    """One-sided bound of how much the candidate improves on the champion; negative is worse."""
    tolerance: float | None
    verdict: str
    reason: str
    n_blocks: int = 0
    """The blocks that the value rests on; none for a figure of the running service."""
    chance: Chance | None = None


@dataclass(frozen=True)
class Score(Estimate):
    """The objective's score on the rows of a split; champion and gains are None without one to compare with."""

    champion: float | None = None
    gain: float | None = None
    sure_gain: float | None = None
    """One-sided bound of the gain."""
    likely_gain: float | None = None
    """The gain less what being chosen adds to it; None if it isn't sure. Of test alone, by which a candidate is chosen."""


@dataclass(frozen=True)
class Judgement:
    objective: str
    rows: list[Row]
    score: dict[str, Score]
    """By split."""
    verdict: str
    """Pass or fail."""
    reasons: list[str]


@dataclass(frozen=True)
class Pair:
    """The same rows as candidate and champion would have treated them; without a champion, the candidate alone."""

    candidate: Played
    champion: Played | None


@dataclass(frozen=True)
class Measured:
    """Figures of the running service by builtin, the champion's with `champion_` in front."""

    figures: Mapping[str, float] = field(default_factory=dict)
    best: Mapping[str, float | None] = field(default_factory=dict)
    """The best that the candidate's rounds allow, of figures that vary from round to round; None where that can't be told."""
    busy: str | None = None
    """What else the machine was doing, if that was too much to tell whether a time is the service's own."""


@dataclass(frozen=True)
class Settings:
    n_resamples: int
    level: float
    min_rows: int
    seed: int


def judge(
    objective: Objective,
    pairs: Mapping[str, Pair],
    measured: Measured,
    obstacle: str | None,
    settings: Settings,
    nth: int = 1,
) -> Judgement:
    """The judgement on the pairs `test` and, where there is one, `holdout`, of the nth try.

    A measured figure that misses, but may do so for the machine's sake, neither refuses nor counts as kept. `obstacle` says why champion and candidate can't be
    compared, if they can't; then nothing is promoted without a reason given by a person.
    """
    results = {split: _compared(objective, pair, settings) for split, pair in pairs.items()}
    rows = [
        _row(name, metric, objective, results["test"], measured) for name, metric in objective.metrics.items()
    ]
    refusals = [f"{row.team}: {row.reason}" for row in rows if row.verdict == FAIL]
    unknown = [row for row in rows if row.verdict == NO_EVIDENCE]
    has_champion = pairs["test"].champion is not None
    refused = [row for row in unknown if _refuses(row, objective.metrics[row.name], has_champion)]
    refusals += [f"{row.team}: {row.reason}" for row in refused]
    untold = [f"{row.team}: {row.reason}" for row in unknown if row not in refused and _is_hard(row)]
    score = {
        split: _score(objective, result, nth if split == "test" else None)
        for split, result in results.items()
    }
    doubts: list[str] = []
    if has_champion:
        refusals += _too_little_gain(objective, score["test"], limits.unit(results["test"].blocks), nth)
        if "holdout" in results:
            harm, doubts = _harm_on_holdout(objective, results["holdout"], score["holdout"])
            refusals += harm
    if obstacle:
        refusals.append(obstacle)
    if refusals:
        return Judgement(objective.name, rows, score, FAIL, refusals)
    agreed = [_agreed(score["test"], has_champion, bool(untold)), *untold, *doubts]
    return Judgement(objective.name, rows, score, PASS, agreed)


@dataclass(frozen=True)
class _Result:
    """Each metric of the candidate, and its value on the rows and on each resample (n_resamples,), for candidate and champion."""

    metrics: dict[str, Statistic]
    small: dict[str, dict[str, int]]
    """Of gaps the groups that are too small to count, with their rows."""
    blocks: Blocks
    value: dict[str, float]
    resampled: dict[str, NDArray[np.float64]]
    champion_metrics: dict[str, Statistic]
    champion_value: dict[str, float]
    champion_resampled: dict[str, NDArray[np.float64]]
    level: float
    promotion_level: float


def _compared(objective: Objective, pair: Pair, settings: Settings) -> _Result:
    counts = bootstrap.draw(pair.candidate.n_blocks, settings.n_resamples, settings.seed)
    metrics = _metrics(objective, pair.candidate, settings)
    of_champion = _metrics(objective, pair.champion, settings) if pair.champion else {}
    once = np.ones((1, pair.candidate.n_blocks))
    return _Result(
        metrics,
        {
            name: grouping.small(pair.candidate, metric.group, settings.min_rows)
            for name, metric in objective.metrics.items()
            if metric.group is not None
        },
        pair.candidate.blocks,
        {name: float(one(once)[0]) for name, one in metrics.items()},
        {name: one(counts) for name, one in metrics.items()},
        of_champion,
        {name: float(one(once)[0]) for name, one in of_champion.items()},
        {name: one(counts) for name, one in of_champion.items()},
        settings.level,
        objective.promotion.level,
    )


def _metrics(objective: Objective, played: Played, settings: Settings) -> dict[str, Statistic]:
    return {
        name: teams.statistic(name, metric, played, objective.targets, objective.policy, settings.min_rows)
        for name, metric in objective.metrics.items()
        if metric.builtin not in teams.MEASURED
    }


def _row(name: str, metric: Metric, objective: Objective, result: _Result, measured: Measured) -> Row:
    found = None
    if metric.builtin in teams.MEASURED:
        value, low, high = measured.figures.get(str(metric.builtin)), None, None
        champion, change = measured.figures.get(f"champion_{metric.builtin}"), None
        if value is not None and champion is not None:
            change = _change(metric, value, champion)
    else:
        found = limits.figure(metric, result.metrics[name], result.blocks, result.level)
        value, low, high = found.value, found.low, found.high
        champion = bootstrap.finite(result.champion_value.get(name, np.nan))
        change = _bound(metric, name, result) if champion is not None else None
    unit = metric.unit or (teams.MEASURED[metric.builtin][1] if metric.builtin in teams.MEASURED else None)
    verdict, reason = _verdict(name, metric, value, champion, change, unit, found)
    is_compared = found is not None and champion is not None and metric.tolerance is not None
    if is_compared and change is None and verdict != FAIL:
        n = f"{result.blocks.n} {limits.unit(result.blocks)}"
        verdict = NO_EVIDENCE
        reason = f"{n} are too few to compare {name} with the champion's; {MIN_BLOCKS} or more would tell"
    if verdict == FAIL and (doubt := _doubt(metric, measured, champion)):
        verdict, reason = NO_EVIDENCE, f"{reason}; but {doubt}"
    if found is not None and found.limits == "no evidence" and verdict != FAIL:
        verdict, reason = NO_EVIDENCE, f"{name} {limits.missing(metric, found, limits.unit(result.blocks))}"
    if few := result.small.get(name):
        reason = f"{reason}; {_no_evidence_of(few)}"
    return Row(
        name, metric.team, metric.description, unit, teams.better(metric), metric.weight, value, low, high,
        metric.min, metric.max, champion, None if change is None else float(change), metric.tolerance, verdict, reason,
        0 if found is None else found.n_blocks, None if found is None else found.chance,
    )  # fmt: skip


def _no_evidence_of(few: Mapping[str, int]) -> str:
    """
    >>> _no_evidence_of({"LGA": 12, "null": 3})
    'no evidence of small groups: LGA (12 rows), null (3 rows)'
    """
    shown = [f"{name} ({n:,} row{'s' if n != 1 else ''})" for name, n in few.items()]
    more = f" and {len(shown) - N_SHOWN} more" if len(shown) > N_SHOWN else ""
    return f"no evidence of small groups: {', '.join(shown[:N_SHOWN])}{more}"


def is_untold(metric: Metric, measured: Measured) -> bool:
    """Whether the figure misses what the metric wants, though perhaps not for the service's sake."""
    value, champion = (
        measured.figures.get(f"{of}{metric.builtin}") if metric.builtin in teams.MEASURED else None
        for of in ("", "champion_")
    )
    change = None if value is None or champion is None else _change(metric, value, champion)
    missed = value is not None and _verdict("", metric, value, champion, change, None)[0] == FAIL
    return missed and bool(_doubt(metric, measured, champion))


def _doubt(metric: Metric, measured: Measured, champion: float | None) -> str:
    """Why a figure that misses is no evidence against the candidate; empty if it is. A figure without rounds doesn't vary."""
    if metric.builtin is None or metric.builtin not in measured.best:
        return ""
    if measured.busy:
        return f"the machine was busy ({measured.busy}), which is no evidence; measure again when it is quiet: accord measure"
    best = measured.best[metric.builtin]
    if best is None:
        return "a single round is no evidence; measure more: serving.measure.rounds"
    change = None if champion is None else _change(metric, best, champion)
    if _verdict("", metric, best, champion, change, None)[0] != FAIL:
        return f"its rounds differ so much that {short(best)} may be true, which is no evidence; measure again: accord measure"
    return ""


def _change(metric: Metric, value: float, champion: float) -> float:
    return float(improvement(metric, np.array([value]), np.array([champion]))[0])


def _verdict(
    name: str,
    metric: Metric,
    value: float | None,
    champion: float | None,
    change: float | None,
    unit: str | None,
    found: Figure | None = None,
) -> tuple[str, str]:
    """The verdict and its reason in a sentence. A metric that rows decide, `found`, breaks a limit where it surely does."""
    in_unit = f" {unit}" if unit else ""
    if value is None:
        return NO_EVIDENCE, f"{name} could not be computed or measured"
    low, high = (value, value) if found is None else (found.at_least, found.at_most)
    if metric.min is not None and high is not None and high < metric.min:
        surely = f" (surely at most {short(high)})" if found else ""
        return FAIL, f"{name} is {short(value)}{in_unit}, below its limit of {short(metric.min)}{surely}"
    if metric.max is not None and low is not None and low > metric.max:
        surely = f" (surely at least {short(low)})" if found else ""
        return FAIL, f"{name} is {short(value)}{in_unit}, above its limit of {short(metric.max)}{surely}"
    kept = "keeps its limit" if metric.min is not None or metric.max is not None else "has no limit"
    if metric.tolerance is not None and champion is not None and change is not None:
        if change < -metric.tolerance:
            return FAIL, (
                f"{name} may be worse than the champion's {short(champion)}{in_unit} by {short(-change)}, "
                f"more than the tolerated {short(metric.tolerance)}"
            )
        return (
            PASS,
            f"{name} {kept} and is no worse than the champion's {short(champion)}{in_unit} within {short(metric.tolerance)}",
        )
    if metric.min is None and metric.max is None:
        return INFORMATION, f"{name} is {short(value)}{in_unit}; nothing to compare it with"
    return PASS, f"{name} is {short(value)}{in_unit} and {kept}"


def _score(objective: Objective, result: _Result, nth: int | None) -> Score:
    """The objective's score: the sum of weight x signed value / scale over the metrics with a weight. Its gain is that of the nth
    try, or that of rows by which nothing is chosen."""
    alone = intervals.estimate(partial(_summed, objective, result.metrics), result.blocks, result.level)
    if not _soft(objective) or not result.champion_value:
        return Score(**vars(alone))
    gain = paired.gain(
        partial(_gain, objective, result),
        result.blocks.n,
        tries.level(result.promotion_level, nth or 1),
        objective.promotion.gain,
    )
    champion = float(_summed(objective, result.champion_metrics, np.ones((1, result.blocks.n)))[0])
    return Score(
        **vars(alone),
        champion=bootstrap.finite(champion),
        gain=gain.value,
        sure_gain=gain.at_least,
        likely_gain=None if nth is None else gain.likely,
    )


def _soft(objective: Objective) -> dict[str, Metric]:
    """The metrics with a weight, as far as rows decide them."""
    return {n: m for n, m in objective.metrics.items() if m.weight and m.builtin not in teams.MEASURED}


def _summed(objective: Objective, of: Mapping[str, Statistic], drawn: Counts) -> NDArray[np.float64]:
    return sum((signed(m, of[n](drawn)) for n, m in _soft(objective).items()), np.zeros(len(drawn)))


def _gain(objective: Objective, result: _Result, drawn: Counts) -> NDArray[np.float64]:
    return _summed(objective, result.metrics, drawn) - _summed(objective, result.champion_metrics, drawn)


def _improved(metric: Metric, name: str, result: _Result, drawn: Counts) -> NDArray[np.float64]:
    return improvement(metric, result.metrics[name](drawn), result.champion_metrics[name](drawn))


def _too_little_gain(objective: Objective, score: Score, unit: str, nth: int) -> list[str]:
    gain, sure, wanted = score.gain, score.sure_gain, objective.promotion.gain
    if gain is None:
        return ["score: no metric with a weight could be compared with the champion's"]
    if sure is None or score.n_blocks < MIN_BLOCKS:
        return [
            f"score: it changes by {gain:+.3g}, but {score.n_blocks} {unit} are too few to be sure of a gain, which is no evidence; "
            f"{MIN_BLOCKS} or more would tell: make test longer (data.split.test)"
        ]
    if gain <= 0 or gain < wanted or sure <= 0:
        as_nth = "" if nth == 1 else f" as try {nth}"
        return [
            f"score: it changes by {gain:+.3g} (surely by {sure:+.3g} at least{as_nth}); "
            f"a promotion needs {wanted:.3g}, and to be sure of a gain"
        ]
    return []


def _harm_on_holdout(objective: Objective, result: _Result, score: Score) -> tuple[list[str], list[str]]:
    """Reasons to refuse from the held-out days of all seasons, and what looks like harm there but may be chance.

    A metric counts against the candidate where it is worse by more than its tolerance, and the score where it falls by
    more than a promotion has to gain, if it is sure that they are worse at all: by bounds that hold for all of them at once.
    """
    compared = {
        name: metric
        for name, metric in objective.metrics.items()
        if metric.tolerance is not None and np.isfinite(result.champion_value.get(name, np.nan))
    }
    changes: list[Statistic] = [partial(_improved, metric, name, result) for name, metric in compared.items()]
    if score.gain is not None:
        changes.append(partial(_gain, objective, result))
    if not changes:
        return [], []
    bounds = paired.at_most(changes, result.blocks.n, result.promotion_level)
    harm, doubts = [], []
    for (change, bound), name in zip(bounds, [*compared, None], strict=False):
        metric = None if name is None else compared[name]
        if not change < -(objective.promotion.gain if metric is None else metric.tolerance or 0):
            continue
        said = f"score: {_on_holdout(result)} it falls by {-change:.3g}"
        if metric is not None:
            said = (
                f"{metric.team}: {_on_holdout(result)} {name} is worse than the champion's by {short(-change)}, "
                f"more than {short(metric.tolerance or 0)}"
            )
        if bound < 0:
            harm.append(f"{said}, and surely is worse")
        else:
            doubts.append(f"{said}, but that may be chance, so it is no evidence")
    return harm, doubts


def _on_holdout(result: _Result) -> str:
    return f"on the {result.blocks.n} holdout {limits.unit(result.blocks)}"


def _agreed(score: Score, has_champion: bool, has_untold: bool) -> str:
    kept = f"every{' other' if has_untold else ''} hard limit is kept"
    if not has_champion:
        return f"{kept}, and there is no champion to beat"
    return (
        f"{kept}, no team is worse off, and the score rises by {score.likely_gain:.3g} "
        f"(measured {score.gain:.3g}, of which being chosen explains a part; surely by {score.sure_gain:.3g} at least)"
    )


def _bound(metric: Metric, name: str, result: _Result) -> float | None:
    if result.blocks.n < MIN_BLOCKS:
        return None
    change = improvement(metric, result.resampled[name], result.champion_resampled[name])
    return paired.at_least(change, result.blocks.n, result.promotion_level)


def improvement(
    metric: Metric, candidate: NDArray[np.float64], champion: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How much better the candidate's values are than the champion's, in the metric's unit."""
    if teams.better(metric) == "zero":
        return np.abs(champion) - np.abs(candidate)
    return (candidate - champion) * (1 if teams.better(metric) == "higher" else -1)


def signed(metric: Metric, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the values add to the objective's score."""
    return improvement(metric, values, np.zeros_like(values)) * metric.weight / metric.scale


def _is_hard(row: Row) -> bool:
    return row.min is not None or row.max is not None


def _refuses(row: Row, metric: Metric, has_champion: bool) -> bool:
    """Whether a row without evidence is a reason to refuse: a limit that can't be told keeps the champion, as far as the objective
    doesn't say otherwise. A figure of the service that was measured on a busy machine is never one, and one that wasn't measured is."""
    if not _is_hard(row):
        return False
    if metric.builtin in teams.MEASURED:
        return row.value is None and metric.unknown != "allow"
    return metric.unknown == "refuse" or (metric.unknown is None and has_champion)


def targets_differ(ours: Mapping[str, Target], theirs: Mapping[str, Answered]) -> bool:
    """Whether two models predict different things."""

    def kind(target: Target | Answered) -> tuple[str, str | None, tuple[str, ...]]:
        return target.task, target.loss, tuple(target.classes or ())

    return {n: kind(t) for n, t in ours.items()} != {n: kind(t) for n, t in theirs.items()}
