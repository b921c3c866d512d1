"""What `accord onboard` says: each guess with its reason, many alike together, and the word that changes it."""

from collections.abc import Sequence

from accord import terminal
from accord.data.infer.guess import Guess
from accord.onboarding.onboard import Onboarded
from accord.onboarding.proposal import Member

FEW = 40
"""Up to as many columns have a line each."""
NAME, VALUE, REASON, ELSE = 28, 40, 76, 44
"""Characters of each part of a line."""


def as_text(done: Onboarded) -> terminal.Lines:
    proposal = done.proposal
    said = [guess for guess in (*proposal.written, *proposal.guesses) if guess.reason]
    return terminal.lines([
        f"{proposal.description}, as data set {proposal.name}",
        "",
        *terminal.table(("column", "is", "because", "else"), _rows(proposal.members)),
        "",
        *terminal.table(("key", "is", "because", "else"), [_of_data(guess) for guess in said]),
        "",
        *(f"Note: {remark}" for remark in proposal.remarks),
        *done.notes,
        f"Wrote {', '.join(map(str, done.files))}, with every guess, its reason and what to write if it is wrong",
        done.next_step,
    ])  # fmt: skip


def _of_data(guess: Guess) -> tuple[str, str, str, str]:
    value = ", ".join(map(str, guess.value)) if isinstance(guess.value, list) else str(guess.value)
    return (
        _short(guess.key, NAME),
        _short(value, VALUE),
        _short(guess.reason, REASON),
        _short(guess.instead, ELSE),
    )


def _rows(members: Sequence[Member]) -> list[tuple[str, str, str, str]]:
    alike: dict[str, list[Member]] = {}
    for member in members:
        alike.setdefault(member.name if len(members) <= FEW else _kind(member), []).append(member)
    return [
        (
            _names(group),
            _short(_kind(group[0]), VALUE),
            _short(_reason(group[0]).reason if len(group) == 1 else "", REASON),
            _short(_reason(group[0]).instead if len(group) == 1 else "", ELSE),
        )
        for group in alike.values()
    ]


def _kind(member: Member) -> str:
    keys = member.keys
    words = [str(keys["type"]), *([member.role] if member.role != "feature" else [])]
    words += [f"pii: {keys['pii']}"] if keys.get("pii") else []
    return ", ".join(words)


def _names(group: Sequence[Member]) -> str:
    names = [member.source for member in group]
    if len(names) == 1:
        return _short(names[0], NAME)
    return f"{len(names)} columns: {_short(', '.join(names), NAME)}"


def _reason(member: Member) -> Guess:
    """The guess that says most about the column: its role, or else its type."""
    return next((guess for guess in member.guesses if guess.key in ("role", "pii")), member.guesses[0])


def _short(text: str, n: int) -> str:
    return text if len(text) <= n else f"{text[: n - 3]}..."
