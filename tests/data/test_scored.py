"""Rows that are read a chunk at a time, and what is gathered of them."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from shipped import shipped

from accord.data import partitions, scored
from accord.data.scored import Columns, Rows
from accord.engines import mapped
from accord.errors import AccordError
from accord.expectation import ordered
from accord.schema.config import Engine
from accord.schema.data import Time
from accord.schema.objective import Target
from accord.sql.rows import evaluate

TIME = shipped(Time, event="at")
DERIVED = {"twice": "2 * x", "far": "x > 50"}
SPLITS = {"train": 120, "tune": 30, "test": 50}


@pytest.fixture(autouse=True)
def _on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "MAX_BYTES", 0)
    monkeypatch.setattr(mapped, "PART_ROWS", 33)


def table(n: int, seed: int) -> pl.DataFrame:
    hours = np.sort(np.random.default_rng(seed).integers(0, 2000, n)).tolist()
    at = pl.Series([datetime(2013, 1, 1) + timedelta(hours=h) for h in hours], dtype=pl.Datetime("us"))
    return pl.DataFrame({"at": at, "x": np.arange(n) + 1000 * seed, "who": [f"{i % 7}" for i in range(n)]})


def rows(folder: Path, frame: pl.DataFrame, chunk_rows: int | None = 17) -> Rows:
    partitions.write(folder, frame, TIME)
    engine = shipped(Engine, chunk_rows=chunk_rows)
    return Rows(folder, frame.height, DERIVED, engine, folder.parent / "scratch")


def test_chunks_have_the_columns_that_are_asked_for_and_say_where_they_are(tmp_path: Path) -> None:
    frame = table(100, 1)
    found = rows(tmp_path / "rows", frame)
    assert found.columns == ["at", "x", "who", "twice", "far"]
    for wanted in (["who", "twice"], ["x"], []):
        chunks = [*found.chunks(wanted)]
        assert [some for some, _ in chunks][:2] == [slice(0, 17), slice(17, 34)]
        assert {*wanted} <= {*chunks[0][1].columns}
        assert sum(part.height for _, part in chunks) == 100
    whole = frame.with_columns(twice=2 * pl.col("x"), far=pl.col("x") > 50)
    assert_frame_equal(pl.concat([part for _, part in found.chunks()]), whole)
    assert found.vector(["twice"], lambda part: part["twice"].to_numpy()).tolist() == whole["twice"].to_list()


def test_a_row_that_has_no_value_is_counted_from_the_first_of_the_split(tmp_path: Path) -> None:
    frame = table(100, 1).with_columns(pl.Series("who", ["2013-01-01"] * 70 + ["2013-02-30"] * 30))
    found = rows(tmp_path / "rows", frame)
    sql = "extract(day FROM date(who))"
    with pytest.raises(AccordError, match="can't be computed from row 71"):
        found.vector(["who"], lambda part: evaluate(part, sql, "here").to_numpy())


def test_rows_that_are_left_out_are_in_no_chunk(tmp_path: Path) -> None:
    frame = table(100, 1)
    found = rows(tmp_path / "rows", frame).kept(["who"], lambda part: (part["who"] == "3").to_numpy())
    assert found.n == (frame["who"] == "3").sum()
    chunks = [*found.chunks(["x"])]
    assert pl.concat([part for _, part in chunks])["x"].to_list() == frame.filter(who="3")["x"].to_list()
    assert [some.stop - some.start for some, _ in chunks] == [part.height for _, part in chunks]
    assert chunks[-1][0].stop == found.n


@pytest.mark.parametrize("n_cells", [5 * 100, 5 * 30, 5])
def test_spread_rows_are_every_so_many_and_no_more_than_fit(tmp_path: Path, n_cells: int) -> None:
    found = rows(tmp_path / "rows", table(100, 1)).spread(n_cells)
    step = -(-500 // n_cells)
    assert found["x"].to_list() == table(100, 1)["x"].gather_every(step).to_list()


def test_columns_beside_the_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    p, action = np.random.default_rng(0).random(200), np.arange(200) % 3 == 0
    scored.write(tmp_path / "predictions", {"test": Columns({"p": p, "action": action})})
    found = Columns.read(tmp_path / "predictions/test.parquet", tmp_path / "scratch")
    assert found.of["p"].tolist() == p.tolist()
    assert found.of["action"].tolist() == action.tolist()
    assert found.part(slice(3, 5)).to_dicts() == [{"p": p[3], "action": True}, {"p": p[4], "action": False}]


def gathering(
    folder: Path, chunk_rows: int | None, time: Time | None
) -> tuple[ordered.Ordered, pl.DataFrame]:
    """Three splits, and all their rows in order, with where they are among them."""
    frames = {split: table(n, seed) for seed, (split, n) in enumerate(SPLITS.items())}
    split_rows = {split: rows(folder / split, frame, chunk_rows) for split, frame in frames.items()}
    beside = {split: Columns({"p": np.arange(n) / n}) for split, n in SPLITS.items()}
    late = shipped(Target, task="regression", sql="x / 2")
    whole = pl.concat(
        frame.with_columns(pl.Series("p", beside[split].of["p"]), pl.lit(split).alias(ordered.SPLIT))
        for split, frame in frames.items()
    ).with_columns((pl.col("x") / 2).alias("actual|late"))
    if time is not None:
        whole = whole.sort("at", maintain_order=True)
    return ordered.in_order(split_rows, beside, {"actual|late": ("late", late)}, time), whole


@pytest.mark.parametrize("time", [TIME, None], ids=["time", "no time"])
@pytest.mark.parametrize("chunk_rows", [None, 7])
def test_rows_of_all_splits_are_gathered_in_order(
    tmp_path: Path, chunk_rows: int | None, time: Time | None
) -> None:
    found, whole = gathering(tmp_path, chunk_rows, time)
    names = ["who", "p", "actual|late", ordered.SPLIT, "x"]

    def splits(*wanted: str) -> pl.DataFrame:
        return whole.filter(pl.col(ordered.SPLIT).is_in(wanted)).select(names)

    for wanted, most in ((["tune", "test"], 1000), ([*SPLITS], 60), (["test"], 7)):
        part = splits(*wanted)
        step = max(1, -(-part.height // most))
        assert_frame_equal(found.gathered(found.spread(wanted, most), names), part.gather_every(step))
    every = found.runs(SPLITS, 1000)
    assert_frame_equal(found.gathered(every, names), splits(*SPLITS))
    for n_cells in (1, 2 * whole.height, 1_000_000):
        lazily = found.lazily(every, names, n_cells)
        for wanted in (["p", "who"], ["x"], ["actual|late"], names):
            assert_frame_equal(lazily.select(wanted).collect(), splits(*SPLITS).select(wanted))
        assert lazily.select(pl.len()).collect().item() == whole.height


def test_no_rows_have_columns_too(tmp_path: Path) -> None:
    found, whole = gathering(tmp_path, 7, None)
    none = found.of_subjects(SPLITS, 10, "who")
    assert_frame_equal(found.gathered(none, ["x", "p"]), whole.select("x", "p").clear())


def test_of_too_many_rows_runs_of_neighbours_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordered, "N_RUNS", 4)
    found, whole = gathering(tmp_path, 7, TIME)
    part = whole.filter(pl.col(ordered.SPLIT) != "train")
    expected = [*range(5), *range(20, 25), *range(40, 45), *range(60, 65)]
    assert (
        found.gathered(found.runs(["tune", "test"], 20), ["x"])["x"].to_list()
        == part["x"].gather(expected).to_list()
    )


@pytest.mark.parametrize("chunk_rows", [None, 7])
def test_of_rows_that_come_by_subject_all_of_a_subject_are_kept(
    tmp_path: Path, chunk_rows: int | None
) -> None:
    found, whole = gathering(tmp_path, chunk_rows, None)
    for wanted, most in ((["tune", "test"], 30), ([*SPLITS], 60), ([*SPLITS], 1000)):
        part = whole.filter(pl.col(ordered.SPLIT).is_in(wanted))
        kept = part.filter(pl.col("who").rank("dense") % -(-part.height // most) == 0)
        places = found.of_subjects(wanted, most, "who")
        assert_frame_equal(found.gathered(places, ["who", "x"]), kept.select("who", "x"))
