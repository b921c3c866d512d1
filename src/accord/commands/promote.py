"""`accord promote`: the candidate becomes the champion."""

import argparse

from accord.terminal import say

HELP = "make the candidate the champion if the verdict allows"
ALONE = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reason", help="promote against the verdict, or without one, for this reason, which is kept"
    )
    parser.add_argument("--commit", action="store_true", help="commit what it wrote")


def run(arguments: argparse.Namespace) -> None:
    from accord.files import read_json
    from accord.paths import SCORECARD
    from accord.promotion import releases

    record = releases.uncommitted() if arguments.commit else None
    if record is None:
        record = releases.promote(read_json(SCORECARD) if SCORECARD.exists() else None, arguments.reason)
    say(f"{record['model_id']} is the champion: {record['reason']}")
    if not arguments.commit:
        say("Commit it: git add models && git commit")
        return
    releases.commit(f"Promote {record['model_id']}: {record['reason']}")
    say("Committed")
