"""Telephone numbers, as they are written with the prefix of a country, or as several countries write them without."""

import re
from collections.abc import Sequence

EXTENSION = r"(?:\s*(?:x|ext\.?|#)\s*\d{1,6})?"
ABROAD = re.compile(rf"(?:\+|00)\s?[1-9][\d\s().\-/]{{6,20}}\d{EXTENSION}")
NORTH_AMERICAN = re.compile(
    rf"(?:(?:\+|00)?1[-. ]?)?(?:\([2-9]\d{{2}}\)\s?|[2-9]\d{{2}}[-. ])\d{{3}}[-. ]\d{{4}}{EXTENSION}"
)
NATIONAL = re.compile(
    r"0[1-9](?:[ .]\d{2}){4}"  # 01 23 45 67 89
    r"|\(0\d{1,5}\)[\s/-]?\d[\d\s-]{3,10}\d"  # (030) 1234567
    r"|0\d{2,5}[ /]\d{3,9}"  # 030/1234567
    r"|0\d{1,4} \d{3,4} \d{3,4}"  # 020 7946 0018
    r"|[67]\d{2} ?\d{3} ?\d{3}(?<=\d \d{3})"  # 612 345 678
    r"|\(\d{2}\)\s?9?\d{4}-\d{4}"  # (11) 91234-5678
    r"|0\d{1,3}-\d{1,4}-\d{4}"  # 03-1234-5678
)
BARE = re.compile(r"0?[1-9]\d{8,10}")
"""Digits and blanks alone, which only count beside numbers written as such."""
MOST, SURE = 0.9, 0.3
DIGITS = (8, 15)


def are_phones(values: Sequence[str]) -> bool:
    """Whether nearly all values are telephone numbers, and many of them are written as nothing else is.

    >>> are_phones(["+34123456789", "+34 611 22 33 44"]), are_phones(["2125550187", "4155550123"])
    (True, False)
    """
    sure = sum(map(is_phone, values)) / len(values)
    bare = sum(BARE.fullmatch(value.replace(" ", "")) is not None for value in values) / len(values)
    return sure >= SURE and sure + bare >= MOST


def is_phone(value: str) -> bool:
    n_digits = sum(map(str.isdigit, re.split(r"[x#e]", value, flags=re.IGNORECASE)[0]))
    if not DIGITS[0] <= n_digits <= DIGITS[1]:
        return False
    return any(pattern.fullmatch(value) is not None for pattern in (ABROAD, NORTH_AMERICAN, NATIONAL))


def could_be_phones(values: Sequence[str]) -> bool:
    """Whether the values have about as many digits as telephone numbers, and hardly anything else."""
    bare = [re.sub(r"[\s().\-/+]|(?:ext|x)\.? ?\d*$", "", value) for value in values]
    n_digits = sorted(len(digits) for digits in bare if digits.isdigit())
    if len(n_digits) < MOST * len(values):
        return False
    low, high = n_digits[len(n_digits) // 20], n_digits[-1 - len(n_digits) // 20]
    return low >= 7 and high <= DIGITS[1] and high - low <= 5
