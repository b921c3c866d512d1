"""`accord onboard`: a raw file becomes a data set of the project."""

import argparse

from accord.files import write_text
from accord.onboarding.of_column import OF_COLUMNS, of_column
from accord.paths import Paths
from accord.terminal import say

HELP = "make a data set of a raw file: contract, targets, split and a test, each guess with its reason"
EXAMPLE = "accord onboard rides.csv --target fare"
ALONE = True
WRITTEN = ("separator", "encoding", "quote", "header")
"""What the options say of how CSV is written."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "source",
        metavar="SOURCE",
        help="a file, a pattern such as 'rides/*.csv', package://MODULE/FILE or sklearn://NAME",
    )
    one = parser.add_mutually_exclusive_group(required=True)
    one.add_argument("--target", metavar="COLUMN", help="the column to predict")
    one.add_argument(
        "--update",
        action="store_true",
        help="say what a changed file changes in its contract; --force writes that",
    )
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
    add(
        "--no-select",
        action="store_false",
        dest="selects",
        help="write the files, and leave params.yaml as it is",
    )


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.onboarding import onboard, summary, update
    from accord.report import profile

    given = vars(arguments)
    if arguments.update:
        found = update.update(arguments.source, onboard.called(arguments.source, arguments.name), paths)
        if arguments.force:
            update.write(found, paths)
        return say(update.as_text(found, arguments.force))
    readings = dict(arguments.type)
    for column, nulls in arguments.nulls:
        readings[column] = {**readings.get(column, {}), "nulls": nulls}
    said = ("source", "target", "name", "time", "key", "subject", "task", "positive", "force", "selects")
    asked = onboard.Asked(
        **{name: given[name] for name in said},
        written={name: given[name] for name in WRITTEN if given[name] is not None},
        readings=readings,
        roles=dict(arguments.role),
    )
    done = onboard.onboard(asked, paths)
    if done.proposal.profile is not None:
        write_text(paths.profile_page, profile.render(done.proposal.profile))
    return say(summary.as_text(done), f"Look at the data: {paths.profile_page}")
