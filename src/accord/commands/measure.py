"""`accord measure`: the figures of the packaged service."""

import argparse

from accord.commands import Told
from accord.paths import Paths
from accord.terminal import say

HELP = "latency, throughput, memory and cost of the packaged service, champion beside candidate"
EXAMPLE = "accord measure"
TELLS = "accord.driving.measure:Measurement"
ALONE = True


def run(arguments: argparse.Namespace, paths: Paths) -> Told:
    from accord.config import lock
    from accord.driving import measure
    from accord.report import measurement

    config = lock.load(paths)
    measured = measure.measure(config, paths)
    say(measurement.as_text(measured))
    return Told(measured)
