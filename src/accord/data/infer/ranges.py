"""Bounds and levels that tomorrow's rows keep and mistakes break: natural ones where there are any, else far from what was seen."""

import math
import re
from collections.abc import Iterator, Sequence

import polars as pl

from accord.data.infer.distinct import edges
from accord.data.infer.guess import Guess, Inferred

MIN_ROWS = 30
"""Rows with values that a bound needs."""
SLACK = 10
"""How many times the range seen a bound lies beyond it, where none is natural."""
MAX_LEVELS, MIN_LEVEL_ROWS, MIN_LEVEL_SHARE = 5, 100, 0.02
"""A column has no other levels than it shows, if they are so few and each stands in so many rows."""
N_PARTS = 8
"""Parts of the table in which each level must stand."""
EDGE, EDGE_SHARE, EDGE_ROWS = 0.05, 0.02, 5
"""Values end at a wall, rather than thin out, if this part of their range beside its end holds so many of them."""
FEW_INTEGERS = 20
MANY_INTEGERS, MANY_NUMBERS = 300, 1000
"""With so many values and none below zero there will hardly be one."""
YEARS, CENTURIES = (1800, 2100), (1700, 2200)
YEAR_NAME = re.compile(r"(^|_)(year|yr|yyyy|jahr|annee|ano|anio|vintage|built|modelyear)(_|$)")
SLACK_YEARS = 20
NAMED = (
    (r"(.*_)?(age|age_years|age_in_years|edad|alter)", 0, 120), (r"(.*_)?(lat|latitude)", -90, 90), (r"(.*_)?(lon|lng|longitude)", -180, 180),
    (r"(.*_)?(month|month_of_year|mes|monat|mois)", 1, 12), (r"(.*_)?(day|day_of_month|dayofmonth)", 1, 31), (r"(.*_)?(hour|hour_of_day|hr|stunde|hora)", 0, 23),
    (r"(.*_)?minute", 0, 59), (r"(.*_)?(share|fraction|proportion|probability|prob)", 0, 1), (r"(.*_)?(weekday|day_of_week|dayofweek|dow)", 0, 7), (r"(.*_)?(pct|percent|percentage|humidity)|pct_.*", 0, 100),
)  # fmt: skip
"""Quantities with bounds of their own, by what columns of them are called; they hold if all values keep them."""
SIGNED = re.compile(
    r"temp|balance|profit|margin|change|delta|diff|delay|growth|return|elevation|altitude|gain|loss|pnl|anomal|offset|error|resid|coord|(^|_)(net|score|log|lat|lon|lng|x|y|z)(_|$)|log_|longitude|latitude"
)  # fmt: skip
"""What columns are called whose values may fall below zero, although none has yet."""
UNSIGNED = re.compile(
    r"(^|_)(n|num|number|no|count|cnt|qty|quantity|age|price|cost|amount|fee|fare|income|salary|wage|revenue|sales|distance|weight|height|width|length|depth|area|size|volume|"
    r"duration|mass|population|rooms|bedrooms|bathrooms|floors|sqft|km|miles|mileage|speed|visits|views|clicks|minutes|seconds|hours|days|tenure|horsepower|bytes)(_|$)"
)  # fmt: skip


def ranges(name: str, values: pl.Series) -> list[Guess]:
    """The bounds and levels of a column that the table calls so, with values in their type."""
    seen = values.drop_nulls()
    if values.dtype == pl.String:
        return list(_levels(seen))
    if len(seen) < MIN_ROWS or not values.dtype.is_numeric():
        return []
    seen = seen.filter(seen.is_finite()) if values.dtype.is_float() else seen
    return list(_bounds(re.sub(r"(?<=[a-z])(?=[A-Z])|\W+", "_", name).lower(), seen))


def rules(columns: Sequence[Inferred]) -> list[Guess]:
    """For each column of instants, the rule that they lie in a sane range of years."""
    return [guess for column in columns if column.type == "datetime" for guess in _years(column)]


def _years(column: Inferred) -> Iterator[Guess]:
    low, high = column.values.dt.year().min(), column.values.dt.year().max()
    if not isinstance(low, int) or not isinstance(high, int):
        return
    slack = max(SLACK_YEARS, 2 * (high - low))
    yield Guess(
        f"rules.{column.name}_in_range", f'EXTRACT(year FROM "{column.name}") BETWEEN {low - slack} AND {high + slack}',
        f"its years are {low} to {high}; others are taken for mistakes",
    )  # fmt: skip


def _levels(seen: pl.Series) -> Iterator[Guess]:
    if not len(seen) or seen.head(1000).n_unique() > MAX_LEVELS:
        return
    counts = seen.alias("level").value_counts(name="n")
    least = int(edges(counts["n"])[0])
    enough = least >= max(MIN_LEVEL_ROWS, MIN_LEVEL_SHARE * len(seen))
    if 2 <= counts.height <= MAX_LEVELS and enough and _are_mixed(seen, counts.height):
        levels = sorted(counts.to_series(0))
        yield Guess(
            "values",
            levels,
            f"each of the {len(levels)} stands in {least:,} rows or more; other words are taken for mistakes",
        )


def _are_mixed(seen: pl.Series, n_levels: int) -> bool:
    """Whether each part of the table has all levels: of a table in the order of the levels, some may be still to come."""
    step = -(-len(seen) // N_PARTS)
    return all(seen[i : i + step].n_unique() == n_levels for i in range(0, len(seen), step))


def _bounds(name: str, seen: pl.Series) -> Iterator[Guess]:
    low, high = edges(seen)
    shown = f"found {low:g} to {high:g}"
    natural = _natural(name, seen, low, high)
    if natural:
        least, most, why = natural
        yield Guess("min", _number(least), f"{shown}; {why}")
        yield Guess("max", _number(most), f"{shown}; {why}")
        return
    spread = max(SLACK * (high - low), abs(high), abs(low))
    if low >= 0 and _ends_at_zero(name, seen, low, high):
        yield Guess("min", 0, f"{shown}; nothing is below 0")
    elif high > low:
        yield Guess(
            "min",
            _number(_outward(low - spread, -1)),
            f"{shown}; what is so far below is taken for a mistake",
        )
    if high > low and not _grows(seen):
        yield Guess(
            "max",
            _number(_outward(high + spread, 1)),
            f"{shown}; what is so far above is taken for a mistake",
        )


def _natural(name: str, seen: pl.Series, low: float, high: float) -> tuple[float, float, str] | None:
    for form, least, most in NAMED:
        if re.fullmatch(form, name) and least <= low and high <= most:
            return least, most, f"columns called so hold {least} to {most}"
    whole = seen.dtype.is_integer()
    if whole and YEARS[0] <= low and high <= YEARS[1] and YEAR_NAME.search(name):
        return *CENTURIES, "they are years"
    if (
        not whole
        and low >= 0
        and high <= 1
        and _is_wall(seen, low, high)
        and _is_wall(-seen, -high, -low)
        and low < 0.1
        and high > 0.9
    ):
        return 0, 1, "they are shares"
    return None


def _ends_at_zero(name: str, seen: pl.Series, low: float, high: float) -> bool:
    if SIGNED.search(name):
        return False
    whole = seen.dtype.is_integer()
    few = whole and low <= 1 and high <= FEW_INTEGERS
    return bool(
        UNSIGNED.search(name)
        or few
        or len(seen) >= (MANY_INTEGERS if whole else MANY_NUMBERS)
        or low >= 2 * (high - low) > 0
        or (low <= EDGE * (high - low) and _is_wall(seen, low, high))
    )


def _is_wall(seen: pl.Series, low: float, high: float) -> bool:
    """Whether the values stop at their lowest one rather than get fewer towards it."""
    n = int((seen <= low + EDGE * (high - low)).sum())
    return n >= max(EDGE_ROWS, EDGE_SHARE * len(seen))


def _grows(seen: pl.Series) -> bool:
    """Whether these are integers that all differ, as numbers of rows do, or values in order: they may go on growing."""
    return (
        seen.is_sorted()
        or seen.is_sorted(descending=True)
        or (seen.dtype.is_integer() and seen.n_unique() == len(seen))
    )


def _outward(value: float, direction: int) -> float:
    """Rounded to two digits, away from what was seen."""
    if not math.isfinite(value) or value == 0:
        return value
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return float(f"{(math.ceil if direction > 0 else math.floor)(value / unit) * unit:.10g}")


def _number(value: float) -> int | float:
    return int(value) if value == int(value) and abs(value) < 2**53 else value
