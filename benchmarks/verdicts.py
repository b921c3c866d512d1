"""Are verdicts as sure as they claim? The code's own functions on worlds of which the truth is known; prints tables.

    .venv/bin/python benchmarks/verdicts.py --quick      # minutes; without it, up to an hour
    .venv/bin/python benchmarks/verdicts.py --only coverage

A world is rows on days. What the rows of a day share is a shock, which may last (first-order autoregression with the lag-1
correlation `rho`), have heavy tails (Student's t with 3 degrees of freedom) or meet days of unequal size.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from shipped import shipped

from accord import intervals
from accord.bootstrap import Blocks
from accord.objective import limits, teams
from accord.objective.limits import Figure
from accord.objective.teams import Played
from accord.schema.objective import Metric, Policy, Target

TARGETS = {"late": shipped(Target, task="binary", sql="delay > 0")}
POLICY = shipped(Policy, score="late - 0.3")
LEVEL = 0.95
PER_DAY = 200
N_TRUTH = 1500
"""Days from which the truth is taken."""
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(21)


@dataclass(frozen=True)
class World:
    """How days and rows come about."""

    rho: float = 0.0
    tails: str = "normal"
    """Of the shocks: normal or t3."""
    sizes: str = "equal"
    """Of the days: equal or unequal, a lognormal with sd 0.7."""
    shock: float = 0.5
    """Standard deviation of a day's shock on the log-odds."""
    off: float = 0.0
    """How far predictions are off on the log-odds; at 0 they are calibrated."""
    n_groups: int = 2
    apart: float = 0.0
    """How far the first group's log-odds are above the others'."""
    per_day: int = PER_DAY

    def played(self, n_days: int, rng: np.random.Generator) -> Played:
        """Rows of so many days."""
        sizes = np.full(n_days, self.per_day)
        if self.sizes == "unequal":
            sizes = np.maximum(rng.lognormal(-0.245, 0.7, n_days) * self.per_day, 5).astype(int)
        day = np.repeat(np.arange(n_days), sizes)
        n = len(day)
        group = rng.integers(0, self.n_groups, n)
        x = rng.normal(size=n) - 1.5 + self.apart * (group == 0)
        y = rng.random(n) < sigmoid(x + self.shock * shocks(n_days, self.rho, self.tails, rng)[day])
        p = sigmoid(np.log(1 / (1 / calibrated(x, self.shock) - 1)) + self.off)
        rows = pl.DataFrame({"delay": np.where(y, 1.0, -1.0), "side": np.char.add("g", group.astype(str))})
        return teams.play(rows, TARGETS, POLICY, {"late": p}, {"late": np.full(n, 0.22)}, pl.Series(day))


def shocks(n: int, rho: float, tails: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """Of so many days, each with variance 1."""
    lead = 40
    e = rng.normal(size=n + lead) if tails == "normal" else rng.standard_t(3, n + lead) / np.sqrt(3)
    for i in range(1, n + lead):
        e[i] = rho * e[i - 1] + np.sqrt(1 - rho**2) * e[i]
    return e[lead:]


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-x))


def calibrated(x: NDArray[np.float64], shock: float) -> NDArray[np.float64]:
    """The mean of the outcome over normal shocks."""
    grid = np.linspace(-9, 9, 400)
    return np.interp(x, grid, sigmoid(grid[:, None] + shock * NODES) @ WEIGHTS / WEIGHTS.sum())


def metric(**keys: object) -> Metric:
    return shipped(Metric, team="any", **keys)


METRICS = {
    "mean": metric(sql="AVG(actual_late)", better="lower"),
    "log loss": metric(builtin="log_loss"),
    "AUC": metric(builtin="auc"),
    "gap": metric(sql="AVG(actual_late)", group="side"),
}


def statistic(one: Metric, played: Played) -> teams.Statistic:
    return teams.statistic("one", one, played, TARGETS, POLICY, min_rows=100)


def value(one: Metric, played: Played) -> float:
    return float(statistic(one, played)(np.ones((1, played.n_blocks)))[0])


@dataclass(frozen=True)
class Table:
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        widths = [max(len(row[i]) for row in [self.head, *self.rows]) for i in range(len(self.head))]
        table = [self.head, ["-" * w for w in widths], *self.rows]
        lines = [
            f"| {' | '.join(cell.ljust(w) for cell, w in zip(row, widths, strict=True))} |" for row in table
        ]
        return "\n".join([f"\n### {self.title}\n", *lines])


def seen(world: World, one: Metric, n_days: int, n_worlds: int) -> list[Figure]:
    """The metric with its interval and limits, on so many worlds of this kind."""
    found = []
    for seed in range(n_worlds):
        played = world.played(n_days, np.random.default_rng([seed, n_days]))
        found.append(limits.figure(one, statistic(one, played), played.blocks, LEVEL))
    return found


def truth_of(world: World, one: Metric) -> float:
    return value(one, world.played(N_TRUTH, np.random.default_rng(0)))


def part(found: Sequence[Figure], holds: Callable[[Figure], bool]) -> str:
    """The share of figures of which something holds."""
    return f"{np.mean([holds(one) for one in found]):.3f}"


def coverage(n_worlds: int) -> Table:
    """How often 95 % intervals hold the truth, and how wide they are beside those for independent days."""
    worlds = {
        "independent": World(apart=0.6),
        "rho 0.34": World(rho=0.34, apart=0.6),
        "rho 0.34, t3": World(rho=0.34, tails="t3", apart=0.6),
        "rho 0.34, unequal": World(rho=0.34, sizes="unequal", apart=0.6),
    }
    rows = []
    for name, world in worlds.items():
        whole = world.played(N_TRUTH, np.random.default_rng(0))
        truth = {key: value(one, whole) for key, one in METRICS.items()}
        for n_days in (7, 13, 30, 60):
            cells = {key: np.zeros(3) for key in METRICS}  # held, width, width for independent days
            for seed in range(n_worlds):
                played = world.played(n_days, np.random.default_rng([seed, n_days]))
                for key, one in METRICS.items():
                    made = statistic(one, played)
                    found, alone = (
                        intervals.estimate(made, at, LEVEL) for at in (played.blocks, Blocks(n_days))
                    )
                    held = found.low <= truth[key] <= found.high
                    cells[key] += held, found.high - found.low, alone.high - alone.low
            shown = [f"{held / n_worlds:.3f} ({wide / alone:.2f})" for held, wide, alone in cells.values()]
            rows.append([name, str(n_days), *shown])
    return Table(
        "Coverage of 95 % intervals (their width, by that for independent days)",
        ["days", "n", *METRICS],
        rows,
    )


def calibration(n_worlds: int) -> Table:
    """How often the interval of the calibration error of a calibrated model begins above zero."""
    one, rows = metric(builtin="calibration_error"), []
    for shock, rho in ((0.2, 0.0), (0.5, 0.0), (0.5, 0.34)):
        for n_days in (7, 13, 30, 60):
            found = seen(World(shock=shock, rho=rho), one, n_days, n_worlds)
            rows.append([
                f"{shock:g}", f"{rho:g}", str(n_days), f"{np.mean([f.value for f in found]):.4f}",
                f"{np.mean([f.chance.high for f in found]):.4f}",
                part(found, lambda f: f.low > 0), part(found, lambda f: f.chance.p < 0.05),
            ])  # fmt: skip
    head = ["shock", "rho", "days", "mean value", "chance up to", "above zero", "p < 0.05"]
    return Table("Calibration error of a calibrated model", head, rows)


def hard_limits(n_worlds: int) -> Table:
    """How often a limit of 0.06 on the calibration error is broken by models that keep it, and by one at twice of it."""
    one, rows = metric(builtin="calibration_error", max=0.06), []
    for name, off in (("calibrated", 0.0), ("just at the limit", 0.353), ("twice the limit", 0.72)):
        for n_days in (7, 13, 30, 60):
            world = World(shock=0.2, off=off)
            found = seen(world, one, n_days, n_worlds)
            verdicts = [part(found, lambda f, v=v: f.limits == v) for v in ("broken", "no evidence", "kept")]
            plain = part(found, lambda f: f.value > 0.06)
            rows.append([name, f"{truth_of(world, one):.3f}", str(n_days), *verdicts, plain])
    head = ["model", "truth", "days", "broken", "no evidence", "kept", "value beyond"]
    return Table("Hard limits: a calibration error of at most 0.06", head, rows)


def gaps(n_worlds: int) -> Table:
    """A gap of at most 0.1 between groups of 200 rows that are alike, and where one of them is apart."""
    rows = []
    for n_groups, apart in ((2, 0.0), (5, 0.0), (20, 0.0), (2, 1.17), (5, 1.17), (20, 1.17)):
        for n_days in (13, 30):
            world = World(n_groups=n_groups, apart=apart, per_day=200 * n_groups // n_days, shock=0.3)
            one = metric(sql="AVG(actual_late)", group="side", max=0.1)
            truth, found = truth_of(world, one) if apart else 0.0, seen(world, one, n_days, n_worlds)
            rows.append([
                str(n_groups), str(n_days), f"{truth:.3f}", f"{np.mean([f.value for f in found]):.3f}",
                part(found, lambda f, truth=truth: f.low <= truth <= f.high), part(found, lambda f: f.low > 0),
                part(found, lambda f: f.limits == "broken"), part(found, lambda f: f.value > 0.1),
            ])  # fmt: skip
    head = ["groups", "days", "truth", "mean value", "covered", "above zero", "broken", "value beyond"]
    return Table("Gaps between groups of 200 rows: at most 0.1", head, rows)


SECTIONS: dict[str, tuple[Callable[[int], Table], int, int]] = {
    "coverage": (coverage, 100, 1000),
    "calibration": (calibration, 100, 1000),
    "limits": (hard_limits, 100, 1000),
    "gaps": (gaps, 100, 1000),
}
"""Each section's function, and on how many worlds it draws, quickly and in full."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="on fewer worlds")
    import verdicts_judge  # which import this module
    import verdicts_traffic

    sections = SECTIONS | verdicts_judge.SECTIONS | verdicts_traffic.SECTIONS
    parser.add_argument("--only", choices=sections, nargs="*", help="these sections alone")
    given = parser.parse_args()
    for name in given.only or sections:
        section, quick, full = sections[name]
        n_worlds = quick if given.quick else full
        began = time.monotonic()
        print(section(n_worlds))
        print(f"({n_worlds} worlds, {time.monotonic() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
