"""`accord explain`: one prediction of the service's log, from what, by what, and why."""

import argparse

from accord.paths import Paths
from accord.terminal import say

HELP = "one prediction of the service's log: from what, by what, and why"
EXAMPLE = "accord explain PREDICTION_ID"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prediction_id", metavar="PREDICTION_ID", help="as the service answered it")
    parser.add_argument(
        "--all", action="store_true", help="every feature's contribution, not the largest only"
    )


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.config import lock
    from accord.monitoring import explain
    from accord.report import explanation

    explained = explain.explain(arguments.prediction_id, lock.load(paths).serving.traffic, paths)
    say(explanation.as_text(explained, paths, arguments.all))
