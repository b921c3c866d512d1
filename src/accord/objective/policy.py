"""The policy: it turns predictions and a row's columns into a score, and the score into an action."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.schema.objective import Policy
from accord.sql.rows import columns_of, evaluate


def inputs(policy: Policy | None) -> set[str]:
    """All names that the policy's expressions use."""
    if policy is None:
        return set()
    return columns_of(policy.score, "objective.policy.score") | columns_of(
        policy.action, "objective.policy.action"
    )


def decide(
    policy: Policy, rows: pl.DataFrame, predictions: Mapping[str, NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Score (n,) and whether to act (n,), for rows (n) and each target's predictions (n,)."""
    columns = {name: rows[name] for name in rows.columns if name in inputs(policy)}
    frame = pl.DataFrame({**columns, **predictions}).with_columns(
        pl.lit(value).alias(name) for name, value in policy.weights.items()
    )
    score = evaluate(frame, policy.score, "objective.policy.score")
    action = evaluate(frame.with_columns(score=score), policy.action, "objective.policy.action")
    return score.to_numpy(), action.to_numpy() == 1
