"""The quick path for one row gives what the batch path gives: the same bits, the same warnings, the same refusals."""

import json
import math
import random
import re
import struct
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from projects import Project
from services import MODELS, POLICY, json_rows, make_bundle
from shipped import shipped

from accord.bundle.bundle import Bundle, load_bundle
from accord.schema.data import Column
from accord.schema.objective import Policy
from accord.schema.serving import Serving
from accord.serving.engine import Answered, Engine
from accord.serving.requests import InvalidRowError
from accord.sql.compiled import compile_sql

N_RANDOM = 1500
# The service asks NumPy for silence too: an exponential that overflows is infinite on both paths.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")

UNSEEN = ["", " ", "moon", "BIKE 3", "Fahrrad Ü", "東京", "a'b", 'a"b\\', "\x00", "bike 3 ", "x" * 1000]
POINTS = [0.0, -0.0, 0.5, 1.0, 5.5, 90.0, 5e-324, 1e-310, 0.1 + 0.2, 2.0**53 + 2, 1.7976931348623157e308]
SETTINGS = shipped(Serving)


def engine(bundle: Bundle, weights: dict[str, float] | None = None, settings: Serving = SETTINGS) -> Engine:
    return Engine.of(bundle, settings, NoPseudonyms, weights)


class NoPseudonyms:
    def of(self, value: Any) -> None:
        return None


def drawn(columns: dict[str, Column], generator: random.Random) -> dict[str, Any]:
    """A row at random that keeps the contract, as a request carries it."""
    row = {}
    for name, column in columns.items():
        if column.nullable and generator.random() < 0.2:
            if generator.random() < 0.5:
                row[name] = None
        else:
            row[name] = value(column, generator)
    return row


def value(column: Column, generator: random.Random) -> Any:
    low, high = column.min, column.max
    if column.type == "boolean":
        return generator.random() < 0.5
    if column.type == "category":
        return generator.choice(column.values or [*UNSEEN, *(f"bike {i}" for i in range(7))])
    if column.type == "datetime":
        instant = datetime(2024, 1, 1) + timedelta(microseconds=generator.randint(-(10**15), 10**15))
        ends = [datetime.min, datetime.max, datetime(1970, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999999)]
        return (generator.choice(ends) if generator.random() < 0.1 else instant).isoformat()
    if column.type == "integer":
        least, most = math.ceil(low or -(2**63)), math.floor(high or 2**63 - 1)
        near = [least, least + 1, most, most - 1, 0, 1, -1, 2**53 + 1]
        return generator.choice([*(x for x in near if least <= x <= most), generator.randint(least, most)])
    bounds = [x for bound in (low, high) if bound is not None for x in (bound, math.nextafter(bound, 1))]
    least, most = -1e308 if low is None else low, 1e308 if high is None else high
    points = [x for x in (*POINTS, *bounds) if least <= x <= most]
    return generator.choice([*points, *(generator.uniform(least, most) for _ in points)])


def decoded(engine: Engine, rows: Sequence[dict[str, Any]]) -> list[Any]:
    """The rows by way of the text of a request."""
    return engine.decoder.rows(json.dumps({"rows": rows}).encode())


def bits(answered: Answered) -> tuple[Any, ...]:
    predictions = {name: struct.pack("<d", x) for name, x in answered.predictions.items()}
    score = None if answered.score is None else struct.pack("<d", answered.score)
    return predictions, score, answered.action, answered.warnings


def compare(engine: Engine, rows: list[Any]) -> int:
    """Asserts that both paths agree on every row; the number of rows that were answered."""
    assert engine.quick is not None
    answers, kept = [], []
    for row in rows:
        try:
            answers.append(engine.quick(row, 0))
            kept.append(row)
        except InvalidRowError as error:
            with pytest.raises(InvalidRowError, match=f"^{re.escape(str(error))}$"):
                engine.answer([row])
    for row, quickly, slowly in zip(kept, answers, engine.answer(kept), strict=True):
        assert bits(quickly) == bits(slowly), row
    return len(kept)


@pytest.fixture(scope="module", params=MODELS)
def bundle(request: pytest.FixtureRequest, released: dict[str, Path]) -> Bundle:
    return load_bundle(released[request.param])


def test_rows_of_test_get_the_same_bits_and_warnings_one_by_one(packaged: Project, bundle: Bundle) -> None:
    of_policy = engine(bundle)
    rows = decoded(of_policy, json_rows(packaged, bundle))
    assert compare(of_policy, rows) == len(rows) > 300


def test_random_rows_of_the_contract_get_the_same_bits_warnings_and_refusals(bundle: Bundle) -> None:
    generator = random.Random(1)
    of_policy = engine(bundle)
    rows = decoded(
        of_policy,
        [drawn({**bundle.columns, **bundle.context}, generator) for _ in range(N_RANDOM)],
    )
    n_answered = compare(of_policy, rows)
    assert N_RANDOM / 2 < n_answered < N_RANDOM  # some break the rule of members
    answers = [of_policy.answer_quickly([row])[0] for row in rows[:200] if row.member is None]
    assert any(answer.warnings for answer in answers)
    assert any(not answer.warnings for answer in answers)


@pytest.mark.parametrize("weights", [{"w": 0.0}, {"w": -1e308, "fee": 1e308}, {"fee": 5e-324, "w": 2.0}])
def test_weights_that_were_set_count_on_both_paths(
    packaged: Project, bundle: Bundle, weights: dict[str, float]
) -> None:
    changed, plain = engine(bundle, weights), engine(bundle)
    rows = decoded(changed, json_rows(packaged, bundle)[:100])
    assert compare(changed, rows) == 100
    assert [a.predictions for a in changed.answer(rows)] == [a.predictions for a in plain.answer(rows)]
    assert [a.score for a in changed.answer(rows)] != [a.score for a in plain.answer(rows)]


def test_a_model_without_a_policy_scores_and_decides_nothing_on_either_path(packaged: Project) -> None:
    without = engine(load_bundle(packaged.root / "models/bundle"))
    rows = decoded(without, json_rows(packaged, without.bundle)[:100])
    assert compare(without, rows) == 100
    assert {(a.score, a.action) for a in without.answer_quickly(rows)} == {(None, None)}


def test_a_rule_without_a_compiled_form_sends_every_row_by_the_batch_path(
    packaged: Project, released: dict[str, Path]
) -> None:
    bundle = load_bundle(released["lightgbm"])
    sql = "NOT regexp_like(bike, '^mo+n$')"
    assert compile_sql(sql, "data.rules.no_moon", bundle.types) is None
    ruled = engine(
        replace(
            bundle,
            rules={**bundle.rules, "no_moon": sql},
            compiled={**bundle.compiled, "data.rules.no_moon": None},
        )
    )
    assert ruled.quick is None
    rows = json_rows(packaged, bundle)[:20]
    quick = engine(bundle)
    assert [bits(a) for a in ruled.answer_quickly(decoded(ruled, rows))] == [
        bits(a) for a in quick.answer_quickly(decoded(quick, rows))
    ]
    with pytest.raises(InvalidRowError, match=r"rows\[1\].*no_moon"):
        ruled.answer_quickly(decoded(ruled, [rows[0], rows[1] | {"bike": "moon"}]))


def test_a_row_that_python_cannot_hold_is_answered_by_the_batch_path(
    packaged: Project, tmp_path: Path
) -> None:
    """A day after the last of Python's calendar is one that Polars has."""
    policy = shipped(
        Policy,
        score=POLICY.score,
        weights=POLICY.weights,
        action="booked_at + INTERVAL '1 day' > strptime('2024-03-01', '%Y-%m-%d')",
    )
    late = engine(load_bundle(make_bundle(packaged, tmp_path, policy=policy)))
    assert late.quick is not None
    [row] = decoded(late, [json_rows(packaged, late.bundle)[0] | {"booked_at": "9999-12-31T23:00:00"}])
    with pytest.raises((ArithmeticError, ValueError)):
        late.quick(row, 0)
    [answer] = late.answer_quickly([row])
    assert bits(answer) == bits(late.answer([row])[0])
    assert answer.action is True


def test_the_first_row_that_breaks_a_rule_is_named_alike_on_both_paths(
    packaged: Project, bundle: Bundle
) -> None:
    both = engine(bundle)
    good = json_rows(packaged, bundle)[0]
    broken = good | {"member": True, "distance": 95.0}
    rows = decoded(both, [good, good, broken, broken])
    reasons = []
    for path in (both.answer_quickly, both.answer):
        with pytest.raises(InvalidRowError) as refused:
            path(rows)
        reasons.append(str(refused.value))
    assert reasons[0] == reasons[1]
    assert "rows[2]" in reasons[0]
    assert "members_ride_near" in reasons[0]


@pytest.mark.parametrize("where", ["data.rules.exists", "data.derived.is_long"])
def test_a_row_that_an_expression_has_no_value_for_is_named_alike_on_both_paths(
    packaged: Project, bundle: Bundle, where: str
) -> None:
    sql = "extract(day FROM date(concat('2024-02-', seats))) > 0"
    name = where.rpartition(".")[2]
    changed = replace(
        bundle,
        rules={name: sql} if where.startswith("data.rules") else {},
        transform=replace(
            bundle.transform, derived={"is_long": sql} if "derived" in where else bundle.transform.derived
        ),
        compiled=bundle.compiled | {where: compile_sql(sql, where, bundle.types)},
    )
    both = engine(changed)
    good = json_rows(packaged, bundle)[0]
    rows = decoded(both, [good | {"seats": seats} for seats in (1, 29, 30, 31, 2)])
    assert len(both.answer(rows[:2])) == 2
    for path in (both.answer_quickly, both.answer):
        with pytest.raises(
            InvalidRowError, match=rf"rows\[2\]: {name} can't be computed from its values: extract"
        ):
            path(rows)


def test_explored_actions_leave_the_score_and_the_predictions_alone(
    packaged: Project, released: dict[str, Path]
) -> None:
    """Within five standard deviations of the share that explores."""
    bundle, share, n = load_bundle(released["lightgbm"]), 0.4, 4000
    plain, exploring = engine(bundle), engine(bundle, settings=shipped(Serving, explore=share))
    [row] = decoded(plain, json_rows(packaged, bundle)[:1])
    [usual] = plain.answer_quickly([row])
    assert usual.probability is None
    assert [bits(a) for a in exploring.answer([row] * n)] == [bits(usual)] * n
    for answers in (
        exploring.explored(path([row] * n)) for path in (exploring.answer_quickly, exploring.answer)
    ):
        assert all(bits(a)[:2] == bits(usual)[:2] for a in answers)
        others = [a for a in answers if a.action != usual.action]
        assert abs(len(others) - n * share / 2) < 5 * math.sqrt(n * share / 2)
        assert {a.probability for a in others} == {share / 2}
        assert {a.probability for a in answers if a.action == usual.action} == {1 - share / 2}
