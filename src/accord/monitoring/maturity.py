"""Which outcomes count: those of rows so old that all outcomes of their age would be known.

Good outcomes and bad ones need not come equally fast. Where claims come after ten days and their absence counts after one, the
outcomes known of last week are nearly all good. So a row counts from its label delay on.
"""

from datetime import datetime, timedelta

import polars as pl

from accord.monitoring.observed import AT, EVENT, KNOWN
from accord.schema.data import Time

MATURE = "time|mature"
"""Whether the row's outcome should be known."""
SHARE_IN_TIME = 0.99
"""The label delay is taken as the time within which this share of outcomes came, if that is longer than the config says."""
MIN_OUTCOMES = 100
MOST_LOST = 0.5
"""A delay by which more of the outcomes would not count is one that outcomes came late by once, and only said."""


def matured(rows: pl.LazyFrame, time: Time | None, as_of: datetime | None) -> tuple[pl.LazyFrame, list[str]]:
    """The observed rows with `time|mature`; outcomes of the others as if they weren't known yet; and what there is to say. `as_of`
    is now, in UTC; None: when the last of the rows, or of their outcomes, came."""
    if time is None:
        return rows.with_columns(pl.lit(True).alias(MATURE)), []
    known = pl.col(KNOWN).dt.replace_time_zone(None)
    declared = pl.col(EVENT).dt.offset_by(time.label_delay)
    facts = rows.select(
        n=known.count(), now=pl.max_horizontal(pl.col(AT).max(), known.max()),
        # Of rows that were replayed long after, the delay says nothing.
        n_live=(known.is_not_null() & (pl.col(AT) <= declared + timedelta(days=1))).sum(),
        late=(known - pl.col(EVENT)).filter(pl.col(AT) <= declared + timedelta(days=1)).quantile(SHARE_IN_TIME, "higher"),
        n_late=(known > declared).filter(pl.col(AT) <= declared + timedelta(days=1)).sum(),
    ).collect(engine="streaming").row(0, named=True)  # fmt: skip
    now = as_of or facts["now"]
    if now is None or not facts["n"]:
        return rows.with_columns(pl.lit(True).alias(MATURE)), []
    due, said = declared, []
    if facts["n_live"] >= MIN_OUTCOMES and facts["n_late"] > (1 - SHARE_IN_TIME) * facts["n_live"]:
        longer = pl.max_horizontal(declared, pl.col(EVENT) + facts["late"])
        n_left = _n_known(rows, longer, now)
        words = (
            f"{facts['n_late'] / facts['n_live']:.0%} of outcomes came later than the label delay of {time.label_delay}, "
            f"{SHARE_IN_TIME:.0%} within {_in_words(facts['late'])}"
        )
        if n_left >= MOST_LOST * facts["n"]:
            due = longer
            said.append(f"{words}: rows count from then on; data.time.label_delay should say so")
        else:
            said.append(f"{words}: known outcomes may be other than those still to come")
    n_young = facts["n"] - _n_known(rows, due, now)
    if n_young:
        said.append(
            f"{n_young:,} known outcomes don't count yet: of rows as young, later outcomes are still to come"
        )
    is_mature = due <= now
    return (
        rows.with_columns(is_mature.alias(MATURE), pl.when(is_mature).then(KNOWN).alias(KNOWN)),
        said,
    )


def _n_known(rows: pl.LazyFrame, due: pl.Expr, now: datetime) -> int:
    counted = rows.select((pl.col(KNOWN).is_not_null() & (due <= now)).sum())
    return int(counted.collect(engine="streaming").item())


def _in_words(delay: timedelta) -> str:
    hours = delay.total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"
