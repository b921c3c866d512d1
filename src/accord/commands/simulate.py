"""`accord simulate`: months with several rules of retraining side by side."""

import argparse

from accord.commands import Told, add_day
from accord.paths import Paths
from accord.terminal import say

HELP = "play the months after the cutoff with several rules of retraining side by side"
EXAMPLE = "accord simulate --policies never,quality"
TELLS = "accord.retraining.simulated:Simulated"
ALONE = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_day(parser, "--from", "begin", "the first day (default: data.split.cutoff)")
    add_day(parser, "--to", "end", "the day after the last (default: the rows' end)")
    parser.add_argument(
        "--period", default="1mo", metavar="STRETCH", help="how often it is decided (default: %(default)s)"
    )
    parser.add_argument(
        "--policies",
        default="never,always,schedule,drift,quality",
        metavar="NAMES",
        help="options of conf/retraining; the first is what the others are compared with (default: %(default)s)",
    )


def run(arguments: argparse.Namespace, paths: Paths) -> Told:
    from accord.files import write_json, write_text
    from accord.report import simulation
    from accord.retraining import simulate

    report = simulate.simulate(
        arguments.policies.split(","), arguments.begin, arguments.end, arguments.period, paths
    )
    write_json(paths.simulation, report)
    write_text(paths.simulation_page, simulation.render(report))
    say(simulation.as_text(report), "", f"Wrote {paths.simulation_page} and {paths.simulation}")
    return Told(report)
