"""What is typed of a single column, as COLUMN=WORDS."""

import argparse
import re
from collections.abc import Callable
from typing import Any

from accord.errors import AccordError

TYPES = ("integer", "number", "category", "boolean", "datetime")
ROLES = ("feature", "info", "outcome", "none")
NUMBER = re.compile(r"1(?P<thousands>\D?)234(?:(?P<decimal>\D)5)?")


def reading(words: str) -> dict[str, Any]:
    """How a column is read, as keys of the contract. Raises AccordError.

    >>> reading("category"), reading("%d/%m/%Y"), reading("number:1.234,5")
    ({'type': 'category'}, {'type': 'datetime', 'format': '%d/%m/%Y'}, {'type': 'number', 'thousands': '.', 'decimal': ','})
    """
    kind, colon, form = words.partition(":")
    if "%" in words:
        return {"type": "datetime", "format": words.removeprefix("datetime:")}
    signs = NUMBER.fullmatch(form)
    if kind not in TYPES or (colon and not (kind in ("integer", "number") and signs)):
        raise AccordError(
            f"expected {', '.join(TYPES)}, a format such as %d/%m/%Y, or how 1234.5 is written, such as number:1.234,5"
        )
    return {"type": kind, **{key: sign for key, sign in (signs.groupdict() if signs else {}).items() if sign}}


def nulls(words: str) -> list[str]:
    """The words for a missing value in a column.

    >>> nulls("?,-999"), nulls("")
    (['?', '-999'], [])
    """
    return [word for word in words.split(",") if word]


def role(words: str) -> str | None:
    """What a column is for; None leaves it out. Raises AccordError."""
    if words not in ROLES:
        raise AccordError(f"expected one of {', '.join(ROLES)}")
    return None if words == "none" else words


OF_COLUMNS: dict[str, tuple[Callable[[str], Any], str]] = {
    "--type": (reading, f"how a column is read: {', '.join(TYPES)}, a format such as %%d/%%m/%%Y, or number:1.234,5"),
    "--nulls": (nulls, "a column's words for a missing value, with commas between"),
    "--role": (role, f"what a column is for: {', '.join(ROLES[:-1])}, or none to leave it out"),
}  # fmt: skip


def of_column(read: Callable[[str], Any]) -> Callable[[str], tuple[str, Any]]:
    """Reads COLUMN=WORDS for a parser of arguments."""

    def column(word: str) -> tuple[str, Any]:
        name, equals, words = word.rpartition("=")
        try:
            return name, read(words if equals else "")
        except AccordError as error:
            raise argparse.ArgumentTypeError(f"{word!r}: {error}") from error

    return column
