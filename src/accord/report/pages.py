"""Writes the pages from the JSON and the tables that stages and commands have written, as far as these exist."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TypeVar

import polars as pl

from accord.config import lock
from accord.data import accounts
from accord.data.infer.profiled import Profile
from accord.errors import AccordError
from accord.evaluation.evaluated import EvaluationReport
from accord.files import read_as, read_json, write_text
from accord.objective.decisions import DecisionReport
from accord.paths import Paths
from accord.promotion.card import Scorecard
from accord.promotion.experiments import Report
from accord.report import index, model_card, profile, scorecard, simulation, tradeoff
from accord.retraining.simulated import Simulated

V = TypeVar("V")


def write(paths: Paths) -> list[Path]:
    """Writes each page whose figures exist, and returns the pages' paths. Raises AccordError if no figures exist."""
    written = write_of_run(paths)
    if paths.tradeoff.exists():
        write_text(paths.tradeoff_page, tradeoff.render(read_as(paths.tradeoff, Report)))
        written.append(paths.tradeoff_page)
    if paths.simulation.exists():
        write_text(paths.simulation_page, simulation.render(read_as(paths.simulation, Simulated)))
        written.append(paths.simulation_page)
    if paths.profile.exists():
        write_text(paths.profile_page, profile.render(read_as(paths.profile, Profile)))
        written.append(paths.profile_page)
    if not written:
        raise AccordError(
            f"There is nothing to show: {paths.evaluation} is missing. Run the pipeline: accord run"
        )
    return written


def write_of_run(paths: Paths) -> list[Path]:
    """Writes the pages of the last run whose figures exist: the run itself, the scorecard and the model card. Returns the
    pages' paths."""
    if not all(path.exists() for path in (paths.accounting, paths.validation, paths.evaluation, paths.teams)):
        return []
    texts = {paths.page: _of_run(paths)}
    if paths.scorecard.exists():
        data = accounts.read(paths).accounting.data
        texts[paths.scorecard_page] = scorecard.render(read_as(paths.scorecard, Scorecard), data)
    card = _card_of_candidate(paths)
    if card is not None:
        texts[paths.model_card] = _model_card(card, paths)
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def _of_run(paths: Paths) -> str:
    return index.render(
        accounts.read(paths), _evaluation(paths), _decisions(paths), _plots(paths), _made(paths)
    )


def _evaluation(paths: Paths) -> EvaluationReport:
    """The figures, with targets in the order of the config, which is lost in sorted JSON."""
    found = read_as(paths.evaluation, EvaluationReport)
    return replace(found, targets=_ordered(found.targets, lock.load(paths).objective.targets))


def _decisions(paths: Paths) -> DecisionReport:
    """The teams' figures, with metrics in the order of the config."""
    found = read_as(paths.teams, DecisionReport)
    metrics = _ordered(found.objective.metrics, lock.load(paths).objective.metrics)
    return replace(found, objective=replace(found.objective, metrics=metrics))


def _ordered(values: Mapping[str, V], names: Iterable[str]) -> dict[str, V]:
    """The values by name, in the order of the config, then those that the config no longer has."""
    return {name: values[name] for name in dict.fromkeys([*names, *values]) if name in values}


def _plots(paths: Paths) -> dict[str, dict[str, pl.DataFrame]]:
    """The tables of the plots, by plot, then target or column, as text, which classes are and numbers can be read from."""
    return {
        folder.name: {
            file.stem: pl.read_csv(file, infer_schema=False) for file in sorted(folder.glob("*.csv"))
        }
        for folder in sorted(paths.plots.iterdir())
    }


def _made(paths: Paths) -> index.Made | None:
    """The model that the run made, and its verdict once it is judged."""
    if not paths.manifest.exists():
        return None
    card = _card_of_candidate(paths)
    verdict = None if card is None else card.verdict
    return index.Made(read_json(paths.manifest)["model_id"], date.today(), verdict)


def _model_card(card: Scorecard, paths: Paths) -> str:
    data, leaks = lock.load(paths).data, accounts.read(paths).leaks
    objective, targets = _decisions(paths).objective, _evaluation(paths).targets
    return model_card.render(read_json(paths.manifest), data, card, objective, targets, leaks)


def _card_of_candidate(paths: Paths) -> Scorecard | None:
    """The scorecard; None if it doesn't exist, or if it is that of another model than the bundle's."""
    if not (paths.scorecard.exists() and paths.manifest.exists()):
        return None
    card = read_as(paths.scorecard, Scorecard)
    return card if card.candidate == read_json(paths.manifest)["model_id"] else None
