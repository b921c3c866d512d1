"""`accord simulate`: months with several rules of retraining side by side."""

import argparse
from datetime import date

from accord.paths import Paths
from accord.terminal import say

HELP = "play the months after the cutoff with several rules of retraining side by side"
ALONE = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from",
        type=date.fromisoformat,
        dest="begin",
        metavar="DATE",
        help="the first day (default: data.split.cutoff)",
    )
    parser.add_argument(
        "--to",
        type=date.fromisoformat,
        dest="end",
        metavar="DATE",
        help="the day after the last (default: the rows' end)",
    )
    parser.add_argument(
        "--period", default="1mo", metavar="STRETCH", help="how often it is decided (default: %(default)s)"
    )
    parser.add_argument(
        "--policies",
        default="never,always,schedule,drift,quality",
        metavar="NAMES",
        help="options of conf/retraining; the first is what the others are compared with (default: %(default)s)",
    )


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.files import write_json, write_text
    from accord.report import simulation
    from accord.retraining import simulate

    report = simulate.simulate(
        arguments.policies.split(","), arguments.begin, arguments.end, arguments.period, paths
    )
    write_json(paths.simulation, report)
    write_text(paths.simulation_page, simulation.render(report))
    say(simulation.as_text(report), "", f"Wrote {paths.simulation_page} and {paths.simulation}")
