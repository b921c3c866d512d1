"""`accord package`: models/bundle as a Bento."""

import argparse

from accord.paths import Paths
from accord.terminal import say

HELP = "build the Bento of models/bundle, unless it exists"
EXAMPLE = "accord package"
ALONE = True


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.config import lock
    from accord.serving import bento

    say(bento.package(paths.bundle, lock.load(paths).serving, paths))
