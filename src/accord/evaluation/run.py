"""Stage evaluate's work: predictions of every scored split, and what targets.py says of them."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from accord import models
from accord.config.schema import Config, Target
from accord.data import splitting, tables
from accord.evaluation import curves, targets
from accord.evaluation.metrics import METRICS
from accord.expressions import with_derived
from accord.features import Transform, load_matrix
from accord.files import read_json
from accord.models.tasks import prediction
from accord.training import BASELINE, BASELINE_FILE, MODEL_FILE

PLOTS = ("roc", "precision_recall", "calibration", "residuals", "importance")


@dataclass(frozen=True)
class Evaluated:
    report: dict[str, Any]
    metrics: dict[str, Any]
    """Values alone, for `dvc metrics`."""
    plots: dict[str, dict[str, pl.DataFrame]]
    """Tables by plot, then target, for `dvc plots` and the page."""
    predictions: dict[str, pl.DataFrame]
    """A column a target, by split, in the order of the split's rows."""

    @property
    def summary(self) -> str:
        parts = []
        for name, target in self.report["targets"].items():
            leading = METRICS[target["task"]][0].name
            found = target["metrics"]["test"][leading]
            parts.append(f"{name} test {leading} {found['value']:.4g} (baseline {found['baseline']:.4g})")
        return ", ".join(parts)


def evaluate(config: Config, splits: Path, features: Path, trained: Path) -> Evaluated:
    transform = Transform.from_dict(read_json(features / "transform.json"))
    matrix = {split: load_matrix(features / f"{split}.npy") for split in splitting.SCORED}
    rows = {split: _rows(config, splits / split) for split in splitting.SCORED}
    rows = {split: frame for split, frame in rows.items() if frame.height}
    key = config.data.key or ["row_id"]
    blocks = {split: splitting.blocks(frame, key, config.data.time) for split, frame in rows.items()}

    def one(
        item: tuple[str, Target],
    ) -> tuple[dict[str, Any], dict[str, pl.DataFrame], dict[str, models.Vector]]:
        name, target = item
        model = models.model_class(config.model["_target_"]).load(trained / name / MODEL_FILE)
        baseline = models.model_class(BASELINE["_target_"]).load(trained / name / BASELINE_FILE)
        loss, scored, predicted = str(target.loss), {}, {}
        for split, frame in rows.items():
            X = matrix[split]
            predicted[split] = prediction(model.raw(X), loss)
            y = targets.outcomes(frame, target.sql, f"objective.targets.{name}.sql")
            scored[split] = targets.Scored(
                frame, y, predicted[split], prediction(baseline.raw(X), loss), blocks[split]
            )
        report = targets.evaluate_target(
            name, target, scored, config.data.slices, config.evaluation, config.seed
        )
        step = max(1, len(matrix["test"]) // config.evaluation.n_explained)
        parts = model.contributions(np.asarray(matrix["test"][::step]))
        report["importance"] = targets.importance(parts, [feature.name for feature in transform.features])
        test = scored["test"].part(np.isfinite(scored["test"].y))
        plots = curves.curves(test.y, test.p, target.task)
        return report, {**plots, "importance": pl.DataFrame(report["importance"])}, predicted

    with ThreadPoolExecutor(config.engine.workers) as pool:
        results = dict(
            zip(config.objective.targets, pool.map(one, config.objective.targets.items()), strict=True)
        )
    reports = {name: report for name, (report, _, _) in results.items()}
    return Evaluated(
        report={
            "targets": reports,
            "model": config.model,
            "objective": config.objective.name,
            "settings": config.evaluation.model_dump(),
        },
        metrics={name: _values(report["metrics"]) for name, report in reports.items()},
        plots={
            plot: {name: found[plot] for name, (_, found, _) in results.items() if plot in found}
            for plot in PLOTS
        },
        predictions={
            split: pl.DataFrame({name: p[split] for name, (_, _, p) in results.items()}) for split in rows
        },
    )


def write_plots(folder: Path, plots: Mapping[str, Mapping[str, pl.DataFrame]]) -> None:
    """One CSV a target in a folder a plot, empty where no target has that plot."""
    for plot, by_target in plots.items():
        (folder / plot).mkdir(parents=True)
        for target, table in by_target.items():
            table.write_csv(folder / plot / f"{target}.csv")


def _rows(config: Config, folder: Path) -> pl.DataFrame:
    sliced = {name: sql for name, sql in config.data.derived.items() if name in config.data.slices}
    return with_derived(tables.read(folder), sliced)


def _values(metrics: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    return {
        split: {metric: found["value"] for metric, found in table.items()} for split, table in metrics.items()
    }
