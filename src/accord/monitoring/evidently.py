"""Evidently's reports of a window: the detail behind a decision, and its history in `make monitor-ui`.

They draw at most `max_report_rows` rows a side. Their tests of drift are those of the decision, with its scores, which rest on
all rows, its thresholds and its verdicts: a column has drifted there if and only if it has an alarm here. Importing Evidently
takes seconds, so only the code that writes reports does.
"""

import json
import os
import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from math import floor, log10
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
from markupsafe import Markup

from accord.expectation.drift import KINDS
from accord.expectation.expectation import ACTION, ACTUAL, PLAIN_ACTION, PREDICTED
from accord.monitoring.columns import DriftRow, ShiftRow
from accord.monitoring.quality import Judged
from accord.page.shell import environment
from accord.tasks.registry import all_of
from accord.tasks.task import Predicted

if TYPE_CHECKING:
    from evidently.core.report import Snapshot

    from accord.schema.objective import Target

TEMPLATE = "evidently.html.j2"
DATA = re.compile(r"^ *var (metric_\w+) = (.*);\n *var additional_graphs_\1 = (.*);$", re.MULTILINE)
"""The two lines of Evidently's HTML that hold what its library draws, as JSON."""
LABELS = {
    "<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}", ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
}  # fmt: skip
MISSING, MEAN = "missing", "mean"
LIKELIEST = "likeliest|"
"""Before the name of a target, the column of the likeliest of its classes."""
METHODS = {"wasserstein": "number", "jensenshannon": "category"}
FEATURES, PREDICTIONS = "features", "predictions"
DRIFT = {"data_drift": FEATURES, "prediction_drift": PREDICTIONS, "target_drift": "targets"}
"""The group of columns that each report on drift is about."""
PANELS = {
    "data_drift": "Share of drifted columns",
    "prediction_drift": "Share of drifted predictions",
    "target_drift": "Share of drifted targets",
}


class Reading(NamedTuple):
    """What the decision says of a column: the score that raised an alarm, or else its distance."""

    column: str
    method: str
    value: float
    threshold: float
    alarm: bool


def readings(drift: Sequence[DriftRow], shifts: Sequence[ShiftRow], group: str) -> dict[str, Reading]:
    """One per column of the group that is judged. Of a mean the score is how far it is from that of test, in widths of its band."""
    found: dict[str, Reading] = {}
    rows = [row for row in drift if row.group == group]
    by_distance_first = sorted(rows, key=lambda row: row.score == MISSING)
    scored = [
        Reading(row.column, row.score, row.value, row.threshold, row.alarm)
        for row in by_distance_first
        if row.threshold is not None and row.value is not None
    ]
    columns = {row.column for row in rows} if group != FEATURES else set()  # whose means are not judged
    for row in shifts:
        if row.column in columns and (score := _in_bands(row.judged)) is not None:
            scored.append(Reading(row.column, MEAN, score, 1.0, row.judged.alarm))
    for one in scored:
        before = found.get(one.column)
        if before is None or (one.alarm and not before.alarm):
            found[one.column] = one
    return found


def reports(
    current: pl.DataFrame,
    reference: pl.DataFrame,
    test: pl.DataFrame,
    drift: Sequence[DriftRow],
    shifts: Sequence[ShiftRow],
    targets: "Mapping[str, Target]",
    at: datetime,
    min_rows: int,
) -> "tuple[dict[str, Snapshot], list[str]]":
    """Reports by name, and what had to be left out of them, in words. `drift` and `shifts` are the decision's rows; performance is
    shown from `min_rows` known outcomes on, beside that of `test`, as in the decision."""
    found: dict[str, Snapshot] = {}
    left_out: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, group in DRIFT.items():
            sides = [_of_group(side, group) for side in (current, reference)]
            judged = readings(drift, shifts, group)
            asked = {
                row.column: row for row in drift
                if row.group == group and row.score in METHODS and row.column in sides[0].columns
            }  # fmt: skip
            kinds = {
                column: METHODS[row.score] for column, row in asked.items() if _has_values(column, *sides)
            }
            shown = [one for one in judged.values() if one.column in kinds or one.alarm]
            without = asked.keys() - {one.column for one in shown}
            left_out += [
                f"{column}: {asked[column].note or 'no values'}" for column in asked if column in without
            ]
            if shown:
                found[name] = _drift(name, shown, sides, kinds, at)
            summed_up = [column for column in kinds if column in judged]
            if group == FEATURES and summed_up:
                found["data_quality"] = _quality(summed_up, sides, kinds, at)
        performance, not_shown = _performance(current, test, targets, at, min_rows)
        if performance is not None:
            found["performance"] = performance
    return found, left_out + not_shown


def _of_group(side: pl.DataFrame, group: str) -> pl.DataFrame:
    """The rows, with the action under its plain name where no column of the data stands beside it."""
    if group == PREDICTIONS and ACTION in side.columns:
        return side.with_columns(pl.col(ACTION).alias(PLAIN_ACTION))
    return side


def _drift(
    name: str, shown: Sequence[Reading], sides: Sequence[pl.DataFrame], kinds: Mapping[str, str], at: datetime
) -> "Snapshot":
    from evidently import Report
    from evidently.presets import DataDriftPreset

    columns = [one.column for one in shown]
    preset = DataDriftPreset(
        columns=columns,
        per_column_method={one.column: _as_test(one) for one in shown},
        per_column_threshold={one.column: one.threshold for one in shown},
        drift_share=_share_of_one(len(shown)),
    )
    data = [_dataset(_shown(side, columns, kinds), kinds) for side in sides]
    return Report([preset], include_tests=True).run(*data, timestamp=at, name=name, tags=[name])


def _quality(
    columns: Sequence[str], sides: Sequence[pl.DataFrame], kinds: Mapping[str, str], at: datetime
) -> "Snapshot":
    from evidently import Report
    from evidently.presets import DataSummaryPreset

    data = [_dataset(side.select(columns), kinds) for side in sides]
    report = Report([DataSummaryPreset(columns=columns)])
    return report.run(*data, timestamp=at, name="data_quality", tags=["data_quality"])


def page(snapshot: "Snapshot", title: str) -> str:
    """The report as one file of HTML. Evidently's own has its data within a script, where a category that holds `</script>`
    ends that script and begins what it likes; here they are data that the library reads."""
    import evidently

    found = DATA.search(snapshot.get_html_str(as_iframe=False))
    assert found is not None, "Evidently writes its reports otherwise than it did in 0.7.23"
    dashboard, graphs = (json.loads(part, parse_constant=lambda _: None) for part in found.groups()[1:])
    library = Path(evidently.__file__).parent / "nbextension/static/index.js"
    return environment(Path(__file__).parent).get_template(TEMPLATE).render(
        title=title, data={"dashboard": dashboard, "graphs": graphs}, library=Markup(library.read_text(encoding="utf-8"))
    )  # fmt: skip


def add_to_workspace(
    snapshots: "Mapping[str, Snapshot]", workspace: Path, project: str, replaced: Sequence[str]
) -> list[str]:
    """Puts the reports into the project of the workspace, which are made if they aren't there, in the place of earlier ones
    of the same window; their ids there."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import DashboardPanelPlot
    from evidently.ui.workspace import Workspace

    place = Workspace.create(str(workspace))
    there = [one for one in place.search_project(project) if one.name == project]
    chosen = there[0] if there else place.create_project(project)
    if not there:
        for tag, title in PANELS.items():
            metric = PanelMetric(
                legend="share",
                tags=[tag],
                metric="DriftedColumnsCount",
                metric_labels={"value_type": "share"},
            )
            chosen.dashboard.add_panel(
                DashboardPanelPlot(
                    title=title, subtitle="by calibrated thresholds", size="half", values=[metric],
                    plot_params={"plot_type": "line"},
                ),
                tab="Drift",
            )  # fmt: skip
    for snapshot_id in {str(one) for one in place.list_runs(chosen.id)} & set(replaced):
        place.delete_run(chosen.id, snapshot_id)
    runs = (place.add_run(chosen.id, one, include_data=False, name=name) for name, one in snapshots.items())
    return [str(run.id) for run in runs]


def _in_bands(judged: Judged) -> float | None:
    """How far the value is from that of test, where 1 is the end of what is expected on its side."""
    value, low, high, test = judged.value, judged.low, judged.high, judged.test
    if value is None or low is None or high is None or test is None:
        return None
    width = high - test if value > test else test - low
    return abs(value - test) / width if width > 0 else float(value != test)


def _as_test(reading: Reading) -> str:
    """The name of a test of Evidently's that says of the column what the decision says, whatever rows it gets."""
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    def decided(*_: object) -> tuple[float, bool]:
        return reading.value, reading.alarm

    name = f"accord: {reading.column}"
    kinds = [ColumnType.Numerical, ColumnType.Categorical]
    register_stattest(StatTest(name, f"accord: {reading.method}", kinds), default_impl=decided)
    return name


def _share_of_one(n_columns: int) -> float:
    """A round share that one drifted column reaches: one is drift, as in the decision."""
    return float(10.0 ** floor(log10(1 / n_columns)))


def _shown(rows: pl.DataFrame, columns: Sequence[str], kinds: Mapping[str, str]) -> pl.DataFrame:
    """The columns; of those that have no values on a side, whether there is one, since Evidently gives up the whole report for
    a column without values (evidently#1480)."""
    there = pl.lit("there")
    return rows.select(
        pl.col(name)
        if name in kinds
        else pl.when(pl.col(name).is_null()).then(pl.lit("missing")).otherwise(there).alias(name)
        for name in columns
    )


def _performance(
    current: pl.DataFrame,
    reference: pl.DataFrame,
    targets: "Mapping[str, Target]",
    at: datetime,
    min_rows: int,
) -> "tuple[Snapshot | None, list[str]]":
    """How good predictions were of the rows whose outcome is known, a target after the other; and what is left out."""
    from evidently import (
        BinaryClassification,
        DataDefinition,
        Dataset,
        MulticlassClassification,
        Regression,
        Report,
    )  # fmt: skip
    from evidently.presets import ClassificationPreset, RegressionPreset

    everything = all_of(targets)
    what = {name: target for name, target in everything.items() if target.task.evidently is not None}
    left_out = [
        f"performance of {name}: Evidently has none for its task" for name in everything if name not in what
    ]
    if not what:
        return None, left_out
    sides = [_known(side, what.values()) for side in (current, reference)]
    if (least := min(side.height for side in sides)) < min_rows:
        return None, [*left_out, f"performance: insufficient: {least:,} outcomes of {min_rows:,}"]
    definition = DataDefinition(
        numerical_columns=[], categorical_columns=[], classification=[], regression=[]
    )
    presets: list[Any] = []
    for name, target in what.items():
        actual, predicted = f"{ACTUAL}{name}", f"{PREDICTED}{name}"
        # Evidently gives up on a regression whose outcomes are all 0; of two that differ one is not.
        if any(side[actual].n_unique() < 2 for side in sides):
            left_out.append(f"performance of {name}: all outcomes are alike")
        elif target.task.evidently == "RegressionPreset":
            definition.regression.append(Regression(name=name, target=actual, prediction=predicted))
            presets.append(RegressionPreset(regression_name=name))
        elif target.task.classes:
            definition.classification.append(
                MulticlassClassification(name=name, target=actual, prediction_labels=f"{LIKELIEST}{name}")
            )
            presets.append(ClassificationPreset(classification_name=name))
        else:
            one = BinaryClassification(name=name, target=actual, prediction_probas=predicted, pos_label=1)
            definition.classification.append(one)
            presets.append(ClassificationPreset(classification_name=name))
    if not presets:
        return None, left_out
    data = [Dataset.from_pandas(side.to_pandas(), definition) for side in sides]
    return Report(presets).run(*data, timestamp=at, name="performance", tags=["performance"]), left_out


def _known(rows: pl.DataFrame, targets: Collection[Predicted]) -> pl.DataFrame:
    names = [
        name
        for target in targets
        for name in (f"{ACTUAL}{target.name}", *(f"{PREDICTED}{column}" for column in target.columns))
    ]
    texts = [one for one in targets if one.task.classes]
    labels = [f"{ACTUAL}{one.name}" for one in targets if one.task.outcome != "amount" and one not in texts]
    known = rows.select(names).drop_nulls().with_columns(pl.col(labels).cast(pl.Int64))
    for target in texts:
        columns = {name: known[f"{PREDICTED}{name}"].to_numpy() for name in target.columns}
        likeliest = target.likeliest_of(columns).alias(f"{LIKELIEST}{target.name}")
        known = known.with_columns(
            _as_plain_labels(pl.col(f"{ACTUAL}{target.name}")),
            likeliest.to_frame().select(_as_plain_labels(pl.col(likeliest.name))).to_series(),
        )
    return known


def _has_values(name: str, *sides: pl.DataFrame) -> bool:
    return all(side[name].count() > 0 for side in sides)


def _as_plain_labels(categories: pl.Expr) -> pl.Expr:
    """Categories as labels of charts, where Plotly would take `<b>` or `<a href=...>` for formatting, and `&lt;` for `<`."""
    plain = categories.str.replace_many(LABELS)
    return plain.str.replace_all(r"&(#?\w+;)", "& $1")


def _dataset(rows: pl.DataFrame, kinds: Mapping[str, str]) -> Any:
    from evidently import DataDefinition, Dataset

    categories = [name for name in rows.columns if kinds.get(name, "category") == KINDS["category"]]
    numbers = [name for name in rows.columns if name not in categories]
    frame = rows.with_columns(
        pl.col(categories).cast(pl.String).pipe(_as_plain_labels), pl.col(numbers).cast(pl.Float64)
    ).to_pandas()
    return Dataset.from_pandas(
        frame, DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    )
