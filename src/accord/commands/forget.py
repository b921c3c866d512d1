"""`accord forget`: a person's rows, erased from the log and from batches."""

import argparse
from typing import TYPE_CHECKING

from accord.paths import Paths
from accord.terminal import Lines, lines, say

if TYPE_CHECKING:
    from accord.traffic.forget import Forgotten

HELP = "erase a person's rows from the service's log and from batches"
EXAMPLE = "accord forget N14228"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "key",
        metavar="KEY",
        help="the person's value of data.subject, or a row's key where the config names none",
    )


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.config import lock
    from accord.traffic import forget

    config = lock.load(paths)
    record = forget.forget(paths.traffic, paths.batches, config.serving.traffic, config.data, arguments.key)
    say(as_text(record, paths))


def as_text(record: "Forgotten", paths: Paths) -> Lines:
    from accord.traffic.pii import SECRET_VARIABLE

    rows = record.rows
    places = ", ".join(f"{n} in {place}" for place, n in rows.items() if n)
    said = [f"Forgotten: {places}" if places else "Found no rows of this person"]
    if rows["batches"]:
        said.append(
            f"DVC's cache, its remotes and backups may hold older versions of {paths.batches}: `dvc commit`, then "
            "`dvc gc --workspace --cloud`, and see to the backups"
        )
    if not places:
        said.append(
            f"Where columns are hashed with a secret of the environment's, {SECRET_VARIABLE} must be the service's here too"
        )
    return lines(said)
