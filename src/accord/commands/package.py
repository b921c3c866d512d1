"""`accord package`: models/bundle as a Bento."""

import argparse

from accord.terminal import say

HELP = "build the Bento of models/bundle, unless it exists"
ALONE = True


def run(arguments: argparse.Namespace) -> None:
    from accord.config import lock
    from accord.paths import BUNDLE
    from accord.serving import bento

    say(bento.package(BUNDLE, lock.load().serving))
