"""Tries: how many candidates have met the same champion on the same rows, and how sure the next has to be.

Of many equal candidates one looks better by luck. So each candidate that is judged for promotion has a line in
models/tries.jsonl, and the error that promotion.level allows is spent over them: the Nth try gets its share, and all
shares together are no more than a single comparison's (alpha spending: Lan and DeMets 1983; over hypotheses that come one by
one: Foster and Stine 2008). That holds whatever candidates have in common, at whatever try one stops, and where two clones
count apart until git merges their lines. Nearly all goes to the first: most champions meet one candidate a month. To use
how candidates' gains correlate (max-T) would keep little more: gains over one champion, which correlate with 0.5, need 3.4 in
place of 3.6 standard errors at the second try.

A candidate is the trained models with their policy, whatever else has changed. Weights of the policy that are tried out over
the same trained models, the champion's or those of an earlier try, are a question: that is a try once it is to be promoted.
Another champion or other rows begin anew.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from accord import jsonl
from accord.paths import Paths

FIRST = 0.9
"""The first try's share of the error."""
HALF_LIFE = 20
"""Each of the others gets less than the one before; so many tries on it is half."""
TRIED_MODELS = ("models", "transform.json")
"""What decides a bundle's predictions."""


@dataclass(frozen=True)
class Candidate:
    """A candidate beside the champion on the rows of test, by hashes of what decides the verdict."""

    candidate: str
    """The model's id, as is `champion`."""
    champion: str
    rows: str
    trained: str
    policy: str


@dataclass(frozen=True, kw_only=True)
class Try(Candidate):
    """A line of models/tries.jsonl."""

    at: str
    """An instant in UTC, as ISO 8601."""


@dataclass(frozen=True, kw_only=True)
class Attempt(Candidate):
    """What the scorecard says of the candidate's try."""

    n: int
    """Its number, from 1 on."""
    level: float
    """How sure its gain has to be."""
    is_question: bool
    """Whether it only tries out another policy, so that it is no try unless it is to be promoted."""


def level(of_promotion: float, n: int) -> float:
    """How sure the Nth try's gain has to be, so that all tries together err as often as promotion.level says.

    >>> [round(level(0.95, n), 5) for n in (1, 2, 20)]
    [0.955, 0.99983, 0.99991]
    """
    if n == 1:
        share = FIRST
    else:
        kept = 0.5 ** (1 / HALF_LIFE)
        share = (1 - FIRST) * (1 - kept) * kept ** (n - 2)
    return 1 - (1 - of_promotion) * share


def attempt(
    candidate: tuple[str, Path], champion: tuple[str, Path], rows: str, of_promotion: float, paths: Paths
) -> Attempt:
    """The candidate's try on the rows with this hash. Candidate and champion are given by id and bundle."""
    trained = _trained(candidate[1])
    one = Candidate(candidate[0], champion[0], rows, trained, _hash(candidate[1], ["policy.json"]))
    earlier = family(one, paths)
    n = _number(one, earlier)
    known = {_trained(champion[1]), *(other.trained for other in earlier)}
    is_question = trained in known and n > len(earlier)
    return Attempt(**asdict(one), n=n, level=level(of_promotion, n), is_question=is_question)


def begin(tried: Attempt, paths: Paths) -> None:
    """Counts the candidate, once."""
    earlier = family(tried, paths)
    if _number(tried, earlier) > len(earlier):
        kept = {name: getattr(tried, name) for name in Candidate.__dataclass_fields__}
        jsonl.append(paths.tries, Try(**kept, at=datetime.now(UTC).isoformat()))


def number(tried: Candidate, paths: Paths) -> int:
    """Which try the candidate is now: git may have brought those of another clone."""
    return _number(tried, family(tried, paths))


def family(one: Candidate, paths: Paths) -> list[Try]:
    """The tries against the same champion on the same rows, the first one first, each candidate once."""
    known = jsonl.in_order(jsonl.read(paths.tries, Try))
    alike = [other for other in known if (other.champion, other.rows) == (one.champion, one.rows)]
    first = {_what(other): other for other in reversed(alike)}
    return [other for other in alike if first[_what(other)] is other]


def hash_of_rows(rows: pl.DataFrame, by: Iterable[str]) -> str:
    """Which rows these are, by the columns that tell rows apart; in whatever order, with whatever features."""
    told = rows.select(list(dict.fromkeys(by))).select(pl.all().cast(pl.String))
    return hashlib.sha256(told.sort(told.columns).write_csv().encode()).hexdigest()[:16]


def _number(one: Candidate, earlier: Sequence[Candidate]) -> int:
    return next((n for n, other in enumerate(earlier, 1) if _what(other) == _what(one)), len(earlier) + 1)


def _what(one: Candidate) -> tuple[str, str]:
    return one.trained, one.policy


def _trained(bundle: Path) -> str:
    return _hash(bundle, TRIED_MODELS)


def _hash(folder: Path, names: Iterable[str]) -> str:
    """The hash of the files of these names, and of those in folders of these names, as far as they exist."""
    found = hashlib.sha256()
    for name in names:
        path = folder / name
        for file in sorted(p for p in [path, *path.rglob("*")] if p.is_file()):
            found.update(f"{file.relative_to(folder).as_posix()} {file.stat().st_size}\n".encode())
            found.update(file.read_bytes())
    return found.hexdigest()[:16]
