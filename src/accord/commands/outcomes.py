"""`accord outcomes`: logs the outcomes of a file, without a service."""

import argparse
from pathlib import Path

from accord.paths import Paths
from accord.terminal import say

HELP = "log the outcomes of a CSV or Parquet file, without a service"
EXAMPLE = "accord outcomes outcomes.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="rows with prediction_id, or the key's columns, and every outcome column",
    )


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.config import lock
    from accord.serving import intake

    config = lock.load(paths)
    n_outcomes = intake.from_file(arguments.file, paths.traffic, config.data, config.serving)
    say(f"{n_outcomes:,} outcomes to {paths.traffic}")
