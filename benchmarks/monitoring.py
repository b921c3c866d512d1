"""Prints what a decision on a window of traffic takes, beside Evidently's drift alone on the same rows and columns.

    python benchmarks/monitoring.py --rows 100000,1000000,10000000

Rows are drawn from the flights after the cutoff, with the outcomes that they had, and answered by the bundle; so `dvc repro`
comes first. Each measurement is a process of its own. Ours is all of `decide`: drift of features, predictions and targets,
means, metrics of models and teams, slices, skew. Evidently's is DataDriftPreset by the same two tests over the features, from the
same file, and its scores must be ours.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import machine
import polars as pl

from accord.bundle.bundle import load_bundle
from accord.config import lock
from accord.data import partitions
from accord.expectation import expectation
from accord.expectation.calibration import whole_days
from accord.monitoring.columns import DriftRow
from accord.paths import Paths

PATHS = Paths(Path())
CHUNK_ROWS = 500_000
TESTS = {"wasserstein", "jensenshannon"}
GIVEN_UP_S = 900
LIBRARIES = ("polars", "evidently", "pandas", "numpy", "scipy")


def write_window(file: Path, n_rows: int) -> None:
    """So many rows as `traffic.outcomes.labelled` has them, chunk by chunk."""
    bundle = load_bundle(PATHS.bundle)
    rows = partitions.read(PATHS.splits / "future")
    answers = bundle.answer(rows)
    known = pl.DataFrame({
        "latency_us": pl.repeat(500, rows.height, eager=True), "model": pl.repeat(bundle.model_id, rows.height, eager=True),
        **{f"predicted|{name}": answers[name] for name in bundle.targets},
        **{name: answers[name] for name in ("score", "action") if name in answers},
        **{f"row|{name}": rows[name] for name in [*bundle.columns, *bundle.context]},
        **{f"outcome|{name}": rows[name] for name in bundle.outcomes},
    })  # fmt: skip
    begin = datetime(2026, 1, 1, tzinfo=UTC)

    def chunk(at: int) -> pl.LazyFrame:
        n = min(CHUNK_ROWS, n_rows - at)
        ids = pl.int_range(at, at + n)
        return (
            known.sample(n, with_replacement=True, seed=at)
            .lazy()
            .with_columns(
                prediction_id=ids.cast(pl.String).str.zfill(9),
                at=pl.lit(begin) + pl.duration(milliseconds=ids),
                outcome_at=pl.lit(begin) + pl.duration(milliseconds=ids),
            )
        )

    parts = [file.with_suffix(f".{at}") for at in range(0, n_rows, CHUNK_ROWS)]
    for at, part in zip(range(0, n_rows, CHUNK_ROWS), parts, strict=True):
        chunk(at).sink_parquet(part)
    pl.scan_parquet(parts).sink_parquet(file)
    for part in parts:
        part.unlink()


def ours(file: Path) -> dict[str, float]:
    from accord.monitoring.decision import decide

    bundle, expected = load_bundle(PATHS.bundle), expectation.load(PATHS.bundle)
    found = decide(bundle, expected, pl.scan_parquet(file), lock.load(PATHS).monitoring)
    return {row.column: row.value for row in _distances(found.drift)}


def evidently(file: Path) -> dict[str, float]:
    """Scores by column; the rows are the whole days that a decision is about."""
    import warnings

    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    warnings.simplefilter("ignore")
    bundle, expected = load_bundle(PATHS.bundle), expectation.load(PATHS.bundle)
    references = expected.drift["features"].references
    kinds = {name: r.kind for name, r in references.items() if r.kind != "instant"}
    methods = {name: "wasserstein" if kind == "number" else "jensenshannon" for name, kind in kinds.items()}
    before = [partitions.read(PATHS.splits / split) for split in ("train", "tune", "test", "holdout")]
    past = expectation.with_derived(pl.concat(before), expected.derived)
    current = pl.read_parquet(file, columns=[f"row|{name}" for name in [*bundle.columns, *bundle.context]])
    current = current.rename(lambda name: name.removeprefix("row|"))
    if expected.time is not None:
        current = current.sort(expected.time.event)
        current = current[whole_days(current[expected.time.event]) :]
    current = expectation.with_derived(current, expected.derived)
    sides = [
        side.select(
            pl.col(n).cast(pl.Float64 if kind == "number" else pl.String) for n, kind in kinds.items()
        ).to_pandas()
        for side in (current, past)
    ]
    definition = DataDefinition(
        numerical_columns=[n for n, kind in kinds.items() if kind == "number"],
        categorical_columns=[n for n, kind in kinds.items() if kind == "category"],
    )
    preset = DataDriftPreset(columns=list(kinds), per_column_method=methods)
    snapshot = Report([preset]).run(*(Dataset.from_pandas(side, definition) for side in sides))
    metrics = [m for m in snapshot.dict()["metrics"] if m["metric_name"].startswith("ValueDrift")]
    return {m["config"]["column"]: float(m["value"]) for m in metrics}


WAYS: dict[str, Callable[[Path], dict[str, float]]] = {"ours": ours, "evidently": evidently}


def _distances(drift: list[DriftRow]) -> list[DriftRow]:
    return [row for row in drift if row.group == "features" and row.score in TESTS]


def measured(way: str, file: Path) -> dict[str, Any]:
    """Seconds, megabytes and scores of a process that does it; empty if it does not end well."""
    words = [sys.executable, __file__, "--one", way, "--file", str(file)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=GIVEN_UP_S)
    except subprocess.TimeoutExpired:
        return {"failed": f"not within {GIVEN_UP_S} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return {"failed": lines[-1][:100] if lines else f"killed by signal {-done.returncode}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def one(way: str, file: Path) -> None:
    began = time.perf_counter()
    scores = WAYS[way](file)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / machine.MEGABYTE
    print(json.dumps({"seconds": time.perf_counter() - began, "mb": peak, "scores": scores}))


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rows", default="100000,1000000,10000000", help="sizes of the window, by commas")
    options.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    options.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        one(given.one, given.file)
        return
    print(machine.described(LIBRARIES), flush=True)
    print("\n| rows | | wall s | peak MB | largest difference of a score |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "window.parquet"
        for n_rows in map(int, given.rows.split(",")):
            write_window(file, n_rows)
            found = {way: measured(way, file) for way in WAYS}
            for way, figures in found.items():
                print(f"| {n_rows:,} | {way} | {_cells(figures, found['ours'])} |", flush=True)
            if not any("failed" in figures for figures in found.values()):
                ratios = (found["ours"][key] / found["evidently"][key] for key in ("seconds", "mb"))
                print(f"| {n_rows:,} | ratio | {' | '.join(f'{r:.2f}' for r in ratios)} | |", flush=True)


def _cells(figures: dict[str, Any], ours: dict[str, Any]) -> str:
    if "failed" in figures:
        return f"{figures['failed']} | | "
    scores = figures["scores"]
    apart = [
        abs(value - ours["scores"][name])
        for name, value in scores.items()
        if not math.isnan(value) and name in ours.get("scores", {})
    ]
    same = f"{max(apart):.4f} of {len(apart)} columns" if figures is not ours and apart else ""
    return f"{figures['seconds']:.1f} | {figures['mb']:,.0f} | {same}"


if __name__ == "__main__":
    main()
