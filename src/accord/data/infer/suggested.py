"""The task that the values of a target suggest, with its reason and the alternative."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from accord.errors import AccordError, nearest
from accord.losses import Kind

MAX_CLASSES = 100
"""Different values beyond which texts are no classes."""
MIN_CLASS_ROWS = 2.0
"""Rows that a class needs on average: below that, the values name rows and not classes."""
FEW_NUMBERS = 20
"""Whole numbers of at most so many values may be classes."""
MANY_ZEROS = 0.2
RARE = 0.05
"""Share of the rarer of two outcomes, or of a class, from which on a target isn't called imbalanced."""
CLASSES = {
    "class", "classes", "label", "type", "category", "species", "kind", "cluster", "segment", "variety", "cultivar", "digit", "code", "id",
    "cover type", "klasse", "classe", "clase", "art", "typ", "tipo",
}  # fmt: skip
"""Words of a name by which whole numbers stand for classes."""
AMOUNTS = {
    "rating", "ratings", "score", "stars", "star", "quality", "count", "counts", "num", "number", "n", "total", "amount", "quantity", "grade",
    "points", "rank", "level", "age", "years", "days", "hours", "months", "visits", "claims", "bewertung", "anzahl", "nombre", "numero", "note",
}  # fmt: skip
"""Words of a name by which whole numbers have an order."""
YES = {
    "yes", "y", "true", "t", "1", "positive", "pos", "+", "ja", "oui", "si", "sim", "tak", "da", "success", "succeeded", "hit",
    "default", "defaulted", "churn", "churned", "fraud", "fraudulent", "spam", "phishing", "attack", "anomaly", "malicious", "bad", "malignant",
    "dead", "died", "deceased", "sick", "ill", "disease", "diabetic", "case", "abnormal", "failure", "failed", "fail", "faulty", "defective",
    "late", "delayed", "cancelled", "canceled", "left", "lost", "bankrupt", "recurrence", "recurrence events", "readmitted", "event", "leave",
    "attrition", "exited", "complaint", "claim", "charged off", "tested positive", "win", "won", "subscribed", "converted", "clicked", "no show",
    "poisonous", "high", "m malignant", "present", "accident", "reject", "rejected",
}  # fmt: skip
"""Words for the outcome that people watch for."""
NO = {
    "no", "n", "false", "f", "0", "negative", "neg", "-", "nein", "non", "nao", "nie", "net", "normal", "good", "ham", "benign", "legitimate",
    "legit", "genuine", "alive", "survived", "healthy", "control", "pass", "passed", "ok", "on time", "stayed", "stay", "retained", "paid",
    "fully paid", "current", "active", "none", "absent", "edible", "low", "tested negative", "show", "no recurrence events", "accepted",
}  # fmt: skip
DENIALS = ("no ", "not ", "non ", "un", "in", "nicht ", "kein ", "pas ", "sin ")


@dataclass(frozen=True)
class Suggestion:
    task: str
    keys: dict[str, Any]
    """Further keys of the target, as `classes` or `loss`."""
    outcome: Kind
    positive: Any
    """The value that a condition is about; None for other tasks."""
    reason: str
    """In words that go on after the task's name."""
    alternative: str
    """Another task or loss that would fit, and when; empty if there is none."""


def suggested(
    values: pl.Series, said: Sequence[str], wanted: str | None = None, positive: str | None = None
) -> Suggestion:
    """What to predict of known values (n,). `said` are the words of the target's name; a task that the user wants, and the value
    that a condition is about, are taken as they are. Raises AccordError where the values lend themselves to no task."""
    if values.dtype.is_temporal():
        raise AccordError(
            "the target is a time, which no task predicts; expected a number, a yes or no, or a category, such as the days until then"
        )
    found = values.unique().sort().to_list()
    if wanted is None and positive is not None and len(found) > 2:
        wanted = "binary"
    if wanted == "binary":
        return _binary(values, found, positive)
    if wanted == "multiclass":
        return _multiclass(values, found, "asked for")
    if wanted is not None:
        return (
            _regression(values, "asked for")
            if wanted == "regression"
            else Suggestion(wanted, {}, "amount", None, "asked for", "")
        )
    if len(found) == 2:
        return _binary(values, found, positive)
    if values.dtype == pl.String:
        return _multiclass(values, found, f"{len(found):,} different texts")
    whole = bool((values % 1 == 0).all())
    return (
        _few_numbers(values, found, said) if whole and len(found) <= FEW_NUMBERS else _regression(values, "")
    )


def _binary(values: pl.Series, found: list[Any], positive: str | None) -> Suggestion:
    value, why = _positive(values, found, positive)
    share = float((values == value).mean() or 0.0)
    rarer = min(share, 1 - share)
    reason = f"{_count(found)}; {_text(value)} is what is predicted, {why} ({share:.1%} of the rows)"
    if rarer < RARE:
        reason += f"; imbalanced: {round(rarer * len(values)):,} rows have the rarer outcome"
    others = [v for v in found if v != value]
    return Suggestion(
        "binary",
        {},
        "condition",
        value,
        reason,
        f"--positive {_text(others[0])}" if len(others) == 1 else "--positive VALUE",
    )


def _count(found: list[Any]) -> str:
    return (
        f"two values, {_text(found[0])} and {_text(found[1])}"
        if len(found) == 2
        else f"{len(found):,} values"
    )


def _positive(values: pl.Series, found: list[Any], wanted: str | None) -> tuple[Any, str]:
    if wanted is not None:
        for value in found:
            if _text(value).lower() == wanted.strip().lower() or _is_number(wanted, value):
                return value, "given as --positive"
        known = [_text(value) for value in found]
        raise AccordError(f"--positive {wanted}: the target has no such value; {nearest(wanted, known)}")
    if len(found) != 2:
        raise AccordError(
            f"the target has {len(found):,} values, of which binary predicts one; say which one with --positive VALUE"
        )
    low, high = found
    if values.dtype.is_numeric() or values.dtype == pl.Boolean:
        return high, "the larger one" if values.dtype.is_numeric() else "the yes of the two"
    words = {value: _plain(value) for value in found}
    for one, other in ((low, high), (high, low)):
        if any(words[other] == denial + words[one] for denial in DENIALS):
            return one, f"since {other} denies it"
        if words[one].startswith(">") and words[other].startswith("<"):
            return one, "the larger one"
    for said, yes in ((YES, True), (NO, False)):
        named = [value for value in found if words[value] in said]
        if len(named) == 1:
            chosen = named[0] if yes else next(value for value in found if value != named[0])
            return chosen, "by its word" if yes else f"since {named[0]} says that nothing happened"
    counts = {value: int((values == value).sum()) for value in found}
    rarer = min(found, key=lambda value: (counts[value], value))
    return rarer, "the rarer one"


def _is_number(text: str, value: Any) -> bool:
    """Whether the text says the number, as 1.0 does 1."""
    try:
        return isinstance(value, int | float) and float(text) == value
    except ValueError:
        return False


def _plain(value: Any) -> str:
    """The text in small letters, without the number that some put before it.

    >>> _plain("1_Yes."), _plain("Not late"), _plain(">50K")
    ('yes', 'not late', '>50k')
    """
    text = re.sub(r"^\d+[_\s:.)-]+(?=\D)", "", str(value)).strip().lower().strip(".")
    return " ".join(re.split(r"[\s_-]+", text)).strip() or str(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _multiclass(values: pl.Series, found: list[Any], reason: str) -> Suggestion:
    if len(found) > MAX_CLASSES or len(values) < MIN_CLASS_ROWS * len(found):
        raise AccordError(
            f"the target has {len(found):,} different {'texts' if values.dtype == pl.String else 'values'} in {len(values):,} rows, too many "
            f"for classes; expected at most {MAX_CLASSES}, with {MIN_CLASS_ROWS:g} rows or more each on average. Predict a number, or "
            "whether it is a certain one: --positive VALUE"
        )
    counts = dict(values.value_counts(name="n").iter_rows())
    rarest = min(found, key=lambda value: (counts[value], value))
    share = counts[rarest] / len(values)
    if share < RARE:
        reason += f"; imbalanced: {_text(rarest)} has {counts[rarest]:,} rows"
    classes = [_text(value) for value in found]
    return Suggestion(
        "multiclass",
        {"classes": classes},
        "class",
        None,
        reason,
        "--positive VALUE predicts a single one of them",
    )


def _few_numbers(values: pl.Series, found: list[Any], said: Sequence[str]) -> Suggestion:
    """Whole numbers of few values: classes, where their name says so or where their order shows in no way, or amounts."""
    listed = f"whole numbers, {_text(found[0])} to {_text(found[-1])}, of {len(found)} values"
    spoken = {*said, " ".join(said)}
    amount = _regression(values, f"{listed}, taken as amounts")
    classes = len(values) >= MIN_CLASS_ROWS * len(found)
    word = min(spoken & CLASSES, default=None) if classes and not spoken & AMOUNTS else None
    if word is not None or (classes and not spoken & AMOUNTS and _are_codes(values, found)):
        why = (
            f"as {word} says"
            if word is not None
            else "since they begin at 0 or 1 and their rows show no order"
        )
        named = _multiclass(values, found, f"{listed}, taken as classes, {why}")
        return replace(named, alternative=f"--task {amount.task}, if they are amounts")
    other = "--task multiclass, if they name classes"
    return replace(amount, alternative=f"{other}; {amount.alternative}" if amount.alternative else other)


def _are_codes(values: pl.Series, found: list[Any]) -> bool:
    """Whether the values number things from 0 or 1 on, and aren't spread around a commonest one, as amounts are."""
    if found[0] not in (0, 1) or found != [found[0] + i for i in range(len(found))]:
        return False
    counts = values.value_counts(name="n").sort(values.name)["n"].to_numpy().astype(float)
    top = int(counts.argmax())
    noise = 2 * np.sqrt(counts.max())
    rises, falls = np.diff(counts[: top + 1]), np.diff(counts[top:])
    return not bool((rises >= -noise).all() and (falls <= noise).all()) or bool(np.ptp(counts) <= 2 * noise)


def _regression(values: pl.Series, reason: str) -> Suggestion:
    if not values.dtype.is_numeric():
        raise AccordError(
            f"a {str(values.dtype).lower()} is no amount; found {_text(values[0])}, expected numbers"
        )
    y = values.cast(pl.Float64).to_numpy()
    reason = reason or f"numbers, {np.min(y):g} to {np.max(y):g}, of {len(np.unique(y)):,} values"
    zeros, whole = float((y == 0).mean()), bool((y % 1 == 0).all())
    other = ""
    if y.min() >= 0 and y.max() > 0:
        if zeros >= MANY_ZEROS and not whole:
            reason += f"; {zeros:.0%} are 0"
            other = "loss: tweedie, for amounts of which many are 0"
        elif whole:
            other = "loss: poisson, if they count something"
    return Suggestion("regression", {}, "amount", None, reason, other)
