"""Compiles the SQL of a row expression to a tree, from the expression as Polars has parsed it.

Polars serialises an expression as nested nodes, such as `{"BinaryExpr": {"left": ..., "op": "Gt", "right": ...}}`. Each
node is compiled with the type that Polars finds for it, and casts are put where Polars would put them.
"""

import math
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from accord.sql.compiled.trees import INTEGERS, Tree, function

if TYPE_CHECKING:  # the service imports this package too, but only for `function`
    import polars as pl

Node = dict[str, Any]

INSTANT = "Datetime(time_unit='us', time_zone=None)"
DURATIONS = ("Duration(time_unit='us')", "Duration(time_unit='ns')")
CASTS: dict[tuple[str, str], list[Any]] = {
    ("Boolean", "String"): ["text of boolean"],
    (INSTANT, "Date"): ["date of instant"],
    (INSTANT, "Int64"): ["microseconds"],
    ("Date", INSTANT): ["midnight"],
}
COMPARISONS = {
    "Eq": "=", "NotEq": "<>", "Lt": "<", "LtEq": "<=", "Gt": ">", "GtEq": ">=",
    "EqValidity": "is", "NotEqValidity": "is not",
}  # fmt: skip
ARITHMETIC = {"Plus": "+", "Minus": "-", "Mul": "*", "Div": "/", "RustDivide": "/", "Rem": "%"}
CHOICES = {"Coalesce": "coalesce", "MaxHorizontal": "greatest", "MinHorizontal": "least"}
FLOAT_FUNCTIONS = {
    "Floor": "floor", "Ceil": "ceil", "Sign": "sign", "Exp": "exp", "Sqrt": "sqrt", "Sin": "sin", "Cos": "cos", "Tan": "tan",
}  # fmt: skip
TEXT_FUNCTIONS = {"Uppercase": "upper", "Lowercase": "lower", "LenChars": "length"}
TEXT_SEARCHES = {"StartsWith": "starts", "EndsWith": "ends"}
TEMPORAL_FUNCTIONS = {
    "Year": "year", "Month": "month", "Day": "day", "Hour": "hour", "Minute": "minute", "Second": "second",
    "Nanosecond": "nanosecond", "WeekDay": "weekday", "OrdinalDay": "ordinal day", "Quarter": "quarter",
    "Week": "week", "IsoYear": "ISO year", "Date": "date of instant",
}  # fmt: skip
LONGEST_PRODUCT = 9
"""Up to this exponent Polars multiplies. Above it calls the C library's pow, whose last bits differ."""
INTERVAL = re.compile(r"(\d+)(us|ms|s|m|h|d|w)")
MICROSECONDS = {
    "us": 1, "ms": 10**3, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6, "w": 604800 * 10**6,
}  # fmt: skip


class _UnsupportedError(Exception):
    """The expression has a construct without a compiled form."""


class _Typed(NamedTuple):
    tree: Tree
    kind: str
    """Polars' name for the type of its value."""


def compile_sql(sql: str, where: str, types: Mapping[str, str], as_number: bool = False) -> Tree | None:
    """The tree of a row expression; None if it has a construct without a compiled form.

    `types` maps names to the contract's types; predictions, weights and the score are numbers. The value is the one that
    `expressions.with_derived` gives or, `as_number`, the float that `expressions.evaluate` gives. `where` is the config
    key for the AccordError that a wrong expression raises.

    >>> compile_sql("distance / 2 > 100", "data.rules.far", {"distance": "number"})
    ['>', ['*', ['column', 'distance'], ['literal', 0.5]], ['literal', 100.0]]
    """
    import polars as pl
    from polars.exceptions import PolarsError

    from accord.sql.rows import TYPES, check, parse, to_node

    schema = {name: TYPES[kind] for name, kind in types.items()}
    check(sql, where, schema, {})
    node = to_node(parse(sql, where))
    try:
        compiled = _compiled(node, pl.LazyFrame(schema=schema))
        return _cast(compiled, "Float64").tree if as_number else compiled.tree
    except (_UnsupportedError, PolarsError):
        return None


def _compiled(node: Node, columns: "pl.LazyFrame") -> _Typed:
    """The node as a tree with its type; `columns` has the types of the columns and no rows."""
    import polars as pl

    from accord.sql.rows import from_node

    expression = from_node(node)
    if not expression.meta.root_names():
        return _constant(pl.select(expression).to_series())
    kind = str(columns.select(expression).collect_schema().dtypes()[0])
    return _Typed(_tree(node, kind, columns), kind)


def _tree(node: Node, kind: str, columns: "pl.LazyFrame") -> Tree:
    part = partial(_compiled, columns=columns)
    match node:
        case {"Column": str(name)}:
            return ["column", name]
        case {"Cast": {"expr": inner, "options": "Strict" | "NonStrict" as mode}}:
            return _cast(part(inner), kind, mode == "Strict").tree
        case {"Ternary": {"predicate": condition, "truthy": then, "falsy": otherwise}}:
            weekday = _weekday(condition, then, otherwise)
            if weekday is not None:
                return ["day of week", part(weekday).tree]
            return [
                "case",
                part(condition).tree,
                _cast(part(then), kind).tree,
                _cast(part(otherwise), kind).tree,
            ]
        case {"BinaryExpr": {"left": left, "op": str(name), "right": right}} if name in COMPARISONS:
            common = part({"Function": {"input": [left, right], "function": "Coalesce"}}).kind
            return [COMPARISONS[name], _cast(part(left), common).tree, _cast(part(right), common).tree]
        case {"BinaryExpr": {"left": left, "op": "And" | "Or" as name, "right": right}} if kind == "Boolean":
            return [name.lower(), _cast(part(left), kind).tree, _cast(part(right), kind).tree]
        case {"BinaryExpr": {"left": left, "op": str(name), "right": right}}:
            return _arithmetic(name, part(left), part(right), kind)
        case {"Function": {"input": [left, right], "function": {"Sql": {"Binary": str(name)}}}}:
            return _arithmetic(name, part(left), part(right), kind)
        case {"Function": {"input": [inner, values], "function": {"Sql": {"IsIn": {"nulls_equal": False}}}}}:
            return _is_in(part(inner), values)
        case {"Function": {"input": list(inputs), "function": {"StringExpr": name}}}:
            return _text_function(name, [part(inner) for inner in inputs])
        case {"Function": {"input": list(inputs), "function": {"TemporalExpr": name}}}:
            return _temporal_function(name, [part(inner) for inner in inputs], kind)
        case {"Function": {"input": list(inputs), "function": name}}:
            return _function(name, [part(inner) for inner in inputs], kind)
    raise _UnsupportedError


def _constant(value: "pl.Series") -> _Typed:
    item, kind = value.item(), str(value.dtype)
    if isinstance(item, datetime):
        return _Typed(["datetime", item.isoformat()], kind)
    if isinstance(item, date):
        return _Typed(["date", item.isoformat()], kind)
    if isinstance(item, timedelta):
        return _Typed(["timedelta", item // timedelta(microseconds=1)], kind)
    if item is None or isinstance(item, int | str) or (isinstance(item, float) and math.isfinite(item)):
        return _Typed(["literal", item], kind)
    raise _UnsupportedError  # infinity has no JSON


def _cast(value: _Typed, kind: str, strict: bool = True) -> _Typed:
    """The value cast to another type, if it is known how Polars converts it."""
    tree, current = value
    if current == kind or tree == ["literal", None] or (current in DURATIONS and kind in DURATIONS):
        return _Typed(tree, kind)
    operation: list[Any]
    if (current, kind) in CASTS:
        operation = CASTS[current, kind]
    elif kind == "Float64" and (current == "Boolean" or current in INTEGERS):
        operation = ["float"]
    elif kind in INTEGERS and current == "Boolean":
        operation = ["int"]
    elif kind in INTEGERS and (current == "Float64" or current in INTEGERS):
        operation = ["integer" if strict else "integer or null", kind]
    elif kind == "Boolean" and current in INTEGERS:
        operation = ["<>", ["literal", 0]]
    elif kind == "String" and current in INTEGERS:
        operation = ["text of integer"]
    else:
        raise _UnsupportedError
    cast = [*operation, tree]
    try:
        return _Typed(["literal", function(cast)({})] if tree[0] == "literal" else cast, kind)
    except (ArithmeticError, ValueError) as error:
        raise _UnsupportedError from error


def _literal(value: _Typed) -> Any:
    """The value of a literal; None for any other tree."""
    return value.tree[1] if value.tree[0] == "literal" else None


def _weekday(condition: Node, then: Node, otherwise: Node) -> Node | None:
    """The weekday from 1 to 7 in what Polars makes of `extract(dow FROM ...)`: 0 where it is 7, else the same again."""
    match condition, then, otherwise:
        case (
            {"BinaryExpr": {"left": weekday, "op": "Eq", "right": {"Literal": {"Scalar": {"Int8": 7}}}}},
            {"Literal": {"Scalar": {"Int8": 0}}},
            {"Function": {"function": {"TemporalExpr": "WeekDay"}}},
        ) if weekday == otherwise:
            return otherwise
    return None


def _arithmetic(name: str, left: _Typed, right: _Typed, kind: str) -> Tree:
    kinds = {left.kind, right.kind}
    if kind == "Float64" and name in ARITHMETIC:
        return _float_arithmetic(ARITHMETIC[name], _cast(left, kind).tree, _cast(right, kind).tree)
    if kind in INTEGERS and "Float64" not in kinds:
        x, y = (_cast(side, kind).tree if side.kind == "Boolean" else side.tree for side in (left, right))
        match name:
            case "Plus" | "Minus" | "Mul":
                return ["wrap", kind, [ARITHMETIC[name], x, y]]
            case "Rem":
                return ["remainder", x, y]
            case "IntDiv":
                return ["integer", kind, ["quotient", x, y]]
            case "RustDivide":
                return ["floor quotient", x, y]
    if name == "Plus" and kind == "String":
        return ["+", left.tree, right.tree]
    if name in ("Plus", "Minus") and {kind, *kinds} <= {INSTANT, *DURATIONS}:
        return [ARITHMETIC[name], left.tree, right.tree]
    raise _UnsupportedError


def _float_arithmetic(name: str, x: Tree, y: Tree) -> Tree:
    # Polars does nothing to a column when it adds 0, even to -0.0; subtracts it from 0 by changing its sign; and divides it by a
    # number as a product with the inverse.
    zero = ["literal", 0.0]
    if name == "+" and zero in (x, y):
        return y if x == zero else x
    if name == "-" and x == zero:
        return ["negative", y]
    if name == "/" and y[0] == "literal" and y[1]:
        inverse = 1 / y[1]
        if not math.isfinite(inverse):
            raise _UnsupportedError
        return ["*", x, ["literal", inverse]]
    return [name, x, y]


def _is_in(value: _Typed, values: Node) -> Tree:
    import polars as pl

    from accord.sql.rows import from_node

    listed = pl.select(from_node(values)).item()
    kind = str(listed.dtype)
    common = "Float64" if {value.kind, kind} & {"Float64"} else value.kind
    if kind != common and not {kind, common} <= {*INTEGERS, "Float64"}:
        raise _UnsupportedError
    members = [_cast(_constant(listed[i : i + 1]), common).tree for i in range(len(listed))]
    if any(operation != "literal" for operation, _ in members):
        raise _UnsupportedError
    return ["in", [member for _, member in members if member is not None], _cast(value, common).tree]


def _function(name: Any, parts: list[_Typed], kind: str) -> Tree:
    """The tree for the call of a function, given its name in Polars' JSON."""
    first = parts[0]
    match name:
        case {"Boolean": "Not"}:
            return ["not", _cast(first, "Boolean").tree]
        case {"Boolean": "IsNull"}:
            return ["is null", first.tree]
        case {"Boolean": "IsNotNull"}:
            return ["not", ["is null", first.tree]]
        case "Coalesce" | "MaxHorizontal" | "MinHorizontal":
            return [CHOICES[name], *(_cast(part, kind).tree for part in parts)]
        case "Floor" | "Ceil" | {"Sql": {"Round": _}} if kind in INTEGERS:
            return first.tree
        case "Abs":
            return ["wrap", kind, ["abs", first.tree]] if kind in INTEGERS else ["abs", first.tree]
        case "Sign" if kind in INTEGERS:
            return ["integer sign", first.tree]
        case {"Sql": {"Round": {"decimals": int(digits)}}} if kind == "Float64":
            return ["round", digits, first.tree]
        case {"Sql": "ToFloat"}:
            return _cast(first, kind).tree
        case "Floor" | "Ceil" | "Sign" | "Exp" if kind == "Float64":
            return [FLOAT_FUNCTIONS[name], _cast(first, kind).tree]
        case {"Pow": "Sqrt" as called} | {"Trigonometry": "Sin" | "Cos" | "Tan" as called} if (
            kind == "Float64"
        ):
            return [FLOAT_FUNCTIONS[called], _cast(first, kind).tree]
        case "Log":
            return _logarithm(first, parts[1])
        case {"Pow": "Generic"}:
            return _power(first, parts[1], kind)
    raise _UnsupportedError


def _logarithm(value: _Typed, base: _Typed) -> Tree:
    x, to = _cast(value, "Float64").tree, _literal(_cast(base, "Float64"))
    if to is None or to <= 0 or to == 1:
        raise _UnsupportedError
    return ["ln", x] if to == math.e else ["log", to, x]


def _power(base: _Typed, exponent: _Typed, kind: str) -> Tree:
    if kind == base.kind and {kind, exponent.kind} <= INTEGERS.keys():
        return ["wrap", kind, ["integer power", base.tree, exponent.tree]]
    if kind != "Float64":
        raise _UnsupportedError
    x, y = _cast(base, kind).tree, _cast(exponent, kind)
    power = _literal(y)
    if power == 0.5:
        return ["sqrt", x]
    if power in range(2, LONGEST_PRODUCT + 1):
        return ["product", int(power), x]
    return ["power", x, y.tree]


def _text_function(name: Any, parts: list[_Typed]) -> Tree:
    text, *others = (part.tree for part in parts)
    match name, [_literal(part) for part in parts[1:]]:
        case "Uppercase" | "Lowercase" | "LenChars", []:
            return [TEXT_FUNCTIONS[name], text]
        case "StartsWith" | "EndsWith", [str(searched)]:
            return [TEXT_SEARCHES[name], searched, text]
        case {"Contains": {"literal": True}}, [str(searched)]:
            return ["contains", searched, text]
        case {"ConcatHorizontal": {"delimiter": "", "ignore_nulls": True}}, _:
            return ["concat", *(_cast(part, "String").tree for part in parts)]
        case {"Strptime": [{"Literal": "Date"}, {"format": None, "strict": True, "exact": True}]}, _:
            return ["date of text", text]
        case "Slice", [int(start), int() | None as length] if (
            others[1][0] == "literal" and start >= 0 and (length or 0) >= 0
        ):
            return ["slice", [start, None if length is None else start + length], text]
    raise _UnsupportedError


def _temporal_function(name: Any, parts: list[_Typed], kind: str) -> Tree:
    first = parts[0]
    match name:
        case "OffsetBy" if kind == INSTANT:
            return ["shift", _interval(_literal(parts[1])), first.tree]
        case {"TimeStamp": "Nanoseconds"} if first.kind == INSTANT:
            return ["nanoseconds", first.tree]
        case str() if name in TEMPORAL_FUNCTIONS and first.kind in (INSTANT, "Date"):
            return [TEMPORAL_FUNCTIONS[name], first.tree]
    raise _UnsupportedError


def _interval(text: str | None) -> int:
    """Microseconds of an interval such as `1d7200s` or `-1d`. Months, whose length varies, are not supported."""
    unsigned = (text or "").removeprefix("-")
    if not re.fullmatch(f"(?:{INTERVAL.pattern})+", unsigned):
        raise _UnsupportedError
    length = sum(int(count) * MICROSECONDS[unit] for count, unit in INTERVAL.findall(unsigned))
    return length if unsigned == text else -length
