"""`accord retrain`: a new model if the rule says so, promoted if it is better."""

import argparse
from typing import TYPE_CHECKING

from accord.commands import Told, add_day
from accord.paths import Paths
from accord.terminal import Lines, lines, say

if TYPE_CHECKING:
    from accord.retraining.decision_log import Line

HELP = "train anew if the rule says so, judge the model, promote it if it is better"
EXAMPLE = "accord retrain --now"
TELLS = "accord.retraining.decision_log:Line"
ALONE = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--now", action="store_true", help="whatever the rule says")
    does = "the day before which the new rows end (default: where the window of accord monitor ends)"
    add_day(parser, "--cutoff", "cutoff", does)


def run(arguments: argparse.Namespace, paths: Paths) -> Told:
    from accord.files import read_as
    from accord.promotion.card import Scorecard
    from accord.report import pages, scorecard
    from accord.retraining import decision_log, retrain

    record = retrain.retrain(arguments.now, arguments.cutoff, paths)
    if record.action != decision_log.KEPT:
        pages.write_of_run(paths)
        say(scorecard.as_text(read_as(paths.scorecard, Scorecard)), "")
    say(as_text(record, paths))
    return Told(record)


def as_text(record: "Line", paths: Paths) -> Lines:
    """What was decided and why, for a terminal."""
    from accord.retraining import decision_log

    if record.action == decision_log.KEPT:
        return lines([f"Not trained: {record.reason}"])
    said = [f"Trained: {record.reason}"]
    if record.action == decision_log.PROMOTED:
        said.append(f"{record.candidate} is the champion: {'; '.join(record.outcome or [])}")
    else:
        said += [f"{record.candidate} is refused, the champion stays:", *(f"  - {r}" for r in record.outcome or [])]  # fmt: skip
    changed = " ".join(str(paths.root / name) for name in ("data", "models", "*.yaml", "dvc.lock"))
    return lines([*said, f"Commit it: git add --all {changed} && git commit"])
