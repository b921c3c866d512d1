"""Batch prediction: reads a file of rows, and writes them with their predictions."""

from pathlib import Path

import polars as pl

from accord.bundle.bundle import Bundle
from accord.data import contract, sources
from accord.errors import AccordError, nearest
from accord.files import replacing
from accord.schema.data import Source
from accord.sql.rows import columns_of


def predict(bundle: Bundle, source: Source, output: Path, explain: bool = False) -> int:
    """Writes the rows with each target's predictions, as CSV or Parquet by the output's name, and returns how many there
    were. With `explain`, each feature's contribution to each target's raw score stands beside them as `target|feature`.

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
    texts = [name for name, kind in bundle.types.items() if kind == "category"]
    rows = sources.read("input", source, Path(), texts)
    for name in bundle.columns:
        if name not in rows.columns:
            raise AccordError(
                f"Column '{name}' is missing from {source.path}; {nearest(name, rows.columns)}. The model needs it"
            )
    known = {
        name: c.model_copy(update={"nullable": True})
        for name, c in bundle.context.items()
        if name in rows.columns
    }
    rules = {
        n: sql
        for n, sql in bundle.rules.items()
        if columns_of(sql, n) <= bundle.columns.keys() | known.keys()
    }
    checked = contract.check(rows, {**bundle.columns, **known}, rules=rules)
    if checked.quarantine.height:
        raise AccordError(_first_broken(rows, checked, bundle, source.path))
    predictions = bundle.answer(checked.valid)
    because = {} if not explain else bundle.explain(checked.valid)
    parts = [pl.Series(f"{target}|{part.name}", part) for target, parts in because.items() for part in parts]
    with replacing(output) as temporary:
        answered = rows.with_columns(
            pl.Series(name, values) for name, values in predictions.items()
        ).with_columns(parts)
        answered.write_parquet(temporary) if output.suffix == ".parquet" else answered.write_csv(temporary)
    return rows.height


def _first_broken(rows: pl.DataFrame, checked: contract.Checked, bundle: Bundle, source: str) -> str:
    """The first broken row in words; rows count from 1, as after a CSV's header."""
    index = rows.with_row_index("row|number").join(
        checked.quarantine.select(pl.all().exclude("reasons")), on=rows.columns, how="semi", nulls_equal=True
    )["row|number"][0]
    reasons = checked.quarantine["reasons"][0].to_list()
    name, _, rule = reasons[0].partition("|")
    what = (
        f"it breaks the rule {rule}, {bundle.rules[rule]}"
        if name == "rule"
        else f"{name} is {rows[name][index]!r}"
    )
    return (
        f"{checked.quarantine.height:,} of {rows.height:,} rows of {source} break the contract; the first is row {index + 1}: "
        f"{what} ({', '.join(reasons)}). Correct the rows or leave them out; nothing was written"
    )
