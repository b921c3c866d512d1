"""In a table too large to be looked at whole the same leaks are found: what a sample can't tell is added up over all rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from leak_worlds import HONEST, PLANTED, World, group_mean
from shipped import shipped

from accord.data.leaks import Chunk, Sampling, Surroundings, Suspect, Table, beyond, suspects
from accord.data.leaks.evidence import Outcome, Rows
from accord.schema.data import LeakCheck
from accord.tasks.registry import OWN

N, N_SAMPLED = 80_000, 20_000


def table_of(
    features: pl.DataFrame, targets: Mapping[str, np.ndarray], around: Surroundings, most: int, n_at_once: int
) -> Table:
    def read(names: Sequence[str]) -> Iterator[Chunk]:
        for start in range(0, features.height, n_at_once):
            at = slice(start, start + n_at_once)
            beside = around.columns[at] if around.columns.width else around.columns
            yield Chunk(
                features[at].select(names),
                replace(around, columns=beside),
                {n: y[at] for n, y in targets.items()},
            )

    return Table(read, Sampling(features.height, most))


def found(
    features: pl.DataFrame,
    targets: Mapping[str, tuple[np.ndarray, str]],
    around: Surroundings,
    most: int = N_SAMPLED,
    n_at_once: int = 7001,
) -> list[Suspect]:
    table = table_of(features, {name: y for name, (y, _) in targets.items()}, around, most, n_at_once)
    drawn = table.sampling.draw(table.read(features.columns))
    outcomes = {name: (drawn.targets[name], OWN[task].outcome) for name, (_, task) in targets.items()}
    return suspects(drawn.features, outcomes, shipped(LeakCheck), drawn.around, table=table)


SLOW = [kind for kind in PLANTED if "mean" not in kind and "next" not in kind]


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow) if kind in SLOW else kind for kind in PLANTED]
)
def test_a_leak_planted_in_a_large_table_is_found_and_nothing_else_accused(kind: str):
    world = World.of(3, N)
    features = world.with_column(**PLANTED[kind](world, world.late))
    listed = found(features, {"y": (world.late, "binary")}, world.around())
    accused = {suspect.feature for suspect in listed}
    assert accused <= {"planted", "other"}
    assert "planted" in accused


@pytest.mark.slow
@pytest.mark.parametrize("world", HONEST)
def test_an_honest_large_table_has_no_suspects(world: str):
    features, targets, around = HONEST[world](1)
    assert found(features, targets, around, features.height // 4) == []


@pytest.mark.parametrize("kind", ["next row's target", "customer's next target", "day mean"])
def test_the_sample_alone_would_not_tell(kind: str):
    world = World.of(3, N)
    features = world.with_column(**PLANTED[kind](world, world.late))
    rows = np.arange(0, N, N // N_SAMPLED)
    around = replace(world.around(), columns=world.around().columns[rows])
    y = {"y": (world.late[rows], OWN["binary"].outcome)}
    assert suspects(features[rows], y, shipped(LeakCheck), around) == []


@pytest.mark.parametrize("n_at_once", [1, 97, 1000, 3000])
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_what_is_added_up_over_chunks_is_what_all_rows_tell(
    task: str, n_at_once: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(beyond, "MAX_GROUPS", 10**9)
    n = 300 if n_at_once == 1 else 3000
    world = World.of(5, n)
    y = np.where(world.signal > 1.5, np.nan, world.target(task))
    features, around = world.with_column(mean=np.round(y, 1)).fill_nan(None), world.around()
    outcome = Outcome("y", OWN[task].outcome, y)
    whole, part = (Rows(features, around, np.flatnonzero(~np.isnan(y))) for _ in range(2))
    table = table_of(features, {"y": y}, around, n, n_at_once)
    table.sampling.draw(table.read(features.columns))
    assert table.sampling.positions.tolist() == list(range(n))
    beyond.add_what_lies_beyond(
        [beyond.LookedAt("y", outcome.kind, part, [outcome])], features, around, table
    )
    assert [groups.name for groups in part.entities] == [groups.name for groups in whole.entities]
    assert np.array_equal(part.next_in_table(outcome), whole.next_in_table(outcome), equal_nan=True)
    for near, far in zip([*whole.days, *whole.entities], [*part.days, *part.entities], strict=True):
        assert len(set(zip(near.codes.tolist(), far.codes.tolist(), strict=True))) == len(
            set(near.codes.tolist())
        )
        assert np.array_equal(near.is_first, far.is_first)
        assert np.array_equal(near.following(outcome), far.following(outcome), equal_nan=True)
        for means in ("means", "later_means"):
            one, other = getattr(near, means)(outcome), getattr(far, means)(outcome)
            there = near.codes < len(one.n)
            assert np.allclose(one.mean[near.codes[there]], other.mean[far.codes[there]], equal_nan=True)
            assert (one.within, one.kurtosis) == pytest.approx(
                (other.within, other.kurtosis), rel=1e-9
            ) or means == "later_means"


def test_of_many_groups_some_are_looked_at_and_each_is_whole(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(beyond, "MAX_GROUPS", 800)
    world = World.of(3, N)
    assert len(np.unique(world.customer)) > 4000
    for kind in ("entity mean", "customer's next target"):
        features = world.with_column(**PLANTED[kind](world, world.late))
        listed = found(features, {"y": (world.late, "binary")}, world.around())
        assert {suspect.feature for suspect in listed} == {"planted"}


@pytest.mark.parametrize("n_at_once", [57, 1000])
def test_the_sample_and_the_estimates_are_the_same_in_any_chunks(n_at_once: int):
    world = World.of(4, 20_000)
    features, around = world.with_column(), world.around()
    drawn = []
    for n in (20_000, n_at_once):
        table = table_of(features, {"y": world.late}, around, 900, n)
        rows = table.sampling.draw(table.read(features.columns))
        assert rows.features.equals(features[table.sampling.positions])
        assert rows.targets["y"].tolist() == world.late[table.sampling.positions].tolist()
        drawn.append((rows.around.columns.rows(), table.sampling.next["y"].tolist(), table.sampling.n_values))
    assert repr(drawn[0]) == repr(drawn[1])
    assert drawn[0][2]["signal"] == pytest.approx(20_000, rel=0.08)
    assert drawn[0][2]["site"] == 6


def test_a_mean_over_rows_that_no_column_tells_is_found():
    world = World.of(4, N)
    unnamed = world.rng.integers(0, 300, N)
    features = world.with_column(planted=group_mean(unnamed, world.late))
    targets = {"y": (world.late, "binary")}
    assert {(s.feature, s.kind) for s in found(features, targets, world.around())} == {("planted", "mean")}


def test_rows_that_alternate_are_both_in_the_sample():
    drawn = Sampling(100_000, 1000).positions % 2
    assert 0.4 < drawn.mean() < 0.6


def test_a_class_is_looked_at_in_a_large_table():
    world = World.of(6, N)
    y = world.late + (world.signal > 1)
    features = world.with_column(planted=np.append(y[1:] == 0, False))
    around = world.around()
    table = table_of(features, {"y": y}, around, N_SAMPLED, 5000)
    drawn = table.sampling.draw(table.read(features.columns))
    target = {"y": (drawn.targets["y"], OWN["multiclass"].outcome)}
    listed = suspects(drawn.features, target, shipped(LeakCheck), drawn.around, {"y": ["a", "b", "c"]}, table)
    assert {(suspect.feature, suspect.kind) for suspect in listed} == {("planted", "next")}
