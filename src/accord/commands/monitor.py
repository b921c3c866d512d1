"""`accord monitor`: has the traffic changed, do the models still hold."""

import argparse
from datetime import timedelta

from accord.commands import Told, add_day, positive
from accord.errors import AccordError
from accord.paths import Paths
from accord.terminal import say

HELP = (
    "has the traffic changed, do the models still hold: reports and a decision; exit code 3 tells of alarms"
)
EXAMPLE = "accord monitor --from 2013-07-01 --to 2013-07-07"
TELLS = "accord.monitoring.decision:Decision"
QUIET, ALARM = 0, 3
"""Exit codes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_day(parser, "--from", "begin", "the first day, such as 2013-07-01")
    add_day(parser, "--to", "end", "the last day, included")
    parser.add_argument(
        "--rows",
        type=positive(int),
        metavar="N",
        help="the latest rows (default: monitoring.window of the config)",
    )
    parser.add_argument(
        "--no-reports", action="store_true", help="decide, without Evidently's reports, which take longer"
    )


def run(arguments: argparse.Namespace, paths: Paths) -> Told:
    from accord.config import lock
    from accord.monitoring import window
    from accord.report import monitoring

    begin, end, n_rows = arguments.begin, arguments.end, arguments.rows
    if n_rows is not None and (begin or end):
        raise AccordError("--rows counts back from the latest row; expected it without --from and --to")
    if begin and end and begin > end:
        raise AccordError(f"--from {begin} is after --to {end}; turn them round")
    asked = window.Asked(begin, None if end is None else end + timedelta(days=1), n_rows)
    decision, folder, said = window.monitor(
        lock.load(paths), asked, monitoring.render, not arguments.no_reports, paths
    )
    say(monitoring.as_text(decision), "", *said, f"Wrote {folder}/index.html and {paths.decision}")
    return Told(decision, ALARM if decision.alarms else QUIET)
