"""The rows of a data set, joined, in order, and with the batches in use: a chunk at a time, as many rows as `engine.memory` allows.

What is a single chunk is joined as a whole. Of more, SQL joins pieces, which are written in sorted runs; then each chunk of all that
is in order is joined as of its times. Both ways give the same rows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from accord.data import declared, partitions
from accord.data.casting import cast
from accord.data.ingest import belonging, doubtful_order, joins, sources
from accord.data.ingest.batches import Batches
from accord.data.ingest.csv_blocks import continued
from accord.data.ingest.doubtful_order import Table, Whole
from accord.data.runs import PLACE, Keys, Runs
from accord.engines import memory
from accord.engines.scratch import scratch
from accord.errors import AccordError
from accord.files import remove
from accord.schema.config import Engine
from accord.schema.data import AVAILABLE, ROW_ID, Data, Reading

N_LOOKED_AT = 1000
"""Rows by which it is planned how SQL runs."""
Put = Callable[[pl.DataFrame], None]


@dataclass
class Counted:
    """What was put."""

    n_rows: int = 0
    n_replaced: int = 0
    """Rows of the sources that rows of batches replace."""
    left_aside: list[str] = field(default_factory=list)
    """The columns of the joined rows that the config doesn't list."""


def ingest(data: Data, engine: Engine, root: Path, batches: Batches, put: Put) -> Counted:
    """Puts all rows of the data set, in order. Raises as `joins.ingest` does, and AccordError for what this memory doesn't allow."""
    pieces = sources.pieces(data.rows, data.sources[data.rows], root, partial(memory.chunk_rows, engine))
    begun = list(islice(pieces, 2))
    if len(begun) == 1:
        found = joins.ingest(data, root, begun.pop())
        rows, n_replaced = batches.among(found.rows)
        put(rows)
        return Counted(rows.height, n_replaced, found.left_aside)
    with scratch(engine, root, "ingest") as folder:
        return _Large(data, engine, root, folder, continued(begun, pieces)).ingest(batches, put)


@dataclass
class _Right:
    """A source that is joined as of a time."""

    runs: Runs
    """The columns that are joined, in order of the time at which they were available."""
    doubtful: set[str]
    """Columns of the contract that hold values which their type does not."""


@dataclass
class _Joined:
    """The rows as SQL gives them."""

    runs: Runs
    """What is needed of them, in order of event time and key."""
    columns: list[str]
    """All that SQL gives."""
    needed: list[str]
    lost: set[str]
    """Columns of the contract that hold values which their type does not."""


class _QueryError(Exception):
    """SQL that Polars can't run."""

    def __init__(self, cause: PolarsError, tables: Mapping[str, Table]) -> None:
        self.cause, self.tables = cause, tables


@dataclass
class _Large:
    """Rows of which not all fit into memory."""

    data: Data
    engine: Engine
    root: Path
    folder: Path
    begun: Iterator[pl.DataFrame] | None
    """The pieces of the rows, once."""

    def ingest(self, batches: Batches, put: Put) -> Counted:
        rights = {name: self._right(name) for name in self.data.as_of}
        joined = self._joined(rights)
        lost = joined.lost | self._lost_of_rights(joined, rights)
        typed = {name: column for name, column in self.data.columns.items() if name not in lost}
        counted = Counted(left_aside=joins.left_aside(joined.columns, self.data))
        rows, waiting = pl.DataFrame(), batches.latest
        for found in self._completed(joined, rights):
            rows = joins.in_order(declared.typed(found, typed), self.data)
            others = batches.others(rows)
            due, waiting = batches.due(waiting, rows)
            together = batches.together(others, due)
            put(together)
            counted.n_rows += together.height
            counted.n_replaced += rows.height - others.height
        if not waiting.is_empty():
            put(batches.together(rows.clear(), waiting))
            counted.n_rows += waiting.height
        return counted

    def _pieces(self, name: str) -> Iterator[pl.DataFrame]:
        """The source from its beginning."""
        begun = self.begun
        if name == self.data.rows and begun is not None:
            self.begun = None
            return begun
        return sources.pieces(
            name, self.data.sources[name], self.root, partial(memory.chunk_rows, self.engine)
        )

    def _runs(self, name: str, columns: Sequence[str], keys: Keys, width: int) -> Runs:
        """Empty runs, in place of those of this name that were begun before."""
        remove(self.folder / name)
        return Runs(self.folder / name, columns, keys, memory.chunk_rows(self.engine, width))

    def _staged(self, name: str, by: Sequence[str], fed: bool) -> Runs:
        """The source on disk, in groups by these columns; with the types that it declares and, if `fed`, with those of the contract's
        columns that it feeds, as long as that loses no value of any piece."""
        lost: set[str] = set()
        while True:
            known = frozenset(lost)
            runs = self._staged_once(name, by, fed, lost)
            if lost == known:
                return runs

    def _staged_once(self, name: str, by: Sequence[str], fed: bool, lost: set[str]) -> Runs:
        """The same, with columns that are lost as text; those that turn out to be are added."""
        runs, n_rows, groups = None, 0, belonging.Groups(by)
        for piece in self._pieces(name):
            rows = joins.with_declared_types(name, piece, self.data, n_rows)
            columns = joins.fed_columns(name, rows.schema, self.data) if fed else {}
            rows = _typed(rows, {n: column for n, column in columns.items() if n not in lost}, lost)
            rows = groups.numbered(rows, n_rows)
            if runs is None:
                order = [belonging.GROUP] if by else []
                runs = self._runs(name, order, lambda rows: [rows[belonging.GROUP]] if by else [], rows.width)
            runs.add(_numbered(rows, PLACE, n_rows))
            n_rows += rows.height
        assert runs is not None, "a source without rows is refused"
        return runs

    def _whole(self, name: str) -> pl.DataFrame:
        """A source that SQL joins to the rows. Raises AccordError if it has too many rows for that."""
        pieces: list[pl.DataFrame] = []
        for piece in self._pieces(name):
            pieces.append(piece)
            most = memory.fitting_rows(self.engine, piece.width)
            if sum(part.height for part in pieces) > most:
                raise AccordError(
                    f"Source '{name}' of {self.data.name} has more than {most:,} rows; expected at most as many, for data.joins needs all of "
                    "them at once in engine.memory. Raise that, leave out columns of the source, or join it by `as_of`"
                )
        return pl.concat(pieces)

    def _right(self, name: str) -> _Right:
        data, join, at = self.data, self.data.as_of[name], f"{name}{AVAILABLE}"
        staged = self._staged(name, (), fed=True)
        lost: set[str] = set()
        for piece in staged.pieces():
            named = declared.named(piece, data.columns)
            _typed(named, {n: c for n, c in data.columns.items() if n in named.columns}, lost)
        runs: Runs | None = None
        for piece in staged.pieces():
            rows = joins.available(name, piece, data, lost)
            if runs is None:
                runs = self._runs(f"{name} by time", [at], lambda rows: [rows[at]], rows.width)
            runs.add(_numbered(rows, PLACE, runs.n_rows))
        assert runs is not None, "a source without rows is refused"
        remove(self.folder / name)
        return _Right(runs, lost & {*join.columns})

    def _joined(self, rights: Mapping[str, _Right]) -> _Joined:
        """The rows joined by SQL: with the types of the contract or, if it fails with them, with text as text."""
        data = self.data
        others = [name for name in joins.joined_by_sql(data) if name != data.rows and data.joins is not None]
        read = {name: self._whole(name) for name in others}
        try:
            return self._joined_as(True, read, rights)
        except _QueryError as error:
            try:
                return self._joined_as(False, read, rights)
            except _QueryError:
                raise joins.failed(data, error.tables, error.cause) from error.cause

    def _joined_as(
        self, fed: bool, read: Mapping[str, pl.DataFrame], rights: Mapping[str, _Right]
    ) -> _Joined:
        data = self.data
        others = {name: joins.prepared(name, frame, data, fed) for name, frame in read.items()}
        joins.refuse_times(others, data)
        head = joins.prepared(data.rows, self._head(), data, fed, n_before=0)
        tables: dict[str, Table] = {name: Whole(frame) for name, frame in {**others, data.rows: head}.items()}
        with _query_of(tables):
            by = belonging.together(data, {**others, data.rows: head})
        staged = tables[data.rows] = self._staged(data.rows, by, fed)
        doubtful = doubtful_order.doubtful(data, tables)
        joined: _Joined | None = None
        n_joined = 0
        as_of = {name for join in data.as_of.values() for name in join.columns if name not in join.by}
        for rows, places in self._chunks(staged, by):
            frames = {**others, data.rows: rows}
            with _query_of(tables):
                found = joins.queried(data, frames)
                if joined is None and data.joins is not None:
                    belonging.prove(data, frames, by, found)
            doubtful_order.refuse(data, tables, frames, found, partial(joins.queried, data), doubtful)
            named = declared.named(found, data.columns)
            if joined is None:
                joined = self._nothing_joined(found, named, rights)
            own = {n: c for n, c in data.columns.items() if n in named.columns and n not in as_of}
            _typed(named, own, joined.lost)
            if found.height != rows.height:
                places = pl.int_range(n_joined, n_joined + found.height, eager=True)
            joined.runs.add(named.select(joined.needed).with_columns(places.alias(PLACE)))
            n_joined += found.height
        assert joined is not None, "a source without rows is refused"
        joins.refuse_other_number(data, staged.n_rows, n_joined)
        remove(self.folder / data.rows)
        return joined

    def _head(self) -> pl.DataFrame:
        """The first rows of the rows' source."""
        pieces = self._pieces(self.data.rows)
        first = next(pieces)
        self.begun = continued([first], pieces)
        return first.head(N_LOOKED_AT)

    def _chunks(self, staged: Runs, by: Sequence[str]) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
        """The rows as SQL reads them, with their places in the source. Those that belong together come together, in the order of
        the source."""
        for chunk in staged.ranges() if by else staged.pieces():
            most = 2 * memory.chunk_rows(self.engine, chunk.width)
            if chunk.height > most:
                raise AccordError(
                    f"data.joins of {self.data.name} looks at rows with the same values of {', '.join(by)} together, and {chunk.height:,} rows "
                    f"have nearly the same; expected at most {most:,}, as engine.memory allows. Raise it, or let windows look at fewer rows"
                )
            rows = chunk.sort(PLACE).drop(belonging.GROUP, strict=False)
            places = rows[PLACE]
            yield rows.drop(PLACE) if self.data.key else rows.rename({PLACE: ROW_ID}), places

    def _nothing_joined(
        self, found: pl.DataFrame, named: pl.DataFrame, rights: Mapping[str, _Right]
    ) -> _Joined:
        """Where the joined rows go. Raises AccordError if they lack a column of the contract."""
        data = self.data
        joins.completed(
            found.clear(), found.columns, data, lambda name, _: rights[name].runs.between(None, None)
        )
        wanted = {
            *data.columns,
            ROW_ID,
            *(n for join in data.as_of.values() for n in (*join.by, *join.columns)),
        }
        needed = [name for name in named.columns if name in wanted]
        runs = self._runs("joined rows", joins.ordering(data), partial(joins.keys, data=data), len(needed))
        return _Joined(runs, found.columns, needed, set())

    def _completed(self, joined: _Joined, rights: Mapping[str, _Right]) -> Iterator[pl.DataFrame]:
        """The rows in order, with what is joined to them as of a time, untyped."""
        for rows in joined.runs.ranges():
            yield joins.completed(
                rows.drop(PLACE), joined.columns, self.data, partial(self._known, rights), joined.lost
            )

    def _known(self, rights: Mapping[str, _Right], name: str, rows: pl.DataFrame) -> pl.DataFrame:
        """What of the source may be the latest when some of these rows were decided."""
        at = joins.decided(rows, self.data).clip(partitions.FIRST, partitions.LAST)
        earliest = at.dt.offset_by(f"-{self.data.as_of[name].tolerance}").clip(
            partitions.FIRST, partitions.LAST
        )
        return rights[name].runs.between(earliest.min(), at.max()).drop(PLACE)

    def _lost_of_rights(self, joined: _Joined, rights: Mapping[str, _Right]) -> set[str]:
        """Columns that are joined as of a time and hold values which the contract's type does not, in some row that they got to."""
        doubtful = {name for right in rights.values() for name in right.doubtful if name in self.data.columns}
        lost: set[str] = set()
        for rows in self._completed(joined, rights) if doubtful else ():
            _typed(rows, {name: self.data.columns[name] for name in doubtful}, lost)
        return lost


@contextmanager
def _query_of(tables: Mapping[str, Table]) -> Iterator[None]:
    """Tells SQL that can't be run from all else that Polars can't do."""
    try:
        yield
    except PolarsError as error:
        raise _QueryError(error, tables) from error


def _typed(rows: pl.DataFrame, columns: Mapping[str, Reading], lost: set[str]) -> pl.DataFrame:
    """The rows with each of the columns in its type unless that loses a value: these are added to `lost`."""
    for name, reading in columns.items():
        value, is_lost = cast(rows[name], reading)
        if is_lost.any():
            lost.add(name)
        else:
            rows = rows.with_columns(value)
    return rows


def _numbered(rows: pl.DataFrame, name: str, first: int) -> pl.DataFrame:
    return rows.with_columns(pl.int_range(first, first + rows.height, eager=True).alias(name))
