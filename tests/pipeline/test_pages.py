"""Pages are written from what lies in reports/ and models/, and are no output of a stage."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from projects import Project

PAGES = ("reports/index.html", "reports/scorecard.html", "reports/model_card.md")


@pytest.fixture
def shown(project: Project) -> Iterator[Project]:
    """The project, whose scorecard is as it was at the end."""
    card = project.read("reports/scorecard.json")
    yield project
    project.write("reports/scorecard.json", card)
    project.run("accord", "report")


def test_no_stage_has_a_page_among_its_outputs(project: Project) -> None:
    stages = yaml.safe_load(project.read("dvc.yaml"))["stages"]
    outs = [str(out) for stage in stages.values() for out in stage["outs"]]
    assert not [out for out in outs if "html" in out or ".md" in out]


def test_report_writes_again_what_a_run_wrote(shown: Project) -> None:
    before = {page: shown.read(page) for page in PAGES}
    for page in PAGES:
        (shown.root / page).unlink()
    assert shown.run("accord", "report").stdout == f"Wrote {', '.join(PAGES)}\n"
    assert {page: shown.read(page) for page in PAGES} == before


def test_the_page_of_a_run_has_targets_in_the_order_of_the_config(project: Project) -> None:
    page = project.read(PAGES[0])
    assert page.index("<h2>late</h2>") < page.index("<h2>delay_minutes</h2>")


def test_the_page_of_a_run_names_its_model_and_its_verdict(shown: Project) -> None:
    model = json.loads(shown.read("models/bundle/manifest.json"))["model_id"]
    assert f'<code>{model}</code>; <a href="scorecard.html">may be promoted</a>' in shown.read(PAGES[0])
    card = json.loads(shown.read("reports/scorecard.json"))
    shown.write("reports/scorecard.json", json.dumps({**card, "candidate": "another"}))
    (shown.root / PAGES[2]).unlink()
    shown.run("accord", "report")
    assert f"<code>{model}</code>; not judged yet" in shown.read(PAGES[0])
    assert not (shown.root / PAGES[2]).exists(), "a model card of one model with the scorecard of another"


def test_without_figures_there_is_nothing_to_show(tmp_path: Path, new_project: Callable[[], Project]) -> None:
    assert "There is nothing to show" in new_project().refused("accord", "report")
