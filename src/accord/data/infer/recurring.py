"""What recurs in the time of an event: a model learns from it, where the time itself would only say that it passes."""

from collections.abc import Collection
from datetime import timedelta

import polars as pl

from accord.data.infer.guess import Guess
from accord.data.infer.times import quoted

ROUNDS = {
    "month": ("month", timedelta(days=2 * 365), "years"),
    "weekday": ("dow", timedelta(weeks=2), "weeks"),
    "hour": ("hour", timedelta(days=2), "days"),
}
"""Derived features by name: what SQL extracts, and how long the rows must go on for it to recur."""


def recurring(event: str, instants: pl.Series, taken: Collection[str]) -> list[Guess]:
    """Derived features of the event's time, from its values (n_rows,) in UTC; `taken` are the names that columns have."""
    known = instants.drop_nulls()
    first, last = known.min(), known.max()
    if not len(known) or first is None or last is None:
        return []
    span: timedelta = last - first  # type: ignore[operator, assignment]
    found = []
    for name, (part, least, rounds) in ROUNDS.items():
        values = {"month": known.dt.month, "weekday": known.dt.weekday, "hour": known.dt.hour}[name]()
        if span >= least and values.n_unique() > 1:
            own = name if name not in taken else f"{event}_{name}"
            sql = f"EXTRACT({part} FROM {quoted(event)})"
            reason = f"{event} goes over several {rounds}, so that each {name} comes again"
            found.append(Guess(f"derived.{own}", sql, reason, "leave it out"))
    return [guess for guess in found if guess.key.removeprefix("derived.") not in taken]
