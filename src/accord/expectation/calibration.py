"""How large a score is drift: thresholds from the reference's own windows, by window size and over all columns at once.

Rows of an afternoon share their weather and rows of a week their timetable, so a window of real traffic differs from
the whole reference without any drift. Windows as they will come are cut from the reference, contiguous in time (or, where
rows have no time, drawn at random, a subject's rows together), and each is scored against the rest of it. What these score
is no drift.

One question is asked of many columns. Scores are put on one scale, the largest of a window is its statistic, and a
quantile of these is the threshold of all: the alarm of a whole window is right at the level, however columns hang
together (Westfall & Young 1993, Resampling-Based Multiple Testing, max-T). A window's scores are standardised by windows
of other stretches of time, as a new window's will be.

A score of which one stretch tells nothing about another would make the thresholds of all useless: it is not tested, and
this is said. Neither is a column that follows time, since what is to come is always beyond what was.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.errors import AccordError
from accord.expectation.drift import (
    DISTANCES,
    LARGEST,
    Bins,
    Drift,
    Kind,
    Numbers,
    Reference,
    Summary,
    refer,
    tally,
)

Mask = NDArray[np.bool_]
Score = tuple[str, str]
"""A column, and the name of its score."""
Value = TypeVar("Value")

SIZES = (100, 300, 1_000, 3_000, 10_000)
DAY, NIGHT = 86_400, 6 * 3600
"""Seconds. A day that is shorter by no more than a night is a whole one: nothing may happen then."""
N_WINDOWS = 400
"""Windows cut for a size; where the reference is short they overlap."""
N_STRETCHES = 10
"""Stretches of the reference: a window is standardised by those of the others."""
MIN_WINDOWS = 45
"""Independent windows that a threshold wants: with fewer the largest of them is below the 95 % quantile in more than
one case of ten (Wilks 1941, Determination of sample sizes for setting tolerance limits: 1 - 0.95 ** n >= 0.9)."""
MIN_VALUES = 30
"""Values in a window, below which their distance says nothing; windows of the reference, below which no threshold is."""
FURTHEST = 3.5
"""No window of the reference lies further out on its column's scale: a column with rare storms widens its own
threshold and not everyone's."""
TOO_FAR = 2 * FURTHEST
"""Scores by which windows lie this far out, by what other stretches tell, are not tested: they would widen the thresholds of all."""
LARGER = 2.0
"""No threshold is more times the largest score that the reference's windows have."""
MIN_SPREAD = 0.1
"""Least spread of a score's logarithms, for columns that never vary."""
FOLLOWS = 0.9
"""A column with at least this correlation (by ranks) with time follows it."""
NOISE_ROWS = 10
"""So many rows of a window are noise: half of them are never drift, and far fewer are not told apart."""
UNLIKE, FOLLOWS_TIME = "stretches of the reference are unlike each other", "it follows time"
"""Why a score is not tested."""


@dataclass(frozen=True)
class Thresholds:
    """What windows of `n_rows` of the reference stay below."""

    n_rows: int
    hours: float | None
    """The shortest time that such a window took; None without time."""
    values: dict[str, dict[str, float | None]]
    """By column and score; None where the reference has too few values."""


@dataclass(frozen=True)
class Calibration:
    level: float
    """Share of windows without drift in which an alarm of any column is put up with."""
    n_rows: int
    independent: dict[int, int]
    """For each size asked for, how many windows the reference has that share neither rows nor a day."""
    thresholds: tuple[Thresholds, ...]
    """For sizes with enough independent windows, ascending, and at least the smallest."""
    references: dict[str, Reference]
    untested: dict[str, dict[str, str]] = field(default_factory=dict)
    """By column and score why the reference can't tell what is drift."""

    @property
    def following(self) -> set[str]:
        """The columns that follow time."""
        return {column for column, why in self.untested.items() if FOLLOWS_TIME in why.values()}

    def note(self, n_rows: int) -> str | None:
        """What the reference is too short for, in words, when the window has so many rows."""
        sizes = sorted(self.independent)
        size = next((size for size in sizes if size >= n_rows), sizes[-1])
        n, last = self.independent[size], self.thresholds[-1].n_rows
        if n >= MIN_WINDOWS:
            return None
        return f"the reference has {n} independent windows of {size:,} rows, of {MIN_WINDOWS}; " + (
            f"thresholds of {last:,} rows stand in, wider than needed"
            if size > last
            else "thresholds are near the largest score seen, and false alarms may come more often"
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "level": self.level,
            "n_rows": self.n_rows,
            "independent": {str(size): n for size, n in self.independent.items()},
            "thresholds": [vars(t) for t in self.thresholds],
            "references": {name: reference.as_dict() for name, reference in self.references.items()},
            "untested": self.untested,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Calibration":
        return cls(
            values["level"],
            values["n_rows"],
            {int(size): n for size, n in values["independent"].items()},
            tuple(Thresholds(**t) for t in values["thresholds"]),
            {name: Reference.from_dict(r) for name, r in values["references"].items()},
            values.get("untested", {}),  # earlier versions tested all
        )


@dataclass(frozen=True)
class Finding:
    """A column's score against its threshold; NaN or None if unknown."""

    column: str
    score: str
    value: float
    threshold: float | None
    alarm: bool
    note: str = ""


def calibrate(
    rows: pl.DataFrame | pl.LazyFrame,
    kinds: Mapping[str, Kind],
    time: pl.Series | None,
    level: float = 0.05,
    sizes: Sequence[int] = SIZES,
    seed: int = 0,
    subject: pl.Series | None = None,
) -> Calibration:
    """Thresholds from the reference's rows (n) in the order of their event `time` (n), which is None if they have none; they then
    come by `subject` (n), or each by itself.

    Columns are read one at a time. Raises AccordError if there are too few rows to cut windows from.
    """
    table = rows.lazy()
    n_rows = table.select(pl.len()).collect().item()
    if n_rows < 2 * MIN_VALUES:
        raise AccordError(
            f"The reference of the drift has {n_rows} rows; expected {2 * MIN_VALUES} or more, to score windows against the rest"
        )
    rng = np.random.Generator(np.random.PCG64(seed))
    in_time, together = time is not None, subject if time is None else time.dt.date()
    independent = {size: _independent(n_rows, size, together) for size in sorted(sizes)}
    least = MIN_WINDOWS if in_time else 2  # rows without time may be drawn again and again
    used = [size for size, n in independent.items() if n >= least] or [min(sizes)]
    cuts = {size: _windows(n_rows, min(size, n_rows // 2), in_time, subject, rng) for size in used}
    references, scores, untested = _scored(table, kinds, cuts, time)
    names = list(scores[used[0]])
    logs = {size: _logs(scores[size], size) for size in used}
    beyond = {size: _beyond(logs[size], _stretches(cuts[size], n_rows, in_time)) for size in used}
    # Half of the level is left for what the reference's own days have not shown, more where these are few.
    tails = {size: level / 2 * min(1, independent[size] / MIN_WINDOWS) for size in used}
    is_tested = _tested(beyond, tails, np.array([name not in untested for name in names]))
    left_out = {name for name, tested in zip(names, is_tested, strict=True) if not tested}
    reasons = {name: untested.get(name, UNLIKE) for name in names if name in left_out}
    thresholds = []
    for size, windows in cuts.items():
        quantile = _quantile(beyond[size], is_tested, tails[size])
        limits = _limits(logs[size], names, size, quantile, is_tested)
        thresholds.append(Thresholds(size, _hours(windows, time), limits))
    return Calibration(level, n_rows, independent, tuple(thresholds), references, _by_column(reasons))


def whole_days(time: pl.Series) -> int:
    """How many of a window's first rows to leave out, so that it covers whole days; none if it is shorter than a day.

    `time` (n) is in order. What is left has each hour of the day as often, whenever the window began.
    """
    return _whole_days(time.dt.epoch("s").to_numpy())


def alarms(
    calibration: Calibration, n_rows: int, drifts: Mapping[str, Drift], hours: float | None = None
) -> list[Finding]:
    """Each score of a window's columns against its threshold; the traffic has drifted if there is any alarm.

    `drifts` are of the window's whole days (see whole_days), `n_rows` and `hours` of all of it: where traffic has grown denser, its rows are as alike as those of as
    short a window of the reference, which held fewer.
    """
    return [
        _finding(calibration, column, score, drift, n_rows, _alike(calibration, n_rows, hours))
        for column, drift in drifts.items()
        for score in drift.scores
    ]


def _alike(calibration: Calibration, n_rows: int, hours: float | None) -> float:
    """How many rows the reference had, at its densest, in the time in which the window has n_rows; at most these."""
    sizes, spans = zip(*((t.n_rows, t.hours) for t in calibration.thresholds), strict=True)
    if hours is None or spans[-1] is None or hours >= spans[-1]:
        return n_rows
    return min(n_rows, float(np.interp(hours, [0, *spans], [0, *sizes])))


def _finding(
    calibration: Calibration, column: str, score: str, drift: Drift, n_rows: int, alike: float
) -> Finding:
    value = drift.scores[score]
    least = calibration.thresholds[0].n_rows
    n_values = drift.n_rows - drift.n_missing
    threshold = _threshold(calibration, column, score, alike)
    if why := calibration.untested.get(column, {}).get(score):
        note = f"not tested: {why}"
    elif n_rows < least:
        note = f"insufficient: {n_rows:,} rows of {least:,}"
    elif alike < least / 2:
        note = f"insufficient: {n_rows:,} rows in less time than {least:,} took in the reference"
    elif score != "missing" and n_values < MIN_VALUES:
        note = f"insufficient: {n_values} values of {MIN_VALUES}"
    elif threshold is None:
        note = "insufficient: the reference has too few values"
    else:
        new = ", ".join(f"{level!r} ({n:,} rows)" for level, n in drift.new.items())
        note = f"new: {new}" if new and score != "missing" else ""
        return Finding(column, score, value, threshold, value > threshold, note)
    return Finding(column, score, value, None, False, note)


def _threshold(calibration: Calibration, column: str, score: str, n_rows: float) -> float | None:
    """Between sizes on logarithmic scales; beyond the largest, its own: larger windows score less."""
    known = [(t.n_rows, v) for t in calibration.thresholds if (v := t.values[column][score]) is not None]
    if not known:
        return None
    sizes, values = np.log(known).T
    return float(np.exp(np.interp(np.log(max(n_rows, 1)), sizes, values)))


def _independent(n_rows: int, size: int, together: pl.Series | None) -> int:
    """How many windows there are that share neither rows nor what rows come together by: a day, or a subject."""
    return n_rows // size if together is None else min(n_rows // size, together.n_unique())


def _windows(
    n_rows: int, size: int, in_time: bool, subject: pl.Series | None, rng: np.random.Generator
) -> list[Bins]:
    """Rows of each window: contiguous and spread over the reference, or drawn without replacement."""
    if not in_time:
        draw = drawing(n_rows, subject, rng)
        return [draw(size) for _ in range(N_WINDOWS)]
    starts = (np.arange(N_WINDOWS) + rng.random(N_WINDOWS)) / N_WINDOWS * (n_rows - size)
    return [np.arange(size) + int(start) for start in starts]


def drawing(n_rows: int, subject: pl.Series | None, rng: np.random.Generator) -> Callable[[int], Bins]:
    """Draws as many of the rows as asked for, none of them twice; subject by subject, of which the last may not be whole."""
    if subject is None:
        return lambda size: rng.choice(n_rows, size, replace=False)
    number = subject.cast(pl.String).fill_null("").rank("dense").to_numpy().astype(np.intp) - 1
    order, counts = np.argsort(number, kind="stable"), np.bincount(number)
    parts = np.split(order, np.cumsum(counts)[:-1])

    def draw(size: int) -> Bins:
        subjects = rng.permutation(len(parts))
        n = int(np.searchsorted(np.cumsum(counts[subjects]), size)) + 1
        return np.concatenate([parts[i] for i in subjects[:n]])[:size]

    return draw


def _whole_days(seconds: Numbers) -> int:
    if not len(seconds):
        return 0
    clock = (
        seconds - np.cumsum(np.diff(seconds, prepend=seconds[0]) // DAY) * DAY
    )  # days without any row left out
    days = (clock[-1] - clock[0] + NIGHT) // DAY
    return int(np.searchsorted(clock, clock[-1] - days * DAY, side="right")) if days else 0


def _hours(windows: list[Bins], time: pl.Series | None) -> float | None:
    """The shortest time that a window takes."""
    if time is None:
        return None
    seconds = time.dt.epoch("s").to_numpy()
    return float(min(seconds[w[-1]] - seconds[w[0]] for w in windows)) / 3600


def _scored(
    table: pl.LazyFrame, kinds: Mapping[str, Kind], cuts: Mapping[int, list[Bins]], time: pl.Series | None
) -> tuple[dict[str, Reference], dict[int, dict[Score, Numbers]], dict[Score, str]]:
    """Each column's reference, the scores of the whole days of each size's windows, and which of them follow time."""
    seconds = None if time is None else time.dt.epoch("s").to_numpy()
    judged = {
        size: windows if seconds is None else [w[_whole_days(seconds[w]) :] for w in windows]
        for size, windows in cuts.items()
    }
    references: dict[str, Reference] = {}
    scores: dict[int, dict[Score, Numbers]] = {size: {} for size in cuts}
    following: dict[Score, str] = {}
    for name, kind in kinds.items():
        values = table.select(name).collect()[name]
        references[name] = reference = refer(values, kind)
        bins, weights = reference.bins(values), reference.weights(values)
        for size, windows in judged.items():
            for score, column in _scores(reference, bins, weights, windows).items():
                scores[size][name, score] = column
        if time is not None and kind in DISTANCES and reference.follows_order(bins) >= FOLLOWS:
            following[name, DISTANCES[kind]] = FOLLOWS_TIME
    return references, scores, following


def _scores(reference: Reference, bins: Bins, weights: Numbers, windows: list[Bins]) -> dict[str, Numbers]:
    """Scores (n_windows,) of each window against the rest of the reference; NaN where it has too few values."""
    parts = [tally(bins[w], weights[w], reference.n_bins) for w in windows]
    stacked = Summary(
        *(np.stack([getattr(p, part) for p in parts]) for part in ("counts", "sums", "missing"))
    )
    scores = reference.scores(stacked, reference.summary - stacked)
    few = stacked.n_values < MIN_VALUES
    return {name: np.where(few & (name != "missing"), np.nan, values) for name, values in scores.items()}


def _logs(scores: Mapping[Score, Numbers], size: int) -> Numbers:
    """The logarithms of the scores of windows (n_windows, n_scores): storms multiply rather than add. The noise of counting is
    added first, since scores below it don't differ."""
    return np.log(np.stack(list(scores.values()), axis=1) + _noise(scores, size))


def _noise(scores: Iterable[Score], size: int) -> Numbers:
    return np.array(
        [NOISE_ROWS / size if score == "missing" else NOISE_ROWS / 4 / np.sqrt(size) for _, score in scores]
    )


def _beyond(logs: Numbers, stretches: Sequence[tuple[Mask, Mask]]) -> Numbers:
    """Each window's scores on the scales of other stretches (n_windows, n_scores), -inf where unknown."""
    found = np.full(logs.shape, -np.inf)
    for inside, others in stretches:
        center, spread = _scale(logs[others])
        found[inside] = (logs[inside] - center) / spread
    return np.where(np.isfinite(found), found, -np.inf)


def _quantile(beyond: Numbers, is_tested: Mask, tail: float) -> float:
    """How far out a window is in any of the tested scores, in all but a share `tail` of windows."""
    if not is_tested.any():
        return 0.0
    return float(np.quantile(beyond[:, is_tested].max(axis=1), 1 - tail, method="higher"))


def _tested(beyond: Mapping[int, Numbers], tails: Mapping[int, float], is_asked: Mask) -> Mask:
    """The scores that are left when those are out that would carry all thresholds further than TOO_FAR, the furthest first."""
    is_tested = is_asked.copy()
    for size, far in beyond.items():
        too_far = np.clip(far - TOO_FAR, 0, None).sum(axis=0)
        while _quantile(far, is_tested, tails[size]) > TOO_FAR:
            is_tested[np.where(is_tested, too_far, -1.0).argmax()] = False
    return is_tested


def _limits(
    logs: Numbers, names: Sequence[Score], size: int, quantile: float, is_tested: Mask
) -> dict[str, dict[str, float | None]]:
    """Thresholds by column and score: so far out on its scale, and not too far beyond the largest of the reference's windows."""
    noise, (center, spread) = _noise(names, size), _scale(logs)
    seen = np.exp(np.ma.masked_invalid(logs).max(axis=0).filled(np.nan))
    limits = np.minimum(np.exp(center + quantile * spread), LARGER * seen) - noise
    # Halfway from the largest seen to the largest there is: a total outage is found.
    halfway = (seen - noise + [LARGEST[score] for _, score in names]) / 2
    limits = np.minimum(np.maximum(limits, noise / 2), halfway)
    limits[~is_tested | (np.isfinite(logs).sum(axis=0) < MIN_VALUES)] = np.nan
    return _by_column({n: None if np.isnan(v) else float(v) for n, v in zip(names, limits, strict=True)})


def _by_column(values: Mapping[Score, Value]) -> dict[str, dict[str, Value]]:
    found: dict[str, dict[str, Value]] = {}
    for (column, score), value in values.items():
        found.setdefault(column, {})[score] = value
    return found


def _stretches(windows: list[Bins], n_rows: int, in_time: bool) -> list[tuple[Mask, Mask]]:
    """The windows that start in each stretch, and those that share no row with any of them; as masks (n_windows,)."""
    if not in_time:
        turn = np.arange(len(windows)) % N_STRETCHES
        return [(turn == i, turn != i) for i in range(N_STRETCHES)]
    starts, size = np.array([w[0] for w in windows]), len(windows[0])
    edges = np.linspace(0, n_rows, N_STRETCHES + 1)
    masks = []
    for begin, end in pairwise(edges):
        inside, apart = (starts >= begin) & (starts < end), (starts + size <= begin) | (starts >= end + size)
        if inside.any():
            masks.append((inside, apart if apart.any() else ~inside))
    return masks


def _scale(logs: Numbers) -> tuple[Numbers, Numbers]:
    """Center and spread of each score (n_scores,), NaN without any."""
    there = np.ma.masked_invalid(logs)
    center = there.mean(axis=0)
    spread = np.ma.maximum(there.std(axis=0), (there.max(axis=0) - center) / FURTHEST)
    return center.filled(np.nan), np.maximum(spread.filled(np.nan), MIN_SPREAD)
