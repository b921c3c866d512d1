"""`accord outcomes`: the outcomes of a file into the log, without a service."""

import argparse

from accord.commands import absolute
from accord.terminal import say

HELP = "log the outcomes of a CSV or Parquet file, without a service"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        type=absolute,
        metavar="FILE",
        help="rows with prediction_id, or the key's columns, and every outcome column",
    )


def run(arguments: argparse.Namespace) -> None:
    from accord.config import lock
    from accord.paths import TRAFFIC
    from accord.serving import intake

    config = lock.load()
    n_outcomes = intake.from_file(arguments.file, TRAFFIC, config.data, config.serving)
    say(f"{n_outcomes:,} outcomes to {TRAFFIC}")
