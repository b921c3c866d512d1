"""Keys that rows of several chunks have, found without holding the keys of all rows in memory."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.data.buckets import Buckets
from accord.data.casting import cast
from accord.schema.data import Column

ROW = "row|number"
"""Names in the config can't hold a bar, so this never clashes with a column."""


def elsewhere(
    chunks: Iterable[pl.DataFrame],
    columns: Mapping[str, Column],
    key: Sequence[str],
    n_rows: int,
    most: int,
    folder: Path,
) -> NDArray[np.bool_]:
    """For each row (n_rows,) whether a row of another chunk has its key, if it is the first of its own chunk that has it. So a row's key
    is unique if it is so in its chunk and this is False. The answer is a file of the folder, mapped."""
    found = np.memmap(folder / "elsewhere", dtype=bool, mode="w+", shape=(n_rows,))
    buckets = Buckets(folder / "keys", key, n_rows, most)
    n_before = 0
    for chunk in chunks:
        typed = pl.DataFrame([cast(chunk[name], columns[name])[0] for name in key])
        numbered = typed.with_columns(pl.int_range(n_before, n_before + chunk.height).alias(ROW))
        buckets.add(numbered.group_by(key).agg(pl.col(ROW).first()))
        n_before += chunk.height
    for keys in buckets:
        found[keys.filter(pl.struct(key).is_duplicated())[ROW].to_numpy()] = True
    return found
