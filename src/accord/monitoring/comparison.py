"""A window's rows beside those of test, and what is expected of the one by the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from accord import bootstrap
from accord.data import splitting
from accord.errors import AccordError
from accord.expectation.expectation import ACTION, ACTUAL, BLOCK, PREDICTED, SCORE, Expectation
from accord.monitoring import quality
from accord.monitoring.known_rows import Selected, selected
from accord.monitoring.observed import EVENT, ID, KNOWN, PROBABILITY, Window, days, sampled, with_known
from accord.monitoring.quality import Judged, Key, Watched
from accord.objective import teams
from accord.objective.teams import Played
from accord.schema.loop import Monitoring
from accord.sql.rows import with_derived
from accord.tasks.registry import columns_of, task_of
from accord.tasks.task import Predicted

MAX_ROWS = 1_000_000
"""Rows that metrics rest on; of larger windows a sample. Drift is looked for in all of them."""
MIN_DAYS = 7
"""With fewer days, hours and weekdays are not those of test, and means and metrics say nothing."""


@dataclass(frozen=True)
class Comparison:
    """A window's rows, those of them with an outcome, and the rows of test, each as they were answered."""

    live: Played
    known: Played
    test: Played
    n_rows: int
    """Rows of the window, of which `live` may be a sample."""
    n_labelled: int
    """Rows with an outcome, of which `known` may be a sample, repeated by their weight."""
    selected: Selected
    """What rows with an outcome are compared with."""
    expectation: Expectation
    settings: Monitoring

    @property
    def has_rows(self) -> bool:
        """Whether the window has rows enough to judge it."""
        return self._is_enough(self.n_rows, self.live)

    @property
    def has_outcomes(self) -> bool:
        """Whether outcomes enough are known to judge performance by them."""
        return self._is_enough(self.n_labelled, self.known)

    def judge_rows(self, watched: Mapping[Key, Watched], share: float = 1) -> dict[Key, Judged]:
        """What is expected of values of all rows, and whether they keep to it. `share` is the part of the accepted false
        alarms that these values may raise."""
        return self._judge(watched, self.live, self.test, self.n_rows, share)

    def judge_outcomes(self, watched: Mapping[Key, Watched], share: float = 1) -> dict[Key, Judged]:
        """The same of values of the rows with an outcome."""
        n_rows = max(1, round(self.n_labelled * self.selected.share))
        return self._judge(watched, self.known, self.selected.test, n_rows, share)

    def _is_enough(self, n_rows: int, part: Played) -> bool:
        has_days = self.expectation.time is None or part.n_blocks >= MIN_DAYS
        return n_rows >= self.settings.min_rows and has_days

    def _judge(
        self, watched: Mapping[Key, Watched], part: Played, test: Played, n_rows: int, share: float
    ) -> dict[Key, Judged]:
        if not watched:
            return {}
        level = 1 - (1 - self.expectation.level) * share
        n_blocks = part.n_blocks
        if self.expectation.time is None:
            n_blocks = max(1, round(n_rows * test.n_blocks / max(test.rows.height, 1)))
        return quality.judge(watched, test, n_rows, n_blocks, level, self.expectation.seed)


def compared(
    rows: pl.LazyFrame, window: Window, expectation: Expectation, settings: Monitoring
) -> Comparison:
    """The observed rows of the window beside those of test."""
    names = [name for name in rows.collect_schema() if not name.startswith("log|") or name == PROBABILITY]
    labelled = rows.filter(pl.col(KNOWN).is_not_null())
    live, known = (
        answered(sampled(part, n, MAX_ROWS, names), expectation)
        for part, n in ((rows, window.n_rows), (labelled, window.n_labelled))
    )
    test = answered(expectation.test, expectation)
    chosen = selected(live, known, test, expectation.seed)
    return Comparison(
        live, chosen.known, test, window.n_rows, window.n_labelled, chosen, expectation, settings
    )


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
        rows.drop(BLOCK, SCORE, ACTION, strict=False),
        {name: task_of(t).of_actual(rows[f"{ACTUAL}{name}"]) for name, t in objective.targets.items()},
        {name: numbers(rows[f"{PREDICTED}{name}"]) for name in columns_of(objective.targets)},
        {name: np.full(rows.height, value) for name, value in expectation.baselines.items()},
        numbers(rows[SCORE]) if has_policy else None,
        rows[ACTION].fill_null(False).to_numpy() if has_policy else None,
        block, n_blocks, bootstrap.blocks_of(blocks).at if expectation.time else None,
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
    """The values (n,) as numbers, NaN where there is none."""
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def outcome_of(target: Predicted, name: str) -> Callable[[Played], teams.Vector]:
    """How what of the target's outcomes has a mean, and is called so, comes from rows."""
    return lambda part: target.means_of(part.outcomes[target.name])[name]
