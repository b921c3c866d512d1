"""Tradeoffs in a world where two teams truly want different things, and on points made by hand."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from shipped import shipped

from accord.errors import AccordError
from accord.objective import teams
from accord.promotion import experiments, judge, sweep
from accord.promotion.sweep import Tradeoff
from accord.report import tradeoff
from accord.schema.objective import Objective

N_DAYS, PER_DAY = 30, 100
SETTINGS = judge.Settings(n_resamples=300, level=0.9, min_rows=50, seed=1)
PLAIN: dict[str, Any] = {
    "name": "cover",
    "targets": {"late": {"task": "binary", "sql": "delay > 0"}},
    "policy": {
        "weights": {"w": 0.4, "fee": 0.3},
        "score": "(1 - w) * (fee - late) + w * late",
    },
    "metrics": {
        "margin": {"team": "sales", "sql": "1000 * SUM(CASE WHEN action THEN fee - actual_late ELSE 0 END) / COUNT(*)",
                   "better": "higher", "weight": 0.7, "scale": 100},
        "covered": {"team": "care", "sql": "AVG(action) FILTER (WHERE actual_late = 1)", "better": "higher", "tolerance": 0.1},
        "loss": {"team": "science", "builtin": "log_loss", "max": 0.9},
        "latency": {"team": "product", "builtin": "p99_ms", "max": 10},
    },
}  # fmt: skip
OBJECTIVE = shipped(Objective, **PLAIN)


def played(seed: int = 0) -> teams.Played:
    """Lateness whose chance the model knows: cover for the likely late loses money and reaches those who need it."""
    generator = np.random.default_rng(seed)
    day = np.repeat(np.arange(N_DAYS), PER_DAY)
    p = generator.beta(1, 2, len(day))
    late = generator.random(len(day)) < p
    rows = pl.DataFrame({"delay": np.where(late, 1.0, -1.0)})
    baselines = {"late": np.full(len(day), late.mean())}
    return teams.play(rows, OBJECTIVE.targets, OBJECTIVE.policy, {"late": p}, baselines, pl.Series(day))


def swept(objective: Objective = OBJECTIVE, **changes: Any) -> Tradeoff:
    moved = sweep.sweep(sweep.policy_of(objective), **changes)
    return sweep.tradeoff(objective, played(), moved, SETTINGS)


def values(report: Tradeoff, metric: str) -> list[float | None]:
    return [point.metrics[metric].value for point in report.points]


def test_more_weight_on_one_team_never_covers_fewer_and_the_front_falls() -> None:
    report = swept()
    covered = values(report, "covered")
    assert covered == sorted(covered)
    front = [point.metrics for point in report.points if not point.dominated_by]
    front.sort(key=lambda metrics: metrics["covered"].value)
    margins = [metrics["margin"].value for metrics in front]
    assert len(front) > 5
    assert margins == sorted(margins, reverse=True)


def test_the_shipped_point_equals_the_plain_table() -> None:
    one = played()
    plain = teams.table(
        OBJECTIVE.metrics, one, OBJECTIVE.targets, OBJECTIVE.policy, SETTINGS.level, SETTINGS.min_rows
    )
    (shipped,) = [point for point in swept().points if point.shipped]
    assert shipped.weight == 0.4
    for name, estimate in plain.items():
        found = {side: getattr(shipped.metrics[name], side) for side in vars(estimate)}
        assert found == pytest.approx(vars(estimate))
    assert set(shipped.teams.values()) == {"same"}
    assert all(found.change == 0 for found in shipped.metrics.values())


def test_a_metric_that_names_the_weight_keeps_its_shipped_value() -> None:
    report = swept(weight="fee", begin=0.0, end=100.0, n_steps=2)
    everyone = report.points[-1]
    assert everyone.acted == 1
    late = (played().outcomes["late"]).mean()
    assert everyone.metrics["margin"].value == pytest.approx(1000 * (0.3 - late))


def test_each_end_of_the_weight_has_its_winner_and_its_loser() -> None:
    points = swept().points
    assert points[0].teams == {"sales": "better", "care": "worse", "science": "same"}
    assert points[-1].teams == {"sales": "worse", "care": "better", "science": "same"}


def test_what_does_not_follow_the_decision_does_not_move() -> None:
    report = swept()
    assert len(set(values(report, "loss"))) == 1
    sensitivity = {metric.name: metric.sensitivity.value for metric in report.metrics}
    assert sensitivity["loss"] == 0
    assert sensitivity["margin"] < 0 < sensitivity["covered"]


def test_a_sensitivity_is_the_change_over_a_tenth_of_the_weight_around_the_shipped_value() -> None:
    around = swept(begin=0.35, end=0.45, n_steps=2)
    found = {metric.name: metric.sensitivity.value for metric in around.metrics}
    margin = values(around, "margin")
    assert found["margin"] == pytest.approx(margin[-1] - margin[0])


def points(*pairs: tuple[float | None, float | None]) -> list[dict[str, float | None]]:
    return [{"margin": a, "covered": b} for a, b in pairs]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (points((1, 1), (2, 2), (3, 0)), [[1], [], []]),
        (points((1, 1), (1, 1)), [[], []]),
        (points((1, 1), (1 + 1e-13, 1)), [[], []]),
        (points((1, 1), (1, 2), (0, 0)), [[1], [], [0, 1]]),
        (points((1, None), (2, 2)), [[], []]),
        (points((-1e6, 0), (-1e6 + 1, 0)), [[1], []]),
    ],
)
def test_dominated_is_what_another_point_beats_without_a_loss(
    made: list[dict[str, float | None]], expected: list[list[int]]
) -> None:
    assert sweep.dominated_by(made, OBJECTIVE) == expected


def test_a_lower_value_dominates_where_lower_is_better() -> None:
    gap = {"team": "governance", "sql": "AVG(action)", "group": "side", "tolerance": 0.1}
    objective = shipped(Objective, **{**PLAIN, "metrics": {"gap": gap}})
    assert sweep.dominated_by([{"gap": 0.3}, {"gap": 0.1}], objective) == [[1], []]


def test_the_range_follows_the_shipped_value_and_holds_it() -> None:
    policy = sweep.policy_of(OBJECTIVE)
    assert list(sweep.sweep(policy).values) == [round(i / 20, 12) for i in range(21)]
    assert 0.4 in sweep.sweep(policy, n_steps=4).values
    dear = policy.model_copy(update={"weights": {"fee": 12.0}})
    assert sweep.sweep(dear, n_steps=3).values == [0, 12, 24]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"weight": "we"}, "has no weight 'we'; did you mean 'w'"),
        ({"begin": 1.0, "end": 0.0}, "expected --from below --to"),
        ({"n_steps": 1}, "expected 2 or more"),
    ],
)
def test_a_sweep_that_can_not_be_is_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(AccordError, match=expected):
        sweep.sweep(sweep.policy_of(OBJECTIVE), **changes)


@pytest.mark.parametrize("policy", [None, {"score": "late"}])
def test_an_objective_without_anything_to_move_is_refused_in_one_line(policy: dict[str, Any] | None) -> None:
    metrics = {"loss": PLAIN["metrics"]["loss"]}
    objective = shipped(Objective, **{**PLAIN, "policy": policy, "metrics": metrics})
    with pytest.raises(AccordError, match="nothing to trade off") as error:
        sweep.policy_of(objective)
    assert "\n" not in str(error.value)


def run(**changes: Any) -> dict[str, Any]:
    """What DVC shows of one experiment."""
    objective = {**PLAIN, **changes.pop("objective", {})}
    shown = {
        "params": {
            "params.yaml": {"data": {"model": "linear", "objective": "cover", "overrides": {}}},
            "conf.lock.yaml": {"data": {"objective": objective}},
        },
        "metrics": {"reports/team_metrics.json": {"data": {"test": {"margin": -9.0, "covered": 0.5, "loss": 0.4}}}},
        "deps": {"data/splits": {"hash": "one"}},
    }  # fmt: skip
    return {**shown, **changes}


def shown(**named: Any) -> list[dict[str, Any]]:
    experiments = [
        {"name": name, "revs": [{"rev": "abc", "name": name, "data": data}]} for name, data in named.items()
    ]
    return [
        {"rev": "workspace", "data": run(), "experiments": None},
        {"rev": "def", "data": run(), "experiments": experiments},
    ]


def test_experiments_on_the_same_rows_are_further_points() -> None:
    found, left_out = experiments.experiments(shown(rival=run()), OBJECTIVE)
    assert [one.name for one in found] == ["workspace", "rival"]
    assert found[1].metrics["margin"].value == -9.0
    assert found[1].score == pytest.approx(0.7 * -9 / 100)
    assert left_out == []


def test_what_can_not_be_compared_is_left_out_with_the_reason() -> None:
    moved = run(deps={"data/splits": {"hash": "two"}})
    found, left_out = experiments.experiments(shown(queued=None, moved=moved), OBJECTIVE)
    assert [one.name for one in found] == ["workspace"]
    reasons = {one.name: one.reason for one in left_out}
    assert "has not run" in reasons["queued"]
    assert "other rows" in reasons["moved"]


def test_a_metric_counts_only_where_its_fee_is_ours_but_other_weights_may_differ() -> None:
    policy = PLAIN["policy"]
    dearer = run(objective={"policy": {**policy, "weights": {"w": 0.4, "fee": 0.5}}})
    bolder = run(objective={"policy": {**policy, "weights": {"w": 0.9, "fee": 0.3}}})
    (_, one, other), _ = experiments.experiments(shown(dearer=dearer, bolder=bolder), OBJECTIVE)
    assert one.metrics["margin"].value is None
    assert one.metrics["covered"].value == 0.5
    assert other.metrics["margin"].value == -9.0


def full(report: Tradeoff, **changes: Any) -> experiments.Report:
    about = {"data": "flights", "model_id": "abc", "blocks": "days"}
    return experiments.Report(**{**vars(report), **about, **changes})


def test_the_page_escapes_names_and_loads_nothing_from_elsewhere() -> None:
    evil = "</script><script>alert('&')</script>"
    report = swept()
    first, *others = report.metrics
    html = tradeoff.render(
        full(
            report,
            data=evil,
            description=evil,
            left_out=[experiments.LeftOut(evil, evil)],
            metrics=[replace(first, team=evil, description=evil, unit=evil), *others],
            teams=[evil, *report.teams[1:]],
            points=[
                replace(point, teams={**point.teams, evil: point.teams["sales"]}) for point in report.points
            ],
        )
    )
    assert html.count("<script") == 2
    assert evil not in html
    assert not re.findall(r"https?://|src=|@import|url\(", html)


def test_the_terminal_marks_the_shipped_weight_and_names_winners_and_losers() -> None:
    lines = tradeoff.as_text(full(swept())).splitlines()
    (shipped,) = [line for line in lines if line.startswith("* ") and "as shipped" not in line]
    assert shipped.split()[1] == "0.4"
    assert re.search(r"care +sales", lines[21])
