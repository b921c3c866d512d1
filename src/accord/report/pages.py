"""The pages, all written from the JSON and tables that stages and commands left: whatever is there is shown."""

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from accord import paths
from accord.config import lock
from accord.errors import AccordError
from accord.files import read_json, write_text
from accord.report import index, model_card, scorecard, simulation, tradeoff

MANIFEST = paths.BUNDLE / "manifest.json"


def write() -> list[Path]:
    """Writes each page whose figures are there; their paths. Raises AccordError if there are none at all."""
    written = write_of_run()
    for figures, path, render in (
        (paths.TRADEOFF, paths.TRADEOFF_PAGE, tradeoff.render),
        (paths.SIMULATION, paths.SIMULATION_PAGE, simulation.render),
    ):
        if figures.exists():
            write_text(path, render(read_json(figures)))
            written.append(path)
    if not written:
        raise AccordError(
            f"There is nothing to show: {paths.EVALUATION} is missing. Run the pipeline: accord run"
        )
    return written


def write_of_run() -> list[Path]:
    """Writes the pages of the last run: the run itself, the scorecard, the model card; the paths of those whose figures
    are there."""
    if not all(path.exists() for path in (paths.ACCOUNTING, paths.VALIDATION, paths.EVALUATION, paths.TEAMS)):
        return []
    texts = {paths.PAGE: _of_run()}
    if paths.SCORECARD.exists():
        texts[paths.SCORECARD_PAGE] = scorecard.render(
            read_json(paths.SCORECARD), read_json(paths.ACCOUNTING)["data"]
        )
    card = _card_of_candidate()
    if card is not None:
        texts[paths.MODEL_CARD] = _model_card(card)
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def _of_run() -> str:
    report = {"accounting": read_json(paths.ACCOUNTING), "validation": read_json(paths.VALIDATION)}
    return index.render({**report, "evaluation": _evaluation()}, _plots(), _made())


def _evaluation() -> dict[str, Any]:
    """The figures, with targets and metrics in the order of the config, which sorted JSON has lost."""
    found, wanted = {**read_json(paths.EVALUATION), **read_json(paths.TEAMS)}, lock.load().objective
    objective = {**found["objective"], "metrics": _ordered(found["objective"]["metrics"], wanted.metrics)}
    return {**found, "targets": _ordered(found["targets"], wanted.targets), "objective": objective}


def _ordered(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The values by name, those named first; the config may have gone on since."""
    return {name: values[name] for name in dict.fromkeys([*names, *values]) if name in values}


def _plots() -> dict[str, dict[str, pl.DataFrame]]:
    """The tables of the plots, by plot, then target."""
    return {
        folder.name: {file.stem: pl.read_csv(file) for file in sorted(folder.glob("*.csv"))}
        for folder in sorted(paths.PLOTS.iterdir())
    }


def _made() -> dict[str, Any] | None:
    """The model that the run made, and its verdict once it is judged."""
    if not MANIFEST.exists():
        return None
    card = _card_of_candidate()
    verdict = None if card is None else card["verdict"]
    return {"model_id": read_json(MANIFEST)["model_id"], "on": date.today().isoformat(), "verdict": verdict}


def _model_card(card: dict[str, Any]) -> str:
    data = lock.load().data.model_dump(include={"name", "description"})
    leaks = [*read_json(paths.VALIDATION)["leaks"], *read_json(paths.ACCOUNTING)["leaks"]]
    return model_card.render(read_json(MANIFEST), data, card, _evaluation(), leaks)


def _card_of_candidate() -> dict[str, Any] | None:
    """The scorecard; None if there is none, or if it is of another model than the bundle's."""
    if not (paths.SCORECARD.exists() and MANIFEST.exists()):
        return None
    card: dict[str, Any] = read_json(paths.SCORECARD)
    return card if card["candidate"] == read_json(MANIFEST)["model_id"] else None
