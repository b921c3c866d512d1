"""The pipeline as the commands run it: `dvc repro`, and what comes after it and stays out of the DAG."""

from typing import Any

from accord import dvc, judging, paths, terminal
from accord.config import lock
from accord.config.schema import Objective
from accord.objective.teams import MEASURED


def candidate() -> tuple[str, dict[str, Any]]:
    """Makes the candidate of what params.yaml selects, measures it if a team asks for that, and judges it; its Bento's
    tag and the scorecard. Tells what it does."""
    from accord.report import pages
    from accord.serving import measuring, packaging

    dvc.reproduce()
    pages.write_of_run()
    config = lock.load()
    tag = packaging.package(paths.BUNDLE, config.serving)
    terminal.say("")
    if asks_for_measuring(config.objective):
        terminal.say(measuring.as_text(measuring.measure(config.serving)), "")
    card = judging.judge_candidate(config)
    pages.write_of_run()
    terminal.say(judging.as_text(card))
    return tag, card


def asks_for_measuring(objective: Objective) -> bool:
    """Whether a team's metric is about the running service."""
    return any(metric.builtin in MEASURED for metric in objective.metrics.values())
