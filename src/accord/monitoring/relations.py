"""Drift that single columns don't show, of a window of traffic: pairs of columns, repeated values, rows logged more than once."""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from accord.bundle.bundle import Bundle
from accord.expectation.calibration import UNLIKE, drawing
from accord.expectation.drift import Reference
from accord.expectation.expectation import BLOCK, MAX_TEST_ROWS, SUBJECT, Expectation
from accord.monitoring import together
from accord.monitoring.columns import DriftRow
from accord.monitoring.observed import EVENT, ID, Window, sampled
from accord.monitoring.together import MISSING, Base, Coded, Limits, Part, Scale
from accord.schema.loop import Monitoring

GROUP = "together"
SHARE = 0.25
"""The part of drift's false alarms that these may raise."""
PAIRS, REPEATED, DUPLICATES = "pairs", "repeated", "duplicates"
ALL_COLUMNS = "all columns"
MAX_SHOWN = 5
"""Pairs of columns that are named, the furthest first."""
N_WINDOWS = 40
"""Windows of the past that tell how often rows are alike in all columns."""
FEWEST = 10
"""So many duplicates are noise."""


def rows_of(
    rows: pl.LazyFrame, window: Window, bundle: Bundle, expectation: Expectation, settings: Monitoring
) -> list[DriftRow]:
    """A row for the furthest pairs of columns, one for the value that repeats most, one for duplicates."""
    features = expectation.drift.get("features")
    if features is None or window.n_rows < settings.min_rows:
        return []
    there = set(rows.collect_schema()) & set(expectation.reference.columns)
    there -= features.following
    references = {name: one for name, one in features.references.items() if name in there}
    wanted = [*references, *([] if expectation.time is None else [EVENT])]
    sample = sampled(rows, window.n_rows, together.MAX_ROWS, wanted)
    with threadpool_limits(1, "blas"):
        found = _of_pairs(sample, window, references, expectation)
    return [*found, *_of_duplicates(rows, window, bundle, features.n_rows, expectation)]


def _of_pairs(
    sample: pl.DataFrame, window: Window, references: dict[str, Reference], expectation: Expectation
) -> list[DriftRow]:
    past, time = expectation.reference, expectation.time
    scale = together.scale_of(references, None if time is None else time.zone)
    if scale is None:
        return []
    n_alike = min(sample.height, _rows_in(past, expectation, window.hours))
    size = together.size(n_alike, past.height, time is not None)
    if not size:
        note = f"insufficient: {n_alike:,} rows of the window or of as much time of the reference, of {together.MIN_ROWS}"
        return [DriftRow(GROUP, ALL_COLUMNS, PAIRS, None, None, False, None, note)]
    coded = scale.coded(past, None if time is None else time.event)
    base = together.base_of(scale, coded)
    level = (1 - expectation.level) * SHARE
    limits = together.limits(
        base, size, time is not None, level, expectation.seed, _subject(past, expectation)
    )
    live = scale.coded(sample, None if time is None else EVENT)
    deviations = limits.deviations(together.differences(base, live))
    n_pairs = len(deviations) - len(base.shares)
    return [
        *_pairs(deviations[:n_pairs], limits, scale, base, live),
        *_unlike(limits, len(deviations)),
        *_repeated(deviations[n_pairs:], limits, base, live, sample),
    ]


def _subject(past: pl.DataFrame, expectation: Expectation) -> pl.Series | None:
    """The group of subjects that each row, of the reference or of test, is of; None where rows come each by itself, or in time."""
    if SUBJECT not in expectation.reference.columns:
        return None
    return past[SUBJECT if SUBJECT in past.columns else BLOCK]


def _unlike(limits: Limits, n_pairs: int) -> list[DriftRow]:
    if not limits.n_unlike:
        return []
    note = f"not tested: {limits.n_unlike:,} of {n_pairs:,} relations, of which {UNLIKE}"
    return [DriftRow(GROUP, ALL_COLUMNS, PAIRS, None, None, False, None, note)]


def _rows_in(past: pl.DataFrame, expectation: Expectation, hours: float | None) -> int:
    """How many rows the reference has, at its densest, in so much time."""
    if expectation.time is None or hours is None:
        return past.height
    seconds = past[expectation.time.event].dt.epoch("s").to_numpy()
    ends = np.searchsorted(seconds, seconds + hours * 3600, side="right")
    return int((ends - np.arange(len(seconds))).max(initial=0))


def _pairs(
    deviations: together.Numbers, limits: Limits, scale: Scale, base: Base, live: Coded
) -> list[DriftRow]:
    now, before = together.covariances(base, live)
    i, j = np.triu_indices(len(scale.parts))
    found: dict[str, DriftRow] = {}
    for k in np.argsort(-deviations, kind="stable"):
        one, other = scale.parts[i[k]], scale.parts[j[k]]
        name = " with ".join(dict.fromkeys((one.column, other.column)))
        alarm = bool(deviations[k] > limits.critical)
        if len(found) == MAX_SHOWN or (found and not alarm):
            break
        if name not in found:
            words = _in_words(one, other, now[i[k], j[k]], before[i[k], j[k]], scale)
            found[name] = DriftRow(
                GROUP, name, PAIRS, float(deviations[k]), limits.critical, alarm, None, words
            )
    return list(found.values())


def _in_words(one: Part, other: Part, now: float, before: float, scale: Scale) -> str:
    """What has changed about the pair, from its covariance now and before."""
    if one == other:
        return f"{one.column} varies otherwise: by ranks its variance is {now:.2f}, before {before:.2f}"
    numbers = [part for part in (one, other) if _is_number(part, scale)]
    if len(numbers) == 2:
        return f"they go together otherwise: correlation by ranks {now:.2f}, before {before:.2f}"
    parts = [part for part in (one, other) if not _is_number(part, scale)]
    shares = [_share(part, scale) for part in parts]
    if numbers:
        said = f"{numbers[0].column} where {_condition(parts[0])} lies"
        return f"{said} {now / shares[0]:+.2f} deviations from its mean by ranks, before {before / shares[0]:+.2f}"
    both = " and ".join(_condition(part) for part in parts)
    usual = shares[0] * shares[1]
    return f"rows where {both}: {max(now + usual, 0):.1%}, before {max(before + usual, 0):.1%}"


def _is_number(part: Part, scale: Scale) -> bool:
    return scale.references[part.column].kind == "number" and part.what != MISSING


def _condition(part: Part) -> str:
    return f"{part.column} is {part.what if part.what == MISSING else repr(part.what)}"


def _share(part: Part, scale: Scale) -> float:
    reference = scale.references[part.column]
    counts, missing = reference.summary.counts, float(reference.summary.missing)
    count = missing if part.what == MISSING else counts[reference.levels.index(part.what)]
    return float(count / (counts.sum() + missing))


def _repeated(
    deviations: together.Numbers, limits: Limits, base: Base, live: Coded, sample: pl.DataFrame
) -> list[DriftRow]:
    if not len(deviations):
        return []
    furthest = int(deviations.argmax())
    name, share = list(base.shares.items())[furthest]
    _, most = together.excess(live.bins[name], share)
    values = sample[name].alias("value").filter(pl.Series(live.bins[name] == most)).value_counts(sort=True)
    alarm = bool(deviations[furthest] > limits.critical)
    n_there = max(int((live.bins[name] >= 0).sum()), 1)
    near = "" if values.height == 1 else "values near "
    note = (
        f"{near}{values[0, 0]} in {values['count'].sum() / n_there:.1%} of the rows" if values.height else ""
    )
    return [DriftRow(GROUP, name, REPEATED, float(deviations[furthest]), limits.critical, alarm, None, note)]


def _of_duplicates(
    rows: pl.LazyFrame, window: Window, bundle: Bundle, n_reference: int, expectation: Expectation
) -> list[DriftRow]:
    """The share of rows that are like another in all that the log keeps of them, beside that in windows of the past."""
    is_whole = expectation.reference.height == n_reference
    past = expectation.reference if is_whole else expectation.test
    known = [name for name in (*bundle.columns, *bundle.context) if name in past.columns]
    names = [name for name in known if past[name].null_count() < past.height]
    if not names or (not is_whole and past.height >= MAX_TEST_ROWS):  # both are thinned, and twins parted
        return []
    of_time = [] if expectation.time is None else [EVENT]
    n = min(window.n_rows, together.MAX_ROWS, past.height // 2)
    if n < together.MIN_ROWS:
        return []
    asked = rows.select(ID, *of_time, mark=pl.struct(names).hash())
    if window.n_rows > together.MAX_ROWS:  # chosen by what twins have in common
        kept = pl.col("mark").hash(seed=1) % 1_000_000 < round(1e6 * together.MAX_ROWS / window.n_rows)
        asked = asked.filter(kept)
    live = asked.collect(engine="streaming").sort(*of_time, ID)["mark"].to_numpy()
    before = past.select(pl.struct(names).hash()).to_series().to_numpy()
    value = float(np.mean([_twins(live[i : i + n]) for i in range(0, max(len(live) - n, 0) + 1, n)]))
    rng = np.random.Generator(np.random.PCG64(expectation.seed))
    starts = np.linspace(0, len(before) - n, N_WINDOWS).astype(int)
    draw = drawing(len(before), _subject(past, expectation), rng)
    usual = np.array([
        _twins(before[start : start + n] if of_time else before[draw(n)]) for start in starts
    ])  # fmt: skip
    beyond = max(usual.max(), usual.mean() + together.FURTHEST * usual.std()) + FEWEST / n
    threshold = float(min(beyond, (usual.max() + 1) / 2))
    note = f"{value:.1%} of rows are like another in all columns, before at most {usual.max():.1%}"
    return [DriftRow(GROUP, ALL_COLUMNS, DUPLICATES, value, threshold, value > threshold, None, note)]


def _twins(marks: NDArray[np.uint64]) -> float:
    """The share of rows (n,) that an earlier one is like."""
    return 1 - len(np.unique(marks)) / len(marks)
