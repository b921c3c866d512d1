"""`accord promote`: makes the candidate the champion."""

import argparse

from accord.commands import Told
from accord.paths import Paths
from accord.terminal import say

HELP = "make the candidate the champion if the verdict allows"
EXAMPLE = "accord promote --reason 'the first model'"
TELLS = "accord.promotion.releases:Release"
ALONE = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reason", help="promote against the verdict, or without one, for this reason, which is kept"
    )
    parser.add_argument("--commit", action="store_true", help="commit it, with what the model was made from")


def run(arguments: argparse.Namespace, paths: Paths) -> Told:
    from accord.bundle.bundle import load_bundle
    from accord.config import lock
    from accord.files import read_as
    from accord.promotion import data_sets, releases
    from accord.promotion.card import Scorecard

    before = ""
    record = releases.uncommitted("promote", paths) if arguments.commit else None
    if record is None or record.model_id != load_bundle(paths.bundle).model_id:
        selected = lock.load(paths).data.name
        data_sets.check_candidate(selected, paths)
        before = data_sets.other_champion(selected, paths)
        card = read_as(paths.scorecard, Scorecard) if paths.scorecard.exists() else None
        record = releases.promote(card, arguments.reason, paths, arguments.commit)
    if before:
        say(f"{before}; it is replaced all the same")
    say(f"{record.model_id} is the champion: {record.reason}")
    if not arguments.commit:
        say("Commit it, with what it was made from: accord promote --commit")
        return Told(record)
    left_out = releases.commit_promotion(record, paths)
    say("Committed, with what it was made from", *([left_out] if left_out else []))
    return Told(record)
