"""Stage evaluate's work: predictions of every scored split, and what targets.py says of them."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from accord import models
from accord.data import splitting
from accord.evaluation import notices, targets
from accord.evaluation.evaluated import BesideBaseline, EvaluationReport, TargetReport
from accord.features.transform import Transform, load_matrix
from accord.models import loading
from accord.models.trained import MODEL_FILE, baseline_of, raw_of, settings_of
from accord.schema.config import Config
from accord.tasks import registry

IMPORTANCE = "importance"
PLOTS = (*dict.fromkeys(plot.name for task in registry.OWN.values() for plot in task.plots), IMPORTANCE)
"""The plots that dvc.yaml names; tasks of others may bring more."""


@dataclass(frozen=True)
class Evaluated:
    report: EvaluationReport
    metrics: dict[str, dict[str, dict[str, float | None]]]
    """Values alone by target, split and metric, for `dvc metrics`."""
    plots: dict[str, dict[str, pl.DataFrame]]
    """Tables by plot, then target or column of its predictions, for `dvc plots` and the page."""
    predictions: dict[str, pl.DataFrame]
    """Each column of the targets' predictions, by split, in the order of the split's rows."""

    @property
    def summary(self) -> str:
        parts = []
        for name, target in self.report.targets.items():
            leading = registry.task(target.task).leading.name
            found = target.metrics["test"][leading]
            value, baseline = _in_words(found.value), _in_words(found.baseline)
            parts.append(f"{name} test {leading} {value} (baseline {baseline})")
        said = [f"{notice.target}: {notice.detail}" for notice in self.report.notices]
        return ", ".join(parts) + "".join(f"; NOTICE: {words}" for words in said)


def _in_words(value: float | None) -> str:
    return "without a value" if value is None else f"{value:.4g}"


@dataclass(frozen=True)
class _Given:
    """What all targets share: the scored splits' rows, with derived features, matrices and blocks, and the trained models."""

    config: Config
    rows: Mapping[str, pl.DataFrame]
    matrix: Mapping[str, models.Matrix]
    blocks: Mapping[str, pl.Series]
    features: list[str]
    trained: Path


@dataclass(frozen=True)
class _OfTarget:
    report: TargetReport
    plots: dict[str, dict[str, pl.DataFrame]]
    """Tables by plot, then target or column of its predictions."""
    predictions: dict[str, dict[str, models.Vector]]
    """Columns by their names, by split."""


def evaluated(
    config: Config, rows: Mapping[str, pl.DataFrame], transform: Transform, features: Path, trained: Path
) -> Evaluated:
    """How good the models are on the scored splits' rows, with derived features."""
    matrix = {split: load_matrix(features / f"{split}.npy") for split in rows}
    dealt_by = config.data.dealt_by
    blocks = {split: splitting.blocks(frame, dealt_by, config.data.time) for split, frame in rows.items()}
    given = _Given(config, rows, matrix, blocks, [feature.name for feature in transform.features], trained)
    names = list(config.objective.targets)
    with ThreadPoolExecutor(config.engine.workers) as pool:
        done = dict(zip(names, pool.map(lambda name: _of_target(name, given), names), strict=True))
    reports = {name: one.report for name, one in done.items()}
    noticed = [notice for name, report in reports.items() for notice in notices.too_good(name, report)]
    return Evaluated(
        report=EvaluationReport(
            reports,
            config.model,
            config.evaluation,
            noticed,
            {name: settings_of(trained, name) for name in names},
        ),
        metrics={name: _values(report.metrics) for name, report in reports.items()},
        plots={
            plot: {name: table for one in done.values() for name, table in one.plots.get(plot, {}).items()}
            for plot in dict.fromkeys([*PLOTS, *(plot for one in done.values() for plot in one.plots)])
        },
        predictions={
            split: pl.DataFrame(
                {name: values for one in done.values() for name, values in one.predictions[split].items()}
            )
            for split in rows
        },
    )


def _of_target(name: str, given: _Given) -> _OfTarget:
    config, target = given.config, given.config.objective.targets[name]
    what = registry.predicted(name, target)
    model = loading.model_class(config.model["_target_"]).load(given.trained / name / MODEL_FILE)
    predictions = {
        split: what.of_raw(raw_of(model, X, split, given.trained / name)) for split, X in given.matrix.items()
    }
    scored = {
        split: targets.Scored(
            frame,
            what.task.outcomes(frame, target.sql, f"objective.targets.{name}.sql"),
            predictions[split],
            baseline_of(what, given.trained, frame.height),
            given.blocks[split],
        )
        for split, frame in given.rows.items()
    }
    step = max(1, len(given.matrix["test"]) // config.evaluation.n_explained)
    parts = model.contributions(np.asarray(given.matrix["test"][::step]))
    importance = targets.importance(parts, given.features)
    report = targets.evaluate_target(name, target, scored, importance, config.data.slices, config.evaluation)
    test = scored["test"].part(np.isfinite(scored["test"].y))
    plots = {plot.name: what.plotted(plot, test.y, test.p) for plot in what.task.plots}
    return _OfTarget(
        report,
        {**plots, IMPORTANCE: {name: pl.DataFrame(importance)}},
        {split: what.by_column(values) for split, values in predictions.items()},
    )


def write_plots(folder: Path, plots: Mapping[str, Mapping[str, pl.DataFrame]]) -> None:
    """One CSV a target in a folder a plot, empty where no target has that plot."""
    for plot, by_target in plots.items():
        (folder / plot).mkdir(parents=True)
        for target, table in by_target.items():
            table.write_csv(folder / plot / f"{target}.csv")


def _values(metrics: Mapping[str, Mapping[str, BesideBaseline]]) -> dict[str, dict[str, float | None]]:
    return {
        split: {metric: found.value for metric, found in table.items()} for split, table in metrics.items()
    }
