"""How the rows of a data set are split, so that each side has rows and both outcomes."""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from accord.data import splitting
from accord.data.infer.guess import Guess
from accord.errors import AccordError
from accord.losses import Vector
from accord.schema.data import ROW_ID, Split, Time

MANY = 100_000
"""Above as many rows, shares that lack an outcome are not tried anew."""
FEW = 1000
"""Below as many rows, fewer are held out for good."""
USUAL = Split(test=0.2, tune=0.2, holdout=0.1)
SMALL = Split(test=0.25, tune=0.2, holdout=0.05)
OTHERS = [
    Split(test=test, tune=tune, holdout=holdout)
    for holdout in (0.1, 0.05, 0.0) for test in (0.2, 0.25, 0.3, 0.35, 0.4) for tune in (0.15, 0.2, 0.25, 0.3)
]  # fmt: skip
"""What else is tried, in this order, where a side would lack an outcome."""
Fault = Callable[[Vector, str], str | None]


def shares(
    outcomes: Vector, dealt_by: Mapping[str, pl.Series], time: Time | None, fault: Fault
) -> tuple[list[Guess], str | None]:
    """The split of rows with these outcomes (n,), NaN where there is none, and what is wrong with every split, if anything; no split if
    there can be none.

    `dealt_by` has the columns that decide a row's side: the event time, the subject or the key, or else rows are numbered.
    `fault` says what is wrong with the outcomes of a side.
    """
    rows = pl.DataFrame(dict(dealt_by)) if dealt_by else pl.DataFrame({ROW_ID: np.arange(len(outcomes))})
    if time is not None:  # a row without its time goes to quarantine
        outcomes, rows = outcomes[rows.to_series().is_not_null().to_numpy()], rows.drop_nulls()
    first = USUAL if len(outcomes) >= FEW else SMALL
    try:
        fits = [(first, *_lack(rows, outcomes, time, first, fault))]
        if (fits[0][1] or fits[0][2]) and len(outcomes) <= MANY:
            fits += [(split, *_lack(rows, outcomes, time, split, fault)) for split in OTHERS]
    except AccordError as error:
        return [], error.message
    split, empty, lack = min(fits, key=lambda fit: (len(fit[1]), len(fit[2])))
    if empty:
        return [], f"of {len(outcomes):,} rows {' and '.join(empty)} would have none with an outcome"
    how = (
        "the last rows by time"
        if time
        else f"rows by the hash of {', '.join(rows.columns).replace(ROW_ID, 'their number')}"
    )
    reason = f"{how}; {'each side has rows with every outcome' if not lack else '; '.join(lack)}"
    guesses = [
        Guess(
            "split.test", split.test, reason, "a share, or a stretch such as 1mo" if time else "another share"
        ),
        Guess("split.tune", split.tune, "early stopping looks at it"),
        Guess("split.holdout", split.holdout, _held_out(split, len(outcomes), time)),
    ]
    return guesses, "; ".join(lack) or None


def _held_out(split: Split, n_rows: int, time: Time | None) -> str:
    what = "of days" if time else "of rows"
    return f"{what} that no model ever trains on{', few since there are few rows' if n_rows < FEW else ''}"


def _lack(
    rows: pl.DataFrame, outcomes: Vector, time: Time | None, split: Split, fault: Fault
) -> tuple[list[str], list[str]]:
    """The sides without an outcome under this split, and what the others lack, a clause each."""
    sides = splitting.by_time(rows, time, split)[0] if time else splitting.by_key(rows, rows.columns, split)
    empty, found = [], []
    wanted = [name for name in splitting.SCORED if name != "holdout"]
    for name in wanted:
        known = outcomes[(sides == name).to_numpy()]
        known = known[np.isfinite(known)]
        if not len(known):
            empty.append(name)
        elif fault(known, "train"):
            found.append(f"{name}: {fault(known, 'train')}")
    return empty, found
