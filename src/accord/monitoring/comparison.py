"""A window's rows beside those of test, and what is expected of the one by the other."""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from accord import bootstrap
from accord.data import splitting
from accord.errors import AccordError
from accord.monitoring import quality
from accord.monitoring.expectation import ACTUAL, PREDICTED, Expectation
from accord.monitoring.observed import EVENT, ID, days, with_known
from accord.monitoring.quality import Judged, Watched
from accord.objective import teams
from accord.objective.teams import Played
from accord.sql.rows import with_derived

MAX_ROWS = 1_000_000
"""Rows that metrics rest on; of larger windows a sample. Drift is looked for in all of them."""


MIN_DAYS = 7
"""With fewer days, hours and weekdays are not those of test, and means and metrics say nothing."""


BLOCK = "block"


def answered(rows: pl.DataFrame, expectation: Expectation) -> Played:
    """The rows, live or of test, as they were answered."""
    objective = expectation.objective
    rows = _with_derived(rows, expectation.derived)
    if BLOCK in rows.columns:
        blocks = rows[BLOCK]
    else:
        rows = with_known(rows, objective)
        blocks = (
            days(rows[EVENT], expectation.time) if expectation.time else splitting.blocks(rows, [ID], None)
        )
    block, n_blocks = bootstrap.numbered(blocks)
    has_policy = objective.policy is not None
    return Played(
        rows.drop(BLOCK, "score", "action", strict=False),
        {name: numbers(rows[f"{ACTUAL}{name}"]) for name in objective.targets},
        {name: numbers(rows[f"{PREDICTED}{name}"]) for name in objective.targets},
        {name: np.full(rows.height, expectation.baselines[name]) for name in objective.targets},
        numbers(rows["score"]) if has_policy else None,
        rows["action"].fill_null(False).to_numpy() if has_policy else None,
        block, n_blocks,
    )  # fmt: skip


def _with_derived(rows: pl.DataFrame, derived: Mapping[str, str]) -> pl.DataFrame:
    """The rows with the derived features. One that can't be computed, such as a date whose parts are missing, is null and of
    type Null."""
    try:
        return with_derived(rows, derived)
    except (AccordError, PolarsError):
        if len(derived) == 1:
            return rows.with_columns(pl.lit(None).alias(name) for name in derived)
        for name, sql in derived.items():
            rows = _with_derived(rows, {name: sql})
        return rows


def numbers(values: pl.Series) -> teams.Vector:
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def judge(
    watched: Mapping[str, Watched],
    live: Played,
    test: Played,
    n_rows: int,
    expectation: Expectation,
    share: float = 1,
) -> dict[str, Judged]:
    """What is expected of each; `share` is the part of the false alarms put up with that these may raise."""
    level = 1 - (1 - expectation.level) * share
    n_blocks = (
        live.n_blocks
        if expectation.time
        else max(1, round(n_rows * test.n_blocks / max(test.rows.height, 1)))
    )
    return quality.judge(watched, test, n_rows, n_blocks, level, expectation.seed) if watched else {}


def outcome_of(target: str) -> Callable[[Played], teams.Vector]:
    return lambda played: played.outcomes[target]
