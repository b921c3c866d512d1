"""`accord onboard`: a raw file becomes a data set of the project."""

import argparse
from collections.abc import Callable
from typing import Any

from accord.errors import AccordError
from accord.files import write_text
from accord.onboarding.of_column import OF_COLUMNS
from accord.paths import Paths
from accord.terminal import say

HELP = "make a data set of a raw file: contract, targets, split and a test, each guess with its reason"
ALONE = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "source",
        metavar="SOURCE",
        help="a file, a pattern such as 'rides/*.csv', package://MODULE/FILE or sklearn://NAME",
    )
    add("--target", required=True, metavar="COLUMN", help="the column to predict")
    add("--time", metavar="COLUMN", help="the column with the time of what a row is about")
    add("--key", nargs="+", default=[], metavar="COLUMN", help="the columns that tell rows apart")
    add("--subject", metavar="COLUMN", help="the column that says whom a row is about")
    add("--name", help="of the data set (default: the file's)")
    add("--task", help="what is predicted, such as regression (default: by the target's values)")
    add("--positive", metavar="VALUE", help="the target's value whose probability is predicted")
    for option, (read, what) in OF_COLUMNS.items():
        add(option, action="append", default=[], type=of_column(read), metavar="COLUMN=WORDS", help=what)
    add("--separator", help="of fields in CSV")
    add("--encoding", help="of CSV")
    add("--quote", help="what stands around fields of CSV")
    add(
        "--no-header", action="store_const", const=False, dest="header", help="the first line of CSV is a row"
    )
    add("--force", action="store_true", help="overwrite the files of a data set of this name")
    add("--no-select", action="store_true", help="write the files, and leave params.yaml as it is")


def of_column(read: Callable[[str], Any]) -> Callable[[str], tuple[str, Any]]:
    """Reads COLUMN=WORDS."""

    def column(word: str) -> tuple[str, Any]:
        name, equals, words = word.rpartition("=")
        try:
            return name, read(words if equals else "")
        except AccordError as error:
            raise argparse.ArgumentTypeError(f"{word!r}: {error}") from error

    return column


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.onboarding import summary
    from accord.onboarding.onboard import Asked, onboard
    from accord.report import profile

    given = vars(arguments)
    readings = dict(arguments.type)
    for column, nulls in arguments.nulls:
        readings[column] = {**readings.get(column, {}), "nulls": nulls}
    written = {
        key: given[key] for key in ("separator", "encoding", "quote", "header") if given[key] is not None
    }
    asked = Asked(
        arguments.source, arguments.target, arguments.name, arguments.time, arguments.key, arguments.subject, arguments.task,
        arguments.positive, written, readings, dict(arguments.role), arguments.force, not arguments.no_select,
    )  # fmt: skip
    done = onboard(asked, paths)
    if done.proposal.profile is not None:
        write_text(paths.profile_page, profile.render(done.proposal.profile))
    say(summary.as_text(done), f"Look at the data: {paths.profile_page}")
