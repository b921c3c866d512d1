"""SQL row expressions as functions of one row, proven equal to Polars bit for bit.

Polars evaluates an expression over a single row in about 100 us, most of it overhead. An expression compiles to a tree
of plain data, `[operation, *parts]`, such as `["*", ["column", "distance"], ["literal", 1.5]]`, which a bundle holds as
JSON; `function` turns the tree into closures that take a microsecond. The tree comes from the expression as Polars
itself has parsed it, with the types that Polars finds for its parts, so no second reading of SQL can disagree.

Nothing is trusted: `proof` compares both forms on given rows and on random ones. An expression that doesn't compile
or prove stays with Polars.
"""

import json
import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # the service loads trees without Polars, NumPy or the config's schema
    import numpy as np
    import polars as pl

    from accord.config.schema import Column

Tree = list[Any]
Row = Mapping[str, Any]
RowFunction = Callable[[Row], Any]

EPOCH = datetime(1970, 1, 1)
YEAR_MONTH_DAY = re.compile(r"\d{4}-\d\d?-\d\d?", re.ASCII)
INTERVAL = re.compile(r"(\d+)(us|ms|s|m|h|d|w)")
MICROSECONDS = {
    "us": 1, "ms": 10**3, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6, "w": 604800 * 10**6,
}  # fmt: skip
INTEGERS = {f"Int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)} | {
    f"UInt{bits}": (0, 2**bits - 1) for bits in (8, 16, 32)
}
"""The least and the greatest value of each integer type of Polars."""


# From a tree to a function of one row


def function(tree: Tree) -> RowFunction:
    """The value of a compiled expression for one row, as a function.

    A row maps names to int, float (always, for a number), str, bool, datetime without a zone, or None. The value is one of these,
    or a date or timedelta. The function raises ArithmeticError, TypeError or ValueError for rows that Polars refuses,
    and for the few that Python can't hold, such as the year 10000: ask Polars then.

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

    def with_literal_left(row: Row) -> Any:
        y = right(row)
        return None if y is None else value(literal, y)

    def with_literal_right(row: Row) -> Any:
        x = left(row)
        return None if x is None else value(x, literal)

    for (operation, literal, *_), faster in (
        (left_tree, with_literal_left),
        (right_tree, with_literal_right),
    ):
        if operation == "literal" and literal is not None:
            return faster
    return of_row


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


def _is(left_tree: Tree, right_tree: Tree) -> RowFunction:
    left, right = function(left_tree), function(right_tree)

    def of_row(row: Row) -> bool:
        x, y = left(row), right(row)
        return x is y if x is None or y is None else _equal(x, y)

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
            # Of equals, 0.0 and -0.0, Polars keeps the later; NaN only where there is nothing else.
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
    return bool(x < y or (y != y and x == x))  # NaN is above all numbers and equal to itself


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
    """The function with NaN where Python's raises ValueError for want of a real value."""

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


def _text(x: int) -> str:
    return str(x).lower()  # of an integer or a boolean


def _ascii(changed: Callable[[str], str]) -> Callable[[str], str]:
    def of_text(text: str) -> str:
        if not text.isascii():  # Python and Polars don't know the same version of Unicode
            raise ValueError(f"found {text!r}; expected ASCII")
        return changed(text)

    return of_text


def _slice(bounds: Sequence[int]) -> Callable[[str], str]:
    start, length = bounds
    return lambda text: text[start : start + length]


def _date_of_text(text: str) -> date:
    if not YEAR_MONTH_DAY.fullmatch(text):  # Polars takes other forms too, as the first row has it
        raise ValueError(f"found {text!r}; expected a date such as 2013-1-31")
    year, month, day = text.split("-")
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
    "square": lambda x: x * x, "cube": lambda x: x * x * x, "sqrt": _nan_for_none(math.sqrt), "exp": _exp, "ln": _ln,
    "sin": _nan_for_none(math.sin), "cos": _nan_for_none(math.cos), "tan": _nan_for_none(math.tan),
    "float": float, "int": int, "text": _text,
    "upper": _ascii(str.upper), "lower": _ascii(str.lower), "length": len,
    "date of text": _date_of_text, "date of instant": datetime.date, "midnight": lambda day: datetime.combine(day, time()),
    "microseconds": _microseconds, "nanoseconds": _nanoseconds,
    "year": operator.attrgetter("year"), "month": operator.attrgetter("month"), "day": operator.attrgetter("day"),
    "hour": operator.attrgetter("hour"), "minute": operator.attrgetter("minute"), "second": operator.attrgetter("second"),
    "nanosecond": lambda instant: instant.microsecond * 1000,
    "weekday": operator.methodcaller("isoweekday"), "ordinal day": lambda day: day.timetuple().tm_yday,
    "quarter": lambda day: (day.month + 2) // 3,
    "week": lambda day: day.isocalendar()[1], "ISO year": lambda day: day.isocalendar()[0],
}  # fmt: skip
"""Operations whose value is null exactly where their part is, or where these return None."""

SET_UP: dict[str, Callable[[Any], Callable[[Any], Any]]] = {
    "wrap": _wrapped, "integer": _integer, "integer or null": _integer_or_null, "round": _rounded, "log": _log,
    "starts": lambda start: lambda text: text.startswith(start), "ends": lambda end: lambda text: text.endswith(end),
    "contains": lambda inner: lambda text: inner in text, "slice": _slice,
    "in": lambda values: frozenset(values).__contains__, "shift": _shift,
}  # fmt: skip
"""As `OF_ONE`, but their first part is plain data to set them up with."""

OF_TWO: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": _divided, "%": _nan_for_none(math.fmod),
    "power": _power, "integer power": _integer_power, "remainder": _remainder, "quotient": _quotient,
    "floor quotient": operator.floordiv,
    "=": _equal, "<>": _unequal, "<": _less, ">": _greater, "<=": _at_most, ">=": _at_least,
}  # fmt: skip
"""Operations whose value is null where one of two parts is, or where these return None."""

OTHERS: dict[str, Callable[..., RowFunction]] = {
    "column": operator.itemgetter, "literal": _literal,
    "date": lambda text: _literal(date.fromisoformat(text)),
    "datetime": lambda text: _literal(datetime.fromisoformat(text)),
    "timedelta": lambda microseconds: _literal(timedelta(microseconds=microseconds)),
    "and": _and, "or": _or, "case": _case, "coalesce": _coalesce, "is null": _is_null, "is": _is,
    "greatest": partial(_extreme, operator.gt), "least": partial(_extreme, operator.lt), "concat": _concat,
}  # fmt: skip


# From SQL to a tree


class _Typed(NamedTuple):
    """A tree and the type that Polars gives to its value."""

    tree: Tree
    dtype: "pl.DataType"


class _UnsupportedError(Exception):
    """A construct has no compiled form."""


def compile_sql(sql: str, where: str, types: Mapping[str, str], as_number: bool = False) -> Tree | None:
    """The tree of a row expression, or None if it uses a construct that has none.

    `types` maps names to the contract's types; predictions, weights and the score are numbers. The value is the one that
    `expressions.with_derived` gives; `as_number`, the float that `expressions.evaluate` gives. `where` is the config key for the
    AccordError that a wrong expression raises.
    """
    import polars as pl
    from polars.exceptions import PolarsError

    from accord.expressions import TYPES, check, parse

    schema = {name: TYPES[kind] for name, kind in types.items()}
    check(sql, where, schema, {})
    node = json.loads(parse(sql, where).meta.serialize(format="json"))
    try:
        compiled = _compiled(node, pl.DataFrame(schema=schema))
        return (_cast(compiled, pl.Float64()) if as_number else compiled).tree
    except (_UnsupportedError, PolarsError):
        return None


def _compiled(node: dict[str, Any], columns: "pl.DataFrame") -> _Typed:
    """A node of an expression as Polars serialises it, compiled; `columns` is a frame without rows."""
    import polars as pl

    expression = _expression(node)
    if not expression.meta.root_names():
        return _constant(pl.select(expression).to_series())
    part = partial(_compiled, columns=columns)
    dtype = columns.select(expression).dtypes[0]
    tree: Tree
    match node:
        case {"Column": str(name)}:
            tree = ["column", name]
        case {"Cast": {"expr": inner, "options": "Strict" | "NonStrict" as mode}}:
            tree = _cast(part(inner), dtype, mode == "Strict").tree
        case {"Ternary": {"predicate": condition, "truthy": then, "falsy": otherwise}}:
            branches = (_cast(part(inner), dtype).tree for inner in (then, otherwise))
            tree = ["case", part(condition).tree, *branches]
        case {"BinaryExpr": {"left": left, "op": str(name), "right": right}} if name in COMPARISONS:
            both = columns.select(pl.coalesce(_expression(left), _expression(right))).dtypes[0]
            tree = COMPARISONS[name](*(_cast(part(side), both).tree for side in (left, right)))
        case {"BinaryExpr": {"left": left, "op": "And" | "Or" as name, "right": right}} if (
            dtype == pl.Boolean
        ):
            tree = [name.lower(), *(_cast(part(side), dtype).tree for side in (left, right))]
        case {"BinaryExpr": {"left": left, "op": str(name), "right": right}} | {
            "Function": {"input": [left, right], "function": {"Sql": {"Binary": str(name)}}}
        }:
            tree = _arithmetic(name, part(left), part(right), dtype)
        case {"Function": {"input": [inner, values], "function": {"Sql": {"IsIn": {"nulls_equal": False}}}}}:
            tree = _is_in(part(inner), _expression(inner), pl.select(_expression(values)).item(), columns)
        case {"Function": {"input": list(inputs), "function": of}}:
            tree = _function(of, [part(inner) for inner in inputs], dtype)
        case _:
            raise _UnsupportedError
    return _Typed(tree, dtype)


def _expression(node: dict[str, Any]) -> "pl.Expr":
    import polars as pl

    return pl.Expr.deserialize(json.dumps(node).encode(), format="json")


def _constant(value: "pl.Series") -> _Typed:
    found = value.item()
    if (
        found is None
        or isinstance(found, bool | int | str)
        or (type(found) is float and math.isfinite(found))
    ):
        return _Typed(["literal", found], value.dtype)
    if isinstance(found, datetime):
        return _Typed(["datetime", found.isoformat()], value.dtype)
    if isinstance(found, date):
        return _Typed(["date", found.isoformat()], value.dtype)
    if isinstance(found, timedelta):
        return _Typed(["timedelta", found // timedelta(microseconds=1)], value.dtype)
    raise _UnsupportedError


def _cast(value: _Typed, dtype: "pl.DataType", strict: bool = True) -> _Typed:
    import polars as pl

    tree, found = value
    operation: list[Any]
    if found == dtype or tree == ["literal", None]:
        return _Typed(tree, dtype)
    if dtype == pl.Float64 and (found.is_integer() or found == pl.Boolean):
        operation = ["float"]
    elif str(dtype) in INTEGERS and found == pl.Boolean:
        operation = ["int"]
    elif str(dtype) in INTEGERS and (found.is_integer() or found == pl.Float64):
        operation = ["integer" if strict else "integer or null", str(dtype)]
    elif dtype == pl.Boolean and found.is_integer():
        return _Typed(["<>", tree, ["literal", 0]], dtype)
    elif dtype == pl.String and (found.is_integer() or found == pl.Boolean):
        operation = ["text"]
    elif dtype == pl.Date and found == pl.Datetime("us"):
        operation = ["date of instant"]
    elif dtype == pl.Datetime("us") and found == pl.Date:
        operation = ["midnight"]
    elif dtype == pl.Int64 and found == pl.Datetime("us"):
        operation = ["microseconds"]
    elif isinstance(dtype, pl.Duration) and isinstance(found, pl.Duration):
        return _Typed(tree, dtype)
    else:
        raise _UnsupportedError
    cast = [*operation, tree]
    if tree[0] != "literal":
        return _Typed(cast, dtype)
    try:
        return _Typed(["literal", function(cast)({})], dtype)
    except (ArithmeticError, ValueError) as error:
        raise _UnsupportedError from error


COMPARISONS: dict[str, Callable[[Tree, Tree], Tree]] = {
    "Eq": lambda x, y: ["=", x, y], "NotEq": lambda x, y: ["<>", x, y],
    "Lt": lambda x, y: ["<", x, y], "LtEq": lambda x, y: ["<=", x, y],
    "Gt": lambda x, y: [">", x, y], "GtEq": lambda x, y: [">=", x, y],
    "EqValidity": lambda x, y: ["is", x, y], "NotEqValidity": lambda x, y: ["not", ["is", x, y]],
}  # fmt: skip
ARITHMETIC = {"Plus": "+", "Minus": "-", "Mul": "*", "Div": "/", "RustDivide": "/", "Rem": "%"}
INTEGER_ARITHMETIC = {"Plus": "+", "Minus": "-", "Mul": "*"}


def _arithmetic(name: str, left: _Typed, right: _Typed, dtype: "pl.DataType") -> Tree:
    import polars as pl

    if dtype == pl.Float64 and name in ARITHMETIC:
        return _float_arithmetic(ARITHMETIC[name], _cast(left, dtype).tree, _cast(right, dtype).tree)
    if str(dtype) in INTEGERS:
        x, y = (_cast(side, dtype).tree if side.dtype == pl.Boolean else side.tree for side in (left, right))
        if not (left.dtype.is_float() or right.dtype.is_float()):
            if name in INTEGER_ARITHMETIC:
                return ["wrap", str(dtype), [INTEGER_ARITHMETIC[name], x, y]]
            if name == "Rem":
                return ["remainder", x, y]
            if name == "IntDiv":
                return ["integer", str(dtype), ["quotient", x, y]]
            if name == "RustDivide":
                return ["floor quotient", x, y]
    if dtype == pl.String and name == "Plus":
        return ["+", left.tree, right.tree]
    instants = (pl.Datetime("us"), pl.Duration("us"), pl.Duration("ns"))
    if name in ("Plus", "Minus") and dtype in instants and left.dtype in instants and right.dtype in instants:
        return [ARITHMETIC[name], left.tree, right.tree]
    raise _UnsupportedError


def _float_arithmetic(name: str, x: Tree, y: Tree) -> Tree:
    # Polars leaves a column as it is when it adds 0 to it, -0.0 too; takes it from 0 by changing its sign; and divides it
    # by a number as a product with the inverse.
    if name == "+" and 0.0 in (x[1], y[1]) and "literal" in (x[0], y[0]):
        return y if x == ["literal", 0.0] else x
    if name == "-" and x == ["literal", 0.0]:
        return ["negative", y]
    if name == "/" and y[0] == "literal" and y[1] is not None:
        if not y[1] or not math.isfinite(1 / y[1]):
            raise _UnsupportedError  # infinity has no JSON
        return ["*", x, ["literal", 1 / y[1]]]
    return [name, x, y]


def _is_in(value: _Typed, expression: "pl.Expr", values: "pl.Series", columns: "pl.DataFrame") -> Tree:
    import polars as pl

    dtype = columns.select(pl.coalesce(expression, pl.lit(None, values.dtype))).dtypes[0]
    members = values.cast(dtype).to_list()
    if not all(isinstance(member, bool | int | float | str) for member in members):
        raise _UnsupportedError
    return ["in", members, _cast(value, dtype).tree]


UNARY = {
    "Floor": "floor", "Ceil": "ceil", "Sign": "sign", "Exp": "exp",
    "Sqrt": "sqrt", "Sin": "sin", "Cos": "cos", "Tan": "tan",
}  # fmt: skip
TEXT = {"Uppercase": "upper", "Lowercase": "lower", "LenChars": "length"}
TEXT_SEARCH = {"StartsWith": "starts", "EndsWith": "ends"}
TEMPORAL = {
    "Year": "year", "Month": "month", "Day": "day", "Hour": "hour", "Minute": "minute", "Second": "second",
    "Nanosecond": "nanosecond", "WeekDay": "weekday", "OrdinalDay": "ordinal day", "Quarter": "quarter",
    "Week": "week", "IsoYear": "ISO year", "Date": "date of instant",
}  # fmt: skip


def _function(name: Any, parts: list[_Typed], dtype: "pl.DataType") -> Tree:
    """The call of a function of Polars, named as it serialises it, on compiled parts."""
    import polars as pl

    trees = [part.tree for part in parts]
    is_integer = parts[0].dtype.is_integer()
    match name:
        case {"Boolean": "Not"}:
            return ["not", _cast(parts[0], dtype).tree]
        case {"Boolean": "IsNull"}:
            return ["is null", *trees]
        case {"Boolean": "IsNotNull"}:
            return ["not", ["is null", *trees]]
        case "Coalesce" | "MaxHorizontal" | "MinHorizontal":
            kind = {"Coalesce": "coalesce", "MaxHorizontal": "greatest", "MinHorizontal": "least"}[name]
            return [kind, *(_cast(part, dtype).tree for part in parts)]
        case "Abs":
            return ["wrap", str(dtype), ["abs", *trees]] if is_integer else ["abs", *trees]
        case "Floor" | "Ceil" | {"Sql": {"Round": _}} if is_integer:
            return trees[0]
        case "Sign" if is_integer:
            return ["integer sign", *trees]
        case {"Sql": {"Round": {"decimals": int(digits)}}} if dtype == pl.Float64:
            return ["round", digits, *trees]
        case {"Sql": "ToFloat"}:
            return _cast(parts[0], dtype).tree
        case (
            ("Floor" | "Ceil" | "Sign" | "Exp" as kind)
            | {"Pow": "Sqrt" as kind}
            | {"Trigonometry": "Sin" | "Cos" | "Tan" as kind}
        ) if dtype == pl.Float64:
            return [UNARY[kind], _cast(parts[0], dtype).tree]
        case "Log" if trees[1][0] == "literal":
            return _logarithm(_cast(parts[0], dtype).tree, _cast(parts[1], dtype).tree[1])
        case {"Pow": "Generic"}:
            return _raised(parts[0], parts[1], dtype)
        case {"StringExpr": "Uppercase" | "Lowercase" | "LenChars" as kind}:
            return [TEXT[kind], *trees]
        case {"StringExpr": "StartsWith" | "EndsWith" as kind} if isinstance(_value(trees[1]), str):
            return [TEXT_SEARCH[kind], _value(trees[1]), trees[0]]
        case {"StringExpr": {"Contains": {"literal": True}}} if isinstance(_value(trees[1]), str):
            return ["contains", _value(trees[1]), trees[0]]
        case {"StringExpr": {"ConcatHorizontal": {"delimiter": "", "ignore_nulls": True}}}:
            return ["concat", *(_cast(part, dtype).tree for part in parts)]
        case {
            "StringExpr": {"Strptime": [{"Literal": "Date"}, {"format": None, "strict": True, "exact": True}]}
        }:
            return ["date of text", trees[0]]
        case {"StringExpr": "Slice"} if all(
            (_value(bound) or -1) >= 0 or _value(bound) == 0 for bound in trees[1:]
        ):
            return ["slice", [_value(bound) for bound in trees[1:]], trees[0]]
        case {"TemporalExpr": "OffsetBy"} if dtype == pl.Datetime("us"):
            return ["shift", _interval(_value(trees[1])), trees[0]]
        case {"TemporalExpr": {"TimeStamp": "Nanoseconds"}} if parts[0].dtype == pl.Datetime("us"):
            return ["nanoseconds", *trees]
        case {"TemporalExpr": str(kind)} if kind in TEMPORAL:
            return [TEMPORAL[kind], *trees]
        case _:
            raise _UnsupportedError


def _value(tree: Tree) -> Any:
    """The value of a literal; None for what is none."""
    return tree[1] if tree[0] == "literal" else None


def _logarithm(x: Tree, base: float | None) -> Tree:
    if base is None or base <= 0 or base == 1:
        raise _UnsupportedError
    return ["ln", x] if base == math.e else ["log", base, x]


def _raised(base: _Typed, exponent: _Typed, dtype: "pl.DataType") -> Tree:
    import polars as pl

    if str(dtype) in INTEGERS and base.dtype == dtype and exponent.dtype.is_integer():
        return ["wrap", str(dtype), ["integer power", base.tree, exponent.tree]]
    if dtype != pl.Float64:
        raise _UnsupportedError
    x, y = _cast(base, dtype).tree, _cast(exponent, dtype).tree
    # For these exponents Polars takes a shorter way, with other last bits than a power's.
    shorter = {2.0: "square", 3.0: "cube", 0.5: "sqrt"}.get(_value(y))
    return [shorter, x] if shorter else ["power", x, y]


def _interval(text: str | None) -> int:
    """Microseconds of an interval such as `1d7200s` or `-1d`; months have no fixed length."""
    sign, text = (-1, text[1:]) if text and text.startswith("-") else (1, text or "")
    if not re.fullmatch(f"(?:{INTERVAL.pattern})+", text):
        raise _UnsupportedError
    return sign * sum(int(count) * MICROSECONDS[unit] for count, unit in INTERVAL.findall(text))


# The proof


@dataclass(frozen=True)
class Proof:
    """Whether a compiled expression gives what Polars gives."""

    n_rows: int
    """Rows compared: those that Polars evaluates."""
    difference: str | None
    """The first row that differs, with both values."""

    @property
    def holds(self) -> bool:
        return self.difference is None and self.n_rows > 0


UNSEEN = [
    "",
    " ",
    "unseen",
    "NULL",
    "a'b",
    "a%_b",
    "Zürich",
    "ß",
    "東京",
    "0",
    "-1",
    "2013-1-31",
    "2013-02-30",
    "31.1.2013",
]
INSTANTS = [datetime(2, 1, 1), datetime(1900, 2, 28, 23, 59, 59, 999999), datetime(1969, 12, 31, 23, 59, 59, 999999),
            EPOCH, datetime(2000, 2, 29), datetime(2013, 12, 30), datetime(2024, 12, 31, 12), datetime(9998, 12, 31)]  # fmt: skip
NUMBERS = [0.0, -0.0, 0.5, 1.0, 1.5, 2.5, 3.0, 0.1, 1e-5, 5e-324, 1e-310, 100.0, 127.0, 128.0, 1e6, 2.0**31, 2.0**52 + 0.5, 2.0**53,
           2.0**63, 1e16, 1e22, 1.7976931348623157e308]  # fmt: skip
WHOLE_NUMBERS = [
    *range(13),
    99,
    100,
    127,
    128,
    255,
    256,
    999,
    1000,
    2**15,
    2**31 - 1,
    2**31,
    2**53,
    2**53 + 1,
    2**62,
    2**63 - 1,
]
NULL_SHARE = 0.1


def proof(
    sql: str,
    tree: Tree,
    where: str,
    frame: "pl.DataFrame",
    columns: Mapping[str, "Column"],
    seed: int,
    n_random: int = 10_000,
    as_number: bool = False,
) -> Proof:
    """The comparison of a tree with Polars on all rows of a frame, and on random ones that the contract allows.

    The values must be of one type and the same bits; any NaN equals any other. The frame has the columns that the expression
    reads. `columns` is the contract; a name that it lacks is a prediction, a weight or the score, and may be any
    number. Rows that Polars refuses don't count, but the compiled form must not refuse others.
    `as_number` as for `compile_sql`.
    """
    import numpy as np
    import polars as pl

    from accord.expressions import TYPES, columns_of, evaluate, with_derived

    names = sorted(columns_of(sql, where))
    types: dict[str, pl.DataType] = {
        name: TYPES[columns[name].type if name in columns else "number"] for name in names
    }
    given = frame.select(pl.int_range(pl.len()).alias(ROW), *(pl.col(n).cast(types[n]) for n in names))
    rng = np.random.default_rng(seed)
    drawn = {name: _draws(columns.get(name), given[name], _literals(tree), rng, n_random) for name in names}
    random = pl.DataFrame({ROW: range(n_random), **drawn}, schema={ROW: pl.Int64(), **types})

    def by_polars(rows: pl.DataFrame) -> pl.Series:
        return evaluate(rows, sql, where) if as_number else with_derived(rows, {ROW: sql})[ROW]

    # What is proven is the tree as it comes back from a bundle.
    compiled = function(json.loads(json.dumps(tree)))
    n_rows = 0
    for rows in (given, random):
        n_compared, difference = _compared(rows, by_polars, compiled)
        n_rows += n_compared
        if difference is not None:
            return Proof(n_rows, difference)
    return Proof(n_rows, None)


ROW = "row|index"
"""A column that gives a frame its height where the expression reads none; no column of the config is called so."""


def _compared(
    rows: "pl.DataFrame", by_polars: Callable[["pl.DataFrame"], "pl.Series"], compiled: RowFunction
) -> tuple[int, str | None]:
    """The number of rows that Polars evaluates, up to the first that differs, and that one in words."""
    import polars as pl

    found = [_outcome(compiled, row) for row in rows.iter_rows(named=True)]
    # Rows that the compiled form refuses, Polars most likely refuses too, and with them the frame that they are in.
    refused = pl.Series([isinstance(value, Exception) for value in found], dtype=pl.Boolean)
    n_rows = 0
    for subset in (rows.filter(~refused), rows.filter(refused)):
        for index, expected in zip(subset[ROW], _evaluated(subset, by_polars), strict=True):
            if isinstance(expected, Exception):
                continue
            n_rows += 1
            if not _same(expected, found[index]):
                row = ", ".join(
                    f"{name}={value!r}" for name, value in rows.row(index, named=True).items() if name != ROW
                )
                return n_rows, f"where {row}: Polars gives {expected!r}, the compiled form {found[index]!r}"
    return n_rows, None


def _outcome(compiled: RowFunction, row: Row) -> Any:
    """The value of the row, or the exception that it raises."""
    try:
        return compiled(row)
    except Exception as error:
        return error


def _evaluated(rows: "pl.DataFrame", by_polars: Callable[["pl.DataFrame"], "pl.Series"]) -> Iterator[Any]:
    """Each row's value, or the exception for a row that Polars refuses: one such row fails the frame that it is in."""
    from polars.exceptions import PolarsError

    try:
        yield from by_polars(rows).to_list() if rows.height else ()
    except (
        PolarsError,
        ValueError,
        OverflowError,
    ) as error:  # the last two for years that Python has no date for
        if rows.height == 1:
            yield error
        else:
            half = rows.height // 2
            yield from _evaluated(rows.head(half), by_polars)
            yield from _evaluated(rows.tail(rows.height - half), by_polars)


def _same(x: Any, y: Any) -> bool:
    if type(x) is not type(y):
        return False
    if isinstance(x, float):
        return math.copysign(1.0, x) == math.copysign(1.0, y) if x == y else x != x and y != y
    return bool(x == y)


def _literals(tree: Tree) -> list[Any]:
    """The values that an expression compares with or switches at, around which rows are worth trying."""
    operation, *parts = tree
    if operation == "literal":
        return parts
    if operation == "datetime":
        return [datetime.fromisoformat(parts[0])]
    if operation == "date":
        return [datetime.fromisoformat(parts[0])]
    if operation == "in":
        return [*parts[0], *_literals(parts[1])]
    return list(chain.from_iterable(_literals(part) for part in parts if isinstance(part, list) and part))


def _draws(
    column: "Column | None", given: "pl.Series", literals: list[Any], rng: "np.random.Generator", n: int
) -> list[Any]:
    """Random values (n) that the contract allows for the column."""
    kind = "number" if column is None else column.type
    values: list[Any]
    if kind == "number":
        values = _numbers(column, [x for x in literals if isinstance(x, int | float)], rng, n)
    elif kind == "integer":
        values = _whole_numbers(column, [int(x) for x in literals if isinstance(x, int | float)], rng, n)
    elif kind == "boolean":
        values = (rng.random(n) < 0.5).tolist()
    elif kind == "datetime":
        values = _instants([x for x in literals if isinstance(x, datetime)], rng, n)
    else:
        texts = [x for x in literals if isinstance(x, str)]
        allowed = column.values if column and column.values is not None else None
        levels = allowed or [*given.unique().drop_nulls().sort().head(200), *texts, *UNSEEN]
        values = [levels[i] for i in rng.integers(len(levels), size=n)]
    is_null = rng.random(n) < (NULL_SHARE if column is None or column.nullable else 0)
    return [None if null else value for value, null in zip(values, is_null.tolist(), strict=True)]


def _numbers(
    column: "Column | None", literals: Iterable[float], rng: "np.random.Generator", n: int
) -> list[float]:
    import numpy as np

    low = -np.finfo(float).max if column is None or column.min is None else column.min
    high = np.finfo(float).max if column is None or column.max is None else column.max
    points = [low, high, *literals, *NUMBERS]
    near = [*points, *(-x for x in points), *np.nextafter(points, -np.inf), *np.nextafter(points, np.inf)]
    edges = [x for x in near if low <= x <= high] + ([] if column else [np.nan, np.inf, -np.inf])
    scale = 10.0 ** rng.uniform(rng.choice([-3, -3, -300], n), rng.choice([4, 4, 300], n))
    wide = np.clip(np.where(rng.random(n) < 0.5, scale, -scale), low, high)
    if high - low < np.inf:
        wide = np.where(rng.random(n) < 0.5, rng.uniform(low, high, n), wide)
    coarse = np.clip(np.round(wide, 2), low, high)
    whole = np.clip(np.round(wide), low, high)
    values: list[float] = np.choose(
        rng.integers(4, size=n), [rng.choice(edges, n), wide, coarse, whole]
    ).tolist()
    return values


def _whole_numbers(
    column: "Column | None", literals: Iterable[int], rng: "np.random.Generator", n: int
) -> list[int]:
    import numpy as np

    least, greatest = INTEGERS["Int64"]
    low = least if column is None or column.min is None else max(least, math.ceil(column.min))
    high = greatest if column is None or column.max is None else min(greatest, math.floor(column.max))
    points = [low, high, *literals, *WHOLE_NUMBERS]
    near = [x for point in points for x in (point, -point, point - 1, point + 1) if low <= x <= high]
    small = np.clip(rng.integers(-3000, 3000, n), low, high)
    wide = rng.integers(low, high, n, endpoint=True)
    edges = np.array(near, dtype=np.int64)[rng.integers(len(near), size=n)]
    values: list[int] = np.choose(rng.integers(3, size=n), [edges, small, wide]).tolist()
    return values


def _instants(literals: Iterable[datetime], rng: "np.random.Generator", n: int) -> list[datetime]:
    points = [*literals, *INSTANTS]
    near = [point + timedelta(microseconds=step) for point in points for step in (-1, 0, 1)]
    days, seconds = rng.integers(-40_000, 40_000, n), rng.integers(86_400, size=n)
    drawn = [
        EPOCH + timedelta(days=day, seconds=second)
        for day, second in zip(days.tolist(), seconds.tolist(), strict=True)
    ]
    return [
        near[i] if i < len(near) else x
        for i, x in zip(rng.integers(2 * len(near), size=n), drawn, strict=True)
    ]
