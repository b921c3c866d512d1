"""Is the model still as good as on test? What is known of a window against the interval in which windows like test lie.

Rows of a day share their fate, so days are drawn, not rows. A window of k days is expected to differ from test by as
much as k drawn test days differ from as many drawn days as test has: both are uncertain. Where the window has fewer rows
a day than test, test is thinned to as many. Many metrics are asked at once: deviations are put on one scale, and the
largest of a draw decides how far all of them may be out (Westfall & Young 1993, max-T). Worse is an alarm, better is not.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from accord import intervals
from accord.bootstrap import Blocks, Statistic
from accord.measures.metrics import Metric, Sample
from accord.objective.fairness import restricted
from accord.objective.teams import Played, Vector
from accord.schema.objective import Target
from accord.tasks.registry import all_of
from accord.tasks.task import Predicted

N_RESAMPLES = 1000
N_THINNED = 5
"""Times that test is thinned, where it is."""
MIN_TEST_ROWS = 100
"""With fewer rows of test there is nothing to expect."""

Computed = Callable[[Played], Statistic]
Key = TypeVar("Key", bound=Hashable)
"""What tells values that are judged together apart."""


class TargetMetric(NamedTuple):
    target: str
    metric: str


@dataclass(frozen=True)
class Watched:
    """What is known of a window, and how the same comes from rows of test."""

    value: float
    better: str
    """higher, lower or zero"""
    computed: Computed
    doubt: float = 0.0
    """By how much more (a standard deviation) value and test may be apart than days of test tell."""


@dataclass(frozen=True)
class Judged:
    """A value of the window, the same on test, and where it was expected; None if unknown."""

    value: float | None
    test: float | None
    low: float | None
    high: float | None
    alarm: bool
    note: str = ""


def finite(value: float | None) -> float | None:
    """The value, or None where it is no number that JSON can hold."""
    return None if value is None or not np.isfinite(value) else value


def judge(
    watched: Mapping[Key, Watched], test: Played, n_rows: int, n_blocks: int, level: float, seed: int
) -> dict[Key, Judged]:
    """Each value against what is expected of a window of so many rows in so many blocks. The level is that of all values
    together: the share of windows like test in which none raises an alarm."""
    if test.rows.height < MIN_TEST_ROWS:
        note = f"insufficient: test has {test.rows.height} rows of {MIN_TEST_ROWS}"
        return {
            name: Judged(finite(one.value), None, None, None, False, note) for name, one in watched.items()
        }
    whole = {name: one.computed(test) for name, one in watched.items()}
    with np.errstate(invalid="ignore", divide="ignore"):
        on_test = {name: float(one(np.ones((1, test.n_blocks)))[0]) for name, one in whole.items()}
    off = _deviations(watched, whole, test, n_rows, n_blocks, seed)
    off += _doubts(watched, off.shape[1], seed)
    center = np.ma.masked_invalid(off).mean(axis=1).filled(np.nan)
    off = center[:, None] + (off - center[:, None]) * _widened(list(whole.values()), test, off.shape[1], seed)
    spread = np.ma.masked_invalid(off).std(axis=1).filled(np.nan)
    usable = spread > 0
    badness = np.stack([_badness(off[i] - center[i], one.better) for i, one in enumerate(watched.values())])
    # A draw may have none of the few days that a level has: what has no value there can't be the worst.
    scaled = np.ma.masked_invalid(badness[usable] / spread[usable, None])
    worst = scaled.max(axis=0).compressed() if usable.any() else np.zeros(1)
    critical = float(np.quantile(worst, level))
    judged = {}
    for i, (name, one) in enumerate(watched.items()):
        if not np.isfinite(on_test[name]) or not usable[i]:
            there_is = np.isfinite(on_test[name])
            note = "no limits: on test it does not vary" if there_is else "test has no such rows"
            judged[name] = Judged(finite(one.value), finite(on_test[name]), None, None, False, note)
            continue
        middle, width = on_test[name] + float(center[i]), critical * float(spread[i])
        known = np.isfinite(one.value)
        alarm = bool(known and _badness(np.array([one.value - middle]), one.better)[0] > width)
        judged[name] = Judged(
            finite(one.value), on_test[name], finite(middle - width), finite(middle + width), alarm,
            "" if known else "can't be computed on the window",
        )  # fmt: skip
    return judged


def metrics_of(targets: Mapping[str, Target], live: Played) -> dict[TargetMetric, Watched]:
    """The metrics of each target that say whether the model still holds."""
    return {
        TargetMetric(name, metric.name): watch(live, of_metric(target, metric), metric.better)
        for name, target in all_of(targets).items()
        for metric in target.task.metrics
        if metric.cheap
    }


def watch(live: Played, computed: Computed, better: str) -> Watched:
    with np.errstate(invalid="ignore", divide="ignore"):
        return Watched(float(computed(live)(np.ones((1, live.n_blocks)))[0]), better, computed)


def of_metric(target: Predicted, metric: Metric) -> Computed:
    """How the metric of the target comes from rows that have a prediction and a known outcome."""

    def computed(part: Played) -> Statistic:
        y, p = part.outcomes[target.name], target.together(part.predictions)
        known = np.isfinite(y) & np.isfinite(p).all(axis=1)
        sample = Sample(y[known], p[known], part.block[known], part.n_blocks, target.loss)
        return metric.statistic(sample)

    return computed


def of_mean(values: Callable[[Played], Vector]) -> Computed:
    """How the mean of the values (n,) that are there comes from rows."""

    def computed(part: Played) -> Statistic:
        found = values(part)
        known = np.isfinite(found)
        total, count = (
            np.bincount(part.block[known], v, minlength=part.n_blocks)
            for v in (found[known], np.ones(known.sum()))
        )
        return lambda drawn: np.asarray((drawn @ total) / (drawn @ count))

    return computed


def of_level(column: str, level: str, computed: Computed) -> Computed:
    """The same of those rows alone that have the level in the column."""
    return lambda part: computed(_at(part, column, level))


def n_blocks(part: Played, column: str, level: str) -> int:
    """In how many blocks the column has the level."""
    return len(np.unique(_at(part, column, level).block))


def _at(part: Played, column: str, level: str) -> Played:
    return restricted(part, (part.rows[column].cast(str) == level).fill_null(False).to_numpy())


def _deviations(
    watched: Mapping[Key, Watched],
    whole: Mapping[Key, Statistic],
    test: Played,
    n_rows: int,
    n_blocks: int,
    seed: int,
) -> Vector:
    """How far drawn windows are from drawn tests, (n_watched, n_resamples)."""
    rng = np.random.Generator(np.random.PCG64(seed))
    share = n_rows / n_blocks / (test.rows.height / test.n_blocks)
    parts = (
        [test]
        if share >= 1
        else [restricted(test, rng.random(test.rows.height) < share) for _ in range(N_THINNED)]
    )
    even = np.full(test.n_blocks, 1 / test.n_blocks)
    found = []
    for part in parts:
        size = N_RESAMPLES // len(parts)
        as_window, as_test = (
            rng.multinomial(n, even, size=size).astype(float) for n in (n_blocks, test.n_blocks)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append(
                np.stack(
                    [one.computed(part)(as_window) - whole[name](as_test) for name, one in watched.items()]
                )
            )
    return np.concatenate(found, axis=1)


def _widened(whole: Sequence[Statistic], test: Played, n_resamples: int, seed: int) -> Vector:
    """How much further each draw of independent days has to go (n_watched, n_resamples), since days near each other are alike and
    few days tell little of how much they vary (see intervals)."""
    blocks = Blocks(test.n_blocks, test.at)
    ratio, freedom = np.array([intervals.dependence(one, blocks) for one in whole]).T
    rng = np.random.Generator(np.random.PCG64([seed, 2]))
    free = float(np.median(freedom))
    return np.outer(np.maximum(ratio, 1), np.sqrt(free / rng.chisquare(free, n_resamples)))


def _doubts(watched: Mapping[Key, Watched], n_resamples: int, seed: int) -> Vector:
    """What a draw of each value's doubt adds, (n_watched, n_resamples). Values that rest on one curve are doubted together."""
    drawn = np.random.Generator(np.random.PCG64([seed, 1])).normal(size=n_resamples)
    return np.outer([one.doubt for one in watched.values()], drawn)


def _badness(change: Vector, better: str) -> Vector:
    return np.abs(change) if better == "zero" else -change if better == "higher" else change


def levels(part: Played, columns: Sequence[str], min_rows: int) -> list[tuple[str, str, int]]:
    """Each column's levels that at least so many rows have, and how many have it."""
    counts = []
    for column in columns:
        table = part.rows[column].cast(str).drop_nulls().alias("level").value_counts().sort("level")
        counts += [(column, str(level), int(n)) for level, n in table.iter_rows() if n >= min_rows]
    return counts
