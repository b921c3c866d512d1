"""Targets without outcomes, or with ones that no arithmetic survives, end in one line."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from shipped import shipped

from accord.errors import AccordError
from accord.evaluation.evaluate import Evaluated
from accord.evaluation.evaluated import BesideBaseline, EvaluationReport, TargetReport
from accord.evaluation.targets import Scored, evaluate_target
from accord.schema.config import Evaluation
from accord.schema.objective import Target
from accord.training import jobs

LATE = shipped(Target, task="binary", sql="y > 0")
DELAY = shipped(Target, task="regression", sql="y")


def scored(y: list[float]) -> Scored:
    rows = pl.DataFrame({"y": y})
    p = np.full((len(y), 1), 0.5)
    return Scored(rows, np.array(y), p, p, pl.Series("block", range(len(y)), dtype=pl.Int32))


def test_a_target_without_an_outcome_on_test_is_refused():
    splits = {"train": scored([0.0, 1.0]), "test": scored([np.nan, np.nan])}
    with pytest.raises(
        AccordError, match=r"targets\.late\.sql: none of the 2 rows of test has an outcome.*cutoff"
    ):
        evaluate_target("late", LATE, splits, [], [], shipped(Evaluation))


@pytest.mark.parametrize("outcome", [1e200, -1e308])
def test_outcomes_whose_squares_are_infinite_are_refused(outcome: float):
    job = jobs.Job("delay", DELAY, {}, 1, Path(), Path(), Path())
    with pytest.raises(
        AccordError, match=r"targets\.delay\.sql: found .*e\+\d+ in tune; expected outcomes up to"
    ):
        jobs._check(np.array([1.0, outcome]), None, job, "tune")


def test_a_metric_without_a_value_is_said_to_have_none():
    delay = TargetReport(
        "regression", "squared", "operations", None, "",
        {"test": {"rmse": BesideBaseline(None, None, None, baseline=2.0)}}, {}, {}, {}, {}, [], [], [],
    )  # fmt: skip
    report = EvaluationReport({"delay": delay}, {}, shipped(Evaluation))
    assert Evaluated(report, {}, {}, {}).summary == "delay test rmse without a value (baseline 2)"
