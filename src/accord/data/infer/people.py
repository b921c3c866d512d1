"""Names of people, told by the lists of given names and surnames that Faker keeps for many countries."""

import re
from collections.abc import Sequence
from functools import cache
from importlib import import_module

from accord.data.infer.hints import plain

COUNTRIES = (
    "en_US", "en_GB", "en_IN", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pt_BR", "pt_PT", "pl_PL", "sv_SE", "da_DK", "fi_FI", "no_NO",
    "cs_CZ", "hu_HU", "ro_RO", "tr_TR", "ru_RU", "el_GR", "zh_CN", "ja_JP", "ko_KR", "ar_AA", "id_ID", "uk_UA", "hr_HR",
)  # fmt: skip
TITLES = {
    "mr", "mrs", "ms", "miss", "mx", "dr", "prof", "sir", "herr", "frau", "hr", "fr", "ing", "dipl", "mag", "mme", "mlle", "monsieur", "madame",
    "sr", "sra", "srta", "don", "dona", "sig", "dott", "dottssa", "rev", "jr", "ii", "iii", "iv", "md", "dds", "phd", "dvm", "med", "van", "von",
    "de", "der", "den", "la", "le", "di", "da", "del", "dos", "bin", "al", "el", "ter", "ten", "zu", "of", "pan", "pani", "univ", "ba", "bsc", "beng", "esq",
}  # fmt: skip
"""Words beside a name that are part of no list."""
SURE_TITLES = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Herr|Frau|Mme|Mlle|Sra?|Srta)\b\.?\s")
COMPANY = re.compile(
    r"\b(?:inc|llc|ltd|plc|corp|corporation|company|co|gmbh|ag|kg|ohg|mbh|s\.?a|s\.?r\.?l|s\.?p\.?a|b\.?v|n\.?v|oy|ab|group|holding|holdings|sons|and|und|bros|"
    r"partners|associates|university|school|hospital|bank|hotel|st|street|ave|road|stiftung|e\.?v|the)\b\.?|&",
    re.IGNORECASE,
)
"""What stands in names of companies and places, and not in those of people."""
SPELLED = re.compile(r"[^\W\d_]+(?:['\u2019.\-][^\W\d_]*)*\.?")
MAX_PARTS = 6


@cache
def given_names() -> frozenset[str]:
    return _listed("first_names", "first_romanized_names")


@cache
def surnames() -> frozenset[str]:
    return _listed("last_names", "last_romanized_names")


def _listed(*kinds: str) -> frozenset[str]:
    found: set[str] = set()
    for country in COUNTRIES:
        provider = import_module(f"faker.providers.person.{country}").Provider
        lists = [name for name in dir(provider) if any(kind in name for kind in kinds)]
        found.update(
            _folded(name)
            for one in lists
            for name in getattr(provider, one)
            if not callable(getattr(provider, one))
        )
    return frozenset(found)


def _folded(name: object) -> str:
    return plain(name[0] if isinstance(name, tuple) else str(name))


def share_of_full_names(values: Sequence[str]) -> float:
    """The share of the values that are a given name and a surname, in either order, with titles and initials."""
    return sum(map(_is_full_name, values)) / len(values)


def share_of_single_names(values: Sequence[str]) -> float:
    """The share of the values that are given names, or that are surnames, whichever is larger."""
    parts = [[_folded(part) for part in re.split(r"[\s\-]+", value)] for value in values]
    return max(
        sum(all(part in names for part in one) for one in parts) / len(values)
        for names in (given_names(), surnames())
    )


def share_with_names(values: Sequence[str]) -> float:
    """The share of the values that hold a given name or a surname anywhere, and could be names of people by their letters."""
    able = [value for value in values if _parts(value)]
    known = given_names() | surnames()
    return sum(any(_folded(part) in known for part in _parts(value)) for value in able) / len(values)


def share_spelled_as_names(values: Sequence[str]) -> float:
    """The share of the values that are a few words of letters, as names of people are."""
    return sum(bool(_parts(value)) for value in values) / len(values)


def share_with_titles(values: Sequence[str]) -> float:
    return sum(SURE_TITLES.search(f"{value} ") is not None for value in values) / len(values)


def _parts(value: str) -> list[str]:
    """The words of what may be a name, without titles; none if it is something else."""
    text = re.sub(r"\([^)]*\)|\"[^\"]*\"", " ", value)
    if COMPANY.search(text) or len(text) > 60:
        return []
    parts = re.split(r"[\s,]+", text.strip())
    if len(parts) > MAX_PARTS or not all(SPELLED.fullmatch(part) for part in parts):
        return []
    return [part for part in parts if _folded(part).strip(".") not in TITLES]


def _is_full_name(value: str) -> bool:
    parts = [_folded(part) for part in _parts(value)]
    if len(parts) == 1:
        return _is_joined(parts[0])
    if len(parts) < 2:
        return False
    given, last = given_names(), surnames()
    first, final = parts[0].strip("."), parts[-1].strip(".")
    forward = (first in given or len(first) == 1) and (final in last or final.rpartition("-")[2] in last)
    backward = (first in last or first.partition("-")[0] in last) and (
        final in given or len(final) == 1 or parts[1] in given
    )
    return forward or backward


def _is_joined(text: str) -> bool:
    """Whether a text without blanks is surname and given name one after the other, as in Chinese and Korean."""
    is_east = 2 <= len(text) <= 5 and all(character >= "぀" for character in text)
    return is_east and any(text[:i] in surnames() and text[i:] in given_names() for i in (1, 2, 3))
