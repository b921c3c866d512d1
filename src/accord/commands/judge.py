"""`accord judge`: the scorecard of the candidate."""

import argparse

from accord.terminal import say

HELP = "the scorecard of the candidate: a verdict for each team"
ALONE = True


def run(arguments: argparse.Namespace) -> None:
    from accord import pipeline
    from accord.config import lock
    from accord.report import pages, scorecard

    card = pipeline.judged(lock.load())
    pages.write_of_run()
    say(scorecard.as_text(card))
