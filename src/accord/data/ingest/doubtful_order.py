"""Text that SQL sorts or compares although it may be meant as numbers: as text 10 is less than 9."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, Protocol

import polars as pl
from polars.exceptions import PolarsError

from accord.data.advice import quoted
from accord.data.casting import cast
from accord.errors import AccordError
from accord.schema.data import Data, Reading

Kind = Literal["integer", "number", "datetime"]
GUESSES: tuple[Kind, ...] = ("integer", "number", "datetime")
"""The types that an error proposes for a column of text, the narrowest first."""
ORDERING = re.compile(
    r"<(?!>)|(?<!<)>|\b(order\s+by|between|min|max|least|greatest|median|quantile_cont|quantile_disc)\b",
    re.IGNORECASE,
)
"""What in SQL depends on the order of values."""
MAX_DISTINCT = 2_000_000
"""So many different texts are compared; of more it isn't known whether they sort as numbers."""
Query = Callable[[Mapping[str, pl.DataFrame]], pl.DataFrame]


class Table(Protocol):
    """A table of any number of rows."""

    @property
    def schema(self) -> pl.Schema: ...

    def pieces(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Its rows, some at a time, with all columns or these."""


class Whole:
    """A table that is in memory."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame

    @property
    def schema(self) -> pl.Schema:
        return self.frame.schema

    def pieces(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        yield self.frame if columns is None else self.frame.select(columns)


def doubtful(data: Data, tables: Mapping[str, Table]) -> dict[str, list[str]]:
    """The columns of text by table that SQL names, that may be meant as numbers, and that another order would have then; none
    where SQL doesn't sort or compare."""
    if not ORDERING.search(data.joins or ""):
        return {}
    found = {
        name: [
            *(n for n in _untyped(table, data, GUESSES[:2]) if not _sorts_as_numbers(table, n)),
            *_in_part_numbers(table, data),
        ]
        for name, table in tables.items()
    }
    return {name: columns for name, columns in found.items() if columns}


def refuse(
    data: Data,
    tables: Mapping[str, Table],
    frames: Mapping[str, pl.DataFrame],
    joined: pl.DataFrame,
    query: Query,
    columns: Mapping[str, Sequence[str]],
) -> None:
    """Raises AccordError if the query gives another result where these columns are numbers. `frames` are what of the tables made
    `joined`."""
    if not columns:
        return
    numbers = {
        name: frame.with_columns(
            pl.col(list(columns.get(name, ()))).str.strip_chars().cast(pl.Float64, strict=False)
        )
        for name, frame in frames.items()
    }
    try:
        other = query(numbers)
    except PolarsError:  # SQL has no other reading of them than text
        return
    if other.height != joined.height or not all(
        _say_the_same(joined[name], other[name]) for name in joined.columns
    ):
        types = to_declare(data, tables, GUESSES[:2])
        in_part = [column for table in tables.values() for column in _in_part_numbers(table, data)]
        raise AccordError(
            f"data.joins of {data.name} sorts or compares text that may be meant as numbers, with another result",
            [
                *([f"{types}; or category, where text is meant"] if types else []),
                *(
                    f"column '{name}' has values that are no numbers; name them in its nulls, or mend the source"
                    for name in in_part
                ),
            ],
        )


def to_declare(data: Data, tables: Mapping[str, Table], kinds: Sequence[Kind] = GUESSES) -> str:
    """What to declare of columns that are text in SQL although all their values are of one of these kinds."""
    sources = {name: _untyped(table, data, kinds) for name, table in tables.items()}
    lines = [
        f"{name}: {{columns: {{{', '.join(f'{_key(n)}: {{type: {kind}}}' for n, kind in columns.items())}}}}}"
        for name, columns in sources.items()
        if columns
    ]
    if not lines:
        return ""
    return f"A column of CSV is text in SQL, unless it has a type; declare those that it computes on under data.sources: {'; '.join(lines)}"


def names(sql: str, column: str) -> bool:
    """Whether the SQL names the column."""
    return re.search(rf"(?<!\w){re.escape(column)}(?!\w)", sql) is not None


def _texts(table: Table, data: Data) -> list[str]:
    """The columns of text that SQL names."""
    return [
        name for name, found in table.schema.items() if found == pl.String and names(data.joins or "", name)
    ]


def _untyped(table: Table, data: Data, kinds: Sequence[Kind]) -> dict[str, Kind]:
    """The columns of text that the SQL names and whose values are all of one of these kinds, with the first of them."""
    fitting: dict[str, list[Kind]] = {}
    texts = [name for name in _texts(table, data) if name not in _categories(data)]
    for piece in table.pieces(texts) if texts else ():
        for column in piece.iter_columns():
            if column.null_count() < len(column):
                fits = fitting.setdefault(column.name, list(kinds))
                fits[:] = [kind for kind in fits if not cast(column, Reading(type=kind))[1].any()]
    return {name: fitting[name][0] for name in texts if fitting.get(name)}


def _in_part_numbers(table: Table, data: Data) -> list[str]:
    """The columns that the SQL names and that feed a number of the contract, but have values that are none."""
    fed = {column.source or name for name, column in data.columns.items() if column.type in GUESSES[:2]}
    texts = [name for name in _texts(table, data) if name in fed]
    number, found = Reading(type="number"), set[str]()
    for piece in table.pieces(texts) if texts else ():
        found |= {column.name for column in piece.iter_columns() if cast(column, number)[1].any()}
    return [name for name in texts if name in found]


def _sorts_as_numbers(table: Table, column: str) -> bool:
    distinct = pl.Series(column, dtype=pl.String)
    for piece in table.pieces([column]):
        distinct = pl.concat([distinct, piece[column].drop_nulls()]).unique().sort()
        is_sorted = distinct.str.strip_chars().cast(pl.Float64, strict=False).is_sorted()
        if not is_sorted or len(distinct) > MAX_DISTINCT:
            return False
    return True


def _say_the_same(one: pl.Series, other: pl.Series) -> bool:
    texts = (
        (one.cast(pl.String, strict=False), other.cast(pl.String, strict=False))
        if not one.dtype.is_nested()
        else (one, other)
    )
    differs = texts[0].ne_missing(texts[1])
    if not differs.any() or one.dtype.is_nested():
        return not differs.any()
    left, right = (text.filter(differs).str.strip_chars().cast(pl.Float64, strict=False) for text in texts)
    is_no_number = left.is_null() & texts[1].filter(differs).is_null()
    return bool(((left == right).fill_null(False) | is_no_number).all())


def _categories(data: Data) -> set[str]:
    """The columns of the sources that are declared to be text."""
    declared = {name: reading for source in data.sources.values() for name, reading in source.columns.items()}
    declared |= {column.source or name: column for name, column in data.columns.items()}
    return {name for name, reading in declared.items() if reading.type == "category"}


def _key(name: str) -> str:
    return name if name.isidentifier() else quoted(name)
