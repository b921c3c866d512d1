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
from accord.measures.curves import Plot
from accord.measures.metrics import Metric
from accord.page import charts, words
from accord.page.shell import environment
from accord.tasks import registry

TEMPLATE = "index.html.j2"
MAX_SLICES = 30
MAX_FEATURES = 20

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
    task = registry.task(target["task"])
    splits = [split for split in words.SPLITS if split in target["metrics"]]
    by_split = [(split, target["metrics"][split]) for split in splits]
    return {
        **target,
        "name": name,
        "metrics_of_task": task.metrics,
        "splits": splits,
        "leading": task.leading,
        "leading_chart": _intervals(by_split, task.leading, target["unit"], f"{name} by split"),
        "figures": [
            (plot, figure(plot, tables[plot.name], target, name))
            for plot in task.plots
            if plot.name in tables and tables[plot.name].height
        ],
        "slices": [
            slice_view(column, list(levels), task.metrics, target["unit"], name)
            for column, levels in groupby(target["slices"], key=lambda row: row["column"])
        ],
        "n_hidden": max(0, len(target["importance"]) - MAX_FEATURES),
        "importance_chart": charts.bars(
            [(row["feature"], row["contribution"]) for row in target["importance"][:MAX_FEATURES]],
            f"{name}: features by mean absolute contribution",
        ),
    }


def slice_view(
    column: str, levels: Sequence[Mapping[str, Any]], metrics: Sequence[Metric], unit: str | None, name: str
) -> dict[str, Any]:
    """One slice column: its largest levels as a chart, and all of them for the table."""
    levels = [{**row, "level": row["level"] or "(empty)"} for row in levels]
    judged = [row for row in levels if row["metrics"]]
    largest = {row["level"] for row in sorted(judged, key=lambda row: -row["n_rows"])[:MAX_SLICES]}
    drawn = [(row["level"], row["metrics"]) for row in judged if row["level"] in largest]
    return {
        "column": column,
        "levels": levels,
        "metrics": [metric for metric in metrics if any(metric.name in row["metrics"] for row in judged)],
        "n_judged": len(judged),
        "n_drawn": len(drawn),
        "chart": _intervals(drawn, metrics[0], unit, f"{name} by {column}"),
        "small": [row for row in levels if not row["metrics"]],
    }


def _intervals(
    rows: Sequence[tuple[str, Mapping[str, Any]]], metric: Metric, unit: str | None, label: str
) -> Markup | None:
    """A chart of one metric a row, or None where no row knows it."""
    known = [
        charts.Interval(name, **found[metric.name])
        for name, found in rows
        if found[metric.name]["value"] is not None
    ]
    title = _with_unit(metric.title, unit if metric.has_unit else None)
    return charts.intervals(known, title, f"{title}, {label}") if known else None


def figure(plot: Plot, table: pl.DataFrame, target: Mapping[str, Any], name: str) -> Markup:
    """The plot of a target, from its table."""
    points = _points(table)
    x, y = ([point[i] for point in points] for i in (0, 1))
    if plot.axes == "share":
        axes = charts.ticks(0, 1), charts.ticks(0, 1)
    elif plot.axes == "shared":
        shared = charts.ticks(min(0.0, *x, *y), max(*x, *y))
        axes = shared, shared
    else:
        axes = charts.ticks(min(x), max(x)), charts.ticks(min(0, *y), max(0, *y))
    lines = {
        "diagonal": lambda x: x,
        "zero": lambda x: 0,
        "mean outcome": lambda x: target["mean_outcome"]["test"],
    }
    x_label = _with_unit(plot.x, target["unit"] if plot.has_unit else None)
    draw = charts.scatter if plot.is_scatter else charts.curve
    return draw(points, charts.Plane(*axes, x_label, plot.y, lines[plot.line]), f"{plot.label} {name}")


def _points(table: pl.DataFrame) -> list[charts.Point]:
    return [(float(row[0]), float(row[1])) for row in table.iter_rows()]


def _with_unit(title: str, unit: str | None) -> str:
    return f"{title}, {unit}" if unit else title
