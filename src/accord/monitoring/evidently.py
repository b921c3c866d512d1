"""Evidently's reports of a window: the detail behind a decision, and its history in `make monitor-ui`.

They show at most `max_report_rows` rows a side, and are told our tests and thresholds, so that they agree with the
decision, which rests on all rows. Importing Evidently takes seconds, so only the code that writes reports does.
"""

import json
import os
import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from markupsafe import Markup

from accord.monitoring.columns import DriftRow
from accord.monitoring.drift import KINDS
from accord.monitoring.expectation import ACTUAL, PREDICTED
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
METHODS = {"wasserstein": "number", "jensenshannon": "category"}
PANELS = {
    "data_drift": "Share of drifted columns",
    "prediction_drift": "Share of drifted predictions",
    "target_drift": "Share of drifted targets",
}


def reports(
    current: pl.DataFrame,
    reference: pl.DataFrame,
    drift: Sequence[DriftRow],
    targets: "Mapping[str, Target]",
    at: datetime,
    min_rows: int,
) -> "tuple[dict[str, Snapshot], list[str]]":
    """Reports by name, and what had to be left out of them, in words. `drift` are the decision's rows; performance is shown
    from `min_rows` known outcomes on."""
    from evidently import Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    asked = [row for row in drift if row.score in METHODS and row.column in current.columns]
    usable = [
        row for row in asked if row.threshold is not None and _has_values(row.column, current, reference)
    ]
    left_out = [f"{row.column}: {row.note or 'no values'}" for row in asked if row not in usable]
    kinds = {row.column: METHODS[row.score] for row in usable}
    found: dict[str, Snapshot] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, group in (
            ("data_drift", "features"),
            ("prediction_drift", "predictions"),
            ("target_drift", "targets"),
        ):
            rows = [row for row in usable if row.group == group]
            if not rows:
                continue
            columns = [row.column for row in rows]
            preset = DataDriftPreset(
                columns=columns,
                per_column_method={row.column: row.score for row in rows},
                per_column_threshold={row.column: row.threshold for row in rows},
                drift_share=1 / len(rows),  # one drifted column is drift, as in the decision
            )
            sides = [_dataset(side.select(columns), kinds) for side in (current, reference)]
            found[name] = Report([preset], include_tests=True).run(
                *sides, timestamp=at, name=name, tags=[name]
            )
        features = [row.column for row in usable if row.group == "features"]
        if features:
            sides = [_dataset(side.select(features), kinds) for side in (current, reference)]
            report = Report([DataSummaryPreset(columns=features)])
            found["data_quality"] = report.run(
                *sides, timestamp=at, name="data_quality", tags=["data_quality"]
            )
        performance, not_shown = _performance(current, reference, targets, at, min_rows)
        if performance is not None:
            found["performance"] = performance
    return found, left_out + not_shown


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


def _performance(
    current: pl.DataFrame,
    reference: pl.DataFrame,
    targets: "Mapping[str, Target]",
    at: datetime,
    min_rows: int,
) -> "tuple[Snapshot | None, list[str]]":
    """How good predictions were of the rows whose outcome is known, a target after the other; and what is left out."""
    from evidently import BinaryClassification, DataDefinition, Dataset, Regression, Report
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
    labels = [f"{ACTUAL}{one.name}" for one in targets if one.task.outcome != "amount"]
    return rows.select(names).drop_nulls().with_columns(pl.col(labels).cast(pl.Int64))


def _has_values(name: str, *sides: pl.DataFrame) -> bool:
    """Evidently gives up the whole report for one column without values (evidently#1480)."""
    return all(side[name].count() > 0 for side in sides)


def _as_plain_labels(categories: pl.Expr) -> pl.Expr:
    """Categories as labels of charts, where Plotly would take `<b>` or `<a href=...>` for formatting, and `&lt;` for `<`."""
    plain = categories.str.replace_many(LABELS)
    return plain.str.replace_all(r"&(#?\w+;)", "& $1")


def _dataset(rows: pl.DataFrame, kinds: Mapping[str, str]) -> Any:
    from evidently import DataDefinition, Dataset

    categories = [name for name in rows.columns if kinds[name] == KINDS["category"]]
    numbers = [name for name in rows.columns if name not in categories]
    frame = rows.with_columns(
        pl.col(categories).cast(pl.String).pipe(_as_plain_labels), pl.col(numbers).cast(pl.Float64)
    ).to_pandas()
    return Dataset.from_pandas(
        frame, DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    )
