"""`accord tradeoff`: who wins and who loses as a weight of the policy moves."""

import argparse

from accord.commands import Told
from accord.paths import Paths
from accord.terminal import say

HELP = "who wins and who loses as the policy's weights move"
EXAMPLE = "accord tradeoff --steps 11"
TELLS = "accord.promotion.experiments:Report"
ALONE = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weight", metavar="NAME", help="the weight to move (default: the policy's first)")
    parser.add_argument("--from", type=float, dest="begin", metavar="A", help="its first value (default: 0)")
    parser.add_argument(
        "--to",
        type=float,
        dest="end",
        metavar="B",
        help="its last value (default: 1 if the shipped value is between 0 and 1, else twice that value)",
    )
    parser.add_argument("--steps", type=int, default=21, metavar="N", help="how many values (default: 21)")
    parser.add_argument(
        "--experiments", action="store_true", help="put the workspace and all DVC experiments beside them"
    )


def run(arguments: argparse.Namespace, paths: Paths) -> Told:
    from accord.config import lock
    from accord.files import write_json, write_text
    from accord.promotion import experiments
    from accord.report import tradeoff

    report = experiments.of_candidate(
        lock.load(paths),
        arguments.weight,
        arguments.begin,
        arguments.end,
        arguments.steps,
        arguments.experiments,
        paths,
    )
    write_json(paths.tradeoff, report)
    write_text(paths.tradeoff_page, tradeoff.render(report))
    say(tradeoff.as_text(report), "", f"Wrote {paths.tradeoff_page} and {paths.tradeoff}")
    return Told(report)
