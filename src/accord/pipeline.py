"""What comes after `dvc repro` and stays out of the DAG: the candidate packaged, measured and judged."""

from typing import TYPE_CHECKING, NamedTuple

from accord.bundle.bundle import load_bundle
from accord.config import lock
from accord.objective.teams import MEASURED
from accord.paths import Paths
from accord.promotion import data_sets, pairs, releases, tries
from accord.promotion.card import Scorecard
from accord.schema.config import Config
from accord.schema.objective import Objective

if TYPE_CHECKING:
    from accord.driving.measure import Measurement


class Candidate(NamedTuple):
    tag: str
    """The tag of its Bento."""
    measured: "Measurement | None"
    """The figures of the running service; None if no team asks for them."""
    card: Scorecard


def candidate(paths: Paths) -> Candidate:
    """Packages, measures and judges what the pipeline has made."""
    from accord.driving import measure
    from accord.serving import bento

    config = lock.load(paths)
    tag = bento.package(paths.bundle, config.serving, paths)
    measured = measure.measure(config, paths) if asks_for_measuring(config.objective) else None
    return Candidate(tag, measured, judged(config, paths))


def judged(config: Config, paths: Paths) -> Scorecard:
    """Judges models/bundle with the last figures of its service, writes the scorecard, counts the try, and returns the
    scorecard. Raises AccordError if no bundle of the selected data set exists."""
    from accord.driving import measure

    data_sets.check_candidate(config.data.name, paths)
    made = load_bundle(paths.bundle)
    measured = measure.measured_for(made.model_id, releases.champion_id(paths), paths)
    card = pairs.judge_candidate(config, made, measured, paths)
    if card.attempt is not None and not card.attempt.is_question:
        tries.begin(card.attempt, paths)
    return card


def asks_for_measuring(objective: Objective) -> bool:
    """Whether a team has a metric of the running service."""
    return any(metric.builtin in MEASURED for metric in objective.metrics.values())
