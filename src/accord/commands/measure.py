"""`accord measure`: the figures of the packaged service."""

import argparse

from accord.paths import Paths
from accord.terminal import say

HELP = "latency, throughput, memory and cost of the packaged service, champion beside candidate"
ALONE = True


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.config import lock
    from accord.driving import measure
    from accord.report import measurement

    config = lock.load(paths)
    say(measurement.as_text(measure.measure(config, paths)))
