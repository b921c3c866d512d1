"""`accord rollback`: makes an earlier release the champion again."""

import argparse
from pathlib import Path

from accord.commands import Told
from accord.paths import Paths
from accord.terminal import say

HELP = "make an earlier release the champion again"
EXAMPLE = "accord rollback --reason 'complaints'"
TELLS = "accord.promotion.releases:Release"
ALONE = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="the release to go back to (default: the one before)"
    )
    parser.add_argument("--reason", help="why; it is kept")
    parser.add_argument(
        "--commit", action="store_true", help="put back what the model was made from, and commit it"
    )


def resolves(paths: Paths) -> tuple[Path, ...]:
    """The files that may hold a merge's conflict, which this command ends."""
    return (paths.champion,)


def run(arguments: argparse.Namespace, paths: Paths) -> Told:
    from accord.config import lock
    from accord.promotion import data_sets, made_from, releases
    from accord.serving import bento

    record = releases.uncommitted("rollback", paths) if arguments.commit else None
    if record is None or arguments.model not in (None, record.model_id):
        selected = None if arguments.model else lock.load(paths).data.name
        record = releases.rollback(arguments.model, arguments.reason, selected, paths, arguments.commit)
    else:
        made_from.check_restorable(record.model_id, paths)
    left_out = releases.commit_rollback(record, paths) if arguments.commit else ""
    config = lock.load(paths)
    tag = bento.package(releases.restored(record.model_id, paths), config.serving, paths)
    say(f"{record.model_id} is the champion again; a running service takes it up by itself, or serve {tag}")
    if other := data_sets.other_champion(config.data.name, paths):
        say(other)
    if arguments.commit:
        say(
            "Committed, with what it was made from; dvc checkout brings its data and models, accord run makes them"
        )
        if left_out:
            say(left_out)
    else:
        say("What it was made from is put back and committed by: accord rollback --commit")
    return Told(record)
