"""Numbers, however they are written: which words are numbers, and which are codes that only look like them."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from accord.data.casting import cast
from accord.data.forms import CURRENCIES, CURRENCY_CODES, MARKS
from accord.data.infer.distinct import Words, edges
from accord.data.infer.missing import may_be_sentinels
from accord.schema.data import Reading

N_TRIED = 1000
FEW = 0.1
MAX_DIGITS = 15
"""Digits that a float holds without loss: longer integers are identifiers."""
MAX_PLAIN = 10.0**MAX_DIGITS
COMPACT = 18_000_101
"""From here on digits may be a day, as 20170204."""
CODE_NAMES = re.compile(
    r"(^|_|\b)(zip|zip_?code|postal|postal_?code|post_?code|postcode|plz|cep|fips|phone|telephone|mobile|fax|ssn|isbn|ean|upc|iban|sku|npi|naics|sic|icd|imei|vin)(_?(code|no|nr|num|number|id))?($|_|\b)",
    re.IGNORECASE,
)  # fmt: skip
"""Names of columns whose digits are no quantity."""
LEADING_ZERO, PHONE, EXPONENT = r"^[+-]?0\d", r"^\+\d{7,}$", r"^\d+[eE]\d+$"


@dataclass(frozen=True)
class Way:
    """A way to read words, how many rows it loses, and why it is one."""

    keys: dict[str, Any]
    lost: pl.Series
    """Where a word is not read by it (n_words,)."""
    reason: str
    instead: list[str] = field(default_factory=list)
    """What else the values could be, as the options that say so."""
    is_open: bool = False


def codes(words: Words, name: str) -> str | None:
    """Why words that are all digits and signs are codes rather than numbers; None if they are numbers."""
    leading, phones, exponents = (
        words.where(words.matching(form)) for form in (LEADING_ZERO, PHONE, EXPONENT)
    )
    if len(leading.text):
        return f"{leading.n_rows:,} values begin with a zero, as '{leading.text.sort()[0]}', which a number would lose"
    if len(phones.text):
        return f"values such as '{phones.text.sort()[0]}' are written as telephone numbers are"
    if len(words.text) and words.matching(r"^\d+$").all():
        if (words.text.str.len_chars().max() or 0) > MAX_DIGITS:  # type: ignore[operator]
            return f"values such as '{words.examples(1)[0]}' have more than {MAX_DIGITS} digits, as identifiers have"
        if CODE_NAMES.search(name):
            return f"columns called '{name}' hold codes"
    if len(exponents.text) and not _are_rounded(words, exponents):
        return f"{exponents.n_rows:,} values such as '{exponents.text.sort()[0]}' are codes: programs write such numbers with a point or a sign"
    return None


def _are_rounded(words: Words, exponents: Words) -> bool:
    """Whether words such as 1e3 are what some programs write for 1000: few among numbers, in small letters or beside decimals."""
    few = exponents.n_rows <= FEW * words.n_rows
    return few and bool(words.matching(r"\.\d").any() or not exponents.matching("E").any())


def plain(words: Words) -> Way:
    """Words as programs write numbers."""
    number = words.text.cast(pl.Float64, strict=False)
    is_one = number.is_finite().fill_null(False)
    decimal = is_one & words.text.cast(pl.Int64, strict=False).is_null() & ~words.matching(r"^[+-]?\d+$")
    keys, reason = _by_decimals(words.rows(decimal), words.rows(is_one))
    return Way(keys, ~is_one | cast(words.text, Reading(**keys))[1], reason)


def plainly(column: pl.Series) -> tuple[dict[str, Any], str] | None:
    """How a column of text is read, and why, if all of its values are numbers as programs write them and none has to be weighed. It
    says what `plain` says, but doesn't count the values."""
    number, n = column.cast(pl.Float64, strict=False), column.count()
    if not n or number.count() < n or not number.is_finite().all() or may_be_sentinels(number):
        return None
    low, high = edges(number)
    n_decimal = n - column.cast(pl.Int64, strict=False).count()
    if (
        low > -MAX_PLAIN
        and high < MAX_PLAIN
        and not column.str.contains(f"{LEADING_ZERO}|{PHONE}|{EXPONENT}").any()
    ):
        may_be_dates = high >= COMPACT and low >= COMPACT
        if n_decimal or not (may_be_dates or CODE_NAMES.search(column.name)):
            return _by_decimals(n_decimal, n)
    return None


def _by_decimals(n_decimal: int, n: int) -> tuple[dict[str, Any], str]:
    if not n_decimal:
        return {"type": "integer"}, "are whole numbers"
    return {
        "type": "number"
    }, f"are numbers, {n_decimal:,} of them with decimals" if n_decimal < n else "are numbers with decimals"


def with_signs(words: Words, given: dict[str, Any]) -> list[Way]:
    """The ways to read words that have a percent sign, a currency, a unit, or other decimal points; several if they differ in what they
    read, none if they are no such numbers."""
    sample = words.sample(N_TRIED)
    has_digit = sample.str.contains(r"\d")
    if has_digit.mean() < 0.8:  # type: ignore[operator]
        return []
    more = _around(sample.filter(has_digit)) | given
    found: list[tuple[pl.Series, Way]] = []
    kinds = ("number",) if "percent" in more else ("integer", "number")
    for marks in MARKS:
        tried = {**more, **{k: v for k, v in marks.items() if k not in given}}
        if tried.get("thousands") == tried.get("decimal", "."):
            continue
        if not marks and not more:
            continue
        for kind in kinds:
            keys = {"type": kind, **tried}
            if _lost_share(sample, keys) > 0.2:
                continue
            values, lost = cast(words.text, Reading(**keys))
            if any(values.cast(pl.Float64).equals(other, null_equal=True) for other, _ in found):
                break
            found.append((values.cast(pl.Float64), Way(keys, lost | values.is_null(), _described(keys))))
            if not lost.any():
                break
    if not found:
        return []
    least = min(words.rows(way.lost) for _, way in found)
    best = [way for _, way in found if words.rows(way.lost) == least]
    return _decided(words, best) if len(best) > 1 else [_grouped(words, best[0])]


def _grouped(words: Words, way: Way) -> Way:
    """The way of numbers with decimals below 1,000, of which larger ones are written in groups: amounts of money, and those with a
    decimal comma."""
    is_money = way.keys["type"] == "number" and "currency" in way.keys
    if not (is_money or "decimal" in way.keys) or "thousands" in way.keys or words.matching(r"\d{4}").any():
        return way
    keys = {**way.keys, "thousands": "." if "decimal" in way.keys else ","}
    same = all(
        a.equals(b, null_equal=True)
        for a, b in zip(cast(words.text, Reading(**keys)), cast(words.text, Reading(**way.keys)), strict=True)
    )
    return replace(way, keys=keys) if same else way


def _lost_share(sample: pl.Series, keys: dict[str, Any]) -> float:
    return float(cast(sample, Reading(**keys))[1].mean())  # type: ignore[arg-type]


def _around(sample: pl.Series) -> dict[str, Any]:
    """What stands beside the digits in most values: a percent sign, a currency, a unit."""
    if sample.str.contains(r"%\s*$").mean() > 0.8:  # type: ignore[operator]
        return {"percent": True}
    for sign in CURRENCIES:
        if sample.str.contains(sign, literal=True).mean() > 0.8:  # type: ignore[operator]
            return {"currency": sign}
    digits = r"[+-]?(?:[1-9][\d., ]*|0(?:[.,]\d*)?)"  # as 12 or 0.5, not as 0012
    before = sample.str.extract(rf"^((?:{'|'.join(CURRENCY_CODES)}))\s*{digits}$")
    joined = sample.str.extract(rf"^{digits}([\p{{Ll}}°µ²³][\p{{L}}°µ²³/]+)$")
    after = joined.fill_null(sample.str.extract(rf"^{digits}\s+([\p{{L}}°µ²³/]+)$"))
    after = after.filter(~after.is_in(["st", "nd", "rd", "th"]).fill_null(False))
    for words in (before, after):
        counted = words.drop_nulls().value_counts(sort=True, name="n")
        if counted.height and counted["n"][0] > 0.8 * len(sample):
            return {"currency": str(counted[0, 0])}
    return {}


def _described(keys: dict[str, Any]) -> str:
    said = []
    if keys.get("percent"):
        said.append("a percent sign")
    if "currency" in keys:
        said.append(f"'{keys['currency']}' beside them")
    if "decimal" in keys:
        said.append(f"'{keys['decimal']}' before decimals")
    if "thousands" in keys:
        said.append(
            f"'{keys['thousands']}' between groups of three digits"
            if keys["thousands"] != " "
            else "a blank between groups of three digits"
        )
    return f"are numbers with {' and '.join(said)}" if said else "are numbers"


def _decided(words: Words, ways: list[Way]) -> list[Way]:
    """Of ways that read different values, the one that the words themselves decide for, if they do."""
    grouped = [way for way in ways if "thousands" in way.keys]
    bare = words.matching(r"^\D*\d{1,3}\D*$").any()
    if len(grouped) == 1 and bare and not words.matching(r"^\D*\d{4,}\D*$").any():
        return grouped  # 5 and 1,234 in one column: with three decimals it would say 5,000
    return ways
