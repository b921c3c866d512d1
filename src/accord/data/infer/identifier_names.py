"""Names for columns in the contract, where they are identifiers, whatever the table calls them."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

RESERVED = frozenset(("prediction_id", "score", "action", "duplicates"))
"""What means something else where people write names side by side: docs/data.md says where."""
VALUES = frozenset(("true", "false", "yes", "no", "on", "off", "null", "nan", "inf"))
"""What YAML, or a word of the command line, reads as a value rather than as a name, however it is capitalised."""
MAX_LENGTH = 50
LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "ø": "o", "œ": "oe", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "\u0131": "i", "%": " pct ", "#": " n ", "€": " eur ", "$": " usd ", "£": " gbp "})  # fmt: skip


def names(sources: Sequence[str], taken: Iterable[str] = ()) -> list[str]:
    """A name for each column of the sources, which all differ. A name that is an identifier stays what it is; where several would
    be the same, those that had to change get a number, in the order of their text."""
    reserved = RESERVED | set(taken)
    kept = {source for source in sources if is_name(source) and not _is_taken(source, reserved)}
    used, found = {name.lower() for name in kept}, {source: source for source in kept}
    for source in sorted(set(sources) - kept):
        wanted = plain(source)
        if _is_taken(wanted, reserved):
            wanted = f"own_{wanted}"
        name, n = wanted, 2
        while name.lower() in used:
            name, n = f"{wanted}_{n}", n + 1
        used.add(name.lower())
        found[source] = name
    return [found[source] for source in sources]


def _is_taken(name: str, reserved: Iterable[str]) -> bool:
    return name in reserved or name.lower() in VALUES


def is_name(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", text) is not None and len(text) <= MAX_LENGTH + 10


def plain(text: str) -> str:
    """The text as an identifier.

    >>> plain("Größe (m²)"), plain("2nd Floor SF"), plain("hours-per-week"), plain("CustomerID"), plain("年齢")
    ('grosse_m2', 'c_2nd_floor_sf', 'hours_per_week', 'CustomerID', 'column')
    """
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", text):
        return text[:MAX_LENGTH]
    folded = unicodedata.normalize("NFKD", text.lower().translate(LETTERS))
    ascii_only = "".join(c for c in folded if not unicodedata.combining(c))
    words = re.sub(r"[^a-z0-9]+", "_", ascii_only).strip("_")[:MAX_LENGTH].rstrip("_")
    if not words:
        return "column"
    return words if words[0].isalpha() else f"c_{words}"
