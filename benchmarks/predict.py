"""`accord predict`, Parquet to Parquet, beside LightGBM's own predict on a matrix that is ready in memory.

    python benchmarks/predict.py --rows 10_000_000 --rounds 3

The rows are the flights of data/valid, over and over, a file per month or all in one, so `accord run` comes first. "accord" is the
whole command: it reads, checks the contract, makes the matrix, predicts both targets, plays the policy and writes. "LightGBM" is
`Booster.predict` of both targets' boosters alone, with a thread per core. They take turns, since a machine's speed drifts, and each is a process
of its own. Rows a second are of wall time, and beside it of processor time, which other programs on the machine disturb less.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import lightgbm
import machine
import numpy as np
import polars as pl

from accord.bundle.bundle import load_bundle
from accord.data import partitions
from accord.paths import Paths

ROOT = Path(__file__).resolve().parents[1]
PATHS = Paths(ROOT)
LIBRARIES = ("lightgbm", "polars", "numpy")
SAMPLE_SECONDS = 0.015
TARGET = 0.85


@dataclass(frozen=True)
class Cost:
    """What the rows took."""

    wall: float
    cpu: float
    anonymous: float
    """Peak anonymous memory of all processes at once in MB."""


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=10_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--one-file", action="store_true", help="all rows in one file, not a file per month")
    options.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.peer:
        print(json.dumps(ready_matrix(arguments.rows)))
        return
    print(machine.described(LIBRARIES))
    with tempfile.TemporaryDirectory(dir=PATHS.own) as name:
        folder = Path(name)
        n_rows, source = rows(arguments.rows, folder / "rows", arguments.one_file)
        rounds = [(accord(source, folder / "out"), peer(n_rows)) for _ in range(arguments.rounds)]
    show(n_rows, rounds)


def rows(n_rows: int, folder: Path, is_one: bool) -> tuple[int, Path]:
    """As many flights, or some more, in the order of time; where they are."""
    folder.mkdir()
    months, found = partitions.files(PATHS.valid), 0
    while found < n_rows:
        for month in months:
            file = folder / f"{found:012}-{month.name}"
            shutil.copyfile(month, file)
            found += int(pl.scan_parquet(file).select(pl.len()).collect().item())
            if found >= n_rows:
                break
    if not is_one:
        return found, folder
    whole = folder.with_suffix(".parquet")
    pl.scan_parquet(folder / "*.parquet").sink_parquet(whole)
    shutil.rmtree(folder)
    return found, whole


def accord(source: Path, output: Path) -> Cost:
    output = output.with_suffix(source.suffix)
    program = Path(sys.executable).with_name("accord")
    try:
        return measured([str(program), "predict", str(source), str(output)])
    finally:
        shutil.rmtree(output) if output.is_dir() else output.unlink(missing_ok=True)


def measured(command: Sequence[str]) -> Cost:
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    peak = [0.0]

    def watch() -> None:
        while machine.is_running(process.pid):
            peak[0] = max(peak[0], machine.anonymous(process.pid))
            time.sleep(SAMPLE_SECONDS)

    watching = threading.Thread(target=watch)
    watching.start()
    watching.join()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status:
        sys.exit(f"{' '.join(command)} failed")
    return Cost(wall, usage.ru_utime + usage.ru_stime, peak[0])


def peer(n_rows: int) -> Cost:
    command = [sys.executable, str(Path(__file__)), "--peer", "--rows", str(n_rows)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def ready_matrix(n_rows: int) -> dict[str, float]:
    """What LightGBM takes for a matrix of so many rows, of which nothing else is measured."""
    flights = load_bundle(PATHS.bundle).transform.matrix(partitions.read(PATHS.valid))
    matrix = np.resize(flights, (n_rows, flights.shape[1]))
    del flights
    boosters = [
        lightgbm.Booster(model_file=str(file)) for file in sorted((PATHS.bundle / "models").iterdir())
    ]
    before, start = os.times(), time.perf_counter()
    for booster in boosters:
        booster.predict(matrix, num_threads=os.cpu_count())
    wall, after = time.perf_counter() - start, os.times()
    cpu = after.user + after.system - before.user - before.system
    return {"wall": wall, "cpu": cpu, "anonymous": machine.anonymous(os.getpid())}


def show(n_rows: int, rounds: Sequence[tuple[Cost, Cost]]) -> None:
    print(f"{n_rows:,} rows, {len(rounds)} rounds, medians\n")
    print("| | wall s | rows per second | processor s | rows per processor second | peak anonymous MB |")
    print("|---|---|---|---|---|---|")
    for name, costs in (("accord predict", [a for a, _ in rounds]), ("LightGBM", [b for _, b in rounds])):
        wall, cpu = median(cost.wall for cost in costs), median(cost.cpu for cost in costs)
        memory = median(cost.anonymous for cost in costs)
        print(
            f"| {name} | {wall:.1f} | {n_rows / wall:,.0f} | {cpu:.1f} | {n_rows / cpu:,.0f} | {memory:,.0f} |"
        )
    by_wall, by_cpu = (
        median(getattr(b, kind) / getattr(a, kind) for a, b in rounds) for kind in ("wall", "cpu")
    )
    print(f"| ratio | | {by_wall:.2f} | | {by_cpu:.2f} | |\n")
    print(f"target: at least {TARGET} by wall time: {'met' if by_wall >= TARGET else 'MISSED'}")


if __name__ == "__main__":
    main()
