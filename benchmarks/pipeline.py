"""What the pipeline costs beside one plain script that does the same work, and what an empty `dvc repro` costs.

    python benchmarks/pipeline.py --runs 3

Cold runs of both alternate, since a machine's speed drifts; figures are medians. Libraries are compiled to bytecode
beforehand, as they are on any machine after their first use.
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

import machine

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = Path(__file__).with_name("plain_script.py")
DVC = [sys.executable, "-m", "dvc"]
LIBRARIES = ("dvc", "polars", "lightgbm", "scikit-learn", "numpy")
SAMPLE_SECONDS = 0.1
EMPTY = """stages:
  empty:
    cmd: cp input output
    deps: [input]
    outs: [output]
"""


@dataclass(frozen=True)
class Cost:
    """What a command and its descendants took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all cores, user and system."""
    largest: float
    """Peak resident memory of the largest process in MB."""
    together: float
    """Peak of the resident memory of all processes at once in MB, sampled; pages that they share count for each."""


def measured(command: Sequence[str], folder: Path, environment: dict[str, str]) -> Cost:
    """The cost of a command run in the folder; ends the program with the command's output if it fails."""
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        sampler = Sampler(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        together = sampler.stop()
        if process.returncode:
            output.seek(0)
            sys.exit(f"{' '.join(command)} failed in {folder}:\n{output.read()}")
    largest = usage.ru_maxrss * 1024 / machine.MEGABYTE
    return Cost(wall, usage.ru_utime + usage.ru_stime, largest, max(together, largest))


class Sampler:
    """Watches how much memory a process and its descendants hold."""

    def __init__(self, pid: int) -> None:
        self.peak, self.done = 0.0, threading.Event()
        self.thread = threading.Thread(target=self._watch, args=(pid,))
        self.thread.start()

    def stop(self) -> float:
        """The highest sum of resident memory seen, in MB."""
        self.done.set()
        self.thread.join()
        return self.peak

    def _watch(self, pid: int) -> None:
        while not self.done.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, machine.resident(pid))


def clone(folder: Path) -> Path:
    """A fresh clone of the project, as it is committed."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


def empty_pipeline(folder: Path) -> Path:
    """A project with one trivial stage."""
    folder.mkdir()
    (folder / "dvc.yaml").write_text(EMPTY)
    (folder / "input").write_text("input\n")
    for command in (["git", "init", "--quiet"], [*DVC, "init", "--quiet"], [*DVC, "repro", "--quiet"]):
        subprocess.run(command, cwd=folder, check=True)
    return folder


def check_same_result(project: Path, output: Path) -> None:
    """Ends the program unless both trained the same trees and found the same metrics: the comparison is fair."""
    ours = json.loads((project / "reports/evaluation.json").read_text())["targets"]
    theirs = json.loads((output / "report.json").read_text())["targets"]
    assert ours.keys() == theirs.keys()
    for name, target in ours.items():
        assert trees(project / "models/trained" / name / "model") == trees(output / f"models/{name}.txt"), (
            name
        )
        found, expected = numbers(target), numbers(theirs[name])
        assert found.keys() == expected.keys(), name
        for key, value in found.items():
            assert abs(value - expected[key]) <= 1e-9 * max(1, abs(value)), (name, key, value, expected[key])


def trees(model: Path) -> str:
    """The trees of a model in LightGBM's text format, without names and parameters."""
    return model.read_text().partition("\nTree=0\n")[2].partition("end of trees")[0]


def numbers(target: dict) -> dict[tuple[str, ...], float]:
    """Every value, bound and baseline of the metrics, by split and by slice."""
    tables = {(split,): table for split, table in target["metrics"].items()}
    tables |= {(part["column"], part["level"]): part["metrics"] for part in target["slices"]}
    return {
        (*where, metric, kind): value
        for where, table in tables.items()
        for metric, found in table.items()
        for kind, value in found.items()
    }


def compare_cold(runs: int, folder: Path, environment: dict[str, str]) -> tuple[dict[str, list[Cost]], Path]:
    """Costs of cold runs of both, and a project whose pipeline has run. The first, uncounted, compiles bytecode."""
    costs: dict[str, list[Cost]] = {"dvc repro": [], "plain script": []}
    for run in range(runs + 1):
        project, output = clone(folder / f"project-{run}"), folder / f"output-{run}"
        # --force, or DVC would skip stage compose, whose output is committed.
        pipeline = measured([*DVC, "repro", "--force"], project, environment)
        script = measured([sys.executable, str(SCRIPT), str(output)], folder, environment)
        check_same_result(project, output)
        if run:
            costs["dvc repro"].append(pipeline)
            costs["plain script"].append(script)
            shutil.rmtree(folder / f"project-{run - 1}")
            print(f"  cold run {run}: pipeline {pipeline.wall:.1f} s, script {script.wall:.1f} s", flush=True)
    return costs, project


def compare_idle(
    runs: int, project: Path, folder: Path, environment: dict[str, str]
) -> dict[str, list[Cost]]:
    """Costs of `dvc repro` with nothing to do, in the project and in one of a single empty stage."""
    projects = {"nothing to do": project, "empty pipeline": empty_pipeline(folder / "empty")}
    costs: dict[str, list[Cost]] = {name: [] for name in projects}
    for run in range(runs + 1):
        for name, place in projects.items():
            cost = measured([*DVC, "repro"], place, environment)
            if run:
                costs[name].append(cost)
    return costs


def show(costs: dict[str, list[Cost]]) -> None:
    """A row each with the medians, and a row of their ratios."""
    print("\n|   | wall s | CPU s | largest process MB | all processes MB |\n|---|---|---|---|---|")
    kinds = ("wall", "cpu", "largest", "together")
    medians = [
        [median(getattr(cost, kind) for cost in several) for kind in kinds] for several in costs.values()
    ]
    for name, (wall, cpu, largest, together) in zip(costs, medians, strict=True):
        print(f"| {name} | {wall:.2f} | {cpu:.2f} | {largest:.0f} | {together:.0f} |")
    ratios = (f"{ours / theirs:.2f}" for ours, theirs in zip(*medians, strict=True))
    print(f"| ratio | {' | '.join(ratios)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each, after one that warms up")
    runs = parser.parse_args().runs
    print(machine.described(LIBRARIES), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # stages run `python`
        environment = {**os.environ, "PATH": binaries, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        cold, project = compare_cold(runs, folder, environment)
        idle = compare_idle(2 * runs, project, folder, environment)
    show(cold)
    show(idle)


if __name__ == "__main__":
    main()
