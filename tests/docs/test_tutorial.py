"""The tutorial's commands, word for word and in its order, print what the page shows."""

from pathlib import Path

import pytest
from projects import ROOT
from reader import Reader, commands
from shown import missing, shown

PAGE = ROOT / "docs/tutorial.md"
CODES = {"accord promote": (0, 2)}
"""The first candidate is refused until there is a reason."""


def test_a_line_that_was_not_printed_is_missing():
    output = "margin   1815.5 \nscore 2\n"
    assert missing(["margin 17", "score 3"], output) == []
    assert missing(["score 3", "margin 17"], output) == []
    assert missing(["margins 17"], output) == ["margins 17"]


def test_the_page_shows_every_command_with_output_once():
    page = PAGE.read_text(encoding="utf-8")
    assert [command for command, _ in shown(page)] == list(commands(page))


@pytest.mark.slow
def test_the_tutorial_runs_word_for_word_and_prints_what_it_shows(tmp_path: Path):
    reader = Reader(tmp_path, CODES)
    for command, lines in shown(PAGE.read_text(encoding="utf-8")):
        reader.types(command)
        output = reader.said.get(command, "")
        assert missing(lines, output) == [], output
