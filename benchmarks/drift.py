"""Prints docs/drift.md's tables: false alarms on reference days that were not used to calibrate, and what is found.

    python benchmarks/drift.py --windows 40

Reads data/splits and data/predictions of the flights example, so `dvc repro` comes first. Evidently decides by its own
tests, thresholds and share of columns; that these are what its DataDriftPreset comes to is checked on one window.
"""

import argparse
import resource
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
from evidently import DataDefinition, Dataset, Report
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.core import ColumnType
from evidently.presets import DataDriftPreset
from sklearn.datasets import load_breast_cancer

from accord.data import partitions
from accord.expectation.calibration import Calibration, alarms, calibrate, whole_days
from accord.expectation.drift import Kind, Reference, drifts, refer
from accord.paths import Paths

PATHS = Paths(Path())
TIME = "scheduled_at"
CATEGORIES = ("carrier", "origin", "dest")
NUMBERS = (
    "departure_minute", "arrival_minute", "departures_in_hour", "distance", "dest_latitude", "dest_longitude",
    "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib",
)  # fmt: skip
PREDICTIONS = ("payout", "disruption")
FEATURE_KINDS: dict[str, Kind] = {**dict.fromkeys(CATEGORIES, "category"), **dict.fromkeys(NUMBERS, "number")}
PREDICTION_KINDS: dict[str, Kind] = dict.fromkeys(PREDICTIONS, "number")
SIZES = (100, 300, 1_000, 10_000)
BLOCK_DAYS = 14
SHIFTS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6)
NULLS = (0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1)
DRIFT_SHARE = 0.5  # DataDriftPreset's default
MILES_IN_KM = 1.609344


@dataclass(frozen=True)
class Fold:
    """Days to calibrate on, and the windows of the others."""

    calibration: Calibration
    reference: pl.DataFrame
    days: pl.DataFrame
    blocks: np.ndarray

    def windows(self, n_rows: int, n_windows: int) -> Iterator[pl.DataFrame]:
        """Windows within a block of days that follow each other, evenly spread."""
        starts = np.flatnonzero(self.blocks[: len(self.blocks) - n_rows + 1] == self.blocks[n_rows - 1 :])
        for i in np.linspace(0, len(starts) - 1, min(n_windows, len(starts))).astype(int):
            yield self.days.slice(int(starts[i]), n_rows)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--windows", type=int, default=40, help="windows a size and fold")
    n_windows = options.parse_args().windows
    warnings.simplefilter("ignore")
    rows = flights()
    agreement(rows)
    folds = list(alternating(rows, FEATURE_KINDS))
    false_alarms(folds, n_windows)
    prediction_alarms(rows, n_windows)
    timeless(rows)
    faults(folds, n_windows)
    smallest(folds, n_windows)
    costs(rows)


def flights() -> pl.DataFrame:
    """All rows before the cutoff in the order of time; predictions are null where the model was trained on the row."""
    parts = []
    for split in ("train", "tune", "test", "holdout"):
        predictions = pl.read_parquet(PATHS.predictions / f"{split}.parquet", columns=PREDICTIONS)
        if split == "train":
            predictions = predictions.with_columns(
                pl.lit(None, pl.Float64).alias(name) for name in PREDICTIONS
            )
        parts.append(pl.concat([partitions.read(PATHS.splits / split), predictions], how="horizontal"))
    return pl.concat(parts).sort(TIME, maintain_order=True)


def alternating(rows: pl.DataFrame, kinds: Mapping[str, Kind]) -> Iterator[Fold]:
    """Every other fortnight calibrates, the rest is judged; then the other way round; then half a fortnight later."""
    day = rows[TIME].dt.offset_by("-5h").dt.date()  # UTC to New York, nearly: no flight leaves at night
    number = (day - day.min()).dt.total_days().to_numpy()
    for offset in (0, BLOCK_DAYS // 2):
        block = (number + offset) // BLOCK_DAYS
        for parity in (0, 1):
            judged = block % 2 == parity
            reference = rows.filter(pl.Series(~judged))
            calibration = calibrate(reference, kinds, reference[TIME])
            yield Fold(calibration, reference, rows.filter(pl.Series(judged)), block[judged])


def alarmed(calibration: Calibration, window: pl.DataFrame, timed: bool = True) -> set[str]:
    """Columns with an alarm."""
    judged = days(window) if timed else window
    found = alarms(calibration, window.height, drifts(calibration.references, judged))
    return {finding.column for finding in found if finding.alarm}


def evidently_flags(reference: pd.DataFrame, window: pd.DataFrame, kinds: Mapping[str, Kind]) -> list[str]:
    """Columns that Evidently's default tests call drifted."""
    flagged = []
    for name, kind in kinds.items():
        sides = reference[name].dropna(), window[name].dropna()
        column_type = ColumnType.Numerical if kind == "number" else ColumnType.Categorical
        if not sides[1].empty and get_stattest(*sides, column_type, None)(*sides, column_type, None).drifted:
            flagged.append(name)
    return flagged


def preset_share(reference: pd.DataFrame, window: pd.DataFrame, kinds: Mapping[str, Kind]) -> float:
    """The share of columns that DataDriftPreset calls drifted."""
    definition = DataDefinition(
        numerical_columns=[n for n, kind in kinds.items() if kind == "number"],
        categorical_columns=[n for n, kind in kinds.items() if kind == "category"],
    )
    current, past = (Dataset.from_pandas(side[list(kinds)], definition) for side in (window, reference))
    metrics = Report([DataDriftPreset()]).run(current, past).dict()["metrics"]
    share: float = next(m for m in metrics if "DriftedColumnsCount" in str(m))["value"]["share"]
    return share


def agreement(rows: pl.DataFrame) -> None:
    """Our scores against Evidently's on the same 1,000,000 rows a side."""
    rng = np.random.default_rng(0)
    half = rows.height // 2
    past = rows[rng.integers(0, half, 1_000_000)]
    window = rows[rng.integers(half, rows.height, 1_000_000)]
    differences = {}
    noise = pl.Series(rng.lognormal(0, 2, 1_000_000))
    columns = {**{n: (past[n], window[n]) for n in FEATURE_KINDS}, "a lognormal": (noise, noise[::-1] * 1.1)}
    for name, sides in columns.items():
        kind = FEATURE_KINDS.get(name, "number")
        column_type = ColumnType.Numerical if kind == "number" else ColumnType.Categorical
        both = [side.drop_nulls().to_pandas() for side in sides]
        theirs = get_stattest(*both, column_type, None)(*both, column_type, None).drift_score
        scores = refer(sides[0], kind).drift(sides[1]).scores
        differences[name] = abs(next(iter(scores.values())) - theirs)
    worst = max(differences, key=differences.__getitem__)
    print("\n## Agreement\n")
    print(
        f"1,000,000 rows a side, {len(differences)} columns: largest difference {differences[worst]:.1e} ({worst})"
    )


def false_alarms(folds: Sequence[Fold], n_windows: int) -> None:
    """Alarms in windows without drift, ours and Evidently's."""
    print("\n## False alarms\n")
    table = []
    for size in SIZES:
        ours, theirs, shares, n_independent = [], [], [], 0
        for fold in folds:
            reference = fold.reference.select(list(FEATURE_KINDS)).to_pandas()
            n_independent += len(fold.days) // size
            for window in fold.windows(size, n_windows):
                ours.append(alarmed(fold.calibration, window))
                flags = evidently_flags(
                    reference, window.select(list(FEATURE_KINDS)).to_pandas(), FEATURE_KINDS
                )
                theirs.append(bool(flags))
                shares.append(len(flags) / len(FEATURE_KINDS))
        verdicts = [share >= DRIFT_SHARE for share in shares]
        used = [max(t.n_rows for t in f.calibration.thresholds if t.n_rows <= size) for f in folds]
        table.append(
            [
                size, len(ours), n_independent // len(folds), folds[0].calibration.independent[size],
                min(used), percent(map(bool, ours)), percent(theirs), percent(verdicts), percent(shares), most(ours),
            ]
        )  # fmt: skip
    show(
        ["rows", "windows", "independent in a fold", "to calibrate", "thresholds of", "alarm", "Evidently: any column",
         "Evidently: dataset drift", "Evidently: columns flagged", "our alarms are of"],
        table,
    )  # fmt: skip
    window = next(folds[0].windows(1_000, 1))
    sides = [frame.select(list(FEATURE_KINDS)).to_pandas() for frame in (folds[0].reference, window)]
    preset = preset_share(*sides, FEATURE_KINDS)
    alone = len(evidently_flags(*sides, FEATURE_KINDS)) / len(FEATURE_KINDS)
    print(
        f"\nDataDriftPreset on one of the windows: {preset:.3f} of columns drifted; its tests called one by one: {alone:.3f}"
    )


def prediction_alarms(rows: pl.DataFrame, n_windows: int) -> None:
    """The same for predictions, on rows that the models were not trained on."""
    unseen = rows.filter(pl.col(PREDICTIONS[0]).is_not_null())
    table = []
    folds = list(alternating(unseen, PREDICTION_KINDS))
    for size in SIZES[:-1]:
        found = [alarmed(f.calibration, w) for f in folds for w in f.windows(size, n_windows)]
        n_independent = folds[0].calibration.independent[size]
        table.append([size, len(found), n_independent, percent(map(bool, found)), most(found)])
    print("\n## False alarms of predictions\n")
    show(["rows", "windows", "to calibrate", "alarm", "of"], table)


def timeless(rows: pl.DataFrame) -> None:
    """Draws of rows without time structure."""
    cancer = pl.from_pandas(load_breast_cancer(as_frame=True).frame)
    cancer_kinds: dict[str, Kind] = {
        name: "category" if name == "target" else "number" for name in cancer.columns
    }
    table = []
    for name, data, kinds, n_reference, sizes, n_repeats in (
        ("flights, shuffled", rows, FEATURE_KINDS, 20_000, SIZES, 20),
        ("breast cancer", cancer, cancer_kinds, 400, (100,), 200),
    ):
        ours: dict[int, list[bool]] = {size: [] for size in sizes}
        theirs: dict[int, list[bool]] = {size: [] for size in sizes}
        for repeat in range(n_repeats):
            shuffled = data.sample(fraction=1, shuffle=True, seed=repeat)
            reference, others = shuffled.head(n_reference), shuffled[n_reference:]
            calibration = calibrate(reference, kinds, None, seed=repeat)
            pandas = reference.select(list(kinds)).to_pandas()
            for size in sizes:
                windows = [others.sample(size, seed=draw) for draw in range(200 // n_repeats)]
                ours[size] += [bool(alarmed(calibration, window, timed=False)) for window in windows]
                flags = evidently_flags(pandas, windows[0].select(list(kinds)).to_pandas(), kinds)
                theirs[size].append(bool(flags))
        table += [
            [name, len(kinds), s, len(ours[s]), percent(ours[s]), len(theirs[s]), percent(theirs[s])]
            for s in sizes
        ]
    print("\n## Without time\n")
    show(["data", "columns", "rows", "draws", "alarm", "draws for Evidently", "Evidently: any column"], table)


def faults(folds: Sequence[Fold], n_windows: int) -> None:
    """How often a fault in a column raises that column's alarm."""
    rng = np.random.default_rng(0)

    def shifted(name: str) -> Callable[[pl.Series, Reference], pl.Series]:
        return lambda values, reference: values + 0.3 * reference.std

    def swapped(level: float) -> Callable[[pl.Series, Reference], pl.Series]:
        def swap(values: pl.Series, reference: Reference) -> pl.Series:
            first, other = reference.levels[0], reference.levels[round(level * (len(reference.levels) - 1))]
            return values.replace({first: other, other: first})

        return swap

    def more_nulls(values: pl.Series, reference: Reference) -> pl.Series:
        rate = float(reference.summary.missing_share)
        gone = pl.Series(rng.random(len(values)) < rate / (1 - rate))
        return pl.select(pl.when(~gone).then(values)).to_series()

    tried: list[tuple[str, str, Callable[[pl.Series, Reference], pl.Series]]] = [
        ("miles to km", "distance", lambda values, _: values * MILES_IN_KM),
        *((f"most frequent level and {words} swapped", name, swapped(level))
          for name in CATEGORIES for words, level in (("the median", 0.5), ("the rarest", 1.0))),
        *(("null rate doubled", name, more_nulls) for name in ("dest_latitude", "wind_dir", "pressure")),
        *(("mean shifted by 0.3 sd", name, shifted(name)) for name in NUMBERS[:6]),
    ]  # fmt: skip
    table = []
    for fault, name, change in tried:
        found = []
        for size in (300, 1_000, 3_000):
            hits = [
                name
                in one_column(fold, name, change(days(window)[name], fold.calibration.references[name]), size)
                for fold in folds
                for window in fold.windows(size, n_windows)
            ]
            found.append(percent(hits))
        table.append([fault, name, *found])
    print("\n## Faults found\n")
    show(["fault", "column", "300 rows", "1,000 rows", "3,000 rows"], table)


def days(window: pl.DataFrame) -> pl.DataFrame:
    """The whole days of a window, which is what its scores are of."""
    return window[whole_days(window[TIME]) :]


def one_column(fold: Fold, name: str, values: pl.Series, n_rows: int) -> set[str]:
    found = alarms(fold.calibration, n_rows, {name: fold.calibration.references[name].drift(values)})
    return {finding.column for finding in found if finding.alarm}


def smallest(folds: Sequence[Fold], n_windows: int) -> None:
    """The smallest shift and the smallest share of further nulls that 95 % of windows show, by column."""
    rng = np.random.default_rng(0)
    table = []
    for name in (*NUMBERS, *CATEGORIES):
        shifts = [
            "" if name in CATEGORIES else found_from(folds, name, size, n_windows, SHIFTS, shift)
            for size in SIZES[1:]
        ]
        holes = found_from(folds, name, 1_000, n_windows, NULLS, lambda v, share, _: nulled(v, share, rng))
        table.append([name, moves(folds[0].reference, name), *shifts, holes])
    print("\n## Smallest change found in 95 % of windows\n")
    show(
        ["column", "sd of daily means", "shift, 300 rows", "1,000", "10,000", "further nulls, 1,000 rows"],
        table,
    )


def shift(values: pl.Series, size: float, reference: Reference) -> pl.Series:
    return values + size * reference.std


def nulled(values: pl.Series, share: float, rng: np.random.Generator) -> pl.Series:
    return pl.select(pl.when(pl.Series(rng.random(len(values)) >= share)).then(values)).to_series()


def found_from(
    folds: Sequence[Fold],
    name: str,
    n_rows: int,
    n_windows: int,
    steps: Sequence[float],
    change: Callable[[pl.Series, float, Reference], pl.Series],
) -> str:
    """The smallest step that alarms in 95 % of windows; shifts are tried up and down."""
    pairs = [(f, days(w)[name]) for f in folds for w in f.windows(n_rows, n_windows)]
    signs = (1, -1) if steps is SHIFTS else (1,)
    for step in steps:
        hits = [
            bool(one_column(f, name, change(values, sign * step, f.calibration.references[name]), n_rows))
            for f, values in pairs
            for sign in signs
        ]
        if np.mean(hits) >= 0.95:
            return f"{step:g}"
    return f"more than {steps[-1]:g}"


def moves(rows: pl.DataFrame, name: str) -> str:
    """How much a number's daily means vary, in its own standard deviations."""
    if name in CATEGORIES:
        return ""
    daily = rows.group_by(pl.col(TIME).dt.offset_by("-5h").dt.date()).agg(pl.col(name).mean())[name]
    return f"{daily.std() / rows[name].std():.2f}"  # type: ignore[operator]


def costs(rows: pl.DataFrame) -> None:
    """Seconds and memory."""
    start = time.perf_counter()
    calibration = calibrate(rows, FEATURE_KINDS, rows[TIME])
    seconds = time.perf_counter() - start
    print("\n## Costs\n")
    print(f"calibrate, {rows.height:,} rows and {len(FEATURE_KINDS)} columns: {seconds:.1f} s")
    print(f"as JSON: {len(str(calibration.as_dict())) / 1e6:.2f} MB")
    many = pl.concat([rows.select(list(FEATURE_KINDS))] * (10_000_000 // rows.height + 1)).head(10_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    drifts(calibration.references, many)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3
    print(f"drifts, {many.height:,} rows: {time.perf_counter() - start:.1f} s; peak grew by {grown:.0f} MB")


def percent(values: object) -> str:
    return f"{np.mean(list(values)):.1%}"  # type: ignore[call-overload]


def most(found: Sequence[set[str]]) -> str:
    counts = pd.Series([name for names in found for name in names], dtype=object).value_counts().head(3)
    return ", ".join(f"{name} {n}" for name, n in counts.items())


def show(head: Sequence[str], table: Sequence[Sequence[object]]) -> None:
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for line in table:
        print(f"| {' | '.join(f'{c:,}' if isinstance(c, int) else str(c) for c in line)} |", flush=True)


if __name__ == "__main__":
    main()
