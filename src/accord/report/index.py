"""The report page: one file that shows a run, without a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup

from accord.data.accounts import Accounts
from accord.page import charts, words
from accord.page.shell import environment
from accord.tasks.metrics import METRICS

TEMPLATE = "index.html.j2"
MAX_SLICES = 30
MAX_FEATURES = 20
PLOTS = ("roc", "precision_recall", "calibration", "residuals")

Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Made:
    """The model that a run made."""

    model_id: str
    on: date
    """The day of the page."""
    verdict: str | None
    """None until it is judged."""


def render(
    accounts: Accounts, evaluation: Mapping[str, Any], plots: Mapping[str, Tables], made: Made | None = None
) -> str:
    """The page as HTML, from what the stages say, the plots as tables by plot, then target, and the model that was made."""
    accounting = accounts.accounting
    n_rows = {**accounting.splits, "quarantine": accounting.quarantine}
    parts = [(split, n_rows[split]) for split in words.SPLITS]
    targets = [
        target_view(name, target, {plot: tables[name] for plot, tables in plots.items() if name in tables})
        for name, target in evaluation["targets"].items()
    ]
    return environment(Path(__file__).parent).get_template(TEMPLATE).render(
        made=made,
        accounting=accounting,
        validation=accounts.validated,
        leaks=accounts.leaks,
        suspects=accounts.suspects,
        notices=evaluation.get("notices", []),
        parts=parts,
        n_accounted=sum(n_rows for _, n_rows in parts),
        bar=charts.stack(parts, f"{accounting.n_rows:,} rows read, by split"),
        targets=targets,
        blocks="days" if accounting.boundaries else "blocks of rows",
        model_class=evaluation["model"]["_target_"].rpartition(".")[2],
        model=evaluation["model"],
        objective=evaluation["objective"],
        teams=team_rows(evaluation),
        fairness=evaluation["fairness"],
        settings=evaluation["settings"],
    )  # fmt: skip


def team_rows(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a metric that a team wants: its config, its values by split (None where only the running service can tell), and
    whether the value on test keeps its hard limits (None where it has none, or no value)."""
    rows = []
    for name, metric in evaluation["objective"]["metrics"].items():
        values = {split: found[name] for split, found in evaluation["teams"].items() if name in found}
        value = values["test"]["value"] if "test" in values else None
        low, high = metric["min"], metric["max"]
        kept = None
        if value is not None and not low is high is None:
            kept = (low is None or value >= low) and (high is None or value <= high)
        rows.append({**metric, "name": name, "values": values, "kept": kept})
    return rows


def target_view(name: str, target: Mapping[str, Any], tables: Tables) -> dict[str, Any]:
    """What the page shows of one target: the report's own entries, and the charts drawn from them."""
    metrics = [metric.name for metric in METRICS[target["task"]]]
    splits = [split for split in words.SPLITS if split in target["metrics"]]
    by_split = [(split, target["metrics"][split]) for split in splits]
    return {
        **target,
        "name": name,
        "metric_names": metrics,
        "splits": splits,
        "leading": metrics[0],
        "leading_chart": _intervals(by_split, metrics[0], target["unit"], f"{name} by split"),
        "figures": [
            (plot, FIGURES[plot](tables[plot], target, name))
            for plot in PLOTS
            if plot in tables and tables[plot].height
        ],
        "slices": [
            slice_view(column, list(levels), metrics, target["unit"], name)
            for column, levels in groupby(target["slices"], key=lambda row: row["column"])
        ],
        "n_hidden": max(0, len(target["importance"]) - MAX_FEATURES),
        "importance_chart": charts.bars(
            [(row["feature"], row["contribution"]) for row in target["importance"][:MAX_FEATURES]],
            f"{name}: features by mean absolute contribution",
        ),
    }


def slice_view(
    column: str, levels: Sequence[Mapping[str, Any]], metrics: Sequence[str], unit: str | None, name: str
) -> dict[str, Any]:
    """One slice column: its largest levels as a chart, and all of them for the table."""
    levels = [{**row, "level": row["level"] or "(empty)"} for row in levels]
    judged = [row for row in levels if row["metrics"]]
    largest = {row["level"] for row in sorted(judged, key=lambda row: -row["n_rows"])[:MAX_SLICES]}
    drawn = [(row["level"], row["metrics"]) for row in judged if row["level"] in largest]
    return {
        "column": column,
        "levels": levels,
        "metric_names": [metric for metric in metrics if any(metric in row["metrics"] for row in judged)],
        "n_judged": len(judged),
        "n_drawn": len(drawn),
        "chart": _intervals(drawn, metrics[0], unit, f"{name} by {column}"),
        "small": [row for row in levels if not row["metrics"]],
    }


def _intervals(
    rows: Sequence[tuple[str, Mapping[str, Any]]], metric: str, unit: str | None, label: str
) -> Markup | None:
    """A chart of one metric a row, or None where no row knows it."""
    known = [
        charts.Interval(name, **found[metric]) for name, found in rows if found[metric]["value"] is not None
    ]
    title = _with_unit(words.METRIC_WORDS[metric].name, unit if words.METRIC_WORDS[metric].has_unit else None)
    return charts.intervals(known, title, f"{title}, {label}") if known else None


def _roc(table: pl.DataFrame, target: Mapping[str, Any], name: str) -> Markup:
    axis = charts.ticks(0, 1)
    plane = charts.Plane(axis, axis, "false positive rate", "true positive rate", lambda x: x)
    return charts.curve(_points(table), plane, f"ROC curve of {name}")


def _precision_recall(table: pl.DataFrame, target: Mapping[str, Any], name: str) -> Markup:
    axis, base_rate = charts.ticks(0, 1), target["mean_outcome"]["test"]
    plane = charts.Plane(axis, axis, "recall", "precision", lambda x: base_rate)
    return charts.curve(_points(table), plane, f"precision and recall of {name}")


def _calibration(table: pl.DataFrame, target: Mapping[str, Any], name: str) -> Markup:
    points = _points(table)
    axis = charts.ticks(min(0.0, *map(min, points)), max(map(max, points)))
    plane = charts.Plane(
        axis, axis, _with_unit("mean predicted", target["unit"]), "mean observed", lambda x: x
    )
    return charts.curve(points, plane, f"predicted against observed {name}")


def _residuals(table: pl.DataFrame, target: Mapping[str, Any], name: str) -> Markup:
    points = _points(table)
    x, y = ([point[i] for point in points] for i in (0, 1))
    plane = charts.Plane(
        charts.ticks(min(x), max(x)), charts.ticks(min(0, *y), max(0, *y)),
        _with_unit("predicted", target["unit"]), "observed less predicted", lambda x: 0,
    )  # fmt: skip
    return charts.scatter(points, plane, f"residuals of {name}")


FIGURES = {
    "roc": _roc,
    "precision_recall": _precision_recall,
    "calibration": _calibration,
    "residuals": _residuals,
}


def _points(table: pl.DataFrame) -> list[charts.Point]:
    return [(float(row[0]), float(row[1])) for row in table.iter_rows()]


def _with_unit(title: str, unit: str | None) -> str:
    return f"{title}, {unit}" if unit else title
