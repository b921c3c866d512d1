"""The tutorial's commands, word for word and in its order, print what the page shows."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from projects import ROOT
from reader import FENCES, Reader, commands

PAGE = ROOT / "docs/tutorial.md"
CODES = {"accord promote": (0, 2)}
"""The first candidate is refused until there is a reason."""
ID = re.compile(r"\b[0-9a-f]{16}\b")
NUMBER = re.compile(r"[-+]?\d(?:[\d.,:Te+-]*\d)?")
WHO = re.compile(r"by \w+:")


def shown(page: str) -> Iterator[tuple[str, list[str]]]:
    """Each command with the lines that the page shows of its output."""
    for _, block in FENCES.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, [line for line in output.splitlines() if line not in ("", "...")]


def without_figures(line: str) -> str:
    """The words of a line: another machine has other ids, times and last digits, and so other widths of columns.

    >>> without_figures("* 2026-11-25T23:36:47+00:00  829d5651ecff209b  by ada: margin  -1.5 [2e-05, 7,222]")
    '* # # by WHO: margin # [#, #]'
    """
    words = WHO.sub("by WHO:", NUMBER.sub("#", ID.sub("#", line)))
    return " ".join(words.split())


def missing(lines: list[str], output: str) -> list[str]:
    """The lines of the page that the output hasn't, in whatever order: DVC's differs from run to run. What follows `...` in
    a line may be anything."""
    printed = [without_figures(line) for line in output.splitlines()]
    return [line for line in lines if not any(_begins(line, other) for other in printed)]


def _begins(line: str, printed: str) -> bool:
    begin, cut, _ = line.partition("...")
    expected = without_figures(begin)
    return printed.startswith(expected) if cut else printed == expected


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
