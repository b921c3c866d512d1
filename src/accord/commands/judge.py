"""`accord judge`: the scorecard of the candidate."""

import argparse

from accord.commands import Told
from accord.paths import Paths
from accord.terminal import say

HELP = "the scorecard of the candidate: a verdict for each team"
EXAMPLE = "accord judge --json"
TELLS = "accord.promotion.card:Scorecard"
ALONE = True


def run(arguments: argparse.Namespace, paths: Paths) -> Told:
    from accord import pipeline
    from accord.config import lock
    from accord.report import pages, scorecard

    card = pipeline.judged(lock.load(paths), paths)
    pages.write_of_run(paths)
    say(scorecard.as_text(card))
    return Told(card)
