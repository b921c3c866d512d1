"""Turns a tree of plain data into a function of one row: closures over a fixed set of operations, built once."""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache, partial
from typing import Any

Tree = list[Any]
Row = Mapping[str, Any]
RowFunction = Callable[[Row], Any]

EPOCH = datetime(1970, 1, 1)
YEAR_MONTH_DAY = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)", re.ASCII)
INTEGERS = {f"Int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)} | {
    f"UInt{bits}": (0, 2**bits - 1) for bits in (8, 16, 32)
}
"""The least and the greatest value of each integer type of Polars."""


def function(tree: Tree) -> RowFunction:
    """The value of a compiled expression for one row, as a function.

    A row maps names to int, float (a number is always a float, so 2.0 and not 2), str, bool, datetime without a zone, or None.
    The value is one of these, or a date or timedelta. The function raises ArithmeticError or ValueError for a row that
    Polars refuses, and for the few rows that plain Python can't do, such as the year 10000 or capitals beyond ASCII. The
    caller then has to ask Polars.

    >>> double = function(["*", ["column", "distance"], ["literal", 2.0]])
    >>> double({"distance": 1.5}), double({"distance": None})
    (3.0, None)
    """
    operation, *parts = tree
    if operation in OF_ONE:
        return _of_one(OF_ONE[operation], function(parts[0]))
    if operation in SET_UP:
        return _of_one(SET_UP[operation](parts[0]), function(parts[1]))
    if operation in OF_TWO:
        return _of_two(OF_TWO[operation], *parts)
    return OTHERS[operation](*parts)


def _of_one(value: Callable[[Any], Any], part: RowFunction) -> RowFunction:
    def of_row(row: Row) -> Any:
        x = part(row)
        return None if x is None else value(x)

    return of_row


def _of_two(value: Callable[[Any, Any], Any], left_tree: Tree, right_tree: Tree) -> RowFunction:
    left, right = function(left_tree), function(right_tree)

    def of_row(row: Row) -> Any:
        x = left(row)
        if x is None:
            return None
        y = right(row)
        return None if y is None else value(x, y)

    def of_row_and_literal(row: Row) -> Any:  # a literal needs no call
        x = left(row)
        return None if x is None else value(x, literal)

    literal = right_tree[1] if right_tree[0] == "literal" else None
    return of_row if literal is None else of_row_and_literal


def _literal(value: Any) -> RowFunction:
    return lambda row: value


def _case(condition_tree: Tree, then_tree: Tree, otherwise_tree: Tree) -> RowFunction:
    condition, then, otherwise = function(condition_tree), function(then_tree), function(otherwise_tree)
    return lambda row: then(row) if condition(row) else otherwise(row)


def _and(left_tree: Tree, right_tree: Tree) -> RowFunction:
    left, right = function(left_tree), function(right_tree)

    def of_row(row: Row) -> bool | None:
        x = left(row)
        if x is False:
            return False
        y = right(row)
        return y if x or y is False else None

    return of_row


def _or(left_tree: Tree, right_tree: Tree) -> RowFunction:
    left, right = function(left_tree), function(right_tree)

    def of_row(row: Row) -> bool | None:
        x = left(row)
        if x:
            return True
        y = right(row)
        return y if x is False or y else None

    return of_row


def _is_null(tree: Tree) -> RowFunction:
    part = function(tree)
    return lambda row: part(row) is None


def _is(expected: bool, left_tree: Tree, right_tree: Tree) -> RowFunction:
    left, right = function(left_tree), function(right_tree)

    def of_row(row: Row) -> bool:
        x, y = left(row), right(row)
        return (x is y if x is None or y is None else _equal(x, y)) is expected

    return of_row


def _coalesce(*trees: Tree) -> RowFunction:
    parts = [function(tree) for tree in trees]

    def of_row(row: Row) -> Any:
        for part in parts:
            x = part(row)
            if x is not None:
                return x
        return None

    return of_row


def _extreme(beyond: Callable[[Any, Any], bool], *trees: Tree) -> RowFunction:
    parts = [function(tree) for tree in trees]

    def of_row(row: Row) -> Any:
        best = None
        for part in parts:
            x = part(row)
            # Of 0.0 and -0.0, which are equal, Polars keeps the later one, and NaN only if all values are NaN.
            if x is not None and (best is None or best != best or (x == x and not beyond(best, x))):
                best = x
        return best

    return of_row


def _concat(*trees: Tree) -> RowFunction:
    parts = [function(tree) for tree in trees]
    return lambda row: "".join([x for part in parts if (x := part(row)) is not None])


def _equal(x: Any, y: Any) -> bool:
    return bool(x == y or (x != x and y != y))


def _unequal(x: Any, y: Any) -> bool:
    return not (x == y or (x != x and y != y))


def _less(x: Any, y: Any) -> bool:
    return bool(x < y or (y != y and x == x))  # in Polars NaN is above all numbers and equal to itself


def _greater(x: Any, y: Any) -> bool:
    return bool(x > y or (x != x and y == y))


def _at_most(x: Any, y: Any) -> bool:
    return not _greater(x, y)


def _at_least(x: Any, y: Any) -> bool:
    return not _less(x, y)


def _divided(x: float, y: float) -> float:
    if y:
        return x / y
    return math.copysign(math.inf, x) * math.copysign(1.0, y) if x and x == x else math.nan


def _power(x: float, y: float) -> float:
    try:
        return math.pow(x, y)
    except (ValueError, OverflowError):
        if x < 0 and not y.is_integer():
            return math.nan
        is_odd = y.is_integer() and y % 2 == 1
        return math.copysign(math.inf, x) if is_odd else math.inf


def _integer_power(x: int, y: int) -> int:
    if y < 0:
        raise ValueError(f"found a power of {y}; expected none below 0 of an integer")
    return pow(x, y, 2**64)


def _remainder(x: int, y: int) -> int | None:
    if not y:
        return None
    return x % y if (x < 0) == (y < 0) else -(-x % y)  # with the sign of x


def _quotient(x: int, y: int) -> int | None:
    if not y:
        return None
    return x // y if (x < 0) == (y < 0) else -(-x // y)  # towards 0


def _nan_for_none(value: Callable[..., float]) -> Callable[..., float]:
    """The function, with NaN where Python's raises ValueError because no real value exists."""

    def of_numbers(*numbers: float) -> float:
        try:
            return value(*numbers)
        except ValueError:
            return math.nan

    return of_numbers


def _ln(x: float) -> float:
    if x > 0:
        return math.log(x)
    return -math.inf if x == 0 else math.nan


def _product(n: int) -> Callable[[float], float]:
    def product(x: float) -> float:
        value = x
        for _ in range(n - 1):
            value *= x
        return value

    return product


def _log(base: float) -> Callable[[float], float]:
    ln_base = math.log(base)
    return lambda x: _ln(x) / ln_base


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _floor(x: float) -> float:
    return math.copysign(math.floor(x), x) if -(2.0**53) < x < 2.0**53 else x


def _ceil(x: float) -> float:
    return math.copysign(math.ceil(x), x) if -(2.0**53) < x < 2.0**53 else x


def _round(x: float) -> float:
    return math.copysign(round(x), x) if -(2.0**53) < x < 2.0**53 else x


def _rounded(digits: int) -> Callable[[float], float]:
    shift = 10.0**digits

    def rounded(x: float) -> float:
        shifted = x * shift
        return _round(shifted) / shift if math.isfinite(shifted) else x

    return rounded if digits else _round


def _sign(x: float) -> float:
    return math.copysign(1.0, x) if x and x == x else x


def _integer_sign(x: int) -> int:
    return (x > 0) - (x < 0)


def _wrapped(kind: str) -> Callable[[int], int]:
    low, high = INTEGERS[kind]
    span = high - low + 1
    return lambda x: x if low <= x <= high else (x - low) % span + low


def _integer(kind: str) -> Callable[[float], int]:
    low, high = INTEGERS[kind]

    def integer(x: float) -> int:
        whole = int(x)
        if not low <= whole <= high:
            raise OverflowError(f"found {x}; expected a value that fits {kind}")
        return whole

    return integer


def _integer_or_null(kind: str) -> Callable[[float], int | None]:
    strict = _integer(kind)

    def integer(x: float) -> int | None:
        try:
            return strict(x)
        except (ValueError, OverflowError):
            return None

    return integer


def _ascii(changed: Callable[[str], str]) -> Callable[[str], str]:
    def of_text(text: str) -> str:
        if not text.isascii():  # Python and Polars have different versions of Unicode
            raise ValueError(f"found {text!r}; expected ASCII")
        return changed(text)

    return of_text


def _slice(bounds: Sequence[int | None]) -> Callable[[str], str]:
    return operator.itemgetter(slice(*bounds))


@lru_cache(maxsize=1000)  # dates recur, and parsing one costs more than all the rest
def _date_of_text(text: str) -> date:
    match = YEAR_MONTH_DAY.fullmatch(text)
    if match is None:  # Polars guesses the form from the first row
        raise ValueError(f"found {text!r}; expected a date such as 2013-1-31")
    year, month, day = match.groups()
    return date(int(year), int(month), int(day))


def _microseconds(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def _nanoseconds(instant: datetime) -> int | None:
    nanoseconds = _microseconds(instant) * 1000
    low, high = INTEGERS["Int64"]
    return nanoseconds if low <= nanoseconds <= high else None


def _shift(microseconds: int) -> Callable[[datetime], datetime]:
    step = timedelta(microseconds=microseconds)
    return lambda instant: instant + step


OF_ONE: dict[str, Callable[[Any], Any]] = {
    "not": operator.not_,
    "negative": operator.neg, "abs": abs, "floor": _floor, "ceil": _ceil, "sign": _sign, "integer sign": _integer_sign,
    "sqrt": _nan_for_none(math.sqrt), "exp": _exp, "ln": _ln,
    "sin": _nan_for_none(math.sin), "cos": _nan_for_none(math.cos), "tan": _nan_for_none(math.tan),
    "float": float, "int": int, "text of integer": str, "text of boolean": lambda x: "true" if x else "false",
    "upper": _ascii(str.upper), "lower": _ascii(str.lower), "length": len,
    "date of text": _date_of_text, "date of instant": datetime.date, "midnight": lambda day: datetime.combine(day, time()),
    "microseconds": _microseconds, "nanoseconds": _nanoseconds,
    "year": operator.attrgetter("year"), "month": operator.attrgetter("month"), "day": operator.attrgetter("day"),
    "hour": operator.attrgetter("hour"), "minute": operator.attrgetter("minute"), "second": operator.attrgetter("second"),
    "nanosecond": lambda instant: instant.microsecond * 1000,
    "weekday": operator.methodcaller("isoweekday"), "day of week": lambda weekday: weekday % 7,
    "ordinal day": lambda day: day.timetuple().tm_yday,
    "quarter": lambda day: (day.month + 2) // 3,
    "week": lambda day: day.isocalendar()[1], "ISO year": lambda day: day.isocalendar()[0],
}  # fmt: skip
"""Operations on one part. The value is null if the part is null, or if the function returns None."""

SET_UP: dict[str, Callable[[Any], Callable[[Any], Any]]] = {
    "wrap": _wrapped, "integer": _integer, "integer or null": _integer_or_null, "round": _rounded,
    "log": _log, "product": _product,
    "starts": lambda start: lambda text: text.startswith(start), "ends": lambda end: lambda text: text.endswith(end),
    "contains": lambda inner: lambda text: inner in text, "slice": _slice,
    "in": lambda values: frozenset(values).__contains__, "shift": _shift,
}  # fmt: skip
"""Like `OF_ONE`, but the first part is plain data, with which the function is made."""

OF_TWO: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": _divided, "%": _nan_for_none(math.fmod),
    "power": _power, "integer power": _integer_power, "remainder": _remainder, "quotient": _quotient,
    "floor quotient": operator.floordiv,
    "=": _equal, "<>": _unequal, "<": _less, ">": _greater, "<=": _at_most, ">=": _at_least,
}  # fmt: skip
"""Operations on two parts. The value is null if a part is null, or if the function returns None."""

OTHERS: dict[str, Callable[..., RowFunction]] = {
    "column": operator.itemgetter, "literal": _literal,
    "date": lambda text: _literal(date.fromisoformat(text)),
    "datetime": lambda text: _literal(datetime.fromisoformat(text)),
    "timedelta": lambda microseconds: _literal(timedelta(microseconds=microseconds)),
    "and": _and, "or": _or, "case": _case, "coalesce": _coalesce, "is null": _is_null,
    "is": partial(_is, True), "is not": partial(_is, False),
    "greatest": partial(_extreme, operator.gt), "least": partial(_extreme, operator.lt), "concat": _concat,
}  # fmt: skip
