"""Outcomes that are known early, or of some rows only, don't make a bad month look good."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from shipped import shipped

from accord.monitoring import known_rows, quality
from accord.monitoring.maturity import MATURE, matured
from accord.monitoring.observed import AT, EVENT, KNOWN, PROBABILITY
from accord.objective.fairness import restricted
from accord.objective.teams import Played
from accord.schema.data import Time
from accord.schema.objective import Target

N_DAYS, PER_DAY = 28, 500
TARGET = shipped(Target, task="binary", sql="late")
LOG_LOSS = quality.TargetMetric("late", "log_loss")


def traffic(seed: int, worse: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, predictions and days of a month; in a bad one log-odds are higher by `worse` than predicted."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(N_DAYS), PER_DAY)
    logit = rng.normal(-2, 1, len(day))
    late = (rng.random(len(day)) < 1 / (1 + np.exp(-logit - worse))).astype(float)
    return late, 1 / (1 + np.exp(-logit)), day


def logged(seed: int, worse: float, replayed: bool = False) -> pl.DataFrame:
    """A month's rows as the log has them the day after its last: that nothing happened is known after a day, that something did
    after up to ten."""
    rng = np.random.default_rng(seed)
    late, p, day = traffic(seed, worse)
    begin = datetime(2024, 3, 1)
    event = [begin + timedelta(days=d + r) for d, r in zip(day, rng.random(len(day)), strict=True)]
    delay = np.where(late == 1, 1 + 9 * rng.random(len(day)), 1)
    came = [e + timedelta(days=d) for e, d in zip(event, delay, strict=True)]
    now = begin + timedelta(days=N_DAYS)
    rows = pl.DataFrame({EVENT: event, AT: event, "came": came, "late": late, "p": p, "day": day})
    if replayed:
        rows = rows.with_columns(pl.lit(datetime(2026, 1, 1)).alias(AT), came=pl.lit(datetime(2026, 1, 2)))
        now = datetime(2026, 1, 3)
    is_known = pl.col("came") <= now
    return rows.with_columns(pl.when(is_known).then(pl.col("came").dt.replace_time_zone("UTC")).alias(KNOWN))


def log_loss(rows: pl.DataFrame) -> float:
    y, p = rows["late"].to_numpy(), rows["p"].to_numpy()
    return float(-(y * np.log(p) + (1 - y) * np.log1p(-p)).mean())


def counted(
    rows: pl.DataFrame, label_delay: str, as_of: datetime | None = None
) -> tuple[pl.DataFrame, list[str]]:
    found, said = matured(rows.lazy(), shipped(Time, event="at", label_delay=label_delay), as_of)
    return found.filter(pl.col(KNOWN).is_not_null()).collect(), said


@pytest.mark.parametrize("label_delay", ["10d", "1d"])
def test_late_outcomes_do_not_make_a_bad_month_look_good(label_delay: str) -> None:
    rows = logged(1, worse=0.8)
    early = rows.filter(pl.col(KNOWN).is_not_null())
    found, said = counted(rows, label_delay)
    assert log_loss(early) < 0.93 * log_loss(rows)
    assert log_loss(found) == pytest.approx(log_loss(rows), abs=0.015)
    assert "don't count yet" in said[-1]
    assert ("data.time.label_delay should say so" in said[0]) == (label_delay == "1d")


def test_now_may_be_later_than_the_last_that_was_heard() -> None:
    rows = logged(1, worse=0)
    assert counted(rows, "10d")[0].height < counted(rows, "10d", datetime(2024, 6, 1))[0].height
    assert counted(rows, "10d", datetime(2024, 6, 1))[1] == []


def test_replayed_rows_and_those_without_time_count_at_once() -> None:
    rows = logged(1, worse=0, replayed=True)
    found, said = counted(rows, "1d")
    assert (found.height, said) == (rows.height, [])
    assert matured(rows.lazy(), None, None)[0].collect()[MATURE].all()


def test_a_single_late_delivery_of_outcomes_is_said_and_loses_no_rows() -> None:
    rows = logged(1, worse=0).with_columns(pl.lit(datetime(2024, 4, 1, tzinfo=UTC)).alias(KNOWN))
    found, said = counted(rows, "1d")
    assert found.height == rows.height
    assert "known outcomes may be other than those still to come" in said[0]


def played(seed: int, worse: float, explore: float | None = None) -> Played:
    """A month in which the policy acts on high scores; explored: on some others too, and not on some of these."""
    late, p, day = traffic(seed, worse)
    rng = np.random.default_rng([seed, 1])
    chosen = p > 0.15
    action, probability = chosen, None
    if explore is not None:
        drawn = rng.random(len(p)) < explore
        action = np.where(drawn, rng.random(len(p)) < 0.5, chosen)
        probability = np.where(action == chosen, 1 - explore / 2, explore / 2)
    rows = pl.DataFrame(
        {PROBABILITY: pl.Series(probability, dtype=pl.Float64) if explore else [None] * len(p)}
    )
    rows = rows.with_columns(pl.lit(True).alias(MATURE), pl.lit(1).alias(KNOWN))
    return Played(rows, {"late": late}, {"late": p}, {"late": p * 0 + 0.15}, p, action, day, N_DAYS)


def known_where(part: Played, known: np.ndarray) -> tuple[Played, Played]:
    """All rows with the mark which are known, and the known ones."""
    rows = part.rows.with_columns(pl.when(pl.Series(known)).then(KNOWN).alias(KNOWN))
    part = replace(part, rows=rows)
    return part, restricted(part, known)


def live_log_loss(part: Played) -> float:
    return quality.metrics_of({"late": TARGET}, part)[LOG_LOSS].value


@pytest.mark.parametrize("worse", [0.0, 0.8])
def test_rows_known_only_where_the_policy_did_not_act_are_compared_with_such_rows(worse: float) -> None:
    alarms = []
    for seed in range(10):
        test, month = played(seed, 0), played(seed + 50, worse)
        live, known = known_where(month, ~month.action)
        found = known_rows.selected(live, known, test, seed=0)
        assert (
            "outcomes are known of 0% of the rows that were acted on, and of 100% of the others" in found.note
        )
        watched = quality.metrics_of({"late": TARGET}, found.known)
        judged = quality.judge(watched, found.test, found.known.rows.height, N_DAYS, 0.95, seed=0)
        alarms.append(any(one.alarm for one in judged.values()))
    assert sum(alarms) >= 9 if worse else sum(alarms) <= 2


def test_explored_actions_make_the_known_stand_for_all() -> None:
    month = played(3, 0.8, explore=0.2)
    live, known = known_where(month, ~month.action)
    found = known_rows.selected(live, known, played(2, 0), seed=0)
    assert "weighted by the logged probability of their action" in found.note
    assert abs(live_log_loss(known) - live_log_loss(month)) > 0.05
    assert live_log_loss(found.known) == pytest.approx(live_log_loss(month), abs=0.03)
    assert 0.01 < found.share < 0.5


def test_outcomes_that_are_missing_at_random_are_compared_as_they_are() -> None:
    test, month = played(2, 0), played(3, 0)
    live, known = known_where(month, np.random.default_rng(0).random(len(month.block)) < 0.6)
    found = known_rows.selected(live, known, test, seed=0)
    assert (found.known is known, found.test is test, found.note) == (True, True, "")


def test_outcomes_known_by_the_score_alone_are_compared_with_rows_of_such_scores() -> None:
    test, month = played(2, 0, explore=0.2), played(3, 0, explore=0.2)
    score = month.predictions["late"]
    live, known = known_where(
        month, np.random.default_rng(0).random(len(score)) < np.where(score > 0.15, 0.9, 0.2)
    )
    found = known_rows.selected(live, known, test, seed=0)
    assert "compared with" in found.note
    assert live_log_loss(found.test) == pytest.approx(live_log_loss(known), abs=0.03)
