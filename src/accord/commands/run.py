"""`accord run`: from the selection to a judged candidate and its pages."""

import argparse

from accord.commands import Told
from accord.paths import Paths
from accord.terminal import say

HELP = "select, reproduce the pipeline, package the model, measure and judge it"
EXAMPLE = "accord run model=linear objective=quality"
TELLS = "accord.promotion.card:Scorecard"
WORDS = "group=option, such as model=linear; key=value, such as model.C=0.1; key= to take one off; or a preset, such as experiment=quick"
ALONE = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="WORD", help=WORDS)
    parser.add_argument(
        "--reset", action="store_true", help="begin with what conf/config.yaml lists, without overrides"
    )


def run(arguments: argparse.Namespace, paths: Paths) -> Told:
    from accord import dvc, pipeline
    from accord.config import compose, selection
    from accord.report import measurement, pages, scorecard

    if arguments.words or arguments.reset:
        say(*compose.select(arguments.words, paths, arguments.reset))
    selection.read(
        paths
    )  # DVC, which reads params.yaml too, names no key that is wrong, and ends with a code of its own
    dvc.reproduce(paths)
    pages.write_of_run(paths)
    candidate = pipeline.candidate(paths)
    pages.write_of_run(paths)
    if candidate.measured is not None:
        say("", measurement.as_text(candidate.measured))
    say("", scorecard.as_text(candidate.card))
    say("", f"Packaged   {candidate.tag}")
    say(f"Look at    {paths.scorecard_page}, {paths.page}, {paths.model_card}")
    say("Serve it   make serve")
    return Told(candidate.card)
