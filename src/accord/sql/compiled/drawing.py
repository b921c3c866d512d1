"""Draws random values that a column's contract allows, many of them where an expression is likely to go wrong."""

import math
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

from accord.sql.compiled.trees import EPOCH, INTEGERS

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from accord.schema.data import Column

QUOTED = re.compile(r"'((?:[^']|'')*)'")
NUMBER = re.compile(r"(?<![\w.])(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.IGNORECASE)
# fmt: off
NUMBERS = [0.0, 5e-324, 1e-310, 1e-5, 0.1, 0.5, 1.0, 1.5, 2.5, 3.0, 100.0, 127.0, 128.0, 1e6, 2.0**31, 2.0**52 + 0.5, 2.0**53,
           2.0**63, 1e22, 1.7976931348623157e308]
WHOLE_NUMBERS = [*range(13), 99, 127, 128, 255, 256, 1000, 2**15, 2**31, 2**53, 2**62, 2**63 - 1]
TEXTS = ["", " ", "unseen", "NULL", "a'b", "a%_b", "Zürich", "ß", "東京", "0", "-1", "2013-1-31", "2013-02-30", "31.1.2013"]
INSTANTS = [datetime(2, 1, 1), datetime(1900, 3, 1), EPOCH, datetime(2000, 2, 29), datetime(2012, 12, 31), datetime(2013, 1, 1),
            datetime(2021, 1, 3, 12), datetime(9998, 12, 31)]
# fmt: on
NULL_SHARE = 0.1
MAX_LEVELS = 200


def literals(sql: str) -> list[Any]:
    """The numbers, texts and instants that an expression mentions, around which its value is likely to change.

    >>> literals("x >= 60 AND level IN ('a', 'it''s') AND at > TIMESTAMP '2013-01-01'")
    ['a', "it's", '2013-01-01', 60.0, datetime.datetime(2013, 1, 1, 0, 0)]
    """
    texts = [text.replace("''", "'") for text in QUOTED.findall(sql)]
    return [*texts, *map(float, NUMBER.findall(QUOTED.sub(" ", sql))), *filter(None, map(_instant, texts))]


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None


def draws(
    column: "Column | None", given: "pl.Series", near: Sequence[Any], rng: "np.random.Generator", n: int
) -> list[Any]:
    """Random values (n) of the column, those of `near` among them where the contract allows them.

    A category without listed values gets those of the given column, and others. If the column is None, any number may
    be drawn, infinities, NaN and null included.
    """
    kind = "number" if column is None else column.type
    values: list[Any]
    if kind == "number":
        values = _numbers(column, [x for x in near if isinstance(x, float)], rng, n)
    elif kind == "integer":
        values = _whole_numbers(
            column, [int(x) for x in near if isinstance(x, float) and math.isfinite(x)], rng, n
        )
    elif kind == "boolean":
        values = (rng.random(n) < 0.5).tolist()
    elif kind == "datetime":
        values = _instants([x for x in near if isinstance(x, datetime)], rng, n)
    else:
        seen = given.unique().drop_nulls().sort().head(MAX_LEVELS)
        levels = (column and column.values) or [*seen, *(x for x in near if isinstance(x, str)), *TEXTS]
        values = [levels[i] for i in rng.integers(len(levels), size=n)]
    is_null = rng.random(n) < (NULL_SHARE if column is None or column.nullable else 0)
    return [None if null else value for value, null in zip(values, is_null.tolist(), strict=True)]


def _numbers(
    column: "Column | None", near: Sequence[float], rng: "np.random.Generator", n: int
) -> list[float]:
    import numpy as np

    greatest = np.finfo(float).max
    low = -greatest if column is None or column.min is None else column.min
    high = greatest if column is None or column.max is None else column.max
    points = np.array([low, high, *near, *NUMBERS])
    with np.errstate(over="ignore"):
        around = np.concatenate([points, np.nextafter(points, -np.inf), np.nextafter(points, np.inf)])
    edges = np.concatenate([around, -around])
    edges = edges[(low <= edges) & (edges <= high)]
    if column is None:
        edges = np.concatenate([edges, [np.nan, np.inf, -np.inf]])
    size = 10.0 ** np.where(rng.random(n) < 0.3, rng.uniform(-300, 300, n), rng.uniform(-3, 5, n))
    between = low / 2 + high / 2 + (high / 2 - low / 2) * rng.uniform(-1, 1, n)
    wide = np.where(rng.random(n) < 0.5, between, np.copysign(size, rng.uniform(-1, 1, n)))
    drawn = [rng.choice(edges, n), wide, np.rint(wide), np.rint(size * 4) / 100]
    values: list[float] = np.clip(np.choose(rng.integers(4, size=n), drawn), low, high).tolist()
    return values


def _whole_numbers(
    column: "Column | None", near: Sequence[int], rng: "np.random.Generator", n: int
) -> list[int]:
    import numpy as np

    least, greatest = INTEGERS["Int64"]
    low = least if column is None or column.min is None else max(least, math.ceil(column.min))
    high = greatest if column is None or column.max is None else min(greatest, math.floor(column.max))
    around = [x + step for x in (low, high, *near, *WHOLE_NUMBERS) for step in (-1, 0, 1)]
    edges = np.array([x for x in chain(around, (-x for x in around)) if low <= x <= high], dtype=np.int64)
    small = np.clip(rng.integers(-3000, 3000, n), low, high)
    drawn = [rng.choice(edges, n), small, rng.integers(low, high, n, endpoint=True)]
    values: list[int] = np.choose(rng.integers(3, size=n), drawn).tolist()
    return values


def _instants(near: Sequence[datetime], rng: "np.random.Generator", n: int) -> list[datetime]:
    edges = [x + timedelta(microseconds=step) for x in (*near, *INSTANTS) for step in (-1, 0, 1)]
    seconds = rng.integers(-(2**31), 2**31, n).tolist()  # 1901 to 2038
    drawn = (EPOCH + timedelta(seconds=second) for second in seconds)
    picked = rng.integers(2 * len(edges), size=n).tolist()
    return [edges[i] if i < len(edges) else x for i, x in zip(picked, drawn, strict=True)]
