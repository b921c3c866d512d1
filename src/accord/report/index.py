"""The report page: one file that shows a run, without a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup

from accord.data.accounts import Accounts
from accord.evaluation.evaluated import BesideBaseline, EvaluationReport, Level, TargetReport
from accord.measures import metrics
from accord.measures.curves import Plot
from accord.objective.decisions import DecisionReport
from accord.objective.limits import Figure, Verdict
from accord.page import charts, words
from accord.page.shell import environment
from accord.schema.objective import Metric
from accord.tasks import registry
from accord.tasks.task import Predicted, Task

TEMPLATE = "index.html.j2"
MAX_SLICES = 30
MAX_FEATURES = 20
MAX_OF_CLASSES = 6
"""Classes that have a plot each, the commonest ones."""
MAX_CONFUSED = 20
"""Classes that a matrix shows, the commonest ones."""

Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Made:
    """The model that a run made."""

    model_id: str
    on: date
    """The day of the page."""
    verdict: str | None
    """None until it is judged."""


@dataclass(frozen=True)
class TeamRow:
    """A metric that a team wants."""

    name: str
    metric: Metric
    by_split: dict[str, Figure]
    """Empty where only the running service can tell it."""
    limits: Verdict | None
    """Whether the hard limits are kept on test; None without limits or a value."""


@dataclass(frozen=True)
class SliceView:
    """One slice column: its largest levels as a chart, and all of them for the table."""

    column: str
    levels: list[Level]
    metrics: list[metrics.Metric]
    """Those that the table shows."""
    n_judged: int
    n_drawn: int
    chart: Markup | None
    small: list[Level]
    """Levels that are only counted."""


@dataclass(frozen=True)
class TargetView:
    """What the page shows of one target: what is reported of it, and the charts drawn from that."""

    name: str
    report: TargetReport
    task: Task
    splits: list[str]
    leading_chart: Markup | None
    figures: list[tuple[Plot, str, Markup]]
    """Each plot with its title and its chart."""
    slices: list[SliceView]
    n_hidden: int
    """Features that the chart leaves out."""
    importance_chart: Markup


def render(
    accounts: Accounts,
    evaluation: EvaluationReport,
    decisions: DecisionReport,
    plots: Mapping[str, Tables],
    made: Made | None = None,
) -> str:
    """The page as HTML, from what the stages say, the plots as tables by plot, then target, and the model that was made."""
    accounting = accounts.accounting
    n_rows = {**accounting.splits, "quarantine": accounting.quarantine}
    parts = [(split, n_rows[split]) for split in words.SPLITS]
    targets = [target_view(name, target, plots) for name, target in evaluation.targets.items()]
    return environment(Path(__file__).parent).get_template(TEMPLATE).render(
        made=made,
        accounting=accounting,
        validation=accounts.validated,
        leaks=accounts.leaks,
        suspects=accounts.suspects,
        notices=evaluation.notices,
        parts=parts,
        n_accounted=sum(n_rows for _, n_rows in parts),
        bar=charts.stack(parts, f"{accounting.n_rows:,} rows read, by split"),
        targets=targets,
        blocks="days" if accounting.boundaries else "groups of rows",
        how_sure={
            view.name: _how_sure(view.report, "days" if accounting.boundaries else "groups of rows", evaluation.settings.level)
            for view in targets
        },
        model_class=evaluation.model["_target_"].rpartition(".")[2],
        parameters=parameters(evaluation),
        trained=list(evaluation.trained),
        objective=decisions.objective,
        teams=team_rows(decisions),
        fairness=decisions.fairness,
        settings=evaluation.settings,
    )  # fmt: skip


def parameters(evaluation: EvaluationReport) -> list[tuple[str, list[str]]]:
    """Each of the model's parameters: as the config has it, and as each target's model was trained with it."""
    columns = [evaluation.model, *evaluation.trained.values()]
    names = sorted({name for column in columns for name in column})
    return [(name, [_listed(column.get(name)) for column in columns]) for name in names]


def _listed(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _how_sure(target: TargetReport, unit: str, level: float) -> str:
    if "test" not in target.n_rows:
        return ""
    return words.how_sure(target.n_rows["test"], target.n_blocks["test"], unit, level)


def team_rows(decisions: DecisionReport) -> list[TeamRow]:
    """A row per metric that a team wants."""
    rows = []
    for name, metric in decisions.objective.metrics.items():
        by_split = {split: found[name] for split, found in decisions.teams.items() if name in found}
        rows.append(TeamRow(name, metric, by_split, by_split["test"].limits if "test" in by_split else None))
    return rows


def target_view(name: str, target: TargetReport, plots: Mapping[str, Tables]) -> TargetView:
    what = registry.predicted(name, target)
    task = what.task
    splits = [split for split in words.SPLITS if split in target.metrics]
    by_split = [(split, target.metrics[split]) for split in splits]
    return TargetView(
        name=name,
        report=target,
        task=task,
        splits=splits,
        leading_chart=_intervals(by_split, task.leading, target.unit, f"{name} by split"),
        figures=[
            drawn for plot in task.plots for drawn in _figures(plot, plots.get(plot.name, {}), target, what)
        ],
        slices=[
            slice_view(column, list(levels), task.metrics, target.unit, name)
            for column, levels in groupby(target.slices, key=lambda row: row.column)
        ],
        n_hidden=max(0, len(target.importance) - MAX_FEATURES),
        importance_chart=charts.bars(
            [(row.feature, row.contribution) for row in target.importance[:MAX_FEATURES]],
            f"{name}: features by mean absolute contribution",
        ),
    )


def slice_view(
    column: str, levels: Sequence[Level], of_task: Sequence[metrics.Metric], unit: str | None, name: str
) -> SliceView:
    levels = [replace(row, level=row.level or "(empty)") for row in levels]
    judged = [row for row in levels if row.metrics]
    largest = {row.level for row in sorted(judged, key=lambda row: -row.n_rows)[:MAX_SLICES]}
    drawn = [(row.level, row.metrics) for row in judged if row.level in largest]
    return SliceView(
        column=column,
        levels=levels,
        metrics=[metric for metric in of_task if any(metric.name in row.metrics for row in judged)],
        n_judged=len(judged),
        n_drawn=len(drawn),
        chart=_intervals(drawn, of_task[0], unit, f"{name} by {column}"),
        small=[row for row in levels if not row.metrics],
    )


def _intervals(
    rows: Sequence[tuple[str, Mapping[str, BesideBaseline]]],
    metric: metrics.Metric,
    unit: str | None,
    label: str,
) -> Markup | None:
    """A chart of one metric a row, or None where no row knows it."""
    known = [
        charts.Interval(name, one.value, one.low, one.high, one.baseline)
        for name, found in rows
        if (one := found[metric.name]).value is not None
    ]
    title = _with_unit(metric.title, unit if metric.has_unit else None)
    return charts.intervals(known, title, f"{title}, {label}") if known else None


def _figures(
    plot: Plot, tables: Tables, target: TargetReport, what: Predicted
) -> list[tuple[Plot, str, Markup]]:
    """The plot of the target with its title, or those of its commonest classes."""
    titles = {what.name: plot.title}
    if plot.of_each_class:
        titles = _titles_of_classes(plot, tables, what)
    drawn = []
    for name, title in titles.items():
        if name in tables and tables[name].height:
            if plot.kind == "matrix":
                chart = _matrix(plot, tables[name], what.task.classes, f"{plot.label} {name}")
            else:
                chart = figure(plot, tables[name], target, name)
            drawn.append((plot, title, chart))
    return drawn


def _titles_of_classes(plot: Plot, tables: Tables, what: Predicted) -> dict[str, str]:
    """The title by column for each of the commonest classes, in their order."""
    there = [column for column in what.columns if column in tables]
    commonest = sorted(there, key=lambda column: -_n_observed(tables[column]))[:MAX_OF_CLASSES]
    named = zip(what.columns, what.task.classes, strict=True)
    return {column: f"{plot.title}, {text}" for column, text in named if column in commonest}


def _n_observed(table: pl.DataFrame) -> float:
    """How many rows are the class, from the plot of its calibration."""
    return float((table["observed"].cast(float) * table["n_rows"].cast(float)).sum())


def _matrix(plot: Plot, table: pl.DataFrame, classes: Sequence[str], label: str) -> Markup:
    """The matrix of the commonest classes, in their order."""
    x, y = table.columns
    totals = dict(table[y].value_counts().iter_rows())
    commonest = sorted(classes, key=lambda name: -totals.get(name, 0))[:MAX_CONFUSED]
    shown = [name for name in classes if name in commonest]
    pairs = table.group_by(y, x).len()
    counts = {(actual, likeliest): n for actual, likeliest, n in pairs.iter_rows()}
    rows = [
        (name, [(counts.get((name, other), 0), totals.get(name, 0)) for other in shown]) for name in shown
    ]
    return charts.matrix(rows, plot.x, plot.y, label)


def figure(plot: Plot, table: pl.DataFrame, target: TargetReport, name: str) -> Markup:
    """The plot of a target, or of one of its columns, from its table."""
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
        "mean outcome": lambda x: target.mean_outcome["test"],
    }
    x_label = _with_unit(plot.x, target.unit if plot.has_unit else None)
    draw = charts.scatter if plot.kind == "scatter" else charts.curve
    return draw(points, charts.Plane(*axes, x_label, plot.y, lines[plot.line]), f"{plot.label} {name}")


def _points(table: pl.DataFrame) -> list[charts.Point]:
    return [(float(row[0]), float(row[1])) for row in table.iter_rows()]


def _with_unit(title: str, unit: str | None) -> str:
    return f"{title}, {unit}" if unit else title
