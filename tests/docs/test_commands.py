"""docs/commands.md is what the commands say of themselves."""

import runpy

import pytest
from projects import ROOT

from accord import cli
from accord.commands import judge


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "40")
    return str(runpy.run_path(str(ROOT / "docs/commands.py"))["page"]())


def test_the_reference_is_up_to_date(written: str):
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    assert page == written, "Write it anew: make docs"


def test_every_command_has_a_section(written: str):
    titles = [line for line in written.splitlines() if line.startswith("## ")]
    assert titles == [f"## accord {name}" for name in cli.COMMANDS]


def test_other_words_in_a_help_make_the_page_stale(monkeypatch: pytest.MonkeyPatch, written: str):
    monkeypatch.setattr(judge, "HELP", "a verdict")
    again = str(runpy.run_path(str(ROOT / "docs/commands.py"))["page"]())
    assert again != written
