"""Rows with what the bundle answers for each, or why it doesn't."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from accord.bundle.bundle import Bundle
from accord.data import contract, declared
from accord.errors import AccordError
from accord.schema.data import Column
from accord.sql.rows import NotComputedError, columns_of


@dataclass(eq=False)
class RefusedError(Exception):
    """Rows that are not answered, because one of them breaks the contract or has no value for an expression."""

    index: int
    """The first of these, from 0."""
    n_rows: int
    n_broken: int = 0
    """How many break the contract; 0 if all keep it."""
    what: str = ""
    """What is wrong with the first one."""
    details: tuple[str, ...] = ()
    where: str = ""
    """Of an expression: its config key, its SQL, and why it has no value."""
    sql: str = ""

    def error(self, source: str, n_before: int = 0, is_all: bool = True) -> AccordError:
        """In words, of a source whose `n_before` rows before these are answered. Rows count from 1, as after a CSV's header."""
        if not self.n_broken:
            return NotComputedError(self.where, self.sql, n_before + self.index, self.what)
        checked = f"{self.n_rows:,}" if is_all else f"the first {n_before + self.n_rows:,}"
        return AccordError(
            f"{self.n_broken:,} of {checked} rows of {source} break the contract; the first is row {n_before + self.index + 1}: "
            f"{self.what}. Correct the rows or leave them out; nothing was written",
            self.details if len(self.details) > 1 else (),
        )


def answered(bundle: Bundle, rows: pl.DataFrame, source: str, explain: bool = False) -> pl.DataFrame:
    """The rows (n) with each target's predictions, and the likeliest of its classes if it has some. An outcome among them that is
    called like its prediction becomes `actual_` and its name. With `explain`, each feature's contribution to each target's raw
    score stands beside them as `target|feature`.

    Raises AccordError if a column is missing from the source, and RefusedError if a row breaks the contract.
    """
    checked = _checked(bundle, rows, source)
    try:
        predictions: dict[str, Any] = bundle.answer(checked)
        because = {} if not explain else bundle.explain(checked)
    except NotComputedError as error:
        raise _without_value(error, rows) from error
    predictions |= {
        name: target.likeliest_of(predictions)
        for name, target in bundle.predicted.items()
        if target.task.classes
    }
    parts = [pl.Series(f"{target}|{part.name}", part) for target, parts in because.items() for part in parts]
    rows = _with_actual(rows, bundle, predictions)
    _refuse_taken(rows, [*predictions, *(part.name for part in parts)], source)
    return rows.with_columns(pl.Series(name, values) for name, values in predictions.items()).with_columns(
        parts
    )


def n_values(bundle: Bundle, explain: bool) -> int:
    """How many values a row's answers have, and those that they are made of, about."""
    n_features, n_raw = len(bundle.transform.features), len(bundle.predictions)
    return n_features + 2 * n_raw + (n_raw * (n_features + 1) if explain else 0)


def _checked(bundle: Bundle, rows: pl.DataFrame, source: str) -> pl.DataFrame:
    """The columns that the contract knows, in its types."""
    named = declared.named(rows, {**bundle.columns, **bundle.context})
    declared.refuse_missing(bundle.columns, named.columns, source, "The model needs them")
    known = {
        name: c.model_copy(update={"nullable": True})
        for name, c in bundle.context.items()
        if name in named.columns
    }
    rules = {
        n: sql
        for n, sql in bundle.rules.items()
        if columns_of(sql, n) <= bundle.columns.keys() | known.keys()
    }
    columns = {**bundle.columns, **known}
    try:
        checked = contract.check(named.select(list(columns)), columns, rules=rules)
    except NotComputedError as error:
        raise _without_value(error, rows) from error
    if checked.quarantine.height:
        raise _broken(named, checked, columns, bundle)
    return checked.valid


def _without_value(error: NotComputedError, rows: pl.DataFrame) -> RefusedError:
    return RefusedError(error.index, rows.height, what=error.why, where=error.where, sql=error.sql)


def _with_actual(rows: pl.DataFrame, bundle: Bundle, answers: Iterable[str]) -> pl.DataFrame:
    """The rows, in which an outcome that is called like its prediction is now called `actual_` and its name."""
    outcomes = {column.source or name for name, column in bundle.outcomes.items()}
    actual = {name: f"actual_{name}" for name in answers if name in outcomes and name in rows.columns}
    return rows.rename({name: new for name, new in actual.items() if new not in rows.columns})


def _refuse_taken(rows: pl.DataFrame, answers: Iterable[str], source: str) -> None:
    """Raises AccordError if the file has a column that an answer would overwrite."""
    taken = [name for name in answers if name in rows.columns]
    if taken:
        raise AccordError(
            f"{source} has {'a column' if len(taken) == 1 else 'columns'} called {', '.join(map(repr, taken))}, as the predictions are; they "
            "would overwrite what is there. Rename it or leave it out; nothing was written"
        )


def _broken(
    rows: pl.DataFrame, checked: contract.Checked, columns: Mapping[str, Column], bundle: Bundle
) -> RefusedError:
    index = int(checked.is_broken.arg_max() or 0)
    reasons: Sequence[str] = checked.reasons[0].to_list()
    name, _, rule = reasons[0].partition("|")
    what = (
        f"it breaks the rule {rule}, {bundle.rules[rule]}"
        if name == "rule" and rule in bundle.rules
        else f"{name} is {contract.example(rows[name][index : index + 1], columns[name])}"
    )
    said = tuple(what for what, _ in contract.in_words(checked, columns, []))
    return RefusedError(index, rows.height, checked.quarantine.height, f"{what} ({', '.join(reasons)})", said)
