"""Stage evaluate's work: predictions of every scored split, and what targets.py says of them."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from accord import models
from accord.data import splitting
from accord.evaluation import notices, targets
from accord.features.transform import Transform, load_matrix
from accord.models import loading
from accord.models.trained import MODEL_FILE, baseline_of
from accord.schema.config import Config
from accord.schema.objective import Target
from accord.tasks import registry
from accord.tasks.task import Predicted

BySplit = dict[str, tuple[models.Matrix, models.Matrix]]
"""A target's predictions and its baseline's (n, k), by split."""
Columns = dict[str, dict[str, models.Vector]]
"""A target's predictions as columns by their names, by split."""
IMPORTANCE = "importance"
PLOTS = (*dict.fromkeys(plot.name for task in registry.OWN.values() for plot in task.plots), IMPORTANCE)
"""The plots that dvc.yaml names; tasks of others may bring more."""


@dataclass(frozen=True)
class Evaluated:
    report: dict[str, Any]
    metrics: dict[str, Any]
    """Values alone, for `dvc metrics`."""
    plots: dict[str, dict[str, pl.DataFrame]]
    """Tables by plot, then target, for `dvc plots` and the page."""
    predictions: dict[str, pl.DataFrame]
    """Each column of the targets' predictions, by split, in the order of the split's rows."""

    @property
    def summary(self) -> str:
        parts = []
        for name, target in self.report["targets"].items():
            leading = registry.task(target["task"]).leading.name
            found = target["metrics"]["test"][leading]
            value, baseline = (_in_words(found[side]) for side in ("value", "baseline"))
            parts.append(f"{name} test {leading} {value} (baseline {baseline})")
        said = [f"{notice['target']}: {notice['detail']}" for notice in self.report["notices"]]
        return ", ".join(parts) + "".join(f"; NOTICE: {words}" for words in said)


def _in_words(value: float | None) -> str:
    return "without a value" if value is None else f"{value:.4g}"


def evaluated(
    config: Config, rows: Mapping[str, pl.DataFrame], transform: Transform, features: Path, trained: Path
) -> Evaluated:
    """How good the models are on the scored splits' rows, with derived features."""
    objective, settings = config.objective, config.evaluation
    matrix = {split: load_matrix(features / f"{split}.npy") for split in rows}
    key = config.data.key or ["row_id"]
    blocks = {split: splitting.blocks(frame, key, config.data.time) for split, frame in rows.items()}
    kind = loading.model_class(config.model["_target_"])

    def work(item: tuple[str, Target]) -> tuple[Columns, dict[str, Any], dict[str, pl.DataFrame]]:
        name, target = item
        what = registry.predicted(name, target)
        model = kind.load(trained / name / MODEL_FILE)
        predicted = _predicted(matrix, model, what, trained)
        scored = {
            split: targets.Scored(
                frame,
                targets.outcomes(frame, target.sql, f"objective.targets.{name}.sql"),
                *predicted[split],
                blocks[split],
            )
            for split, frame in rows.items()
        }
        report = targets.evaluate_target(name, target, scored, config.data.slices, settings, config.seed)
        step = max(1, len(matrix["test"]) // settings.n_explained)
        parts = model.contributions(np.asarray(matrix["test"][::step]))
        report["importance"] = targets.importance(parts, [feature.name for feature in transform.features])
        test = scored["test"].part(np.isfinite(scored["test"].y))
        return (
            {split: what.by_column(predictions) for split, (predictions, _) in predicted.items()},
            report,
            {
                **{plot.name: plot.table(test.y, test.p) for plot in what.task.plots},
                IMPORTANCE: pl.DataFrame(report["importance"]),
            },
        )

    with ThreadPoolExecutor(config.engine.workers) as pool:
        done = dict(zip(objective.targets, pool.map(work, objective.targets.items()), strict=True))
    reports = {name: report for name, (_, report, _) in done.items()}
    return Evaluated(
        report={
            "targets": reports,
            "notices": [
                notice for name, report in reports.items() for notice in notices.too_good(name, report)
            ],
            "model": config.model,
            "settings": settings.model_dump(),
        },
        metrics={name: _values(report["metrics"]) for name, report in reports.items()},
        plots={
            plot: {name: found[plot] for name, (_, _, found) in done.items() if plot in found}
            for plot in dict.fromkeys([*PLOTS, *(plot for _, _, found in done.values() for plot in found)])
        },
        predictions={
            split: pl.DataFrame(
                {name: values for columns, _, _ in done.values() for name, values in columns[split].items()}
            )
            for split in rows
        },
    )


def _predicted(
    matrix: Mapping[str, models.Matrix], model: models.Fitted, target: Predicted, trained: Path
) -> BySplit:
    return {
        split: (target.of_raw(model.raw(X)), baseline_of(target, trained, len(X)))
        for split, X in matrix.items()
    }


def write_plots(folder: Path, plots: Mapping[str, Mapping[str, pl.DataFrame]]) -> None:
    """One CSV a target in a folder a plot, empty where no target has that plot."""
    for plot, by_target in plots.items():
        (folder / plot).mkdir(parents=True)
        for target, table in by_target.items():
            table.write_csv(folder / plot / f"{target}.csv")


def _values(metrics: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    return {
        split: {metric: found["value"] for metric, found in table.items()} for split, table in metrics.items()
    }
