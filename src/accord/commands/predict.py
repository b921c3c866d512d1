"""`accord predict`: reads files of rows, and writes them with the predictions as further columns."""

import argparse
from pathlib import Path

from accord.paths import Paths
from accord.terminal import say

HELP = "predict CSV or Parquet files, with the same bits as the service"
EXAMPLE = "accord predict rows.csv predictions.parquet"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input",
        type=Path,
        metavar="INPUT",
        help="rows with the columns of the data contract: a file, a folder of files, or a pattern such as 'rows/*.parquet'",
    )
    parser.add_argument(
        "output",
        type=Path,
        metavar="OUTPUT",
        help="the rows with a column per target: .csv or .parquet; of a folder or a pattern, a folder for a file by each one's name",
    )
    parser.add_argument(
        "--explain", action="store_true", help="add what each feature contributes, as target|feature"
    )


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.bundle.bundle import load_bundle
    from accord.config import lock
    from accord.predict.predict import predict
    from accord.predict.work import Place

    config = lock.load(paths)
    place = Place(paths.bundle, paths.root / config.engine.scratch / "predict", config.engine)
    source = config.data.like_rows(arguments.input)
    n_rows = predict(load_bundle(paths.bundle), source, arguments.output, place, arguments.explain)
    say(f"{n_rows:,} rows to {arguments.output}")
