"""Planted leaks are found, and honest columns are not."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import leak_worlds
import numpy as np
import polars as pl
import pytest
from leak_worlds import HONEST as HONEST_WORLDS
from leak_worlds import PLANTED, World
from shipped import shipped

from accord.data import buckets
from accord.data.leaks import Part, Surroundings, Suspect, across_splits, suspects
from accord.schema.data import Data, LeakCheck
from accord.tasks.registry import OWN

N = 4000
N_AT_ONCE = 700
"""Rows in memory at once where they are few on purpose."""
RNG = np.random.default_rng(11)
SIGNAL = RNG.normal(size=N)
BINARY = (RNG.random(N) < 1 / (1 + np.exp(2 - SIGNAL))).astype(float)
AMOUNT = SIGNAL + 0.5 * RNG.normal(size=N)
SKEWED = np.where(RNG.random(N) < 0.05, 150.0, 0.0)
NULLS = RNG.random(N) < 0.3
TARGETS = {"binary": BINARY, "regression": AMOUNT}


def found(column: object, task: str = "binary", target: np.ndarray | None = None, **check: object) -> list:
    y = TARGETS[task] if target is None else target
    frame = pl.DataFrame({"column": column}, strict=False)
    return suspects(frame, {"y": (y, OWN[task].outcome)}, shipped(LeakCheck, **check))


def letters(values: np.ndarray) -> list[str]:
    return [f"level {int(v)}" for v in values]


@pytest.mark.parametrize(
    "column",
    [
        BINARY,
        1 - BINARY,
        BINARY.astype(bool),
        letters(BINARY),
        BINARY + 1e-3 * RNG.normal(size=N),
        100 - 3 * BINARY,
    ],
    ids=["copy", "negated", "boolean", "text", "noisy copy", "scaled"],
)
def test_a_copy_of_a_binary_outcome_is_found(column: object):
    assert "column" in {suspect.kind for suspect in found(column)}


@pytest.mark.parametrize(
    "column",
    [AMOUNT, -AMOUNT, np.exp(AMOUNT), AMOUNT + 0.02 * RNG.normal(size=N)],
    ids=["copy", "negated", "monotone", "noisy copy"],
)
def test_a_copy_of_an_amount_is_found(column: object):
    [suspect] = found(column, "regression")
    assert (suspect.feature, suspect.target, suspect.kind) == ("column", "y", "column")
    assert "R2" in suspect.detail


def test_a_copy_is_found_in_rows_that_alternate():
    amount = np.arange(N) % 40.0  # even rows hold even amounts alone
    assert [suspect.kind for suspect in found(amount, "regression", amount)] == ["column"]


@pytest.mark.parametrize("numeric", [True, False], ids=["number", "category"])
def test_a_column_that_is_missing_where_the_outcome_happens_is_found(numeric: bool):
    values = RNG.normal(size=N) if numeric else np.array(letters(RNG.integers(0, 5, N)))
    column = [None if positive else value for positive, value in zip(BINARY, values.tolist(), strict=True)]
    assert {suspect.kind for suspect in found(column)} == {"column", "level"}


def test_a_null_that_decides_only_some_positives_is_found_as_a_level():
    gone = (BINARY == 1) & (RNG.random(N) < 0.2)
    column = [
        None if missing else value for missing, value in zip(gone, RNG.normal(size=N).tolist(), strict=True)
    ]
    [suspect] = found(column)
    assert suspect.kind == "level"
    assert "null" in suspect.detail


def test_one_level_that_decides_the_outcome_is_found():
    column = np.where((BINARY == 1) & (RNG.random(N) < 0.2), "cancelled", letters(RNG.integers(0, 5, N)))
    [suspect] = found(column)
    assert suspect.kind == "level"
    assert "cancelled" in suspect.detail


def test_one_level_that_decides_an_amount_is_found():
    column = np.where(SKEWED > 0, "paid", letters(RNG.integers(0, 5, N)))
    assert "level" in {suspect.kind for suspect in found(column, "regression", SKEWED)}


def test_a_level_that_rules_a_common_outcome_out_is_found():
    common = 1 - BINARY
    column = np.where((common == 0) & (RNG.random(N) < 0.3), "refused", "open")
    assert "level" in {suspect.kind for suspect in found(column, target=common)}


HONEST = {
    "noise": RNG.normal(size=N),
    "signal": SIGNAL,
    "strong signal": AMOUNT * 0.5 + SIGNAL,
    "category": letters(RNG.integers(0, 30, N)),
    "a level a row": letters(np.arange(N)),
    "few rows a level": letters(np.arange(N) // 3),
    "constant": np.ones(N),
    "all missing": pl.Series([None] * N, dtype=pl.Float64),
    "missing at random": pl.Series(np.where(NULLS, np.nan, SIGNAL)).fill_nan(None),
    "NaN at random": pl.Series(np.where(NULLS, np.nan, SIGNAL)),
    "boolean": RNG.random(N) < 0.5,
    "time": pl.Series(np.arange(N) * 3_600_000_000).cast(pl.Datetime("us")),
    "integer": RNG.integers(0, 1000, N),
}


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("name", HONEST)
def test_an_honest_column_is_not_suspected(name: str, task: str):
    assert found(HONEST[name], task) == []


def test_a_level_with_few_rows_is_not_suspected():
    column = np.full(N, "common", dtype=object)
    column[np.flatnonzero(BINARY)[:29]] = "rare"
    assert found(column) == []
    assert [suspect.kind for suspect in found(column, level_rows=29)] == ["level"]


def test_an_accepted_feature_is_reported_as_accepted():
    assert [suspect.accepted for suspect in found(BINARY, accepted=["column"])] == [True] * len(found(BINARY))
    assert not any(suspect.accepted for suspect in found(BINARY, accepted=["another"]))


def test_the_limit_is_the_score_that_the_config_says():
    assert found(SIGNAL, score=0.98) == []
    [suspect] = found(SIGNAL, score=0.6)
    assert suspect.kind == "column"
    assert "limit 0.6" in suspect.detail


def test_rows_without_an_outcome_do_not_count():
    y = BINARY.copy()
    y[: N // 2] = np.nan
    column = BINARY.copy()
    column[: N // 2] = 0.0
    assert "column" in {suspect.kind for suspect in found(column, target=y)}


def test_each_target_is_judged_on_its_own():
    frame = pl.DataFrame({"binary": BINARY, "amount": AMOUNT})
    listed = suspects(frame, {"b": (BINARY, "condition"), "a": (AMOUNT, "amount")}, shipped(LeakCheck))
    assert {(suspect.feature, suspect.target) for suspect in listed if suspect.kind == "column"} == {
        ("binary", "b"),
        ("amount", "a"),
    }


@pytest.mark.parametrize(
    "y", [np.zeros(50), np.full(50, np.nan), np.zeros(0)], ids=["one value", "no outcome", "no rows"]
)
def test_an_outcome_that_does_not_vary_leaks_nothing(y: np.ndarray):
    assert found(np.zeros(len(y)), target=y) == []
    assert found(np.zeros(len(y)), "regression", target=y) == []


@pytest.mark.parametrize(
    ("task", "y"),
    [
        ("binary", np.where(BINARY > 0, 4.0, -3.0)),
        ("binary", np.where(AMOUNT > 1, np.inf, BINARY)),
        ("regression", np.where(AMOUNT > 1, np.inf, AMOUNT)),
        ("regression", np.where(AMOUNT > 1, -np.inf, AMOUNT)),
    ],
    ids=[
        "other values than 0 and 1",
        "an infinite condition",
        "infinite amounts",
        "negative infinite amounts",
    ],
)
@pytest.mark.filterwarnings("error")
def test_an_outcome_that_training_refuses_or_leaves_out_is_looked_at_without_a_warning(
    task: str, y: np.ndarray
):
    rng = np.random.default_rng(1)
    frame = pl.DataFrame(
        {
            "number": rng.normal(size=N),
            "huge": np.exp(700 * rng.random(N)),
            "few": rng.integers(0, 50, N),
            "text": [f"t{level}" for level in rng.integers(0, 50, N)],
        }
    )
    assert suspects(frame, {"y": (y, OWN[task].outcome)}, shipped(LeakCheck)) == []


# Whole tables

HIDDEN_IN_AMOUNTS = {"copy and noise 0.3", "copy and noise 0.7"}
"""Noise as wide as most payouts leaves a feature no better than an honest one."""


@pytest.mark.parametrize("task", ["binary", pytest.param("regression", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", PLANTED)
def test_a_leak_planted_in_a_table_is_found_and_nothing_else_accused(kind: str, task: str):
    world = World.of(3)
    y = world.target(task)
    listed = suspects(
        world.with_column(**PLANTED[kind](world, y)),
        {"y": (y, OWN[task].outcome)},
        shipped(LeakCheck),
        world.around(),
    )
    accused = {suspect.feature for suspect in listed}
    assert accused <= {"planted", "other"}
    assert ("planted" in accused) != (task == "regression" and kind in HIDDEN_IN_AMOUNTS)


WIDE = (
    "5 features",
    "45 features",
    "185 features",
    "strong",
    "strong, 1 % positives",
    "many levels",
    "over time",
)


@pytest.mark.parametrize(
    "world", [pytest.param(w, marks=pytest.mark.slow) if w in WIDE else w for w in HONEST_WORLDS]
)
def test_an_honest_table_has_no_suspects(world: str):
    for seed in range(3):
        features, targets, around = HONEST_WORLDS[world](seed)
        assert suspects(features, targets, shipped(LeakCheck), around) == []


def test_a_mean_over_earlier_rows_alone_is_honest_and_one_over_the_table_is_not():
    world = World.of(4, 8000)
    rows = pl.DataFrame({"c": world.customer, "y": world.late})
    n_before = pl.int_range(pl.len()).over("c")
    before = (pl.col("y").cum_sum() - pl.col("y")).over("c") / n_before
    columns = rows.select(before=before.fill_nan(None), whole=pl.col("y").mean().over("c")).to_dict()
    listed = suspects(
        world.with_column(**columns), {"y": (world.late, "binary")}, shipped(LeakCheck), world.around()
    )
    assert {suspect.feature for suspect in listed} == {"whole"}
    assert "mean" in {suspect.kind for suspect in listed}


def test_the_target_of_the_row_before_is_honest_and_that_of_the_next_is_not():
    world = World.of(5, 4000)
    columns = {"before": np.append(0.0, world.late[:-1]), "after": np.append(world.late[1:], 0.0)}
    listed = suspects(world.with_column(**columns), {"y": (world.late, "binary")}, shipped(LeakCheck))
    assert {(suspect.feature, suspect.kind) for suspect in listed} == {("after", "next")}


def test_a_plan_for_later_is_honest_and_the_time_of_the_outcome_is_not():
    world = World.of(6, 4000)
    columns = {
        "planned": leak_worlds.times(world.hours + world.rng.gamma(2, 20, world.n)),
        "changed": leak_worlds.times(world.hours + world.rng.exponential(10, world.n) * (1 + 9 * world.late)),
    }
    listed = suspects(
        world.with_column(**columns), {"y": (world.late, "binary")}, shipped(LeakCheck), world.around()
    )
    assert {(suspect.feature, suspect.kind) for suspect in listed} == {("changed", "time")}


def test_the_day_is_that_of_the_zone():
    world = World.of(7, 8000)
    day = ((world.hours + 9) // 24).astype(int)
    frame = world.with_column(mean=leak_worlds.group_mean(day, world.late))
    around = Surroundings(world.around().columns, "happened", None, "Asia/Tokyo")
    [suspect] = suspects(frame, {"y": (world.late, "binary")}, shipped(LeakCheck), around)
    assert "day of happened" in suspect.detail


# Rows on both sides of the split


def contract(rows: pl.DataFrame, outcomes: tuple[str, ...], **more: object) -> Data:
    kinds = {pl.String: "category", pl.Boolean: "boolean"}
    columns = {
        name: {
            "type": kinds.get(kind, "number"), "nullable": True, "role": "outcome" if name in outcomes else "feature",
        }
        for name, kind in rows.schema.items()
    }  # fmt: skip
    return shipped(Data, **{
        "name": "made", "sources": {"made": {"path": "made.csv"}}, "columns": columns,
        "targets": {"late": {"task": "binary", "sql": outcomes[0]}}, **more,
    })  # fmt: skip


def on_both_sides(parts: dict[str, pl.DataFrame], data: Data) -> list[Suspect]:
    """What is suspected of the parts, which is the same if few of their rows are in memory at once."""
    with TemporaryDirectory() as folder:
        whole = across_splits(
            {name: Part.of(rows) for name, rows in parts.items()}, data, 10**6, Path(folder)
        )
        cut = {name: Part(rows.height, partial(slices, rows)) for name, rows in parts.items()}
        assert across_splits(cut, data, N_AT_ONCE, Path(folder)) == whole
    return whole


def slices(rows: pl.DataFrame, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    yield from rows.select(columns).iter_slices(N_AT_ONCE)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are brought together by way of files, although they are few."""
    monkeypatch.setattr(buckets, "WAITING_ROWS", 1500)


@pytest.mark.usefixtures("small")
def test_rows_that_stand_twice_on_both_sides_are_found():
    world = World.of(8)
    rows = world.with_column(late=world.late)
    rows = pl.concat([rows, rows.sample(600, seed=1)])
    parts = leak_worlds.split(rows, 8)
    [suspect] = on_both_sides(parts, contract(rows, ("late",)))
    assert (suspect.feature, suspect.kind, suspect.target) == ("duplicates", "duplicate", "all")
    vouched = contract(rows, ("late",), checks={"leaks": {"accepted": ["duplicates"]}})
    assert [suspect.accepted for suspect in on_both_sides(parts, vouched)] == [True]


@pytest.mark.parametrize("base", [0.13, 0.01])
@pytest.mark.usefixtures("small")
def test_rows_that_are_alike_by_chance_are_honest(base: float):
    world = World.of(9, base=base)
    coarse = pl.DataFrame({
        "whole": np.round(world.late * 2.66 + world.rng.normal(size=world.n)), "grade": world.rng.integers(0, 5, world.n),
        "late": world.late,
    })  # fmt: skip
    assert on_both_sides(leak_worlds.split(coarse, 9), contract(coarse, ("late",))) == []


@pytest.mark.usefixtures("small")
def test_customers_who_come_again_are_honest():
    """All features are the customer's, so that many rows are alike; their outcomes are not."""
    world = World.of(10, per_customer=3)
    weight = world.rng.normal(size=world.n)[world.customer]
    rows = pl.DataFrame({"weight": weight, "age": np.round(20 + 10 * weight**2), "late": world.late})
    assert on_both_sides(leak_worlds.split(rows, 10), contract(rows, ("late",))) == []


@pytest.mark.usefixtures("small")
def test_a_subject_whose_rows_are_dealt_to_both_sides_is_found_unless_time_splits_them():
    world = World.of(11, 4000)
    rows = world.with_column(late=world.late, person=world.customer, at=world.event)
    parts = leak_worlds.split(rows, 11)
    [suspect] = on_both_sides(parts, contract(rows, ("late",), subject="person"))
    assert (suspect.feature, suspect.kind) == ("person", "subject")
    assert on_both_sides(parts, contract(rows, ("late",), subject="person", time={"event": "at"})) == []
    alone = rows.with_columns(person=pl.int_range(pl.len()))
    assert on_both_sides(leak_worlds.split(alone, 11), contract(alone, ("late",), subject="person")) == []


def classes_and(leak: Callable[[np.ndarray], np.ndarray], n: int = 4000) -> list[Suspect]:
    """Suspects beside a target of three classes, of which the second is rare, and an honest feature."""
    generator = np.random.default_rng(4)
    y = generator.choice(3, n, p=[0.55, 0.1, 0.35]).astype(float)
    frame = pl.DataFrame({"honest": y + generator.normal(size=n), "leak": leak(y)})
    return suspects(frame, {"y": (y, "class")}, shipped(LeakCheck), None, {"y": ["a", "b", "c"]})


def test_what_tells_a_single_class_is_found_with_its_name() -> None:
    found = classes_and(lambda y: (y == 1) * 1.0)
    assert {one.feature for one in found} == {"leak"}
    [column] = [one for one in found if one.kind == "column"]
    assert column.detail.startswith("being 'b' alone reaches AUC 1.000")


def test_a_copy_of_the_class_is_found_once_of_each_kind() -> None:
    found = classes_and(lambda y: np.array(["x", "y", "z"])[y.astype(int)])
    assert sorted((one.feature, one.kind) for one in found) == [("leak", "column"), ("leak", "level")]


def test_a_level_that_merely_lacks_a_class_is_honest() -> None:
    generator = np.random.default_rng(5)

    def where(y: np.ndarray) -> np.ndarray:  # the rare class is at none of two places
        return np.where(y == 1, generator.choice(2, len(y)), generator.choice(4, len(y))).astype(str)

    assert classes_and(where) == []
