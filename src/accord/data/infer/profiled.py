"""What a page shows of a table: how each column's values are spread, what is missing, and how the outcome goes with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.data.infer.facts import Facts
from accord.data.infer.guess import Guess, Inferred
from accord.data.infer.roles import Roles
from accord.page.words import number

N_BINS = 12
TAIL = 0.01
"""Share of the rows at either end that the outermost bins of a number take in."""
N_LEVELS, N_SPOKEN = 10, 3
MAX_TOLD = 50
"""Different texts up to which those of a column that no model sees are shown."""
MIN_RELATED = 10
"""Rows of a bin from which its mean outcome is shown."""
UNTOLD = ("pii", "role", "type", "nullable")
"""The keys whose guesses are shown of a column whose values aren't."""
OWN_REASONS = ("pii", "role")
"""Those of them whose reasons hold no value."""


@dataclass(frozen=True)
class Bin:
    label: str
    rows: int
    outcome: float | None
    """The mean outcome of its rows, where enough are known."""


@dataclass(frozen=True)
class Word:
    key: str
    value: str
    reason: str
    instead: str


@dataclass(frozen=True)
class ColumnProfile:
    name: str
    source: str
    type: str
    role: str | None
    pii: str | None
    n_distinct: int
    n_missing: int
    missing: dict[str, int]
    """How often each word for a missing value stands in it."""
    spread: str
    """The range of its values, or its commonest ones, in words."""
    bins: list[Bin]
    """None where values are not to be shown, or hardly ever come back."""
    hidden: str
    """Why no values are shown, if so."""
    explained: float | None
    """The share of the outcome's variance between bins, less what chance makes of it."""
    guesses: list[Word]


@dataclass(frozen=True)
class Profile:
    data: str
    n_rows: int
    outcome: str
    """What the mean of the outcome is called."""
    columns: list[ColumnProfile]
    guesses: list[Word]
    """About the data set as a whole."""
    notes: list[str]


@np.errstate(all="ignore")
def profiled(data: str, columns: Sequence[Inferred], found: Roles, wanted: str) -> Profile:
    """What the page shows of the columns (n_rows each), of which the one called `wanted` is predicted."""
    y, outcome = _outcome(found, wanted)
    secret = {guess.value for guess in found.data_set if guess.key == "subject"}
    itself = np.full(len(y), np.nan)  # how the outcome goes with its own column is no news
    shown = [
        _column(Facts(one), found, itself if one.name == wanted else y, one.name in secret) for one in columns
    ]
    return Profile(
        data,
        len(columns[0].values) if columns else 0,
        outcome,
        shown,
        [_word(guess) for guess in found.data_set],
        list(found.notes),
    )


def _outcome(found: Roles, wanted: str) -> tuple[NDArray[np.float64], str]:
    """What is averaged in each bin (n_rows,), and its name: the outcome or, of classes, whether it is the commonest."""
    keys = {
        guess.key.rpartition(".")[2]: guess.value
        for guess in found.data_set
        if guess.key.startswith("targets.")
    }
    y, classes = found.outcomes, keys.get("classes")
    if classes is None:
        is_condition = str(keys.get("sql", "")) != wanted
        return y, f"share of {keys['sql']}" if is_condition else f"mean of {keys['sql']}"
    known = y[~np.isnan(y)].astype(np.intp)
    commonest = int(np.bincount(known).argmax())
    return np.where(np.isnan(y), np.nan, y == commonest), f"share of {classes[commonest]}"


def _column(facts: Facts, found: Roles, y: NDArray[np.float64], is_secret: bool) -> ColumnProfile:
    guesses = [*facts.column.guesses, *found.columns.get(facts.name, ())]
    keys: Mapping[str, Any] = {guess.key: guess.value for guess in guesses}
    role, pii = found.role(facts.name), keys.get("pii")
    hidden = ""
    if pii is not None or is_secret:
        hidden = "values that may identify a person are not shown"
    elif role == "info" and not facts.is_instant and _hardly_repeats(facts):
        hidden = "values that hardly ever come back are not shown"
    bins = [] if hidden or not facts.n_present else _bins(facts, y)
    if hidden:
        guesses = [_untold(guess) for guess in guesses if guess.key in UNTOLD]
    return ColumnProfile(
        facts.name, facts.source, str(keys.get("type", "")), role, pii, facts.n_distinct, facts.n_rows - facts.n_present,
        {} if hidden else {word: n for word, n in facts.column.missing.items() if n}, _spread(facts, bins), bins, hidden, _explained(bins, y), [_word(guess) for guess in guesses],
    )  # fmt: skip


def _hardly_repeats(facts: Facts) -> bool:
    return facts.uniqueness > 0.5 or (facts.is_text and facts.n_distinct > MAX_TOLD)


def _untold(guess: Guess) -> Guess:
    return guess if guess.key in OWN_REASONS else Guess(guess.key, guess.value, "", guess.instead)


def _word(guess: Guess) -> Word:
    return Word(guess.key, _text(guess.value), guess.reason, guess.instead)


def _text(value: Any) -> str:
    if value is None:
        return "left out of the contract"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value[:N_LEVELS])) + (
            f" and {len(value) - N_LEVELS} more" if len(value) > N_LEVELS else ""
        )
    return _label(value)


def _bins(facts: Facts, y: NDArray[np.float64]) -> list[Bin]:
    values = facts.column.values
    codes, labels = _levels(facts) if facts.is_text or facts.n_distinct <= N_BINS else _ranges(values)
    rows = np.bincount(codes[codes >= 0], minlength=len(labels))
    known = (codes >= 0) & ~np.isnan(y)
    n = np.bincount(codes[known], minlength=len(labels))
    total = np.bincount(codes[known], y[known], minlength=len(labels))
    return [
        Bin(label, int(rows[i]), float(total[i] / n[i]) if n[i] >= MIN_RELATED else None)
        for i, label in enumerate(labels)
    ]


def _levels(facts: Facts) -> tuple[NDArray[np.intp], list[str]]:
    """Each row's level as a code (n,), -1 where missing: the commonest ones, or all in their order."""
    counts = (
        facts.present.alias("value").value_counts(name="n").sort(["n", "value"], descending=[True, False])
    )
    most = counts["value"] if counts.height <= N_BINS else counts["value"][:N_LEVELS]
    chosen = most if facts.is_text else most.sort()
    codes = facts.column.values.replace_strict(
        chosen, pl.Series(range(len(chosen))), default=len(chosen), return_dtype=pl.Int64
    )
    codes = pl.select(pl.when(facts.column.values.is_null()).then(-1).otherwise(codes)).to_series()
    labels = [_label(value) for value in chosen.to_list()]
    if counts.height > len(chosen):
        labels.append(f"{counts.height - len(chosen):,} others")
    return codes.to_numpy().astype(np.intp), labels


def _spread(facts: Facts, bins: Sequence[Bin]) -> str:
    if not bins:
        return ""
    if facts.is_number or facts.is_instant:
        low, middle, high = (
            _label(value)
            for value in (
                facts.present.min(),
                facts.present.sort()[facts.n_present // 2],
                facts.present.max(),
            )
        )
        return f"{low} to {high}, half of them up to {middle}"
    ordered = sorted(bins[:N_LEVELS], key=lambda one: -one.rows)[:N_SPOKEN]
    return ", ".join(f"{one.label} {one.rows / facts.n_present:.0%}" for one in ordered)


def _label(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return str(value.date())
    if isinstance(value, int | float):
        return f"{value:,.0f}" if value == int(value) else number(value)
    return str(value)


def _ranges(values: pl.Series) -> tuple[NDArray[np.intp], list[str]]:
    """Each row's bin as a code (n,), -1 where missing: bins as wide as each other, but for the tails."""
    is_time = values.dtype.is_temporal()
    numbers = values.cast(pl.Datetime("us")).to_physical() if is_time else values
    x = numbers.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    finite = x[np.isfinite(x)]
    low, high = np.quantile(finite, (TAIL, 1 - TAIL), method="nearest").tolist()
    if low == high:
        low, high = float(finite.min()), float(finite.max())
    edges = np.linspace(low, high, N_BINS + 1)
    if not is_time and values.dtype.is_integer():
        edges = np.unique(np.ceil(edges))
    n_bins = len(edges) - 1
    codes = np.where(np.isfinite(x), np.clip(np.searchsorted(edges, x, side="right") - 1, 0, n_bins - 1), -1)
    outer = [finite.min(), *edges[1:-1], finite.max()]
    return codes.astype(np.intp), [_range(outer[i], outer[i + 1], is_time) for i in range(n_bins)]


def _range(low: float, high: float, is_time: bool) -> str:
    ends: list[Any] = [low, high]
    if is_time:
        ends = pl.Series([int(low), int(high)]).cast(pl.Datetime("us")).to_list()
    return " to ".join(map(_label, ends))


def _explained(bins: Sequence[Bin], y: NDArray[np.float64]) -> float | None:
    """Epsilon squared of Kelley (1935): eta squared, less what as many bins explain of noise."""
    known = [one for one in bins if one.outcome is not None]
    spread = float(np.nanvar(y)) if np.isfinite(y).any() else 0.0
    n = sum(one.rows for one in known)
    if len(known) < 2 or not spread or n <= len(known):
        return None
    weights, means = np.array([one.rows for one in known]), np.array([one.outcome for one in known])
    between = float(np.average((means - np.average(means, weights=weights)) ** 2, weights=weights))
    eta = min(between / spread, 1.0)
    return max(0.0, 1 - (1 - eta) * (n - 1) / (n - len(known)))
