"""`accord promote`: makes the candidate the champion."""

import argparse

from accord.paths import Paths
from accord.terminal import say

HELP = "make the candidate the champion if the verdict allows"
ALONE = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reason", help="promote against the verdict, or without one, for this reason, which is kept"
    )
    parser.add_argument("--commit", action="store_true", help="commit what it wrote")


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.files import read_as
    from accord.promotion import releases
    from accord.promotion.card import Scorecard

    record = releases.uncommitted(paths) if arguments.commit else None
    if record is None:
        card = read_as(paths.scorecard, Scorecard) if paths.scorecard.exists() else None
        record = releases.promote(card, arguments.reason, paths)
    say(f"{record.model_id} is the champion: {record.reason}")
    if not arguments.commit:
        say(f"Commit it: git add {paths.root / 'models'} && git commit")
        return
    releases.commit(f"Promote {record.model_id}: {record.reason}", paths)
    say("Committed")
