"""Verdicts on candidates whose quality is known by construction."""

import numpy as np
import polars as pl
import pytest
from shipped import shipped

from accord.objective import teams
from accord.promotion import judge
from accord.promotion.judge import Judgement, Measured
from accord.schema.objective import Metric, Objective

N_DAYS, PER_DAY = 40, 50
OBJECTIVE = shipped(Objective, name="cover", targets={"late": {"task": "binary", "sql": "delay > 0"}}, policy={"weights": {"cost": 0.3}, "score": "late - cost"}, metrics={
        "margin": {"team": "sales", "sql": "SUM(CASE WHEN action THEN actual_late - cost ELSE 0 END) / COUNT(*)",
                   "better": "higher", "weight": 1, "scale": 0.01, "tolerance": 0.01},
        "loss": {"team": "science", "builtin": "log_loss", "max": 0.6, "tolerance": 0.02},
        "gap": {"team": "governance", "sql": "AVG(CASE WHEN action = (actual_late = 1) THEN 0 ELSE 1 END)", "group": "side",
                "max": 0.2},
    }, promotion={"gain": 0.2})  # fmt: skip
SETTINGS = judge.Settings(n_resamples=400, level=0.95, min_rows=50, seed=1)


class World:
    """Rows on days whose mood all rows of the day share, and models that see the truth through more or less noise."""

    def __init__(self, seed: int) -> None:
        generator = np.random.default_rng(seed)
        day = np.repeat(np.arange(N_DAYS), PER_DAY)
        n = len(day)
        self.truth = generator.normal(-1, 1, n) + generator.normal(0, 0.7, N_DAYS)[day]
        self.y = (generator.random(n) < 1 / (1 + np.exp(-self.truth))).astype(float)
        side = generator.choice(["left", "right"], n)
        self.rows = pl.DataFrame({"delay": np.where(self.y > 0, 1.0, -1.0), "side": side})
        self.days = pl.Series(day)
        self.generator = generator

    def model(self, noise: float) -> np.ndarray:
        return 1 / (1 + np.exp(-(self.truth + self.generator.normal(0, noise, len(self.y)))))

    def played(self, p: np.ndarray) -> teams.Played:
        baselines = {"late": np.full(len(p), self.y.mean())}
        return teams.play(self.rows, OBJECTIVE.targets, OBJECTIVE.policy, {"late": p}, baselines, self.days)

    def first(self, n_days: int) -> "World":
        """Its first days alone."""
        kept = self.days < n_days
        self.rows, self.days = self.rows.filter(kept), self.days.filter(kept)
        self.y, self.truth = self.y[kept.to_numpy()], self.truth[kept.to_numpy()]
        return self

    def card(
        self,
        candidate: np.ndarray,
        champion: np.ndarray | None,
        objective: Objective = OBJECTIVE,
        nth: int = 1,
    ) -> Judgement:
        pair = judge.Pair(self.played(candidate), None if champion is None else self.played(champion))
        return judge.judge(objective, {"test": pair}, Measured(), None, SETTINGS, nth)


def test_the_first_candidate_needs_only_to_keep_the_hard_limits() -> None:
    world = World(0)
    assert world.card(world.model(0.3), None).verdict == "pass"


def test_a_candidate_that_truly_is_better_is_recognised() -> None:
    found = []
    for seed in range(20):
        world = World(seed)
        found.append(world.card(world.model(0.2), world.model(3.0)).verdict)
    assert found.count("pass") >= 18


def test_two_equal_models_are_hardly_ever_called_better() -> None:
    better = 0
    for seed in range(200):
        world = World(seed)
        better += world.card(world.model(1.0), world.model(1.0)).verdict == "pass"
    assert better <= 10  # 5 %


@pytest.mark.slow
def test_of_twenty_equal_candidates_hardly_ever_one_is_promoted() -> None:
    promoted = 0
    for seed in range(60):
        world = World(seed)
        champion = world.model(1.0)
        promoted += any(
            world.card(world.model(1.0), champion, nth=nth).verdict == "pass" for nth in range(1, 21)
        )
    assert promoted <= 6  # 5 % are 3; without counting it is a third


def test_a_twentieth_candidate_that_truly_is_better_is_recognised() -> None:
    found = [World(seed) for seed in range(20)]
    cards = [world.card(world.model(0.2), world.model(3.0), nth=20) for world in found]
    assert sum(card.verdict == "pass" for card in cards) >= 18


@pytest.mark.parametrize("n_days", [1, 3, 7])
def test_few_days_are_no_evidence_against_a_champion_and_it_says_how_many_would_be(n_days: int) -> None:
    world = World(5).first(n_days)
    card = world.card(world.model(0.2), world.model(3.0))
    assert card.verdict == "fail"
    assert any(
        reason.startswith("score: ")
        and "too few to be sure of a gain, which is no evidence; 10 or more" in reason
        for reason in card.reasons
    )
    assert {row.verdict for row in card.rows if row.tolerance is not None} == {"no evidence"}


def test_the_announced_gain_is_less_than_the_measured_one_where_it_was_a_near_thing() -> None:
    for seed in range(20):
        world = World(seed)
        card = world.card(world.model(0.8), world.model(1.0))
        score = card.score["test"]
        if card.verdict == "pass":
            assert 0 < score.likely_gain < score.gain
            assert f"rises by {score.likely_gain:.3g} (measured {score.gain:.3g}" in card.reasons[0]
        else:
            assert score.likely_gain is None or score.gain < OBJECTIVE.promotion.gain or card.reasons


def vetoes(noise: float, n_days: int) -> list[Judgement]:
    """Cards of good candidates that have this much noise on the holdout, where the champion has 1."""
    cards = []
    for seed in range(40):
        world, other = World(seed), World(seed + 100).first(n_days)
        pairs = {
            "test": judge.Pair(world.played(world.model(0.2)), world.played(world.model(3.0))),
            "holdout": judge.Pair(other.played(other.model(noise)), other.played(other.model(1.0))),
        }
        cards.append(judge.judge(OBJECTIVE, pairs, Measured(), None, SETTINGS))
    return cards


def test_the_holdout_hardly_ever_refuses_an_equal_candidate_and_says_what_it_cannot_tell() -> None:
    cards = vetoes(1.0, 13)
    assert (
        sum(any("surely is worse" in reason for reason in card.reasons) for card in cards) <= 5
    )  # of 40; 5 % are 2
    passed = [card for card in cards if card.verdict == "pass"]
    assert any(
        "on the 13 holdout days" in reason and "it is no evidence" in reason
        for card in passed
        for reason in card.reasons
    )


def test_the_holdout_refuses_what_is_much_worse_there() -> None:
    cards = vetoes(3.0, 13)
    assert sum(any("surely is worse" in reason for reason in card.reasons) for card in cards) >= 36


def test_shuffled_predictions_are_refused_by_sales_with_the_reason() -> None:
    world = World(3)
    good = world.model(0.2)
    card = world.card(world.generator.permutation(good), good)
    assert card.verdict == "fail"
    assert any(reason.startswith("sales: margin may be worse than the champion's") for reason in card.reasons)


def test_errors_piled_on_one_group_are_refused_by_governance() -> None:
    world = World(4)
    good = world.model(0.2)
    hurt = np.where((world.rows["side"] == "left").to_numpy(), 1 - good, good)
    reasons = world.card(hurt, good).reasons
    assert any(
        reason.startswith("governance: gap is ") and "above its limit of 0.2" in reason for reason in reasons
    )


def test_a_hard_limit_without_evidence_fails_the_candidate() -> None:
    measured = shipped(Metric, team="product", builtin="p99_ms", max=10)
    objective = OBJECTIVE.model_copy(update={"metrics": {**OBJECTIVE.metrics, "latency": measured}})
    world = World(5)
    card = world.card(world.model(0.2), None, objective)
    (row,) = [row for row in card.rows if row.name == "latency"]
    assert row.verdict == "no evidence"
    assert card.verdict == "fail"
    assert "product: latency could not be computed or measured" in card.reasons


def near_its_limit(unknown: str | None, with_champion: bool) -> Judgement:
    """The card of a good candidate whose log loss is so near its limit that nothing can be told."""
    world = World(5)
    candidate, champion = world.model(0.2), world.model(3.0)
    loss = world.card(candidate, None).rows[1].value
    metric = OBJECTIVE.metrics["loss"].model_copy(update={"max": loss + 0.001, "unknown": unknown})
    objective = OBJECTIVE.model_copy(update={"metrics": {**OBJECTIVE.metrics, "loss": metric}})
    return world.card(candidate, champion if with_champion else None, objective)


@pytest.mark.parametrize(
    ("unknown", "with_champion", "verdict"),
    [
        (None, False, "pass"), (None, True, "fail"), ("refuse", False, "fail"), ("refuse", True, "fail"),
        ("allow", False, "pass"), ("allow", True, "pass"),
    ],
)  # fmt: skip
def test_a_limit_that_cannot_be_told_keeps_a_champion_unless_the_objective_says_otherwise(
    unknown: str | None, with_champion: bool, verdict: str
) -> None:
    card = near_its_limit(unknown, with_champion)
    (row,) = [row for row in card.rows if row.name == "loss"]
    assert row.verdict == "no evidence"
    assert "more days would tell" in row.reason
    assert card.verdict == verdict
    assert any(reason == f"science: {row.reason}" for reason in card.reasons)
    if verdict == "pass":
        assert card.reasons[0].startswith("every other hard limit is kept")


def test_a_week_can_be_promoted_where_there_is_no_champion_and_says_how_little_it_knows() -> None:
    world = World(5).first(7)
    card = world.card(world.model(0.2), None)
    assert card.verdict == "pass"
    assert any("7 days are too few to be sure" in reason for reason in card.reasons)


def test_a_measured_limit_is_judged_in_its_unit() -> None:
    measured = shipped(Metric, team="product", builtin="p99_ms", max=10, tolerance=1)
    objective = OBJECTIVE.model_copy(update={"metrics": {"latency": measured}})
    world = World(5)
    pair = judge.Pair(world.played(world.model(0.2)), None)
    card = judge.judge(objective, {"test": pair}, Measured({"p99_ms": 12.0}), None, SETTINGS)
    assert card.reasons == ["product: latency is 12 ms, above its limit of 10"]


LATENCY = shipped(Metric, team="product", builtin="p99_ms", max=10, tolerance=1)


def latency(measured: Measured) -> tuple[Judgement, judge.Row]:
    objective = OBJECTIVE.model_copy(update={"metrics": {"latency": LATENCY}})
    world = World(5)
    card = judge.judge(
        objective, {"test": judge.Pair(world.played(world.model(0.2)), None)}, measured, None, SETTINGS
    )
    return card, card.rows[0]


def test_a_miss_on_a_busy_machine_is_no_evidence_and_neither_refuses_nor_counts_as_kept() -> None:
    card, row = latency(Measured({"p99_ms": 56.0}, {"p99_ms": 54.0}, "others took 1.8 of 2 cores"))
    assert row.verdict == "no evidence"
    assert "others took 1.8 of 2 cores" in row.reason
    assert card.verdict == "pass"
    assert card.reasons[0].startswith("every other hard limit is kept")
    assert card.reasons[1].startswith("product: latency is 56 ms, above its limit of 10")


@pytest.mark.parametrize(("best", "verdict"), [(10.5, "fail"), (9.9, "no evidence"), (None, "no evidence")])
def test_a_miss_on_a_quiet_machine_fails_if_the_rounds_can_tell(best: float | None, verdict: str) -> None:
    card, row = latency(Measured({"p99_ms": 12.0}, {"p99_ms": best}))
    assert row.verdict == verdict
    assert card.verdict == ("fail" if verdict == "fail" else "pass")


def test_a_limit_that_is_kept_on_a_busy_machine_is_kept() -> None:
    card, row = latency(Measured({"p99_ms": 9.0}, {"p99_ms": 8.0}, "others took 1.8 of 2 cores"))
    assert (row.verdict, card.verdict) == ("pass", "pass")
    assert card.reasons[0].startswith("every hard limit is kept")


def test_a_candidate_slower_than_the_champion_beside_it_fails_on_a_quiet_machine_alone() -> None:
    figures, best = {"p99_ms": 9.0, "champion_p99_ms": 5.0}, {"p99_ms": 8.5}
    assert latency(Measured(figures, best))[1].verdict == "fail"
    assert latency(Measured(figures, best, "others took 1 of 2 cores"))[1].verdict == "no evidence"
    assert latency(Measured(figures, {"p99_ms": 5.5}))[1].verdict == "no evidence"


def test_a_figure_that_does_not_vary_fails_whatever_the_machine_does() -> None:
    size = shipped(Metric, team="platform", builtin="bundle_mb", max=1)
    assert not judge.is_untold(
        size, Measured({"bundle_mb": 2.0}, {"p99_ms": 1.0}, "others took 1 of 2 cores")
    )


def test_every_row_states_its_reason_in_a_sentence() -> None:
    world = World(6)
    card = world.card(world.model(0.5), world.model(0.5))
    assert all(len(row.reason.split()) > 3 for row in card.rows)
    assert card.reasons


def test_the_score_is_the_sum_of_weight_times_signed_value_over_scale() -> None:
    world = World(7)
    played = world.played(world.model(0.5))
    margin = np.where(played.action, world.y - 0.3, 0).mean()
    card = judge.judge(OBJECTIVE, {"test": judge.Pair(played, None)}, Measured(), None, SETTINGS)
    assert card.score["test"].value == pytest.approx(margin / 0.01, rel=1e-9)
