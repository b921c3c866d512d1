"""A proposal as the text of its file in conf/data, with a reason beside each guess."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from accord.data.advice import quoted
from accord.data.infer.guess import Guess
from accord.onboarding.proposal import Member, Proposal
from accord.terminal import visible

PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:[ /][A-Za-z0-9_]+)*")
WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}
"""What YAML takes for something else than text."""
MAX_REASON = 400
HEAD = "# yaml-language-server: $schema=../../docs/schema/data.json\n# Put together by `accord onboard`"
"""What a file in conf/data begins with that was onboarded."""


def text(proposal: Proposal) -> str:
    """The file. It holds what `proposal.values` does."""
    columns = [member for member in proposal.members if not member.is_left_out]
    left_out = [member for member in proposal.members if member.is_left_out]
    lines = [
        f"{HEAD} from all rows of the table; yours to change. Behind each guess stands why it was made and,",
        "# after `else`, what to write if it is wrong. docs/data.md describes the keys.",
        f"name: {proposal.name}",
        f"description: {in_yaml(proposal.description)}",
        "",
        "sources:",
        *(f"  # {guess.key}: {visible(guess.reason)}" for guess in proposal.written),
        f"  {proposal.name}: {in_yaml(proposal.source)}",
        "",
        *_sections(proposal.guesses, ("key", "subject", "time")),
        "columns:",
        *(f"  {column_line(member)}" for member in columns),
    ]
    if left_out:
        lines += ["  # Left out of the contract; without the first sign a line puts its column in."]
        lines += [f"  # {column_line(member)}" for member in left_out]
    others = list(dict.fromkeys(guess.key.split(".")[0] for guess in proposal.guesses))
    lines += [
        "",
        *_sections(proposal.guesses, [name for name in others if name not in ("key", "subject", "time")]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def in_yaml(value: Any) -> str:
    """The value in YAML on one line. OmegaConf reads it as it is: nothing in it is taken for a reference or a missing value."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return (
            repr(value) if "e" not in repr(value) or "." in repr(value) else repr(value).replace("e", ".0e")
        )
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{in_yaml(name)}: {in_yaml(one)}' for name, one in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(in_yaml, value))}]"
    is_plain = PLAIN.fullmatch(value) and value.lower() not in WORDS
    return value if is_plain else quoted(_unresolved(value))


def _unresolved(value: str) -> str:
    r"""The text with `${` escaped, and the backslashes before it."""
    return re.sub(r"(\\*)\$\{", lambda found: f"{found[1] * 2}\\${{", value)


def column_line(member: Member) -> str:
    """The column in the contract, without the blanks before it."""
    return f"{member.name}: {in_yaml(member.keys)}{_reasons(member.guesses)}"


def _sections(guesses: Iterable[Guess], names: Iterable[str]) -> list[str]:
    """The guesses below these keys of the data set, an empty line after each section that has lines of its own."""
    lines = []
    for name in names:
        own = [guess for guess in guesses if guess.key.split(".")[0] == name]
        lines += [*_nested(own, 0), ""] if own else []
    return lines


def _nested(guesses: list[Guess], depth: int) -> list[str]:
    lines: list[str] = []
    before: list[str] = []
    for guess in guesses:
        path = guess.key.split(".")
        shared = 0
        while shared < min(len(before), len(path) - 1) and before[shared] == path[shared]:
            shared += 1
        lines += [f"{'  ' * i}{path[i]}:" for i in range(shared, len(path) - 1)]
        lines.append(f"{'  ' * (len(path) - 1)}{path[-1]}: {in_yaml(guess.value)}{_reasons([guess])}")
        before = path[:-1]
    return lines


def _reasons(guesses: Iterable[Guess]) -> str:
    """The guesses' reasons as a comment, what they share once."""
    said: dict[str, None] = {}
    for guess in guesses:
        if guess.value is not False:
            clauses = [clause for clause in visible(guess.reason).split("; ") if clause not in said]
            instead = f" (else {visible(guess.instead)})" if guess.instead and clauses else ""
            said |= dict.fromkeys(clauses)
            if instead:
                last = clauses[-1]
                del said[last]
                said[f"{last}{instead}"] = None
    text = "; ".join(filter(None, said))
    return f"  # {text if len(text) <= MAX_REASON else f'{text[:MAX_REASON]}...'}" if text else ""
