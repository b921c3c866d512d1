"""`accord onboard`: a raw file becomes a data set of the project."""

import argparse
from typing import Any

from accord.paths import Paths
from accord.terminal import say

HELP = "make a data set of a raw file: contract, targets, split and a test, each guess with its reason"
ALONE = True
TYPES = ("integer", "number", "category", "boolean", "datetime")


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
    add("--task", help="what is predicted, such as regression (default: guessed from the target)")
    add("--positive", metavar="VALUE", help="the target's value whose probability is predicted")
    add(
        "--type", action="append", default=[], type=typed, dest="types", metavar="COLUMN=TYPE",
        help=f"{', '.join(TYPES)}, or datetime:FORMAT, such as 'day=datetime:%%d/%%m/%%Y'; may be repeated",
    )  # fmt: skip
    add("--force", action="store_true", help="overwrite the files of a data set of this name")
    add("--no-select", action="store_true", help="write the files, and leave params.yaml as it is")


def typed(word: str) -> tuple[str, dict[str, Any]]:
    """A column of the table, and how it is read."""
    column, equals, kind = word.rpartition("=")
    kind, colon, form = kind.partition(":")
    if not equals or not column or kind not in TYPES or (colon and kind != "datetime"):
        raise argparse.ArgumentTypeError(
            f"{word!r}: expected COLUMN=TYPE with a type of {', '.join(TYPES)}, or COLUMN=datetime:FORMAT"
        )
    return column, {"type": kind, **({"format": form} if form else {})}


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.onboarding import summary
    from accord.onboarding.onboard import Asked, onboard

    asked = Asked(
        arguments.source, arguments.target, arguments.name, arguments.time, arguments.key, arguments.subject, arguments.task,
        arguments.positive, dict(arguments.types), arguments.force, not arguments.no_select,
    )  # fmt: skip
    say(summary.as_text(onboard(asked, paths)))
