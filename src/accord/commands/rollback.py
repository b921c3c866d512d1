"""`accord rollback`: makes an earlier release the champion again."""

import argparse
from pathlib import Path

from accord.paths import Paths
from accord.terminal import say

HELP = "make an earlier release the champion again"
ALONE = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="the release to go back to (default: the one before)"
    )
    parser.add_argument("--reason", help="why; it is kept")


def resolves(paths: Paths) -> tuple[Path, ...]:
    """The files that may hold a merge's conflict, which this command ends."""
    return (paths.champion,)


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.config import lock
    from accord.promotion import releases
    from accord.serving import bento

    record = releases.rollback(arguments.model, arguments.reason, paths)
    tag = bento.package(releases.restored(record.model_id, paths), lock.load(paths).serving, paths)
    say(f"{record.model_id} is the champion again; a running service takes it up by itself, or serve {tag}")
