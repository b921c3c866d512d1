"""What a window's values are judged by, on made-up rows of which everything is known."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import numpy as np
import polars as pl
import pytest
from shipped import shipped

from accord.measures import estimates, recalibration
from accord.measures.estimates import Implied
from accord.monitoring import estimate, quality, webhook
from accord.monitoring.alarms import Alarm
from accord.monitoring.decision import Decision
from accord.monitoring.health import ServiceHealth
from accord.monitoring.observed import Window
from accord.monitoring.skew import Skew
from accord.objective.teams import Played
from accord.schema.objective import Target
from accord.tasks.binary import BINARY
from accord.tasks.registry import predicted

TARGET = shipped(Target, task="binary", sql="late")
N_DAYS, N_A_DAY = 30, 200


def played(seed: int, flipped: float = 0.0, n_days: int = N_DAYS) -> Played:
    """Days with a base rate of their own, predictions that know part of it, and some outcomes the wrong way round."""
    rng = np.random.default_rng(seed)
    block = np.repeat(np.arange(n_days), N_A_DAY)
    logit = rng.normal(-1.5, 1.2, len(block))
    p = 1 / (1 + np.exp(-logit))
    late = rng.random(len(block)) < 1 / (1 + np.exp(-logit - rng.normal(0, 0.2, n_days)[block]))
    late ^= rng.random(len(block)) < flipped
    return Played(
        pl.DataFrame({"place": rng.choice(["a", "b"], len(block))}),
        {"late": late.astype(float)}, {"late": p}, {"late": np.full(len(p), 0.2)}, None, None, block, n_days,
    )  # fmt: skip


def judged(live: Played, test: Played) -> dict[quality.TargetMetric, quality.Judged]:
    watched = quality.metrics_of({"late": TARGET}, live)
    return quality.judge(watched, test, live.rows.height, live.n_blocks, 0.95, seed=0)


def test_a_window_like_test_seldom_raises_an_alarm() -> None:
    test = played(0)
    alarms = [any(one.alarm for one in judged(played(seed), test).values()) for seed in range(1, 41)]
    assert np.mean(alarms) <= 0.2


def test_flipped_labels_of_a_tenth_of_rows_are_found() -> None:
    assert all(judged(played(seed, flipped=0.1), played(0))["late", "log_loss"].alarm for seed in range(1, 6))


def test_fewer_days_widen_what_is_expected() -> None:
    test = played(0)
    few, many = (judged(played(1, n_days=n), test)["late", "log_loss"] for n in (7, 30))
    assert few.low is not None
    assert many.low is not None
    assert few.low < many.low


def test_days_that_are_like_the_days_before_widen_what_is_expected() -> None:
    """Weather that lasts for a week: thirty days then tell as little as a few that have nothing to do with each other."""
    rng = np.random.default_rng(3)
    test = played(0)
    shock = np.repeat(rng.normal(0, 1, 5), 6)
    late = (rng.random(len(test.block)) < 1 / (1 + np.exp(1.5 - shock[test.block]))).astype(float)
    test = replace(test, outcomes={"late": late})
    lasting, mixed = (
        judged(played(1), replace(test, at=at))["late", "log_loss"]
        for at in (np.arange(N_DAYS, dtype=float), rng.permutation(N_DAYS).astype(float))
    )
    assert lasting.high - lasting.low > 1.3 * (mixed.high - mixed.low)  # type: ignore[operator]


def test_little_of_test_is_said_to_be_insufficient() -> None:
    test = played(0, n_days=1)
    small = Played(test.rows.head(50), *({"late": v["late"][:50]} for v in (test.outcomes, test.predictions, test.baselines)), None, None, test.block[:50], 1)  # fmt: skip
    found = judged(played(1), small)["late", "log_loss"]
    assert found.note == "insufficient: test has 50 rows of 100"
    assert not found.alarm


def test_a_level_that_test_has_on_a_few_days_alone_has_limits() -> None:
    test = played(0)
    rare = np.where(test.block < 3, "rare", "other")
    test = replace(test, rows=test.rows.with_columns(place=pl.Series(rare)))
    live = replace(played(1), rows=pl.DataFrame({"place": ["rare"] * N_DAYS * N_A_DAY}))
    computed = quality.of_level("place", "rare", quality.of_metric(predicted("late", TARGET), BINARY.leading))
    watched = {"rare": quality.watch(live, computed, "lower")}
    found = quality.judge(watched, test, live.rows.height, live.n_blocks, 0.95, seed=0)["rare"]
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.test < found.high  # type: ignore[operator]


def test_what_does_not_vary_on_test_has_no_limits_and_says_so() -> None:
    watched = {"one": quality.watch(played(1), quality.of_mean(lambda one: np.ones(len(one.block))), "zero")}
    found = quality.judge(watched, played(0), 200, 30, 0.95, seed=0)["one"]
    assert (found.low, found.high, found.note) == (None, None, "no limits: on test it does not vary")
    json.dumps(asdict(found), allow_nan=False)


def shifted(seed: int, by: float, n: int, warp: float = 1.0) -> Played:
    """Rows whose columns have moved by so many standard deviations, while what follows from them has not; the predictions'
    log-odds are too large by the factor `warp`."""
    rng = np.random.default_rng([seed, n])
    logit = rng.normal(by, 1, n) + 0.6 * rng.normal(size=n) - 1
    late = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    block = np.arange(n) * N_DAYS // n
    p = 1 / (1 + np.exp(-warp * logit))
    return Played(
        pl.DataFrame({"i": block}), {"late": late}, {"late": p}, {"late": p * 0}, None, None, block, N_DAYS
    )


@pytest.mark.parametrize("warp", [1.0, 0.6])
@pytest.mark.parametrize("by", [0.0, 1.0, -1.0, 2.0, -2.0])
def test_estimates_hold_where_rows_have_moved_beyond_those_of_test(by: float, warp: float) -> None:
    test, live = shifted(1, 0, 30_000, warp), shifted(2, by, 100_000, warp)
    target = predicted("late", TARGET)
    found = estimate.implication(target, test, seed=0)
    for name, estimated in BINARY.estimates.items():
        metric = BINARY.metric(name)
        realised = quality.watch(live, quality.of_metric(target, metric), metric.better).value
        assert found.value(estimated, live) == pytest.approx(realised, abs=0.01)


def test_an_estimate_raises_an_alarm_where_the_realised_value_would_and_seldom_elsewhere() -> None:
    target, n_false = predicted("late", TARGET), 0
    for seed in range(10):
        for by in (-1.0, 1.0):
            test, live = shifted(seed, 0, 6_000), shifted(seed + 100, by, 6_000)
            found = estimate.implication(target, test, seed=0)
            watched = {}
            for name, one in BINARY.estimates.items():
                metric = BINARY.metric(name)
                realised_as = quality.of_metric(target, metric)
                watched[name] = found.watched(one, metric.better, realised_as, live, test)
            estimated = quality.judge(watched, test, 6_000, N_DAYS, 0.95, seed=0)
            realised = judged(live, test)
            late = [quality.TargetMetric("late", name) for name, one in estimated.items() if one.alarm]
            n_false += any(not realised[key].alarm for key in late)
            assert estimated["log_loss"].alarm == (by > 0)
    assert n_false <= 1


def test_an_estimate_by_classes_is_near_what_comes_true() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(40_000, 3)) * [1, 1, 0.5]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = (rng.random((40_000, 1)) > shares.cumsum(axis=1)).sum(axis=1).astype(float)
    sharp = np.exp(1.5 * logits) / np.exp(1.5 * logits).sum(axis=1, keepdims=True)
    curves = recalibration.of_probabilities(y[:20_000], sharp[:20_000])
    likely = curves(sharp[20_000:])
    assert likely.sum(axis=1) == pytest.approx(np.ones(20_000))
    implied = Implied(sharp[20_000:], likely, np.zeros(20_000, np.intp), 1)
    realised = -np.log(sharp[np.arange(20_000, 40_000), y[20_000:].astype(int)]).mean()
    assert estimates.log_loss(implied)(np.ones((1, 1)))[0] == pytest.approx(realised, abs=0.01)


DECISION = Decision(
    model="m1",
    window=Window(datetime(2024, 3, 11), datetime(2024, 3, 25), 400, 0, 336.0, {}),
    drift=[], shifts=[], quality=[], estimated=[], teams=[], slices=[],
    service=ServiceHealth(None, None, None, None, 0, 0, 0, None),
    skew=Skew(0, 0, []),
    notes=[],
    alarms=[Alarm("drift", "rain", "mean 9, expected 0 to 1 (test: 0.5)")],
)  # fmt: skip


class Hook(BaseHTTPRequestHandler):
    status = 200
    got: list[dict[str, object]] = []  # noqa: RUF012

    def do_POST(self) -> None:
        self.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/secret"
    server.shutdown()
    server.server_close()


def test_the_alarms_are_posted_to_a_webhook(hook: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hook, "got", [])
    monkeypatch.setenv("ACCORD_TEST_HOOK", hook)
    assert webhook.notify("${oc.env:ACCORD_TEST_HOOK}", DECISION) == "The webhook was told"
    assert Hook.got[0]["alarms"] == [asdict(alarm) for alarm in DECISION.alarms]
    assert Hook.got[0]["window"] == DECISION.window.as_dict()
    assert "1 alarm in 400 rows of 2024-03-11T00:00:00 to 2024-03-25T00:00:00" in str(Hook.got[0]["text"])


def test_the_error_of_a_webhook_does_not_show_its_address(hook: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hook, "status", 500)
    said = webhook.notify(hook, DECISION)
    assert "500" in said
    assert "secret" not in said
    assert "ConnectError" in webhook.notify("http://127.0.0.1:1/secret", DECISION)
    assert "not set" in webhook.notify("${oc.env:ACCORD_NO_SUCH_HOOK}", DECISION)
