"""Stage evaluate's work: predictions of every scored split, and what targets.py says of them."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord import models
from accord.data import scored
from accord.data.scored import Columns, RowBlocks, Rows
from accord.engines import mapped, memory
from accord.evaluation import notices, targets
from accord.evaluation.evaluated import BesideBaseline, EvaluationReport, TargetReport
from accord.features.transform import Transform, load_matrix
from accord.models import loading
from accord.models.trained import MODEL_FILE, baseline_of, raw_of, settings_of
from accord.objective import grouping
from accord.schema.config import Config
from accord.schema.objective import Target
from accord.sql.rows import columns_of, evaluate
from accord.tasks import registry
from accord.tasks.task import Predicted

IMPORTANCE = "importance"
MAX_PLOTTED_ROWS = 1_000_000
"""Plots of more rows are of an evenly spread sample."""
PLOTS = (*dict.fromkeys(plot.name for task in registry.OWN.values() for plot in task.plots), IMPORTANCE)
"""The plots that dvc.yaml names; tasks of others may bring more."""


@dataclass(frozen=True)
class Evaluated:
    report: EvaluationReport
    metrics: dict[str, dict[str, dict[str, float | None]]]
    """Values alone by target, split and metric, for `dvc metrics`."""
    plots: dict[str, dict[str, pl.DataFrame]]
    """Tables by plot, then target or column of its predictions, for `dvc plots` and the page."""
    predictions: dict[str, Columns]
    """By split, in the order of the split's rows."""

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
    """What all targets share: the scored splits' rows, matrices and blocks, and the trained models."""

    config: Config
    rows: Mapping[str, Rows]
    matrix: Mapping[str, models.Matrix]
    blocks: Mapping[str, RowBlocks]
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
    config: Config, rows: Mapping[str, Rows], transform: Transform, features: Path, trained: Path
) -> Evaluated:
    """How good the models are on the scored splits' rows."""
    matrix = {split: load_matrix(features / f"{split}.npy") for split in rows}
    blocks = {split: scored.blocks(one, config.data) for split, one in rows.items()}
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
            split: Columns(
                {name: values for one in done.values() for name, values in one.predictions[split].items()}
            )
            for split in rows
        },
    )


def _of_target(name: str, given: _Given) -> _OfTarget:
    config, target = given.config, given.config.objective.targets[name]
    what = registry.predicted(name, target)
    model = loading.model_class(config.model["_target_"]).load(given.trained / name / MODEL_FILE)
    predictions = {split: _predictions(what, model, split, given) for split in given.rows}
    whole = {split: _scored(what, target, predictions[split], split, given) for split in given.rows}
    is_known = {split: np.isfinite(one.y) for split, one in whole.items()}
    known = targets.with_outcome(name, whole)
    step = max(1, len(given.matrix["test"]) // config.evaluation.n_explained)
    parts = model.contributions(np.asarray(given.matrix["test"][::step]))
    importance = targets.importance(parts, given.features)
    report = targets.evaluate_target(
        name,
        target,
        known,
        (_levels(column, given.rows["test"], is_known["test"]) for column in config.data.slices),
        {key: _read(what, target, key, is_known, [*known], given) for key in target.alternatives},
        importance,
        config.evaluation,
    )
    step = -(-len(known["test"].y) // MAX_PLOTTED_ROWS)
    y, p = known["test"].y[::step], known["test"].p[::step]
    plots = {plot.name: what.plotted(plot, y, p) for plot in what.task.plots}
    return _OfTarget(
        report,
        {**plots, IMPORTANCE: {name: pl.DataFrame(importance)}},
        {split: what.by_column(values) for split, values in predictions.items()},
    )


def _predictions(what: Predicted, model: models.Fitted, split: str, given: _Given) -> models.Matrix:
    """A target's predictions (n, k) for a split's rows."""
    rows, X = given.rows[split], given.matrix[split]
    found = mapped.empty(rows.scratch, (rows.n, len(what.columns)))
    most = memory.chunk_rows(rows.engine, X.shape[1])
    for start in range(0, rows.n, most):
        some = slice(start, start + most)
        found[some] = what.of_raw(raw_of(model, X, split, given.trained / what.name, some))
    return found


def _scored(
    what: Predicted, target: Target, predictions: models.Matrix, split: str, given: _Given
) -> targets.Scored:
    """A split's rows, whether or not the target's outcome is known."""
    rows, where = given.rows[split], f"objective.targets.{what.name}.sql"
    return targets.Scored(
        rows.vector(
            columns_of(target.sql, where), lambda frame: what.task.outcomes(frame, target.sql, where)
        ),
        predictions,
        np.broadcast_to(baseline_of(what, given.trained, 1), predictions.shape),
        given.blocks[split],
        rows.scratch,
    )


def _levels(column: str, rows: Rows, keep: NDArray[np.bool_]) -> targets.Levels:
    """The levels of a slice column on the rows to keep (n,)."""
    found = grouping.grouped(rows, column)
    levels = [value for (value,) in found.levels.iter_rows()]
    return targets.Levels(column, levels, mapped.kept(found.number, keep, rows.scratch))


def _read(
    what: Predicted, target: Target, key: str, is_known: Mapping[str, NDArray[np.bool_]], splits: Sequence[str],
    given: _Given,
) -> targets.Read:  # fmt: skip
    """How an alternative reads the known rows of these splits."""
    other, where = target.alternatives[key], f"objective.targets.{what.name}.alternatives.{key}"
    touched = {}
    for split in splits:
        chunks = given.rows[split].chunks(columns_of(other.rows, f"{where}.rows"))
        known = (frame.filter(is_known[split][some]) for some, frame in chunks)
        touched[split] = int(sum(evaluate(frame, other.rows, f"{where}.rows").sum() or 0 for frame in known))
    test, start = given.rows["test"], 0
    outcomes = mapped.empty(test.scratch, int(np.count_nonzero(is_known["test"])))
    for some, frame in test.chunks(columns_of(other.sql, f"{where}.sql")):
        found = what.task.outcomes(frame.filter(is_known["test"][some]), other.sql, f"{where}.sql")
        outcomes[start : start + len(found)] = found
        start += len(found)
    return targets.Read(touched, outcomes)


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
