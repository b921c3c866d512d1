"""A result that is almost too good is said, with the figure."""

from typing import Any

import pytest

from accord.evaluation.notices import too_good


def report(
    task: str = "binary", contributions: tuple[float, ...] = (2.0, 1.0), **test: float
) -> dict[str, Any]:
    known = {"log_loss": 0.3, "deviance": 3.0, "auc": 0.9} | test
    return {
        "task": task,
        "metrics": {"test": {name: {"value": value, "baseline": 4.0} for name, value in known.items()}},
        "importance": [{"feature": f"f{i}", "contribution": c} for i, c in enumerate(contributions)],
    }


@pytest.mark.parametrize(
    ("found", "kind", "figure"),
    [
        (report(auc=0.9912), "auc", "0.9912"),
        (report(log_loss=0.1), "skill", "0.9750"),
        (report("regression", deviance=0.1), "skill", "0.9750"),
        (report(contributions=(19.0, 1.0)), "feature", "'f0' by 95.0%"),
    ],
)
def test_each_kind_of_too_good_is_noticed(found: dict[str, Any], kind: str, figure: str):
    [notice] = too_good("late", found)
    assert (notice["target"], notice["kind"]) == ("late", kind)
    assert figure in notice["detail"]


@pytest.mark.parametrize(
    "found",
    [
        report(),
        report("regression"),
        report(contributions=(1.0,)),
        report(contributions=(0.0, 0.0)),
        {**report(), "metrics": {}},
    ],
    ids=["usual", "amount", "only feature", "no contribution", "no test outcome"],
)
def test_a_usual_result_is_not(found: dict[str, Any]):
    assert too_good("late", found) == []
