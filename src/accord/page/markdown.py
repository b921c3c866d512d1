"""The only way into Markdown: whatever comes from configs and files is shown there as text, also on a Git host's page."""

import re
from typing import Any

from accord.terminal import visible

SPECIAL = re.compile(r"[\\`*_\[\]<>&|~$]|:(?=//)|(?<=www)\.", re.IGNORECASE)
"""Characters that begin or end an element, or turn an address into a link."""
AT_THE_START = re.compile(r"^( ?\d{0,9})([-+=#.)](?![.\d]))")
"""Beginnings that make a line another kind of block, such as a list item."""


class Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


def escaped(text: str) -> Markdown:
    r"""The text as Markdown that shows it, in one line.

    >>> print(escaped("<b>a_b</b>\n# c"))
    \<b\>a\_b\</b\>\\n# c
    """
    text = SPECIAL.sub(r"\\\g<0>", visible(text))
    text = re.sub(r"^[ \t]+", " ", text)  # four blanks would begin a block of code
    return Markdown(AT_THE_START.sub(r"\1\\\2", text))


def plain(value: Any) -> Any:
    """The value as a template shows it: text that isn't Markdown yet is escaped."""
    return escaped(value) if isinstance(value, str) and not isinstance(value, Markdown) else value


def code(text: str) -> Markdown:
    """The text as a span of code, outside of tables.

    >>> print(code("a > b"), code("`a`"))
    `a > b` `` `a` ``
    """
    text = visible(text)
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return Markdown(f"{fence}{pad}{text}{pad}{fence}")
