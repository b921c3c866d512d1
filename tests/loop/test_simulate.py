"""`accord simulate`: rules of retraining side by side, on the rides and by the code of the real commands."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from projects import Project

from accord.files import read_as
from accord.intervals import Estimate
from accord.page import charts
from accord.report import simulation as page
from accord.report.simulation import names_of, tone
from accord.retraining.simulated import Simulated


@pytest.fixture(scope="module")
def simulated(new_project: Callable[[], Project]) -> tuple[Project, dict[str, Any], str]:
    project = new_project()
    project.run("accord", "run", "data=rides", "objective=quality", "model.n_estimators=20")
    project.commit()
    shown = project.run("accord", "simulate", "--period", "2w", "--policies", "never,always,drift").stdout
    return project, json.loads(project.read("reports/simulation.json")), shown


@pytest.mark.slow
def test_every_policy_serves_every_row_after_the_cutoff_once(
    simulated: tuple[Project, dict[str, Any], str],
) -> None:
    project, report, _ = simulated
    assert report["begin"] == "2024-03-11"
    accounting = json.loads(project.read("reports/accounting.json"))
    assert report["n_rows"] == accounting["splits"]["future"]
    assert [policy["name"] for policy in report["policies"]] == ["never", "always", "drift"]


@pytest.mark.slow
def test_policies_begin_alike_and_always_trains_at_every_end_but_the_last(
    simulated: tuple[Project, dict[str, Any], str],
) -> None:
    _, report, _ = simulated
    never, always, _ = report["policies"]
    assert never["periods"][0]["model"] == always["periods"][0]["model"]
    assert never["totals"]["trainings"] == 0
    assert always["totals"]["trainings"] == len(report["periods"]) - 1
    assert always["totals"]["cpu_s"] > 0
    assert all(not found["change"]["value"] for found in never["totals"]["metrics"].values())


@pytest.mark.slow
def test_the_project_itself_is_left_as_it_was(simulated: tuple[Project, dict[str, Any], str]) -> None:
    project, _, _ = simulated
    assert project.run("git", "status", "--porcelain", "--untracked-files=no").stdout == ""


@pytest.mark.slow
def test_the_model_that_the_simulation_trains_is_the_one_that_the_pipeline_makes(
    simulated: tuple[Project, dict[str, Any], str],
) -> None:
    project, report, _ = simulated
    model = report["models"][1]
    project.run("accord", "run", f"data.split.cutoff={model['cutoff']}")
    assert json.loads(project.read("models/bundle/manifest.json"))["model_id"] == model["model"]
    project.run("git", "checkout", "--quiet", ".")


@pytest.mark.slow
def test_the_page_and_the_terminal_show_each_policy(simulated: tuple[Project, dict[str, Any], str]) -> None:
    project, report, shown = simulated
    html = project.read("reports/simulation.html")
    for policy in report["policies"]:
        assert policy["name"] in shown
        assert policy["name"] in html
    assert html == page.render(read_as(project.root / "reports/simulation.json", Simulated))
    assert "://" not in html


@pytest.mark.slow
def test_data_without_time_and_data_without_a_future_are_refused_in_a_line(
    simulated: tuple[Project, dict[str, Any], str],
) -> None:
    project, _, _ = simulated
    assert "No row of rides comes after 2024-05-01" in project.refused(
        "accord", "simulate", "--from", "2024-05-01"
    )
    assert "did you mean 'never'" in project.refused("accord", "simulate", "--policies", "nevr")
    project.run("accord", "run", "data=diabetes")
    assert "diabetes has no time" in project.refused("accord", "simulate")
    project.run("git", "checkout", "--quiet", ".")


def test_a_change_is_sure_where_its_interval_leaves_zero_out() -> None:
    better = Estimate(-0.2, low=-0.3, high=-0.1)
    assert tone(better, "lower") == "better"
    assert tone(better, "higher") == "worse"
    assert tone(replace(better, high=0.1), "lower") == "unknown"
    assert tone(Estimate(None, None, None), "lower") == "unknown"


def test_periods_are_named_by_their_month_where_they_are_months() -> None:
    begins = [date(2013, 7, 1), date(2013, 8, 1)]
    assert names_of(begins, "1mo") == ["Jul", "Aug"]
    assert names_of(begins, "2w") == ["01 Jul", "01 Aug"]


def test_equal_lines_are_set_apart_and_a_missing_value_is_a_gap() -> None:
    drawn = charts.lines(
        [("never", [1.0, None, 2.0]), ("always", [1.0, 3.0, 2.0])], ["Jul", "Aug", "Sep"], "loss", "loss"
    )
    assert drawn.count("<circle") == 5
    assert drawn.count("<line") - drawn.count('class="grid"') == 2
    first, second = (part.split('cx="')[1].split('"')[0] for part in drawn.split('class="series')[1:])
    assert first != second
