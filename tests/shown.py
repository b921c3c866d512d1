"""What a page of the documentation shows of its commands' output, beside what they print."""

import re
from collections.abc import Iterator

from reader import FENCES

ID = re.compile(r"\b(?:[0-9a-f]{16}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
"""Of models and predictions."""
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
