"""Aggregates in SQL over rows that come in parts."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from accord.bootstrap import Statistic
from accord.sql.aggregates import Tally


def tallied(
    sql: str, where: str, rows: pl.DataFrame, block: np.ndarray, n_blocks: int, constants: Mapping[str, float],
    n_together: int = 5,
) -> Statistic:  # fmt: skip
    """The aggregate over the rows (n), of which so many are added at once."""
    tally = Tally(sql, where, n_blocks, constants)
    for start in range(0, max(rows.height, 1), n_together):
        some = slice(start, start + n_together)
        tally.add(rows[some], block[some])
    return tally.statistic()
