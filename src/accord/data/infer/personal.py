"""Columns that may identify a person."""

import ipaddress
import re
from collections.abc import Callable, Sequence

from accord.data.infer.facts import Facts
from accord.data.infer.guess import Guess
from accord.data.infer.times import is_birth

MOST = 0.9
"""Share of the different values that have to look alike."""
MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
SSN = re.compile(r"(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}")


def personal(facts: Facts) -> Guess | None:
    """That a column may identify a person, and what of it the log should keep."""
    if is_birth(facts) and facts.is_instant:
        return _hash("a date of birth, by its name")
    values = facts.sample
    if not values or not facts.is_text:
        return None
    for what, test in LOOKS.items():
        if (share := _share(test, values)) >= MOST:
            return _hash(f"{what}, as {share:.0%} of its different values look")
    return None


def _hash(reason: str) -> Guess:
    return Guess("pii", "hash", reason, "no pii, or pii: drop")


def _share(test: Callable[[str], bool], values: Sequence[str]) -> float:
    return sum(map(test, values)) / len(values)


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


LOOKS: dict[str, Callable[[str], bool]] = {
    "mail addresses": lambda value: MAIL.fullmatch(value) is not None,
    "US social security numbers": lambda value: SSN.fullmatch(value) is not None,
    "IP addresses": _is_address,
}
