"""Names that SQL or an answer has side by side mean one thing, or are refused in one line that says what to call otherwise."""

import pytest
from projects import ROOT
from shipped import shipped

from accord.config import lock
from accord.config.check import check_expressions
from accord.errors import AccordError
from accord.paths import Paths
from accord.schema.config import Config
from accord.schema.data import Data
from accord.schema.objective import Objective

COLUMNS = {
    "x": {"type": "number"},
    "s": {"type": "category"},
    "at": {"type": "datetime", "role": "info"},
    "y": {"type": "integer", "role": "outcome"},
}
POLICY = {"weights": {"w": 1.0}, "score": "w * late"}
METRICS = {"acted": {"team": "sales", "sql": "AVG(late)", "better": "higher"}}


def config(columns: dict | None = None, objective: dict | None = None, **data: object) -> Config:
    given = {
        "name": "data",
        "sources": {"s": {"path": "data/raw/s.csv"}},
        "targets": {"late": {"task": "binary", "sql": "y > 0", "owner": "ops"}},
        **data,
    }
    given["columns"] = {**COLUMNS, **(columns or {})}
    wanted = {"name": "own", "targets": given["targets"], **(objective or {})}
    sections = {"data": shipped(Data, **given), "objective": shipped(Objective, **wanted)}
    return lock.load(Paths(ROOT)).model_copy(update=sections)


@pytest.mark.parametrize("name", ["score", "action", "late", "actual_late", "w"])
@pytest.mark.parametrize("derived", [False, True])
def test_a_column_called_like_what_the_policys_sql_may_use_is_refused(name: str, derived: bool):
    given = {"derived": {name: "x * 2"}} if derived else {"columns": {name: {"type": "number"}}}
    with pytest.raises(AccordError) as refused:
        check_expressions(config(objective={"policy": POLICY}, **given))
    assert f"'{name}' is " in str(refused.value)
    assert ("another name" if derived else f"own_{name}: {{source: {name}, ...}}") in str(refused.value)


@pytest.mark.parametrize("name", ["late", "actual_late"])
def test_a_column_called_like_what_a_metrics_sql_may_use_is_refused(name: str):
    with pytest.raises(AccordError, match=f"'{name}' is .* and a column of data too"):
        check_expressions(config({name: {"type": "number"}}, {"metrics": METRICS}))


@pytest.mark.parametrize(
    "name", ["score", "action", "late", "actual_late", "w", "prediction_id", "model", "warnings"]
)
def test_where_no_sql_is_written_columns_are_called_as_they_like(name: str):
    check_expressions(config({name: {"type": "number"}}))


@pytest.mark.parametrize(
    "targets",
    [{"model": "y > 0"}, {"prediction_id": "y > 0"}, {"warnings": "y > 0"}, {"teams": "y > 0"}, {"a": "y > 0", "actual_a": "y > 1"}],
    ids=lambda targets: "-".join(targets),
)  # fmt: skip
def test_targets_called_like_parts_of_an_answer_or_each_others_outcomes_are_refused(targets: dict[str, str]):
    found = {name: {"task": "binary", "sql": sql, "owner": "ops"} for name, sql in targets.items()}
    with pytest.raises(AccordError, match="choose another name"):
        check_expressions(config(targets=found))


@pytest.mark.parametrize("target", ["score", "action"])
def test_a_target_may_be_called_score_where_no_policy_acts(target: str):
    targets = {target: {"task": "regression", "sql": "y", "owner": "ops"}}
    check_expressions(config(targets=targets))
    with pytest.raises(
        AccordError, match=f"'{target}' is the policy's {target}, and a prediction of target '{target}' too"
    ):
        check_expressions(config(targets=targets, objective={"policy": {"score": f"{target} * 2"}}))


def test_weights_called_like_a_target_are_refused():
    with pytest.raises(
        AccordError, match="'late' is a weight of the policy, and a prediction of target 'late' too"
    ):
        check_expressions(config(objective={"policy": {"weights": {"late": 1.0}, "score": "late"}}))


@pytest.mark.parametrize("given", [
    {"key": ["prediction_id"], "columns": {"prediction_id": {"type": "integer", "role": "info"}}},
    {"columns": {"prediction_id": {"type": "integer", "role": "outcome"}}},
], ids=["key", "outcome"])  # fmt: skip
def test_what_outcomes_bring_is_not_called_like_the_id_of_their_prediction(given: dict):
    with pytest.raises(AccordError, match=r"own_prediction_id: \{source: prediction_id, \.\.\.\}"):
        check_expressions(config(**given))


def test_a_rule_is_not_called_like_a_breach_of_a_column_called_rule():
    with pytest.raises(AccordError, match=r"data\.rules\.min: .*rule\|min"):
        check_expressions(config({"rule": {"type": "number"}}, rules={"min": "x > 0"}))
    check_expressions(config(rules={"min": "x > 0"}))


def test_accepting_duplicates_does_not_accept_a_column_of_that_name():
    checks = {"leaks": {"accepted": ["duplicates"]}}
    with pytest.raises(AccordError, match="'duplicates' is rows on both sides"):
        check_expressions(config({"duplicates": {"type": "number"}}, checks=checks))
    check_expressions(config(checks=checks))


@pytest.mark.parametrize(
    ("name", "is_refused"), [("model", True), ("score", True), ("s", False), ("kind", False)]
)
def test_the_likeliest_class_is_called_like_no_other_part_of_an_answer(name: str, is_refused: bool):
    target = {"task": "multiclass", "sql": "y", "classes": ["0", "1", "2"], "owner": "ops"}
    wanted = config(objective={"policy": {"score": f"{name}_2"}}, targets={name: target})
    if is_refused:
        with pytest.raises(
            AccordError, match=f"'{name}' is the likeliest class of target '{name}', and .* too"
        ):
            check_expressions(wanted)
    else:
        check_expressions(wanted)
