"""`accord report`: the pages, written again."""

import argparse

from accord.paths import Paths
from accord.terminal import say

HELP = "write the pages again, from what lies in reports/ and models/"
EXAMPLE = "accord report"


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.report import pages

    say(f"Wrote {', '.join(map(str, pages.write(paths)))}")
