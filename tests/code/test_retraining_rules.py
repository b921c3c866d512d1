"""When a training is due: the rules, on what the monitoring found and what was trained before."""

from datetime import date
from typing import Any

import pytest
from shipped import shipped

from accord.monitoring.alarms import Alarm, Kind
from accord.retraining.rules import Training, due
from accord.schema.loop import Retraining

JULY, AUGUST, OCTOBER = date(2013, 7, 1), date(2013, 8, 1), date(2013, 10, 1)
PAST = [Training(JULY, cpu_s=10.0)]


def found(*kinds: Kind) -> list[Alarm]:
    return [Alarm(kind, "distance", "it moved") for kind in kinds]


def rule(**given: Any) -> Retraining:
    """A rule that holds nothing back, but for what is given."""
    return shipped(Retraining, **{"cooldown": "0d", "budget_cpu_s": None, **given})


@pytest.mark.parametrize(
    ("when", "kinds", "is_due"),
    [
        ("never", ["drift", "quality"], False),
        ("always", [], True),
        ("drift", [], False),
        ("drift", ["drift"], False),
        ("drift", ["quality"], False),
        ("drift", ["drift", "quality"], True),
        ("drift", ["drift", "estimated_quality"], True),
        ("drift", ["drift", "slice", "limit"], False),
        ("quality", ["drift", "estimated_quality"], False),
        ("quality", ["quality"], True),
    ],
)
def test_each_rule_asks_for_its_own_alarms(when: str, kinds: list[Kind], is_due: bool) -> None:
    assert due(rule(when=when), found(*kinds), PAST, AUGUST).due is is_due


def test_the_schedule_counts_from_the_rows_of_the_last_training() -> None:
    settings = rule(when="schedule", every="3mo")
    assert not due(settings, [], PAST, date(2013, 9, 30)).due
    assert due(settings, [], PAST, OCTOBER).due
    assert due(settings, [], [], OCTOBER).due


def test_a_cooldown_counts_refused_trainings_too() -> None:
    settings = rule(when="always", cooldown="6w")
    early = due(settings, [], PAST, AUGUST)
    assert not early.due
    assert "cooldown of 6w since 2013-07-01" in early.reason
    assert due(settings, [], PAST, date(2013, 8, 12)).due


def test_nothing_is_trained_twice_on_the_same_rows() -> None:
    again = due(rule(when="always"), [], PAST, JULY)
    assert not again.due
    assert "nothing newer" in again.reason


def test_a_training_must_fit_into_what_the_budget_has_left() -> None:
    past = [Training(date(2013, 6, 1), 10.0), Training(date(2013, 7, 20), 10.0)]
    assert due(rule(when="always", budget_cpu_s=20), [], past, AUGUST).due
    over = due(rule(when="always", budget_cpu_s=19), [], past, AUGUST)
    assert not over.due
    assert over.evidence.spent_cpu_s == 10.0
    assert not due(rule(when="always", budget_cpu_s=25, budget_period="3mo"), [], past, AUGUST).due


def test_skew_is_a_fault_to_repair_and_not_to_learn() -> None:
    skewed = due(rule(when="quality"), found("quality", "skew"), PAST, AUGUST)
    assert not skewed.due
    assert "repair it first" in skewed.reason


def test_the_evidence_says_what_the_decision_rests_on() -> None:
    evidence = due(rule(when="drift"), found("drift", "drift", "quality"), PAST, AUGUST).evidence
    assert evidence.alarms == {"drift": 2, "quality": 1}
    assert evidence.last_training == JULY
