"""Targets without outcomes, or with ones that no arithmetic survives, end in one line."""

from pathlib import Path

import numpy as np
import pytest
from shipped import shipped

from accord.data.scored import RowBlocks
from accord.errors import AccordError
from accord.evaluation.evaluate import Evaluated
from accord.evaluation.evaluated import BesideBaseline, EvaluationReport, TargetReport
from accord.evaluation.targets import Scored, with_outcome
from accord.schema.config import Evaluation
from accord.schema.objective import Target
from accord.training import jobs

DELAY = shipped(Target, task="regression", sql="y")


def scored(y: list[float]) -> Scored:
    p = np.full((len(y), 1), 0.5)
    return Scored(np.array(y), p, p, RowBlocks(np.arange(len(y), dtype=np.int32), True))


def test_a_target_without_an_outcome_on_test_is_refused():
    splits = {"train": scored([0.0, 1.0]), "test": scored([np.nan, np.nan])}
    with pytest.raises(
        AccordError, match=r"targets\.late\.sql: none of the 2 rows of test has an outcome.*cutoff"
    ):
        with_outcome("late", splits)


def test_splits_without_an_outcome_are_left_out_and_rows_without_one_too():
    splits = {"train": scored([0.0, np.nan, 1.0]), "tune": scored([np.nan]), "test": scored([1.0])}
    known = with_outcome("late", splits)
    assert {split: one.y.tolist() for split, one in known.items()} == {"train": [0.0, 1.0], "test": [1.0]}
    assert known["train"].blocks.number.tolist() == [0, 2]


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
