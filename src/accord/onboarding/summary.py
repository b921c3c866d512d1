"""What `accord onboard` says: each guess with its reason, many alike together, and the word that changes it."""

from collections.abc import Sequence

from accord import terminal
from accord.data.infer.guess import Guess
from accord.onboarding.onboard import Onboarded
from accord.onboarding.proposal import Member

FEW = 40
"""Up to as many columns have a line each."""
WIDTH = 90


def as_text(done: Onboarded) -> terminal.Lines:
    proposal = done.proposal
    return terminal.lines([
        f"{proposal.description}, as data set {proposal.name}",
        "",
        *terminal.columns([_of_data(guess) for guess in (*proposal.written, *proposal.guesses)]),
        "",
        *terminal.table(("column", "as", "because", "else"), _rows(proposal.members)),
        "",
        *proposal.remarks,
        *done.notes,
        f"Wrote {', '.join(map(str, done.files))}; every guess and its reason stand there",
        f"Selected data={proposal.name} objective={done.objective}; go on: accord run",
    ])  # fmt: skip


def _of_data(guess: Guess) -> tuple[str, str, str, str]:
    value = ", ".join(map(str, guess.value)) if isinstance(guess.value, list) else str(guess.value)
    return guess.key, _short(value), _short(guess.reason), _short(guess.instead)


def _rows(members: Sequence[Member]) -> list[tuple[str, str, str, str]]:
    if len(members) <= FEW:
        return [(member.source, _kind(member), _reasons(member), _instead(member)) for member in members]
    alike: dict[str, list[Member]] = {}
    for member in members:
        alike.setdefault(_kind(member), []).append(member)
    return [
        (_names(group), kind, _reasons(group[0]), _instead(group[0]) if len(group) == 1 else "")
        for kind, group in alike.items()
    ]


def _kind(member: Member) -> str:
    keys = member.keys
    words = [str(keys["type"]), *([member.role] if member.role != "feature" else [])]
    words += [f"pii: {keys['pii']}"] if keys.get("pii") else []
    return ", ".join(words)


def _names(group: Sequence[Member]) -> str:
    names = [member.source for member in group]
    return (
        names[0]
        if len(names) == 1
        else _short(f"{len(names)} columns: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}")
    )


def _reasons(member: Member) -> str:
    return _short(
        "; ".join(
            guess.reason for guess in reversed(member.guesses) if guess.reason and guess.key != "source"
        )
    )


def _instead(member: Member) -> str:
    return _short(next((guess.instead for guess in reversed(member.guesses) if guess.instead), ""))


def _short(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."
