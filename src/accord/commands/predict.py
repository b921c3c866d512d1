"""`accord predict`: reads a file of rows, and writes it with the predictions as further columns."""

import argparse
from pathlib import Path

from accord.paths import Paths
from accord.terminal import say

HELP = "predict a CSV or Parquet file, with the same bits as the service"
EXAMPLE = "accord predict rows.csv predictions.parquet"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input", type=Path, metavar="INPUT", help="rows with the columns of the data contract"
    )
    parser.add_argument(
        "output", type=Path, metavar="OUTPUT", help="the rows with a column per target; .csv or .parquet"
    )
    parser.add_argument(
        "--explain", action="store_true", help="add what each feature contributes, as target|feature"
    )


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.bundle.bundle import load_bundle
    from accord.config import lock
    from accord.predict import predict

    rows = lock.load(paths).data.like_rows(arguments.input)
    n_rows = predict(load_bundle(paths.bundle), rows, arguments.output, arguments.explain)
    say(f"{n_rows:,} rows to {arguments.output}")
