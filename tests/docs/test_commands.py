"""docs/commands.md is what the commands say of themselves."""

import re
import runpy
import shlex
from importlib import import_module
from typing import Any

import pytest
from projects import ROOT

from accord import cli, command_line
from accord.commands import judge


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("COLUMNS", "40")
    return runpy.run_path(str(ROOT / "docs/commands.py"))


def test_the_reference_is_up_to_date(written: dict[str, Any]):
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    assert page == written["page"](), "Write it anew: make docs"


def test_every_command_has_a_section(written: dict[str, Any]):
    titles = [line for line in written["page"]().splitlines() if line.startswith("## ")]
    assert titles == [f"## accord {name}" for name in command_line.COMMANDS]


def test_the_schemas_are_up_to_date(written: dict[str, Any]):
    page = (ROOT / "docs/commands.schema.json").read_text(encoding="utf-8")
    assert page == written["schemas"](), "Write it anew: make docs"


@pytest.mark.parametrize("name", command_line.COMMANDS)
def test_every_command_has_an_example_that_it_understands(name: str):
    example = shlex.split(import_module(f"accord.commands.{name}").EXAMPLE)
    assert example[:2] == ["accord", name]
    assert command_line.parser().parse_args(example[1:]).run is import_module(f"accord.commands.{name}").run


def test_the_help_names_every_command_once_in_a_group(capsys: pytest.CaptureFixture[str]):
    cli.main([])
    said = capsys.readouterr().out
    groups = re.findall(r"^(\w+):\n((?:  .*\n)+)", said, re.M)
    assert [title for title, _ in groups] == list(command_line.GROUPS)
    listed = [line.split()[0] for _, lines in groups for line in lines.splitlines()]
    assert listed == list(command_line.COMMANDS)
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    assert capsys.readouterr().out == said


REFUSED = {
    "moniter": "accord: there is no command 'moniter'; did you mean 'monitor'? Valid: ",
    "--port": "accord: ",
    "monitor --from 1.7.2013": "accord monitor: argument --from: '1.7.2013' is no day; expected such as 2013-07-01; ",
    "monitor --rows 0": "accord monitor: argument --rows: '0' is not a number above 0; ",
    "monitor --rows 2.5": "accord monitor: argument --rows: '2.5' is not a whole number above 0; ",
    "load --rate fast --for 1": "accord load: argument --rate: 'fast' is not a number above 0; ",
    "load --rate nan --for 1": "accord load: argument --rate: 'nan' is not a number above 0; ",
    "load --rate inf --for 1": "accord load: argument --rate: 'inf' is not a number above 0; ",
    "judge --json --quiet": "accord judge: argument --quiet: not allowed with argument --json; ",
    "judge now": "accord: unrecognized arguments: now; ",
    "package --json": "accord: unrecognized arguments: --json; ",
    "predict rows.csv": "accord predict: the following arguments are required: OUTPUT; ",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_it_does_not_understand_is_refused_in_one_line(words: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="2"):
        cli.main(words.split())
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(REFUSED[words])
    assert said.err.count("\n") == 1
    assert re.search(r"see accord( \w+)? --help$", said.err.strip())


def test_other_words_in_a_help_make_the_page_stale(monkeypatch: pytest.MonkeyPatch, written: dict[str, Any]):
    before = written["page"]()
    monkeypatch.setattr(judge, "HELP", "a verdict")
    assert written["page"]() != before
