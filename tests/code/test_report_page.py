"""The report page, from a report small enough to see through."""

import copy
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import polars as pl
import pytest

from accord.data.accounts import Accounts
from accord.evaluation.evaluated import EvaluationReport
from accord.files import read_as, write_json
from accord.objective.decisions import DecisionReport
from accord.report import index
from accord.tasks.registry import OWN

SPLITS = {"train": 60, "tune": 10, "test": 20, "holdout": 0, "future": 1200, "older": 0, "purged": 3}
LEAK = {
    "feature": "tail_number",
    "target": "late",
    "kind": "level",
    "detail": "is 100% where null",
    "accepted": False,
}
FOUND = {"value": 0.404, "low": 0.339, "high": 0.475, "baseline": 0.483}
NAMES = ("train", "tune", "test")
METRIC = {"team": "sales", "sql": "AVG(late)", "better": "higher", "min": 0.7, "weight": 1, "scale": 0.1}
OBJECTIVE = {
    "name": "balanced", "description": "", "policy": {"weights": {"w": 0.3}, "score": "late - w", "action": "score > 0"},
    "metrics": {"margin": METRIC, "latency": {**METRIC, "sql": None, "builtin": "p99_ms"}},
}  # fmt: skip


def target(task: str, **changes: Any) -> dict[str, Any]:
    metrics = {metric.name: dict(FOUND) for metric in OWN[task].metrics}
    row = {"column": "carrier", "level": "UA", "n_rows": 300, "mean_outcome": 0.1, "mean_prediction": 0.2}
    return {
        "task": task, "loss": "log", "owner": "sales", "unit": None, "description": "late or not",
        "metrics": {split: copy.deepcopy(metrics) for split in NAMES},
        "n_rows": dict.fromkeys(NAMES, 20), "n_blocks": dict.fromkeys(NAMES, 5),
        "mean_outcome": dict.fromkeys(NAMES, 0.1), "mean_prediction": dict.fromkeys(NAMES, 0.2),
        "slices": [{**row, "metrics": metrics}, {**row, "level": "OO", "n_rows": 2, "metrics": {}}],
        "importance": [{"feature": "dewp", "contribution": 0.38}],
        "alternatives": [],
    } | changes  # fmt: skip


def report(**targets: dict[str, Any]) -> dict[str, Any]:
    return {
        "accounting": {
            "data": "flights", "n_rows": 1300, "quarantine": 7, "splits": SPLITS,
            "spans": dict.fromkeys(SPLITS), "boundaries": None,
        },
        "validation": {"n_rows": 1300, "n_valid": 1293, "n_quarantined": 7, "broken_rules": {"wind|max": 7}, "leaks": []},
        "evaluation": {
            "targets": targets or {"late": target("binary")}, "objective": OBJECTIVE,
            "teams": {"test": {"margin": {"value": 0.5, "low": 0.4, "high": 0.6, "limits": "broken"}}},
            "fairness": [],
            "model": {"_target_": "accord.models.linear.Linear", "C": 1.0},
            "settings": {"level": 0.95, "n_resamples": 500, "min_slice_rows": 200, "n_explained": 100},
        },
    }  # fmt: skip


def page(report: dict[str, Any], plots: dict[str, dict[str, pl.DataFrame]]) -> str:
    """The page of the report as it lies in files."""
    said = {"validated": report["validation"], "accounting": report["accounting"]}
    with TemporaryDirectory() as folder:
        write_json(file := Path(folder, "evaluation.json"), report["evaluation"])
        evaluation, decisions = read_as(file, EvaluationReport), read_as(file, DecisionReport)
    return index.render(msgspec.convert(said, Accounts), evaluation, decisions, plots)


@pytest.fixture
def plots() -> dict[str, dict[str, pl.DataFrame]]:
    points = {"x": [0.0, 0.4, 1.0], "y": [0.0, 0.7, 1.0]}
    return {plot: {"late": pl.DataFrame(points)} for plot in ("roc", "precision_recall", "calibration")} | {
        "residuals": {"payout": pl.DataFrame(points)}
    }


def test_names_from_the_data_are_escaped(plots: dict[str, dict[str, pl.DataFrame]]) -> None:
    evil = "<script>alert('&')</script>"
    named = target(
        "binary", owner=evil, description=evil, importance=[{"feature": evil, "contribution": 1.0}]
    )
    named["slices"] = [{**row, "column": evil, "level": evil} for row in named["slices"]]
    shown = report(**{evil: named})
    shown["accounting"]["data"] = evil
    shown["validation"] |= {"broken_rules": {evil: 1}, "leaks": [{**LEAK, "feature": evil, "detail": evil}]}
    html = page(shown, {plot: {evil: table["late"]} for plot, table in plots.items() if "late" in table})
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "&amp;lt;" not in html


def test_the_page_loads_nothing_from_elsewhere(plots: dict[str, dict[str, pl.DataFrame]]) -> None:
    html = page(report(), plots)
    assert not re.findall(r"https?://|src=|@import|url\(", html)


def test_the_leading_metric_is_put_in_words_beside_the_baseline() -> None:
    text = " ".join(re.sub(r"<[^>]+>", "", page(report(), {})).split())
    assert "log loss 0.4040 [0.3390, 0.4750], baseline 0.4830: better" in text


def test_metrics_come_in_the_order_of_their_task() -> None:
    html = page(report(), {})
    places = [html.index(f">{name}</abbr>") for name in ("log loss", "AUC", "Brier score")]
    assert places == sorted(places)


def test_missing_values_are_shown_as_a_dash(plots: dict[str, dict[str, pl.DataFrame]]) -> None:
    empty = target("binary")
    for split in empty["metrics"]:
        empty["metrics"][split]["log_loss"] = dict.fromkeys(FOUND)
    html = page(report(late=empty), plots)
    assert "not comparable" in html
    assert "None" not in html.replace("None found", "")


def test_a_regression_alone_renders_with_its_unit(plots: dict[str, dict[str, pl.DataFrame]]) -> None:
    html = page(report(payout=target("regression", loss="squared", unit="USD a booking")), plots)
    assert "RMSE, USD a booking" in html
    assert "residuals of payout" in html
    assert "ROC" not in html


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, "late or not; binary, log loss"),
        ({"description": ""}, ">binary, log loss"),
        ({"description": "", "unit": "USD"}, "> (USD); binary, log loss"),
    ],
)
def test_a_target_is_introduced_by_what_is_told_of_it(
    plots: dict[str, dict[str, pl.DataFrame]], told: dict[str, str], said: str
) -> None:
    assert said in page(report(late=target("binary", **told)), plots)


def test_every_row_read_is_accounted_for() -> None:
    html = page(report(), {})
    assert "Sum = 1,300 = rows read" in html
    short = report()
    short["accounting"]["quarantine"] = 0
    assert "Sum = 1,293, but 1,300 rows were read" in page(short, {})


@pytest.mark.parametrize(("leaks", "warned"), [([], 0), ([{**LEAK, "accepted": True}], 0), ([LEAK], 1)])
def test_only_a_leak_suspect_nobody_vouched_for_raises_the_banner(leaks: list[Any], warned: int) -> None:
    shown = report()
    shown["validation"]["leaks"] = leaks
    html = page(shown, {})
    assert html.count('role="alert"') == warned
    assert ("None found" in html) == (not leaks)
    assert ("tail_number" in html) == bool(leaks)


def test_a_suspect_of_the_split_and_a_notice_are_shown() -> None:
    shown = report()
    shown["accounting"]["leaks"] = [
        {**LEAK, "feature": "duplicates", "target": "all", "detail": "12 rows are twice"}
    ]
    shown["evaluation"]["notices"] = [{"target": "late", "kind": "auc", "detail": "AUC is 0.9990 <on> test"}]
    html = page(shown, {})
    assert "<code>duplicates</code>: 12 rows are twice" in html
    assert "late: AUC is 0.9990 &lt;on&gt; test" in html
    assert html.count('role="alert"') == 1


def test_small_slices_are_counted_and_large_columns_cut_to_the_largest_levels() -> None:
    many = target("binary")
    large, small = many["slices"]
    many["slices"] = [{**large, "level": f"level {i}", "n_rows": 300 + i} for i in range(120)] + [small]
    html = page(report(late=many), {})
    assert "The 30 largest of 120 levels" in html
    assert "Fewer than 200 rows, so only counted:\nOO (2)." in html
    drawn = html[html.index("log loss, late by carrier") :].split("</svg>")[0]
    assert "level 119" in drawn
    assert "level 89" not in drawn


def test_a_run_without_slices_or_importance_renders() -> None:
    assert "Slices" not in page(report(late=target("binary", slices=[], importance=[])), {})


def test_the_same_report_gives_the_same_bytes(plots: dict[str, dict[str, pl.DataFrame]]) -> None:
    assert page(report(), plots) == page(copy.deepcopy(report()), plots)


def test_the_page_says_what_figures_rest_on_and_that_it_is_little(
    plots: dict[str, dict[str, pl.DataFrame]],
) -> None:
    html = page(report(), plots)
    assert "The figures rest on 20 rows of 5 groups of rows; in brackets stand 95 % intervals." in html
    assert "5 groups of rows are too few to be sure that all is well: 10 or more would tell." in html


def test_each_team_sees_its_metric_its_limit_and_whether_it_is_kept() -> None:
    html = page(report(), {})
    section = html[html.index('id="teams"') : html.index('id="data"')]
    assert "sales" in section
    assert "at least 0.7000" in section
    assert "broken" in section
    assert "measured" in section
    assert "score = late - w" in section


def test_a_run_without_a_policy_or_metrics_has_no_team_section() -> None:
    bare = report()
    bare["evaluation"]["objective"] = {**OBJECTIVE, "policy": None, "metrics": {}}
    assert 'id="teams"' not in page(bare, {})
