"""The model card: what a reader outside the team should know of a model, from its manifest and scorecard."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from accord.data.leaks import Suspect
from accord.evaluation.evaluated import TargetReport
from accord.objective.decisions import Aims
from accord.page import markdown, words
from accord.promotion.card import Scorecard
from accord.schema.data import Data


def render(
    manifest: Mapping[str, Any],
    data: Data,
    card: Scorecard,
    objective: Aims,
    targets: Mapping[str, TargetReport],
    leaks: Sequence[Suspect],
) -> str:
    """The card as Markdown."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        finalize=markdown.plain,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": words.number, "code": markdown.code}
    return environment.get_template("model_card.md.j2").render(
        manifest=manifest, data=data, card=card, objective=objective, targets=targets, leaks=leaks
    )
