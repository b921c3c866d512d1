"""The code and the config of each page "add a ..." do, in a copy of the project, what the page says."""

import json
import re
import shutil
from typing import Any

import polars as pl
import pytest
import yaml
from projects import ROOT, Project
from reader import FENCES, commands

RIDES = "conf/data/rides.yaml"
STATIONS = "data/raw/stations.csv"
SOURCES = "src/accord/data/ingest/sources.py"


@pytest.fixture(autouse=True)
def as_found(project: Project) -> object:
    """Each test begins and ends with the state that the project was committed in."""
    yield
    project.run("git", "reset", "--quiet", "--hard", "ran")
    project.run("git", "clean", "--quiet", "--force")
    project.run("dvc", "checkout", "--quiet", "--force")


class Page:
    """A page: its commands, and its blocks, whose first line names the file that they belong to."""

    def __init__(self, name: str) -> None:
        text = (ROOT / f"docs/{name}.md").read_text(encoding="utf-8")
        self.commands = [command.split() for command in commands(text)]
        named = [(re.match(r"# ([\w./-]+)", block), block) for _, block in FENCES.findall(text)]
        self._blocks = [(name[1], block) for name, block in named if name]

    def block(self, path: str, which: int = 0) -> str:
        return [block for of, block in self._blocks if of == path][which]

    def write(self, project: Project) -> None:
        for path, block in self._blocks:
            project.write(path, block)


def with_keys(project: Project, block: str) -> None:
    """Puts a block's keys into the data set's file."""

    def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
        both = under.keys() & over.keys()
        return {
            **under,
            **{k: merged(under[k], v) if k in both and isinstance(v, dict) else v for k, v in over.items()},
        }

    project.write(RIDES, yaml.safe_dump(merged(yaml.safe_load(project.read(RIDES)), yaml.safe_load(block))))


def with_stations(project: Project, page: Page) -> None:
    project.write(STATIONS, page.block(STATIONS).partition("\n")[2])
    with_keys(project, page.block(RIDES))


def with_command(project: Project, page: Page) -> None:
    page.write(project)
    project.replace("src/accord/command_line.py", '"report", "doctor")', '"report", "doctor", "splits")')


def test_the_model_of_the_page_trains(project: Project):
    Page("add-a-model").write(project)
    done = project.run("python", "-m", "accord.stages.train", "model=stump")
    assert "Stump for late, delay_minutes" in done.stdout


def test_the_source_of_the_page_joins_the_rows(project: Project):
    with_stations(project, Page("add-a-source"))
    project.run("python", "-m", "accord.stages.ingest", "data=rides")
    rows = pl.read_parquet(project.root / "data/rows/*.parquet")
    assert set(rows["docks"]) == {12, 21, 30}


def test_the_kind_of_file_of_the_page_is_read_once_its_lines_are_there(project: Project):
    page = Page("add-a-source")
    with_stations(project, page)
    table = pl.read_csv(project.root / STATIONS)
    table.write_ndjson(project.root / "data/raw/stations.ndjson")
    with_keys(project, page.block(RIDES, 1))
    ingest = ("python", "-m", "accord.stages.ingest", "data=rides")
    assert "unknown kind of file '.ndjson'" in project.refused(*ingest)
    top = re.search(r"^def _file\(.*\n", project.read(SOURCES), re.MULTILINE)
    assert top is not None
    project.replace(SOURCES, top[0], top[0] + page.block(SOURCES).partition("\n")[2])
    project.run(*ingest)


def test_the_metric_of_the_page_is_computed_with_an_interval(project: Project):
    Page("add-a-metric").write(project)
    assert "missed " in project.run("python", "-m", "accord.stages.decide", "objective=punctual").stdout
    missed = json.loads(project.read("reports/teams.json"))["teams"]["test"]["missed"]
    assert missed["low"] < missed["value"] < missed["high"]


def test_the_command_of_the_page_is_listed_and_runs(project: Project):
    page = Page("add-a-command")
    with_command(project, page)
    [command] = page.commands
    assert "how many rows each split has" in project.run("accord", "--help").stdout
    assert re.search(r"^train +[\d,]+$", project.run(*command).stdout, re.MULTILINE)
    assert "train" not in project.run("accord", "splits", "--least", "100000").stdout


@pytest.mark.slow
def test_the_model_of_the_page_keeps_what_every_model_promises(project: Project):
    Page("add-a-model").write(project)
    shutil.copytree(ROOT / "tests/model", project.root / "tests/model")
    shutil.copyfile(ROOT / "tests/shipped.py", project.root / "tests/shipped.py")
    project.replace("tests/model/test_contract_suite.py", '- {"baseline"}', '- {"baseline", "stump"}')
    options = ("-q", "--import-mode=importlib", "-o", "pythonpath=src tests", "-k", "stump")
    assert "passed" in project.run("pytest", *options, "tests/model").stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["add-a-model", "add-a-metric", "add-a-source"])
def test_what_the_page_adds_goes_through_a_whole_run(project: Project, name: str):
    page = Page(name)
    if name == "add-a-source":
        with_stations(project, page)
    else:
        page.write(project)
    for command in page.commands:
        assert "pass" in project.run(*command).stdout
