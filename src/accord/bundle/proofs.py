"""The expressions that answer a row, in the form that is fast for one row, each proven equal to Polars."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from accord.bundle.interface import Contract
from accord.data.scored import Rows
from accord.features.transform import Transform
from accord.files import write_json
from accord.objective.policy import inputs
from accord.schema.config import Config
from accord.schema.data import Column
from accord.sql.compiled import Tree, compile_sql, proof

MAX_CELLS = 8_000_000
"""Of training rows with more values than these an evenly spread part is evidence enough."""

Proven = tuple[dict[str, Tree | None], dict[str, str]]
"""The compiled form of each expression by config key, None if none could be proven, and the result of the proof in words."""


def of(rows: Rows, contract: Contract, transform: Transform, config: Config) -> Proven:
    """The expressions that answer a row, compiled where that could be proven equal to Polars on these training rows, evenly spread
    ones if they are many, and on random ones. The policy's weights are not among what they are proven with."""
    train, policy, seed = rows.spread(MAX_CELLS), config.objective.policy, config.seed
    columns = {**contract.columns, **contract.context}
    types: dict[str, str] = {name: column.type for name, column in columns.items()}
    derived = {f"data.derived.{name}": sql for name, sql in transform.derived.items()}
    rules = {f"data.rules.{name}": sql for name, sql in contract.rules.items()}
    trees, words = {}, {}
    for where, sql in {**derived, **rules}.items():
        trees[where], words[where] = _compiled(sql, where, train, types, columns, seed, as_number=False)
    if policy is not None:
        rng = np.random.default_rng(seed)
        # Predictions and the score may be any number, and so may weights, which can change while the service runs.
        numbers = sorted(inputs(policy) - columns.keys())
        scored = train.with_columns(pl.Series(name, rng.normal(0, 100, train.height)) for name in numbers)
        types |= dict.fromkeys(numbers, "number")
        for where, sql in (
            ("objective.policy.score", policy.score),
            ("objective.policy.action", policy.action),
        ):
            trees[where], words[where] = _compiled(sql, where, scored, types, columns, seed, as_number=True)
    return trees, words


def save(proven: Proven, folder: Path) -> None:
    for name, values in zip(("compiled.json", "proofs.json"), proven, strict=True):
        write_json(folder / name, values)


def _compiled(
    sql: str,
    where: str,
    rows: pl.DataFrame,
    types: Mapping[str, str],
    columns: Mapping[str, Column],
    seed: int,
    as_number: bool,
) -> tuple[Tree | None, str]:
    tree = compile_sql(sql, where, types, as_number)
    if tree is None:
        return None, "has no compiled form; Polars evaluates it"
    proven = proof(sql, tree, where, rows, columns, seed, as_number=as_number)
    if not proven.holds:
        return (
            None,
            f"the compiled form is refused, Polars evaluates it: {proven.difference or 'no row to compare'}",
        )
    return tree, f"compiled; equal to Polars on {proven.n_rows:,} rows"
