"""The rows of all scored splits in order of their time, of which no more are gathered than are needed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.io.plugins import register_io_source

from accord.data.scored import Columns, Rows
from accord.engines import mapped
from accord.engines.mapped import in_parts
from accord.measures.ranked import ranked
from accord.schema.data import Time
from accord.schema.objective import Target
from accord.sql.rows import columns_of
from accord.tasks.registry import task_of

SPLIT = "split|name"
N_RUNS = 50
"""Of large data so many runs of neighbours are taken: enough of the year, each longer than the windows that are cut from it."""

Places = NDArray[np.intp]
"""Of rows (n) where they are among those of all splits, one split after the other."""


@dataclass(frozen=True)
class Ordered:
    rows: Mapping[str, Rows]
    beside: Mapping[str, Columns]
    """What else is known of a split's rows, by names that no column of the data has."""
    outcomes: Mapping[str, tuple[str, Target]]
    """Targets and their names, by the column of their outcomes as people write them, null where they can't be told."""
    order: Places
    """All rows by their time."""

    @property
    def columns(self) -> set[str]:
        """The names of the data's columns and of derived features."""
        return set().union(*(one.columns for one in self.rows.values()))

    def spread(self, splits: Iterable[str], most: int) -> Places:
        """At most so many of the splits' rows in their order, evenly spread."""
        step = -(-self._n(splits) // most)
        return self._picked(splits, lambda place: place % max(step, 1) == 0)

    def runs(self, splits: Iterable[str], most: int) -> Places:
        """At most so many of the splits' rows in their order: all, or evenly spread runs of neighbours, which have what windows
        of time have in common."""
        n, length = self._n(splits), most // N_RUNS
        if n <= most:
            return self._picked(splits, lambda place: place >= 0)
        begins = np.arange(N_RUNS) * n // N_RUNS
        return self._picked(
            splits, lambda place: place - begins[np.searchsorted(begins, place, "right") - 1] < length
        )

    def of_subjects(self, splits: Iterable[str], most: int, subject: str) -> Places:
        """About so many of the splits' rows, which have no time: all of evenly spread subjects."""
        step, text = -(-self._n(splits) // most), pl.col(subject).cast(pl.String).fill_null("")
        if step <= 1:
            return self.spread(splits, most)
        frames = (frame.select(text).unique() for _, frame in self._chunks(splits, subject))
        each = pl.concat(frames).unique().sort(subject)[subject]
        chosen = each.gather_every(step, step - 1)
        return np.concatenate(
            [
                start + frame.select(text)[subject].is_in(chosen.implode()).arg_true().to_numpy()
                for start, frame in self._chunks(splits, subject)
            ]
        ).astype(np.intp)

    def gathered(self, places: Places, names: Sequence[str]) -> pl.DataFrame:
        """These columns of the rows (n), in the order of the places: of the data, derived features, what stands beside the rows,
        outcomes, and the name of each row's split."""
        if not len(places):
            return self.gathered(self.order[:1], names).clear()
        ascending = np.sort(places)
        parts: list[pl.DataFrame] = []
        start = 0
        for split, rows in self.rows.items():
            first, last = np.searchsorted(ascending, [start, start + rows.n])
            parts.extend(self._of_split(split, ascending[first:last] - start, names))
            start += rows.n
        return pl.concat(parts)[np.searchsorted(ascending, places)]

    def lazily(self, places: Places, names: Sequence[str], n_cells: int) -> pl.LazyFrame:
        """The same, of which about so many values are in memory at once: columns are gathered when one of them is asked for, and
        those after it with it."""
        held = self.gathered(places[:1], names)
        schema, width = held.schema, max(1, n_cells // len(places))

        def source(columns: list[str] | None, *_: object) -> Iterator[pl.DataFrame]:
            nonlocal held
            asked = [*names] if columns is None else columns or [*names[:1]]
            if held.height != len(places) or not {*asked} <= {*held.columns}:
                first = names.index(asked[0])
                held = self.gathered(places, [*dict.fromkeys([*asked, *names[first : first + width]])])
            yield held.select(asked)

        return register_io_source(source, schema=schema)

    def _of_split(self, split: str, places: Places, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The columns of some of a split's rows, by their ascending places among these."""
        rows, beside = self.rows[split], self.beside.get(split, Columns({}))
        actual = {
            column: (task_of(target), target.sql, f"objective.targets.{name}.sql")
            for column, (name, target) in self.outcomes.items()
            if column in names
        }
        read = {*names} & self.columns
        read = read.union(*(columns_of(sql, where) for _, sql, where in actual.values()))
        chunks = rows.chunks(read) if read else iter([(slice(0, rows.n), None)])
        for some, frame in chunks if len(places) else ():
            first, last = np.searchsorted(places, [some.start, some.stop])
            own = places[first:last]
            found = beside.part(own)
            if frame is not None:
                chosen = frame if len(own) == frame.height else frame[own - some.start]
                found = chosen.with_columns(
                    *(
                        task.actual(chosen, sql, where).alias(column)
                        for column, (task, sql, where) in actual.items()
                    ),
                    *found.get_columns(),
                )
            yield found.with_columns(pl.lit(split).alias(SPLIT)).select(names)

    def _chunks(self, splits: Iterable[str], column: str) -> Iterator[tuple[int, pl.DataFrame]]:
        """The column of the splits' rows, a chunk at a time, and the place of the first of them."""
        start = 0
        for split, rows in self.rows.items():
            for some, frame in rows.chunks([column]) if split in {*splits} else ():
                yield start + some.start, frame
            start += rows.n

    def _n(self, splits: Iterable[str]) -> int:
        return sum(self.rows[split].n for split in splits)

    def _picked(self, splits: Iterable[str], keep: Callable[[Places], NDArray[np.bool_]]) -> Places:
        """Those of the splits' rows whose places in the order of all of them are to be kept."""
        ends = np.cumsum([one.n for one in self.rows.values()])
        is_in = np.array([split in {*splits} for split in self.rows])
        found, n = [], 0
        for part in in_parts(len(self.order)):
            places = self.order[part]
            places = places[is_in[np.searchsorted(ends, places, "right")]]
            found.append(places[keep(n + np.arange(len(places)))])
            n += len(places)
        return np.concatenate(found)


def in_order(
    rows: Mapping[str, Rows],
    beside: Mapping[str, Columns],
    outcomes: Mapping[str, tuple[str, Target]],
    time: Time | None,
) -> Ordered:
    """The rows by event time, where they have one."""
    n = sum(one.n for one in rows.values())
    scratch = next(iter(rows.values())).scratch
    order: Places = mapped.computed(lambda some: np.arange(some.start, some.stop), n, scratch, np.intp)
    if time is not None:
        events, start = mapped.empty(scratch, n, np.int64), 0
        for one in rows.values():
            for some, frame in one.chunks([time.event]):
                instants = frame[time.event].to_physical().fill_null(np.iinfo(np.int64).min)
                events[start + some.start : start + some.stop] = instants.to_numpy()
            start += one.n
        _, order = ranked(events, [order], scratch)
    return Ordered(rows, beside, outcomes, order)
