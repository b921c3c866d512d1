"""Sections of verdicts.py on traffic: what monitoring says of windows of which the truth is known, beside Evidently and NannyML's method.

Evidently is run as it comes: each column's default test and threshold, dataset drift from half of the columns on. NannyML's CBPE is
computed as published (Bialek, Kuberski, Perrakis & Bifet 2024): probabilities calibrated on the reference by isotonic regression,
and the expected metric of a chunk alarms beyond three standard errors of the reference's chunks.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from verdicts import LEVEL, TARGETS, Table, World

from accord.monitoring import quality


def live(n_worlds: int) -> Table:
    """How often metrics of outcomes alarm, in windows like test and in those where log-odds are higher than predicted."""
    worlds = {
        "independent": World(),
        "rho 0.34": World(rho=0.34),
        "rho 0.34, t3": World(rho=0.34, tails="t3"),
        "rho 0.34, unequal": World(rho=0.34, sizes="unequal"),
    }
    rows = []
    for name, world in worlds.items():
        for n_test, n_days in ((13, 31), (30, 30), (60, 30)):
            alarms = {0.0: 0, 0.5: 0, 1.0: 0}
            for seed in range(n_worlds):
                test = world.played(n_test, np.random.default_rng([seed, n_test]))
                for worse in alarms:
                    rng = np.random.default_rng([seed, n_days, 7])
                    window = replace(world, off=-worse).played(n_days, rng)
                    watched = quality.metrics_of(TARGETS, window)
                    judged = quality.judge(watched, test, window.rows.height, n_days, LEVEL, seed=0)
                    alarms[worse] += any(one.alarm for one in judged.values())
            rows.append([name, str(n_test), str(n_days), *(f"{n / n_worlds:.1%}" for n in alarms.values())])
    head = ["days", "of test", "of the window", "alarms: like test", "0.5 higher", "1.0 higher"]
    return Table("False alarms and power of live metrics (any metric of the target)", head, rows)


SECTIONS: dict[str, tuple[Callable[[int], Table], int, int]] = {
    "live": (live, 60, 600),
}
