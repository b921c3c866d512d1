"""Each metric against scikit-learn or its formula, and as a statistic of block counts against repeated rows."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from accord.bootstrap import Blocks
from accord.engines import mapped
from accord.intervals import estimate
from accord.measures import ranked
from accord.measures.metrics import (
    N_CALIBRATION_BINS,
    Metric,
    Sample,
    average_precision,
    calibration_bins,
    value,
)
from accord.tasks.binary import BINARY
from accord.tasks.registry import METRICS as BY_NAME
from accord.tasks.registry import OWN
from accord.tasks.regression import TWEEDIE_POWER

LOSSES = {loss.name: loss for task in OWN.values() for loss in task.losses}
N_BLOCKS = 7
FOUR = np.array([[0.1], [0.2], [0.3], [0.4]])


def binned_gap(y: np.ndarray, p: np.ndarray, bins: np.ndarray) -> float:
    """Expected calibration error: the bins' gaps, weighted by their share of the rows."""
    return sum((bins == b).mean() * abs(p[bins == b].mean() - y[bins == b].mean()) for b in np.unique(bins))


REFERENCES = {
    "log_loss": reference.log_loss,
    "auc": reference.roc_auc_score,
    "average_precision": reference.average_precision_score,
    "brier": lambda y, p: np.mean((y - p) ** 2),
    "calibration_error": lambda y, p: binned_gap(y, p, calibration_bins(p)),
    "mae": reference.mean_absolute_error,
    "rmse": reference.root_mean_squared_error,
    "r2": reference.r2_score,
    "mean_error": lambda y, p: p.mean() - y.mean(),
}
DEVIANCES = {
    "squared": reference.mean_squared_error,
    "poisson": reference.mean_poisson_deviance,
    "tweedie": lambda y, p: reference.mean_tweedie_deviance(y, p, power=TWEEDIE_POWER),
}
CASES = [*((name, "squared") for name in REFERENCES), *(("deviance", loss) for loss in DEVIANCES)]


def scored(name: str, n: int, ties: bool, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes and predictions (n,) that suit the metric; ties has few distinct predictions."""
    generator = np.random.default_rng(seed)
    p = generator.uniform(0.02, 0.98, n)
    if ties:
        p = np.ceil(p * 5) / 6
    if name in BINARY.metric_names:
        return (generator.random(n) < p).astype(float), p
    return generator.poisson(3 * p).astype(float), 3 * p


def test_a_metric_of_one_column_takes_no_other_for_it():
    with pytest.raises(ValueError, match="was given 3"):
        value(BY_NAME["rmse"], np.zeros(4), np.zeros((4, 3)), LOSSES["squared"])


def test_every_metric_has_a_reference():
    of_classes = {"accuracy", "balanced_accuracy"}  # tests/code/test_multiclass.py
    assert set(BY_NAME) == {*REFERENCES, "deviance", *of_classes}


@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
@pytest.mark.parametrize(("name", "loss"), CASES)
def test_a_metric_agrees_with_its_reference(name: str, loss: str, ties: bool):
    y, p = scored(name, 300, ties)
    expected = (DEVIANCES[loss] if name == "deviance" else REFERENCES[name])(y, p)
    assert value(BY_NAME[name], y, p[:, None], LOSSES[loss]) == pytest.approx(expected, rel=1e-10)


def repeated(name: str, ties: bool) -> tuple[Sample, np.ndarray]:
    y, p = scored(name, 140, ties)
    block = np.random.default_rng(5).integers(0, N_BLOCKS, len(y)).astype(np.intp)
    counts = np.array([[1, 1, 1, 1, 1, 1, 1], [2, 0, 1, 0, 3, 1, 0], [0, 0, 0, 5, 1, 1, 0]], float)
    return Sample(y, p[:, None], block, N_BLOCKS, LOSSES["squared"]), counts


def rows_of(sample: Sample, drawn: np.ndarray) -> np.ndarray:
    """The rows' places, each as often as its block was drawn."""
    return np.repeat(np.arange(len(sample.y)), drawn[sample.block].astype(int))


@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
@pytest.mark.parametrize(("name", "loss"), [case for case in CASES if case[0] != "calibration_error"])
def test_drawing_blocks_is_repeating_their_rows(name: str, loss: str, ties: bool):
    sample, counts = repeated(name, ties)
    sample = Sample(sample.y, sample.predictions, sample.block, N_BLOCKS, LOSSES[loss])
    found = BY_NAME[name].statistic(sample)(counts)
    assert found.shape == (len(counts),)
    for drawn, statistic in zip(counts, found, strict=True):
        rows = rows_of(sample, drawn)
        assert statistic == pytest.approx(
            value(BY_NAME[name], sample.y[rows], sample.predictions[rows], LOSSES[loss]), rel=1e-9
        )


@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
def test_the_bins_of_the_calibration_error_stay_while_blocks_are_drawn(ties: bool):
    sample, counts = repeated("calibration_error", ties)
    bins = calibration_bins(sample.p)
    for drawn, found in zip(counts, BY_NAME["calibration_error"].statistic(sample)(counts), strict=True):
        rows = rows_of(sample, drawn)
        assert found == pytest.approx(binned_gap(sample.y[rows], sample.p[rows], bins[rows]))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=25),
    st.lists(st.integers(0, 3), min_size=4, max_size=4),
)
def test_auc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[bool, int, int]], drawn: list[int]):
    y, p, block = (np.array(values) for values in zip(*rows, strict=True))
    sample = Sample(y.astype(float), p.astype(float)[:, None], block.astype(np.intp), 4, LOSSES["log"])
    above = below = 0.0
    for positive, score, of in rows:
        for other, other_score, of_other in rows:
            if positive and not other:
                pairs = drawn[of] * drawn[of_other]
                above += pairs * ((score > other_score) + 0.5 * (score == other_score))
                below += pairs
    found = BY_NAME["auc"].statistic(sample)(np.array([drawn], float))[0]
    assert found == pytest.approx(above / below if below else float("nan"), nan_ok=True)


@pytest.mark.parametrize("name", ["auc", "average_precision"])
def test_a_ranking_metric_is_undefined_without_positives(name: str):
    assert np.isnan(value(BY_NAME[name], np.zeros(4), FOUR, LOSSES["log"]))


def test_auc_is_undefined_without_negatives():
    assert np.isnan(value(BY_NAME["auc"], np.ones(4), FOUR, LOSSES["log"]))


def test_a_certain_mistake_costs_a_lot_but_not_infinitely():
    loss = value(BY_NAME["log_loss"], np.array([1.0, 0.0]), np.array([[0.0], [1.0]]), LOSSES["log"])
    assert 30 < loss < 40


def test_r2_of_the_mean_is_zero():
    y = np.array([1.0, 2.0, 6.0])
    assert value(BY_NAME["r2"], y, np.full((3, 1), 3.0), LOSSES["squared"]) == pytest.approx(0, abs=1e-12)


def test_r2_survives_outcomes_far_from_zero():
    y = 1e9 + np.array([0.0, 1.0, 2.0, 3.0])
    p = y + np.array([0.1, -0.1, 0.1, -0.1])
    assert value(BY_NAME["r2"], y, p[:, None], LOSSES["squared"]) == pytest.approx(
        reference.r2_score(y, p), rel=1e-6
    )


@pytest.mark.parametrize("metric", BY_NAME.values(), ids=lambda metric: metric.name)
def test_a_resample_without_a_row_is_undefined(metric: Metric):
    y, p = scored(metric.name, 20, ties=False)
    sample = Sample(y, p[:, None], np.zeros(20, np.intp), 2, LOSSES["squared"])
    assert np.isnan(metric.statistic(sample)(np.array([[0.0, 3.0]]))[0])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=20, max_size=200, unique=True))
def test_calibration_bins_hold_equally_many_distinct_predictions(values: list[float]):
    p = np.array(values)
    bins = calibration_bins(p)
    sizes = np.bincount(bins, minlength=N_CALIBRATION_BINS)
    assert len(sizes) == N_CALIBRATION_BINS
    assert sizes.max() - sizes.min() <= 2
    assert (np.diff(bins[np.argsort(p)]) >= 0).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_equal_predictions_share_a_calibration_bin(values: list[int]):
    bins = calibration_bins(np.array(values) / 5)
    for one in set(values):
        assert len(set(bins[np.array(values) == one])) == 1


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Metrics of rows of which at most 70 are in memory at once; the folder for the rest."""
    monkeypatch.setattr(mapped, "PART_ROWS", 70)
    monkeypatch.setattr(mapped, "MAX_BYTES", 0)
    return tmp_path / "scratch"


def of_many(name: str, ties: bool, scratch: Path | None = None) -> Sample:
    y, p = scored(name, 2000, ties)
    block = np.random.default_rng(5).integers(0, N_BLOCKS, len(y)).astype(np.intp)
    return Sample(y, p[:, None], block, N_BLOCKS, LOSSES["poisson" if name == "deviance" else "log"], scratch)


@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
@pytest.mark.parametrize(
    "name", [name for name in BY_NAME if name not in ("average_precision", "accuracy", "balanced_accuracy")]
)
def test_rows_in_parts_give_the_same_bits(name: str, ties: bool, request: pytest.FixtureRequest):
    _, counts = repeated("auc", ties)
    whole = BY_NAME[name].statistic(of_many(name, ties))(counts)
    scratch = request.getfixturevalue("in_parts")
    assert BY_NAME[name].statistic(of_many(name, ties, scratch))(counts).tolist() == whole.tolist()
    assert not [*scratch.glob("*")]


@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
def test_the_average_precision_of_rows_in_parts_is_exact_and_its_interval_near(
    ties: bool, request: pytest.FixtureRequest
):
    blocks = Blocks(N_BLOCKS)
    whole = estimate(average_precision(of_many("average_precision", ties)), blocks, 0.95)
    scratch = request.getfixturevalue("in_parts")
    found = estimate(average_precision(of_many("average_precision", ties, scratch)), blocks, 0.95)
    assert found.value == pytest.approx(whole.value, rel=1e-12)
    assert (found.low, found.high) == pytest.approx((whole.low, whole.high), abs=1e-6)


@given(st.lists(st.integers(0, 3) | st.floats(0, 3), min_size=1, max_size=400))
@settings(max_examples=40, deadline=None)
def test_rows_are_ranked_as_in_memory(scores: list[float]):
    score, place = np.array(scores, float), np.arange(len(scores))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapped, "PART_ROWS", 20)
        found, order = ranked.ranked(score, [place], None)
        runs = [found[rows] for rows in ranked.runs(found)]
        shares = np.linspace(0, 1, 7)
        assert ranked.quantiles(found, shares) == pytest.approx(np.quantile(score, shares), rel=1e-12)
    assert found.tolist() == np.sort(score).tolist()
    assert order.tolist() == np.argsort(score, kind="stable").tolist()
    assert np.concatenate(runs).tolist() == found.tolist()
    assert all(before[-1] < after[0] for before, after in pairwise(runs))
    assert all(len(run) <= 20 or len({*run.tolist()}) == 1 for run in runs)
