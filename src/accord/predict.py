"""Batch prediction: reads a file of rows, and writes them with their predictions."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from accord.bundle.bundle import Bundle
from accord.data import contract, declared
from accord.data.ingest import sources
from accord.errors import AccordError
from accord.files import replacing
from accord.schema.data import Column, Source
from accord.sql.rows import columns_of


def predict(bundle: Bundle, source: Source, output: Path, explain: bool = False) -> int:
    """Writes the rows with each target's predictions, and the likeliest of its classes if it has some, as CSV or Parquet by the
    output's name, and returns how many there were. An outcome in the file that is called like its prediction becomes
    `actual_` and its name. With `explain`, each feature's contribution to each target's raw score stands beside them as `target|feature`.

    Raises AccordError, and writes nothing, if a column is missing or a row breaks the contract.
    """
    if output.suffix not in (".csv", ".parquet"):
        raise AccordError(
            f"Can't write {output}: unknown kind of file '{output.suffix}'; expected .csv or .parquet"
        )
    if output.is_dir():
        raise AccordError(
            f"Can't write {output}: it is a folder; expected a file's name. Choose another, or remove it"
        )
    if output.exists() and Path(source.path).exists() and output.samefile(source.path):
        raise AccordError(
            f"Can't write {output}: it is the file to be predicted, and would be overwritten. Choose another name for the output"
        )
    rows = sources.handed_over("input", source, {**bundle.columns, **bundle.context})
    named = declared.named(rows, {**bundle.columns, **bundle.context})
    declared.refuse_missing(bundle.columns, named.columns, source.path, "The model needs them")
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
    checked = contract.check(named.select(list(columns)), columns, rules=rules)
    if checked.quarantine.height:
        raise _broken(named, checked, columns, bundle, source.path)
    predictions: dict[str, Any] = bundle.answer(checked.valid)
    predictions |= {
        name: target.likeliest_of(predictions)
        for name, target in bundle.predicted.items()
        if target.task.classes
    }
    because = {} if not explain else bundle.explain(checked.valid)
    parts = [pl.Series(f"{target}|{part.name}", part) for target, parts in because.items() for part in parts]
    rows = _with_actual(rows, bundle, predictions)
    _refuse_taken(rows, [*predictions, *(part.name for part in parts)], source.path)
    with replacing(output) as temporary:
        answered = rows.with_columns(
            pl.Series(name, values) for name, values in predictions.items()
        ).with_columns(parts)
        answered.write_parquet(temporary) if output.suffix == ".parquet" else answered.write_csv(temporary)
    return rows.height


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
    rows: pl.DataFrame, checked: contract.Checked, columns: Mapping[str, Column], bundle: Bundle, source: str
) -> AccordError:
    """The first broken row in words; rows count from 1, as after a CSV's header. Then each column that is broken."""
    index = int(checked.is_broken.arg_max() or 0)
    reasons = checked.reasons[0].to_list()
    name, _, rule = reasons[0].partition("|")
    what = (
        f"it breaks the rule {rule}, {bundle.rules[rule]}"
        if name == "rule" and rule in bundle.rules
        else f"{name} is {contract.example(rows[name][index : index + 1], columns[name])}"
    )
    said = [what for what, _ in contract.in_words(checked, columns, [])]
    return AccordError(
        f"{checked.quarantine.height:,} of {rows.height:,} rows of {source} break the contract; the first is row {index + 1}: "
        f"{what} ({', '.join(reasons)}). Correct the rows or leave them out; nothing was written",
        said if len(said) > 1 else (),
    )
