"""Numbers and names as people read them."""

from math import floor, isfinite, log10

from accord.intervals import MIN_BLOCKS, Estimate
from accord.tasks.registry import METRICS

MISSING = "\N{EN DASH}"

BETTER = {"lower": "lower is better", "higher": "higher is better", "zero": "best at zero"}

VERDICTS = {
    "better": "better",
    "unsure": "better, though the baseline lies within the interval",
    "worse": "no better",
    "unknown": "not comparable",
}

SPLITS = {
    "train": "the models learn from it",
    "tune": "steers training, such as when to stop; its figures are of what has not learned from it",
    "test": "never trained on; the figures that count",
    "holdout": "never trained on by any model; where a new model must be no worse on old data",
    "future": "after the cutoff; plays the traffic to come",
    "older": "left out: from before the stretch to train on",
    "purged": "left out: the outcome was not yet known when the next split began",
    "quarantine": "left out: breaks the data contract",
}
"""What becomes of the rows read, each in exactly one of these."""


def number(value: float | None) -> str:
    """At least four significant digits, with thousands separators.

    >>> number(0.404), number(1234567.8), number(0)
    ('0.4040', '1,234,568', '0')
    """
    if value is None:
        return MISSING
    if abs(value) < 1e-4 or not isfinite(value):
        return f"{value:.4g}"
    return f"{value:,.{max(0, 3 - floor(log10(abs(value))))}f}"


def short(value: float | None) -> str:
    """At most four significant digits, or a whole number with thousands separators.

    >>> short(0.404), short(11460.2), short(-939.21), short(None)
    ('0.404', '11,460', '-939.2', '-')
    """
    if value is None:
        return "-"
    return f"{value:,.0f}" if 1000 <= abs(value) < float("inf") else f"{value:.4g}"


def shortened(text: str, length: int = 18) -> str:
    """The text, its end cut off where it is longer than `length`."""
    return text if len(text) <= length else text[: length - 1] + "…"


def how_sure(n_rows: int, n_blocks: int, unit: str, level: float | None = None) -> str:
    """What figures rest on, and how sure they are, in sentences.

    >>> how_sure(26340, 31, "days", 0.95)
    'The figures rest on 26,340 rows of 31 days; in brackets stand 95 % intervals, which allow for days that are like those before them.'
    >>> how_sure(700, 7, "days", 0.95).partition("them. ")[2]
    '7 days are too few to be sure that all is well: 10 or more would tell.'
    >>> how_sure(85, 85, "groups of rows")
    'The figures rest on 85 rows; in brackets stand their intervals.'
    """
    unit = "rows" if unit != "days" and n_blocks == n_rows else unit
    of_blocks = "" if unit == "rows" else f" of {n_blocks:,} {unit}"
    allow = ", which allow for days that are like those before them" if unit == "days" else ""
    stand = "their intervals" if level is None else f"{100 * level:g} % intervals"
    rest = f"The figures rest on {n_rows:,} rows{of_blocks}; in brackets stand {stand}{allow}."
    few = f" {n_blocks} {unit} are too few to be sure that all is well: {MIN_BLOCKS} or more would tell."
    return rest + (few if n_blocks < MIN_BLOCKS else "")


def metric_title(name: str) -> str:
    """A metric's name as people read it, so far as accord knows it."""
    return METRICS[name].title if name in METRICS else name.replace("_", " ")


def verdict(better: str, found: Estimate, baseline: float | None) -> str:
    """How a metric's value compares with the baseline's: better, unsure, worse or unknown. Lower, higher or zero is better.

    Unsure is a value on the better side whose interval holds the baseline too.
    """
    value, low, high = found.value, found.low, found.high
    if value is None or baseline is None:
        return "unknown"
    badness = {"lower": float, "higher": lambda v: -v, "zero": abs}[better]
    if badness(value) >= badness(baseline):
        return "worse"
    return "unsure" if low is None or high is None or low <= baseline <= high else "better"
