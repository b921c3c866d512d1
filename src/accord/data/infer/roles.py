"""What the columns of a table are for, and what the data set as a whole is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from accord.data.infer import identifiers, protected
from accord.data.infer.facts import Facts
from accord.data.infer.guess import Guess, Inferred
from accord.data.infer.leaking import known_later
from accord.data.infer.personal import personal
from accord.data.infer.subjects import subject
from accord.data.infer.target import target
from accord.data.infer.times import times
from accord.data.leaks import Suspect
from accord.errors import AccordError, nearest
from accord.schema.data import LeakCheck


@dataclass(frozen=True)
class Roles:
    columns: Mapping[str, tuple[Guess, ...]]
    """Of each column by its name in the contract: its `role`, and `pii` where it may be personal. A column without a guess is a
    feature; one with the role None is best left out of the contract."""
    data_set: tuple[Guess, ...]
    """About `time.event` and the like, `key`, `subject`, `groups`, `slices` and `targets.NAME.task`."""
    notes: tuple[str, ...]
    """What no key of the config says."""
    suspects: tuple[Suspect, ...]
    """Features that look too good to be known in time, which stay features until somebody says otherwise."""

    def role(self, name: str) -> str | None:
        """The role of a column: feature, outcome, info or, where it is best left out, None."""
        return next((guess.value for guess in self.columns[name] if guess.key == "role"), "feature")


@dataclass(frozen=True)
class Given:
    """What the user says; it always holds."""

    time: str | None = None
    key: Sequence[str] = ()
    subject: str | None = None
    task: str | None = None
    positive: str | None = None
    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Keys of columns in the contract, as `role` and `pii`, by the column's name there."""

    @property
    def names(self) -> list[str]:
        """The columns that are named."""
        return [*filter(None, (self.time, self.subject)), *self.key, *self.columns]


def roles(
    columns: Sequence[Inferred],
    wanted: str,
    check: LeakCheck,
    given: Given | None = None,
    name: str | None = None,
) -> Roles:
    """What each column is for where the one called `wanted` in the contract is predicted, as target `name` (default: like its
    column). The order of rows and columns changes nothing. Raises AccordError where nothing can be predicted."""
    given = given or Given()
    facts = {one.name: Facts(one) for one in sorted(columns, key=lambda one: one.name)}
    for column in (wanted, *given.names):
        if column not in facts:
            raise AccordError(f"no column '{column}' in the table; {nearest(column, facts)}")
    name = name or wanted
    predicted = target(facts[wanted], name, given.task, given.positive)
    others = [one for one in facts.values() if one.name != wanted]
    when = times(others, given.time)
    found: dict[str, Guess] = {
        **_given_roles(given),
        **_of_those_left(others, identifiers.unlearnable),
        **when.roles,
    }
    open_ = [one for one in others if one.name not in found]
    later = known_later(
        [one for one in others if one.name in (*(o.name for o in open_), when.event)], predicted.y, name,
        predicted.outcome, check, when.event,
    )  # fmt: skip
    found = {**found, **later.roles}
    found |= identifiers.repeats([one for one in others if one.name not in found])
    about = (
        subject(others)
        if given.subject is None
        else Guess("subject", given.subject, "given as --subject", "")
    )
    if about is not None:
        reason = f"an id: {about.reason}" if about.reason else "an id"
        found.setdefault(about.value, Guess("role", "info", reason, "role: feature"))
    found |= _given_roles(given)
    found[wanted] = Guess("role", "outcome", "what is predicted", "")
    personally = _of_those_left(others, personal)
    outcomes = [column for column, guess in found.items() if guess.value in ("outcome", None)]
    data_set = _data_set(others, outcomes, found, about, given)
    notes = [
        *predicted.notes,
        *when.notes,
        *(f"{s.feature} looks too good to be known in time: {s.target} {s.detail}" for s in later.suspects),
    ]
    return Roles(
        {
            column: tuple(
                guess
                for guess in (found.get(column), None if column in outcomes else personally.get(column))
                if guess
            )
            for column in facts
        },
        (*predicted.guesses, *when.data_set, *data_set),
        tuple(notes),
        later.suspects,
    )


def _given_roles(given: Given) -> dict[str, Guess]:
    return {
        column: Guess("role", keys["role"], "given", "")
        for column, keys in given.columns.items()
        if "role" in keys
    }


def _of_those_left(columns: Sequence[Facts], guess_of: Callable[[Facts], Guess | None]) -> dict[str, Guess]:
    return {one.name: guess for one in columns if (guess := guess_of(one)) is not None}


def _data_set(
    columns: Sequence[Facts],
    outcomes: Sequence[str],
    found: Mapping[str, Guess],
    about: Guess | None,
    given: Given,
) -> list[Guess]:
    """The guesses about the key, the subject, the groups and the slices."""
    known = [one for one in columns if one.name not in outcomes]
    key = (
        Guess("key", list(given.key), "given as --key", "")
        if given.key
        else identifiers.keys(known, list(found))
    )
    watched = protected.groups(known)
    features = [one for one in known if one.name not in found]
    sliced = protected.slices(features, watched.value if watched else [])
    return [guess for guess in (key, about, watched, sliced) if guess is not None]
