"""`accord run`: from the selection to a judged candidate and its pages."""

import argparse

from accord.terminal import say

HELP = "select, reproduce the pipeline, package the model, measure and judge it"
WORDS = "group=option, such as model=linear; key=value, such as model.C=0.1; or a preset, such as experiment=quick"
ALONE = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="WORD", help=WORDS)


def run(arguments: argparse.Namespace) -> None:
    from accord import dvc, pipeline
    from accord.config import compose
    from accord.report import measurement, pages, scorecard

    if arguments.words:
        say(*compose.select(arguments.words))
    dvc.reproduce()
    pages.write_of_run()
    candidate = pipeline.candidate()
    pages.write_of_run()
    if candidate.measured is not None:
        say("", measurement.as_text(candidate.measured))
    say("", scorecard.as_text(candidate.card))
    say("", f"Packaged   {candidate.tag}")
    say("Look at    reports/scorecard.html, reports/index.html, reports/model_card.md")
    say("Serve it   make serve")
