"""SQL aggregates over rows as statistics of block counts, so that each comes with an interval.

Polars parses an expression such as `1000 * SUM(x) / COUNT(*)`, as it does everywhere else, and what it understands is
taken apart at its aggregates. Each of them becomes sums per block, after which a resample costs a matrix product instead
of a pass over the rows. What stands around the aggregates is then evaluated by Polars, with a row per resample.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PolarsError

from accord.bootstrap import Counts, Statistic
from accord.errors import AccordError
from accord.intervals import Bounded
from accord.sql.rows import (
    AGGREGATES,
    OF_OTHER_ROWS,
    NotComputedError,
    from_node,
    kinds,
    parse,
    reason,
    to_node,
    type_of,
    values_of,
)

Sums = NDArray[np.float64] | NDArray[np.int64]
"""Sums over the rows of each block, (n_blocks,), or over those of each resample, (n_resamples,)."""

SUPPORTED = {"Sum", "Mean", "Count"}
OTHERS = {
    "Max": "MAX", "Min": "MIN", "Median": "MEDIAN", "Std": "STDDEV", "Var": "VARIANCE", "First": "FIRST", "Last": "LAST",
    "Implode": "ARRAY_AGG or STRING_AGG",
}  # fmt: skip
"""Aggregates that can't be computed from sums per block: their names in Polars, and in SQL."""
BEYOND_INT64 = {pl.UInt64(), pl.Int128(), pl.UInt128()}
LEFT_ALONE = {"Column", "Literal", "function", "dtype", "options"}
"""Parts of a node that hold no expression."""
EXACT = 2.0**53
"""A float can hold every integer below this."""


@dataclass(frozen=True)
class Aggregate:
    """The sum, mean or count of the values that are not null, of rows that meet the condition if there is one."""

    kind: str
    value: pl.Expr
    condition: pl.Expr | None
    whole: pl.Expr


@dataclass(frozen=True)
class Taken:
    """An aggregate expression taken apart: `outer` reads each aggregate and each constant from a column of its name."""

    outer: pl.Expr
    aggregates: Mapping[str, Aggregate]
    constants: Mapping[str, Any]


def take_apart(sql: str, where: str) -> Taken:
    """Takes the SQL apart. Raises AccordError for bad syntax, if it has no aggregate, and for aggregates other than SUM, AVG and
    COUNT."""
    expression = parse(sql, where).meta.undo_aliases()
    node = to_node(expression)
    present = kinds(node)
    for kind, written in OF_OTHER_ROWS.items():
        if kind in present:
            raise _unsupported(written, sql, where)
    names: dict[str, str] = {}
    aggregates, constants = {}, {}
    try:
        for aggregate in _aggregates(expression, sql, where):
            name = names.setdefault(_text(aggregate.whole), f"#{len(names)}")
            if aggregate.whole.meta.root_names() or to_node(aggregate.whole) == "Len":
                aggregates[name] = aggregate
            else:
                constants[name] = pl.select(aggregate.whole).item()
        outer = from_node(_outer(node, names, constants))
    except PolarsError as error:
        raise AccordError(
            f"{where}: `{sql}` can't be computed: {reason(error)}; expected numbers, and none beyond those of a float"
        ) from error
    if not aggregates:
        raise AccordError(
            f"{where}: `{sql}` has no aggregate; expected one value for all rows, such as AVG({sql})"
        )
    return Taken(outer, aggregates, constants)


def check(sql: str, where: str, columns: Mapping[str, pl.DataType], constants: Sequence[str]) -> None:
    """Raises AccordError unless `sql` is an aggregate over rows with these columns. Outside of its aggregates it may
    use the constants alone."""
    taken = take_apart(sql, where)
    for aggregate in taken.aggregates.values():
        type_of(aggregate.whole, sql, where, columns)
    no_rows = pl.DataFrame(schema=dict(columns))
    types = {name: _type(aggregate, no_rows) for name, aggregate in taken.aggregates.items()}
    types |= {name: pl.Series([number]).dtype for name, number in taken.constants.items()}
    types |= dict.fromkeys(constants, pl.Float64())
    bare = {*taken.outer.meta.root_names()} - types.keys()
    if bare:
        raise AccordError(
            f"{where}: `{sql}` uses '{min(bare)}' outside of an aggregate; expected SUM, AVG or COUNT around it"
        )
    # Not from the whole expression over an empty table: there a count is 0, and 0 // 0 has no value.
    kind = type_of(taken.outer, sql, where, types)
    if kind in (pl.String(), pl.Binary()) or kind.is_nested():
        raise AccordError(f"{where}: `{sql}` gives {kind}; expected a number")


class Tally:
    """Sums per block of an aggregate, over rows that come in parts: added row by row in their order, so that it doesn't matter to any
    bit what the parts are."""

    def __init__(self, sql: str, where: str, n_blocks: int, constants: Mapping[str, float]) -> None:
        self._sql, self._where, self._n_blocks = sql, where, n_blocks
        self._taken = take_apart(sql, where)
        self._fixed = {**constants, **self._taken.constants}
        self._sums: dict[str, _Sums] = {}
        self._bounds = _Bounds()

    def add(self, rows: pl.DataFrame, block: NDArray[np.intp]) -> None:
        """Rows (n) and their blocks (n,), which are numbered; the first may be none, so that the columns are known."""
        alone = {}
        for name, aggregate in self._taken.aggregates.items():
            values = values_of(rows, aggregate.value, self._sql, self._where)
            keep = values.is_not_null()
            if aggregate.condition is not None:
                keep &= values_of(rows, aggregate.condition, self._sql, self._where).fill_null(False)
            if name not in self._sums:
                self._sums[name] = _Sums(aggregate.kind, _type(aggregate, rows), self._n_blocks)
            sums = self._sums[name]
            sums.add(values.filter(keep), block[keep.to_numpy()])
            alone[name] = _alone(aggregate.kind, values, keep, sums.type)
        self._bounds.add(pl.DataFrame(alone), self._taken, self._fixed, self._sql, self._where)

    def statistic(self) -> Statistic:
        """The aggregate over the rows as a function of how often each block is drawn."""
        sums = dict(self._sums)

        def value(drawn: Counts) -> NDArray[np.float64]:
            series = {name: one.resampled(drawn) for name, one in sums.items()}
            series |= {
                name: pl.repeat(number, len(drawn), eager=True) for name, number in self._fixed.items()
            }
            frame = pl.DataFrame(series)
            outer = self._taken.outer.cast(pl.Float64)
            result = _values_or_null(frame, outer, self._sql, self._where).to_numpy()
            return np.where(np.isfinite(result), result, np.nan)

        low, high = self._bounds.found
        whole = value(np.ones((1, self._n_blocks)))[0]
        return Bounded(value, low if low <= whole else -np.inf, high if whole <= high else np.inf)


def _aggregates(expression: pl.Expr, sql: str, where: str) -> Iterator[Aggregate]:
    """The aggregates in an expression. Raises AccordError for one inside of another."""
    # The parts come from `pop` and not from their nodes, since Polars' JSON does not keep the last bit of all floats.
    match to_node(expression):
        case "Len":
            yield Aggregate("Count", pl.lit(1), None, expression)
        case {"Agg": of}:
            [kind] = map(str, of)
            if kind not in SUPPORTED:
                raise _unsupported(OTHERS.get(kind, kind), sql, where)
            [value], condition = expression.meta.pop(), None
            if AGGREGATES & kinds(to_node(value)):
                raise _unsupported("an aggregate inside of another", sql, where)
            if "Filter" in to_node(value):
                condition, value = value.meta.pop()
            yield Aggregate(kind, value, condition, expression)
        case _:
            for part in expression.meta.pop():
                yield from _aggregates(part, sql, where)


def _unsupported(name: str, sql: str, where: str) -> AccordError:
    return AccordError(
        f"{where}: `{sql}` uses {name}, which is not supported; valid aggregates: SUM, AVG, COUNT, each with or "
        "without FILTER (WHERE ...), over values of single rows"
    )


def _text(node: Any) -> str:
    return json.dumps(to_node(node) if isinstance(node, pl.Expr) else node)


def _outer(node: Any, names: Mapping[str, str], constants: dict[str, Any]) -> Any:
    """The node with each aggregate replaced by the column of its name, and some numbers, which are added to `constants`."""
    match node:
        case "Len" | {"Agg": _}:
            return {"Column": names[_text(node)]}
        case {"Literal": {"Dyn": {"Float": float(number)}}} if pl.select(from_node(node)).item() != number:
            # Polars' JSON would change its last bit.
            return _constant(number, constants)
        case {
            "Function": {
                "input": [dividend, {"Literal": {"Dyn": {"Int": number} | {"Float": float(number)}}}],
                "function": {"Sql": {"Binary": "Div"}} as divided,
            }
        }:
            # Polars divides a column by a literal as a product with its inverse, but the one value of a whole table
            # exactly, and so it does one column by another.
            inputs = [_outer(dividend, names, constants), _constant(number, constants)]
            return {"Function": {"input": inputs, "function": divided}}
        case dict():
            return {
                key: part if key in LEFT_ALONE else _outer(part, names, constants)
                for key, part in node.items()
            }
        case list():
            return [_outer(part, names, constants) for part in node]
    return node


def _constant(number: float, constants: dict[str, Any]) -> dict[str, str]:
    name = f"#{number!r}e"
    constants[name] = number
    return {"Column": name}


def _type(aggregate: Aggregate, rows: pl.DataFrame) -> pl.DataType:
    """The type of the aggregate's value: what Polars gives times, else a float or an integer of 64 bits.

    Polars sums up integers of 32 bits, such as those of `CASE WHEN late THEN 150 ELSE 0 END`, in 32 bits, and conditions
    in 32 bits without a sign, so that larger sums and differences would silently come out wrong.
    """
    dtype = rows.head(0).select(value=aggregate.whole).schema["value"]
    if dtype.is_temporal():
        return dtype
    is_whole = dtype.is_integer() and dtype not in BEYOND_INT64
    return pl.Int64() if is_whole else pl.Float64()


class _Sums:
    """Of a sum, mean or count the counts and sums per block (n_blocks,)."""

    def __init__(self, kind: str, dtype: pl.DataType, n_blocks: int) -> None:
        self.type, self._kind = dtype, kind
        self._is_exact = kind == "Sum" and dtype != pl.Float64
        self._count = np.zeros(n_blocks, np.int64)
        self._total: Sums = np.zeros(n_blocks, np.int64) if self._is_exact else np.zeros(n_blocks)

    def add(self, values: pl.Series, block: NDArray[np.intp]) -> None:
        """Values (n,) in these blocks (n,)."""
        self._count += np.bincount(block, minlength=len(self._count))
        if self._kind == "Count":
            return
        if self.type.is_temporal():
            values = values.cast(self.type).to_physical()
        with np.errstate(invalid="ignore", over="ignore"):
            np.add.at(self._total, block, values.cast(pl.Int64 if self._is_exact else pl.Float64).to_numpy())

    def resampled(self, drawn: Counts) -> pl.Series:
        """What it is if blocks are drawn so often."""
        if self._kind == "Count":
            return pl.Series(_product(drawn, self._count))
        resampled = pl.Series(_product(drawn, self._total))
        if self._kind == "Mean":
            number = pl.Series(_product(drawn, self._count))
            resampled = resampled / number.replace(0, None)
        return resampled.cast(pl.Int64).cast(self.type) if self.type.is_temporal() else resampled


def _alone(aggregated: str, values: pl.Series, keep: pl.Series, kind: pl.DataType) -> pl.Series:
    """The aggregate of each row (n,) by itself."""
    if aggregated == "Count":
        return keep.cast(pl.Int64)
    if values.dtype == pl.Boolean:
        return keep & values if aggregated == "Sum" else values.set(~keep, None)
    one = values.set(~keep, None).cast(kind)
    return one.fill_null(0) if aggregated == "Sum" and not kind.is_temporal() else one


class _Bounds:
    """What the whole can't leave, as far as single rows tell: it is no less than zero if no row is, and is a share, from 0 to 1, if
    all that a row can be is 0 or 1."""

    def __init__(self) -> None:
        self._lowest, self._highest = np.inf, -np.inf
        self._is_binary = True
        self._is_truth = False

    def add(
        self, alone: pl.DataFrame, taken: Taken, fixed: Mapping[str, float], sql: str, where: str
    ) -> None:
        """What each aggregate is of each row by itself."""
        if any(dtype.is_temporal() for dtype in alone.dtypes):
            return
        frame = alone.with_columns(pl.lit(number).alias(name) for name, number in fixed.items())
        frame = frame.with_columns(pl.col(pl.Boolean).cast(pl.Int64))
        found = _values_or_null(frame, taken.outer.cast(pl.Float64), sql, where).to_numpy()
        found = found[np.isfinite(found)]
        self._lowest = min(self._lowest, found.min(initial=np.inf))
        self._highest = max(self._highest, found.max(initial=-np.inf))
        self._is_binary &= bool(np.isin(found, (0, 1)).all())
        self._is_truth |= pl.Boolean in alone.dtypes

    @property
    def found(self) -> tuple[float, float]:
        if self._lowest > self._highest or self._lowest < 0:
            return -np.inf, np.inf
        is_share = self._is_binary and (self._highest == 1 or self._is_truth)
        return 0.0, 1.0 if is_share else np.inf


def _values_or_null(frame: pl.DataFrame, outer: pl.Expr, sql: str, where: str) -> pl.Series:
    """The value of `outer` for each row of the frame, null for one that Polars refuses, such as an integer of infinity."""
    try:
        return values_of(frame, outer, sql, where)
    except NotComputedError:
        if frame.height == 1:
            return pl.Series([None], dtype=pl.Float64)
        half = frame.height // 2
        parts = frame.head(half), frame.tail(-half)
        return pl.concat(_values_or_null(part, outer, sql, where) for part in parts)


def _product(drawn: Counts, sums: Sums) -> Sums:
    """The sums per resample, (n_resamples,), from those per block, (n_blocks,)."""
    if sums.dtype == np.int64:
        if np.abs(sums.astype(float)).sum() * drawn.max(initial=0) < EXACT:
            return (drawn @ sums).astype(np.int64)
        return drawn.astype(np.int64) @ sums
    finite = np.isfinite(sums)
    # NaN and infinity count where their block was drawn, but 0 times infinity would be NaN.
    with np.errstate(invalid="ignore", over="ignore"):
        product: NDArray[np.float64] = drawn @ np.where(finite, sums, 0)
        if not finite.all():
            product += np.where(drawn[:, ~finite] > 0, sums[~finite], 0).sum(axis=1)
    return product
