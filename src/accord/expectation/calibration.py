"""How large a score is drift: thresholds from the reference's own windows, by window size and over all columns at once.

Rows of an afternoon share their weather and rows of a week their timetable, so a window of real traffic differs from
the whole reference without any drift. Windows as they will come are cut from the reference, contiguous in time (or, where
rows have no time, drawn at random), and each is scored against the rest of it. What these score is no drift.

One question is asked of many columns. Scores are put on one scale, the largest of a window is its statistic, and a
quantile of these is the threshold of all: the alarm of a whole window is right at the level, however columns hang
together (Westfall & Young 1993, Resampling-Based Multiple Testing, max-T). A window's scores are standardised by windows
of other stretches of time, as a new window's will be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.errors import AccordError
from accord.expectation.drift import LARGEST, Bins, Drift, Kind, Numbers, Reference, Summary, refer, tally

Mask = NDArray[np.bool_]

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
NOISE_ROWS = 10
"""So many rows of a window are noise: half of them are never drift, and far fewer are not told apart."""
MIN_SPREAD = 0.1
"""Least spread of a score's logarithms, for columns that never vary."""


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
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Calibration":
        return cls(
            values["level"],
            values["n_rows"],
            {int(size): n for size, n in values["independent"].items()},
            tuple(Thresholds(**t) for t in values["thresholds"]),
            {name: Reference.from_dict(r) for name, r in values["references"].items()},
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
) -> Calibration:
    """Thresholds from the reference's rows (n) in the order of their event `time` (n), which is None if they have none.

    Columns are read one at a time. Raises AccordError if there are too few rows to cut windows from.
    """
    table = rows.lazy()
    n_rows = table.select(pl.len()).collect().item()
    if n_rows < 2 * MIN_VALUES:
        raise AccordError(
            f"The reference of the drift has {n_rows} rows; expected {2 * MIN_VALUES} or more, to score windows against the rest"
        )
    rng = np.random.Generator(np.random.PCG64(seed))
    independent = {size: _independent(n_rows, size, time) for size in sorted(sizes)}
    least = 2 if time is None else MIN_WINDOWS  # rows without time may be drawn again and again
    used = [size for size, n in independent.items() if n >= least] or [min(sizes)]
    seconds = None if time is None else time.dt.epoch("s").to_numpy()
    cuts = {size: _windows(n_rows, min(size, n_rows // 2), seconds is not None, rng) for size in used}
    judged = {
        size: windows if seconds is None else _trimmed(windows, seconds) for size, windows in cuts.items()
    }
    scores: dict[int, dict[tuple[str, str], Numbers]] = {size: {} for size in used}
    references = {}
    for name, kind in kinds.items():
        values = table.select(name).collect()[name]
        references[name] = reference = refer(values, kind)
        bins, weights = reference.bins(values), reference.weights(values)
        for size, windows in judged.items():
            for score, column in _scores(reference, bins, weights, windows).items():
                scores[size][name, score] = column
    thresholds = []
    for size, windows in cuts.items():
        stretches = _stretches(windows, n_rows, seconds is not None)
        # Half of the level is left for what the reference's own days have not shown, more where these are few.
        tail = level / 2 * min(1, independent[size] / MIN_WINDOWS)
        thresholds.append(
            Thresholds(size, _hours(windows, seconds), _limits(scores[size], size, stretches, tail))
        )
    return Calibration(level, n_rows, independent, tuple(thresholds), references)


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
    if n_rows < least:
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


def _independent(n_rows: int, size: int, time: pl.Series | None) -> int:
    """How many windows there are that share neither rows nor, where there is time, a day."""
    return n_rows // size if time is None else min(n_rows // size, time.dt.date().n_unique())


def _windows(n_rows: int, size: int, in_time: bool, rng: np.random.Generator) -> list[Bins]:
    """Rows of each window: contiguous and spread over the reference, or drawn without replacement."""
    if not in_time:
        return [rng.choice(n_rows, size, replace=False) for _ in range(N_WINDOWS)]
    starts = (np.arange(N_WINDOWS) + rng.random(N_WINDOWS)) / N_WINDOWS * (n_rows - size)
    return [np.arange(size) + int(start) for start in starts]


def _trimmed(windows: list[Bins], seconds: Numbers) -> list[Bins]:
    return [window[_whole_days(seconds[window]) :] for window in windows]


def _whole_days(seconds: Numbers) -> int:
    if not len(seconds):
        return 0
    clock = (
        seconds - np.cumsum(np.diff(seconds, prepend=seconds[0]) // DAY) * DAY
    )  # days without any row left out
    days = (clock[-1] - clock[0] + NIGHT) // DAY
    return int(np.searchsorted(clock, clock[-1] - days * DAY, side="right")) if days else 0


def _hours(windows: list[Bins], seconds: Numbers | None) -> float | None:
    """The shortest time that a window takes."""
    return None if seconds is None else float(min(seconds[w[-1]] - seconds[w[0]] for w in windows)) / 3600


def _scores(reference: Reference, bins: Bins, weights: Numbers, windows: list[Bins]) -> dict[str, Numbers]:
    """Scores (n_windows,) of each window against the rest of the reference; NaN where it has too few values."""
    parts = [tally(bins[w], weights[w], reference.n_bins) for w in windows]
    stacked = Summary(
        *(np.stack([getattr(p, part) for p in parts]) for part in ("counts", "sums", "missing"))
    )
    scores = reference.scores(stacked, reference.summary - stacked)
    few = stacked.n_values < MIN_VALUES
    return {name: np.where(few & (name != "missing"), np.nan, values) for name, values in scores.items()}


def _limits(
    scores: Mapping[tuple[str, str], Numbers], size: int, stretches: Sequence[tuple[Mask, Mask]], tail: float
) -> dict[str, dict[str, float | None]]:
    """Thresholds by column and score such that the share of windows with any score above its own is `tail`.

    Scores are compared by their logarithms, since storms multiply rather than add; the noise of counting is added to
    them first, since below that they don't differ.
    """
    noise = np.array(
        [NOISE_ROWS / size if score == "missing" else NOISE_ROWS / 4 / np.sqrt(size) for _, score in scores]
    )
    logs = np.log(np.stack(list(scores.values()), axis=1) + noise)  # (n_windows, n_scores)
    largest = np.concatenate([_largest(logs[inside], logs[others]) for inside, others in stretches])
    center, spread = _scale(logs)
    quantile = np.quantile(largest, 1 - tail, method="higher")
    limits = np.maximum(np.exp(center + quantile * spread) - noise, noise / 2)
    # Halfway from the largest seen to the largest there is: a total outage is found.
    seen = np.exp(np.ma.masked_invalid(logs).max(axis=0).filled(np.nan)) - noise
    limits = np.minimum(limits, (seen + [LARGEST[score] for _, score in scores]) / 2)
    limits[np.isfinite(logs).sum(axis=0) < MIN_VALUES] = np.nan
    values: dict[str, dict[str, float | None]] = {}
    for (column, score), limit in zip(scores, limits, strict=True):
        values.setdefault(column, {})[score] = None if np.isnan(limit) else float(limit)
    return values


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


def _largest(logs: Numbers, others: Numbers) -> Numbers:
    """The largest score of each window (n_windows,) on the scales of the others."""
    center, spread = _scale(others)
    return np.asarray(np.ma.masked_invalid((logs - center) / spread).max(axis=1).filled(-np.inf))


def _scale(logs: Numbers) -> tuple[Numbers, Numbers]:
    """Center and spread of each score (n_scores,), NaN without any."""
    there = np.ma.masked_invalid(logs)
    center = there.mean(axis=0)
    spread = np.ma.maximum(there.std(axis=0), (there.max(axis=0) - center) / FURTHEST)
    return center.filled(np.nan), np.maximum(spread.filled(np.nan), MIN_SPREAD)
