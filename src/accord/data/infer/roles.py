"""What the columns of a table are for, and what the data set as a whole is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accord.data.infer.facts import Facts
from accord.data.infer.guess import Guess, Inferred
from accord.data.infer.identifiers import keys, many_levels, repeats, unlearnable
from accord.data.infer.leaking import known_later
from accord.data.infer.personal import personal
from accord.data.infer.protected import groups, slices
from accord.data.infer.subjects import shared, subject
from accord.data.infer.target import target
from accord.data.infer.times import Times, times
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
    outcomes: NDArray[np.float64] = field(compare=False, repr=False)
    """What is predicted, for each row (n_rows,), NaN where it is unknown."""

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
    given, name = given or Given(), name or wanted
    facts = {one.name: Facts(one) for one in sorted(columns, key=lambda one: one.name)}
    for column in (wanted, *given.names):
        if column not in facts:
            raise AccordError(f"no column '{column}' in the table; {nearest(column, facts)}")
    predicted = target(facts[wanted], name, given.task, given.positive)
    others = [one for one in facts.values() if one.name != wanted]
    when = times(others, given.time)
    people = {one.name: personal(one) for one in others}
    about = Guess("subject", given.subject, "given", "") if given.subject else subject(others)

    found = _by_themselves(others, when, people, about) | _given_roles(given)
    found |= repeats([one for one in others if one.name not in found])
    free = [one for one in others if one.name not in found]
    event = facts[when.event] if when.event else None
    later = known_later(free, predicted.y, name, predicted.outcome, check, event, predicted.classes)
    found |= later.roles
    if about is None and (about := shared(later.suspects, facts)) is not None:
        found |= _about(about)
    found[wanted] = Guess("role", "outcome", "what is predicted", "")

    suspects = tuple(one for one in later.suspects if one.feature not in found)
    levels = {one.name: guess for one in others if one.name not in found and (guess := many_levels(one))}
    suspected = [_suspected(one, bool(people.get(one.feature))) for one in suspects]
    return Roles(
        {column: _of_column((found | levels).get(column), people.get(column, ())) for column in facts},
        (*predicted.guesses, *when.data_set, *_of_data_set(others, found, about, given)),
        (*predicted.notes, *when.notes, *suspected, *later.notes),
        suspects,
        predicted.y,
    )


def _suspected(suspect: Suspect, is_personal: bool) -> str:
    """What is said of a suspect; the evidence may hold a value."""
    evidence = "" if is_personal else f": {suspect.target} {suspect.detail}"
    return f"{suspect.feature} looks too good to be known in time{evidence}"


def _by_themselves(
    columns: Sequence[Facts], when: Times, people: Mapping[str, tuple[Guess, ...]], about: Guess | None
) -> dict[str, Guess]:
    """The roles of columns that have one whatever is predicted."""
    ids = {one.name: guess for one in columns if (guess := unlearnable(one)) is not None}
    named = {column: guess for column, guesses in people.items() for guess in guesses if guess.key == "role"}
    found = {**ids, **{column: guess for column, guess in named.items() if column not in ids}, **when.roles}
    return (_about(about) if about is not None else {}) | found


def _about(subject: Guess) -> dict[str, Guess]:
    return {subject.value: Guess("role", "info", "names whom or what a row is about", "role: feature")}


def _given_roles(given: Given) -> dict[str, Guess]:
    return {
        column: Guess("role", keys["role"], "given", "")
        for column, keys in given.columns.items()
        if "role" in keys
    }


def _of_column(role: Guess | None, personally: Sequence[Guess]) -> tuple[Guess, ...]:
    """The guesses about a column. An outcome is in no request, and what is left out nowhere, so that nothing of it is to be kept."""
    if role is None:
        return tuple(personally)
    kept = [guess for guess in personally if guess.key == "pii"]
    return (role,) if role.value in ("outcome", None) else (role, *kept)


def _of_data_set(
    columns: Sequence[Facts], found: Mapping[str, Guess], about: Guess | None, given: Given
) -> list[Guess]:
    """The guesses about the key, the subject, the groups and the slices."""
    known = [one for one in columns if one.name not in found or found[one.name].value in ("info", "feature")]
    key = Guess("key", list(given.key), "given", "") if given.key else keys(known, list(found))
    watched = groups(known)
    features = [one for one in known if one.name not in found]
    return [
        guess for guess in (key, about, watched, slices(features, watched.value if watched else [])) if guess
    ]
