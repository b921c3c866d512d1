"""What `accord onboard` says: each guess with its reason, many alike together, and the word that changes it."""

import shutil
import textwrap
from collections.abc import Sequence
from itertools import zip_longest

from accord import terminal
from accord.data.infer.guess import Guess
from accord.onboarding.onboard import Onboarded
from accord.onboarding.proposal import Member
from accord.terminal import visible

FEW = 40
"""Up to as many columns have a line each."""
NAME, VALUE = 28, 26
"""Characters of the first two parts of a line, at most."""
WIDTHS = 80, 140
"""Characters of a line, at least and at most, whatever the terminal has."""
PIPED = 100
"""Characters of a line where there is no terminal."""

Row = tuple[str, str, str]


def as_text(done: Onboarded) -> terminal.Lines:
    proposal = done.proposal
    said = [guess for guess in (*proposal.written, *proposal.guesses) if guess.reason]
    chosen = [guess for guess in said if guess.instead or guess.key.startswith("targets.")]
    return terminal.lines([
        f"{proposal.description}, as data set {proposal.name}",
        "",
        *_table("column", _rows(proposal.members)),
        "",
        *_table("key", [_of_data(guess) for guess in chosen]),
        "",
        *(line for remark in proposal.remarks for line in _wrapped(f"Note: {remark}")),
        *(line for note in done.notes for line in _wrapped(note)),
        *_wrapped(f"Wrote {', '.join(map(str, done.files))}: each guess with its reason"),
        *_wrapped(done.next_step),
    ])  # fmt: skip


def _table(head: str, rows: Sequence[Row]) -> list[str]:
    """The rows below their head, as wide as the terminal: what doesn't fit goes on below itself."""
    all_rows = [(head, "is", "because (else)"), *rows]
    first, second = (min(most, max(len(row[i]) for row in all_rows)) for i, most in ((0, NAME), (1, VALUE)))
    widths = (first, second, _width() - first - second - 4)
    lines = [
        line
        for row in all_rows
        for line in zip_longest(
            *(
                textwrap.wrap(visible(cell), n, break_on_hyphens=False)
                for cell, n in zip(row, widths, strict=True)
            ),
            fillvalue="",
        )
    ]
    return terminal.columns(lines)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(visible(text), _width(), break_long_words=False, break_on_hyphens=False)


def _width() -> int:
    least, most = WIDTHS
    return min(most, max(least, shutil.get_terminal_size((PIPED, 0)).columns))


def _of_data(guess: Guess) -> Row:
    value = ", ".join(map(str, guess.value)) if isinstance(guess.value, list) else str(guess.value)
    return guess.key, value, _why(guess)


def _rows(members: Sequence[Member]) -> list[Row]:
    alike: dict[str, list[Member]] = {}
    for member in members:
        alike.setdefault(member.name if len(members) <= FEW else _kind(member), []).append(member)
    return [
        (_names(group), _kind(group[0]), _why(_reason(group[0])) if len(group) == 1 else "")
        for group in alike.values()
    ]


def _kind(member: Member) -> str:
    keys = member.keys
    words = [str(keys["type"]), *([member.role] if member.role != "feature" else [])]
    words += [f"pii: {keys['pii']}"] if keys.get("pii") else []
    return ", ".join(words)


def _names(group: Sequence[Member]) -> str:
    names = [member.source for member in group]
    return names[0] if len(names) == 1 else f"{len(names)} columns: {_short(', '.join(names), 4 * NAME)}"


def _why(guess: Guess) -> str:
    return f"{guess.reason} (else {guess.instead})" if guess.instead else guess.reason


def _reason(member: Member) -> Guess:
    """The guess that says most about the column: its role, or else its type."""
    return next((guess for guess in member.guesses if guess.key in ("role", "pii")), member.guesses[0])


def _short(text: str, n: int) -> str:
    return text if len(text) <= n else f"{text[: n - 3]}..."
