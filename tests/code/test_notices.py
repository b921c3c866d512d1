"""A result that is almost too good is said, with the figure."""

from dataclasses import replace

import pytest

from accord.evaluation.evaluated import BesideBaseline, Importance, TargetReport
from accord.evaluation.notices import too_good


def report(
    task: str = "binary", contributions: tuple[float, ...] = (2.0, 1.0), **test: float
) -> TargetReport:
    known = {"log_loss": 0.3, "deviance": 3.0, "auc": 0.9} | test
    metrics = {name: BesideBaseline(value, None, None, baseline=4.0) for name, value in known.items()}
    return TargetReport(
        task, None, "sales", None, "", {"test": metrics}, {"test": 100}, {"test": 10}, {"test": 0.1}, {"test": 0.1},
        slices=[], alternatives=[], importance=[Importance(f"f{i}", c) for i, c in enumerate(contributions)],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "kind", "figure"),
    [
        (report(auc=0.9912), "auc", "0.9912"),
        (report(log_loss=0.1), "skill", "0.9750"),
        (report("regression", deviance=0.1), "skill", "0.9750"),
        (report(contributions=(19.0, 1.0)), "feature", "'f0' by 95.0%"),
    ],
)
def test_each_kind_of_too_good_is_noticed(found: TargetReport, kind: str, figure: str):
    [notice] = too_good("late", found)
    assert (notice.target, notice.kind) == ("late", kind)
    assert figure in notice.detail


@pytest.mark.parametrize(
    "found",
    [
        report(),
        report("regression"),
        report(contributions=(1.0,)),
        report(contributions=(0.0, 0.0)),
        replace(report(), metrics={}),
    ],
    ids=["usual", "amount", "only feature", "no contribution", "no test outcome"],
)
def test_a_usual_result_is_not(found: TargetReport):
    assert too_good("late", found) == []
