"""Stage validate: valid rows, quarantine and report are the same in however many chunks the rows come."""

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from shipped import shipped

from accord.data import buckets, partitions
from accord.data.ingest.joins import in_order
from accord.data.leaks import beyond
from accord.data.validated import Validated
from accord.data.validation import summary, validate
from accord.errors import AccordError
from accord.files import read_as, sha256
from accord.paths import Paths
from accord.schema.config import Features
from accord.schema.data import ROW_ID, Data
from accord.sql.rows import NotComputedError

N_ROWS = 400
LEAK = {"late": {"type": "number", "nullable": True}}
TARGETS = {"late": {"task": "binary", "sql": "delay > 10"}, "delay": {"task": "regression", "sql": "delay"}}
TRIPS: dict[str, Any] = {
    "name": "trips",
    "sources": {"trips": {"path": "trips.csv"}},
    "columns": {
        "trip": {"type": "integer", "role": "info"},
        "at": {"type": "datetime", "role": "info"},
        "place": {"type": "category", "values": ["north", "south"]},
        "distance": {"type": "number", "min": 0, "nullable": True},
        "delay": {"type": "integer", "role": "outcome"},
    },
    "rules": {"near": "distance < 95 OR place = 'north'"},
    "checks": {"max_quarantined_share": 0.9},
    "targets": TARGETS,
}


def trips() -> pl.DataFrame:
    """Rows of which some break the contract in each way; keys are missing, and stand twice and thrice, near and far."""
    draw = random.Random(7)
    rows = [
        {
            "trip": i,
            "at": datetime(2024, 1, 1) + timedelta(hours=draw.randrange(2400)),
            "place": draw.choice(["north", "south", "south", "east"]) if i % 9 else "south",
            "distance": draw.choice([1.5, 20.0, 96.0, -1.0, None]),
            "delay": str(draw.randrange(30)) if i % 31 else "soon",
        }
        for i in range(N_ROWS)
    ]
    for i in (17, 90, 200, 201, 399):
        rows[i] |= {"trip": rows[11]["trip"], "at": rows[11]["at"]}
    rows[33] |= {"trip": 32}
    for i in range(300, 306):
        rows[i] |= {"trip": None} if i % 2 else {"at": None}
    return pl.DataFrame(rows).cast({"at": pl.Datetime("us")})


def data_of(changes: dict[str, Any]) -> Data:
    return shipped(Data, **TRIPS | changes)


def ran(root: Path, data: Data, rows: pl.DataFrame, most: int) -> Paths:
    """A project whose rows stage validate has seen in chunks of so many."""
    paths = Paths(root / f"in-{most}")
    partitions.write(paths.rows, in_order(rows, data), data.time)
    (root / f"scratch-{most}").mkdir()
    validate(data, shipped(Features), data.targets, paths, most, root / f"scratch-{most}")
    return paths


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that go through files, although they are few."""
    monkeypatch.setattr(buckets, "WAITING_ROWS", 20)


TIME = {"event": "at", "label_delay": "1d"}
WAYS = {
    "the key has the time": {"key": ["trip", "at"], "time": TIME},
    "the key has no time": {"key": ["trip"], "time": TIME},
    "no time": {"key": ["trip"], "subject": "place"},
    "a number in the key": {"key": ["distance", "trip"], "time": TIME},
    "a text in the key": {"key": ["place", "trip"]},
    "no key": {"time": TIME},
}


@pytest.mark.parametrize("most", [7, 60, 399])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("small")
def test_all_outputs_are_the_same_however_many_rows_are_in_memory(tmp_path: Path, way: str, most: int):
    data, rows = data_of(WAYS[way]), trips()
    if not data.key:
        rows = rows.with_row_index(ROW_ID)
    paths = [ran(tmp_path, data, rows, n) for n in (N_ROWS, most)]
    report = read_as(paths[0].validation, Validated)
    assert 50 < report.n_valid < N_ROWS
    assert ("primary_key" in report.broken_rules) == bool(data.key)
    for made in ("valid", "quarantine", "validation"):
        whole, chunked = (sha256(getattr(path, made)) for path in paths)
        assert whole == chunked, made


@pytest.mark.parametrize("way", ["the key has no time", "no key"])
def test_a_sample_is_looked_at_for_leaks_of_a_large_table_the_same_in_any_chunks(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(beyond, "MAX_ROWS", 60)
    changes = {"derived": {"far": "distance * 2"}, "columns": {**TRIPS["columns"], **LEAK}}
    data = data_of(WAYS[way] | changes)
    rows = trips().with_columns(late=pl.col("delay").cast(pl.Int64, strict=False) * 3)
    if not data.key:
        rows = rows.with_row_index(ROW_ID)
    said = [ran(tmp_path, data, rows, most).validation for most in (N_ROWS, 7, 60)]
    report = read_as(said[0], Validated)
    assert [leak.feature for leak in report.leaks] == ["late"]
    assert 40 < (report.n_looked_at or 0) <= 60
    assert "leaks looked for in" in summary(report)
    assert len({sha256(one) for one in said}) == 1


@pytest.mark.usefixtures("small")
def test_every_row_of_a_key_in_several_chunks_is_in_quarantine(tmp_path: Path):
    data = data_of({"key": ["trip", "at"]})
    rows = trips().with_columns(place=pl.lit("north"), distance=1.0, delay=pl.lit("3"))
    paths = ran(tmp_path, data, rows, 1)
    report = read_as(paths.validation, Validated)
    key = pl.struct("trip", "at")
    expected = rows.filter(key.is_duplicated() | pl.any_horizontal(pl.col("trip", "at").is_null()))
    assert report.broken_rules["primary_key"] == rows.filter(key.is_duplicated()).height == 6
    assert report.n_quarantined == expected.height


@pytest.mark.usefixtures("small")
def test_zero_is_one_key_whatever_its_sign(tmp_path: Path):
    data = data_of({"key": ["distance"]})
    rows = trips().with_columns(
        place=pl.lit("north"), distance=pl.Series([0.0, -0.0, *range(1, 399)]), at=datetime(2024, 1, 1),
        trip=pl.int_range(pl.len()),
    )  # fmt: skip
    report = read_as(ran(tmp_path, data, rows, 1).validation, Validated)
    assert report.broken_rules["primary_key"] == 2


@pytest.mark.parametrize("partition_rows", [1_000_000, 50])
def test_data_refused_as_a_whole_are_refused_in_the_same_words(
    tmp_path: Path, partition_rows: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(partitions, "MAX_ROWS", partition_rows)
    data = data_of(WAYS["the key has no time"] | {"checks": {"max_quarantined_share": 0.01}})
    said = []
    for most in (N_ROWS, 3):
        with pytest.raises(AccordError) as error:
            ran(tmp_path, data, trips(), most)
        said.append((str(error.value), error.value.details))
        assert not Paths(tmp_path / f"in-{most}").valid.exists()
    assert said[0] == said[1]
    assert sha256(Paths(tmp_path / "in-3").quarantine) == sha256(Paths(tmp_path / f"in-{N_ROWS}").quarantine)


def test_the_first_rule_that_can_not_be_computed_is_named_whichever_chunk_it_fails_in(tmp_path: Path):
    rules = {"late": "strptime(place, '%Y') IS NOT NULL", "early": "strptime(word, '%Y') IS NOT NULL"}
    columns = {**TRIPS["columns"], "place": {"type": "category"}, "word": {"type": "category"}}
    data = data_of({"key": ["trip"], "columns": columns, "rules": rules})
    rows = pl.DataFrame({
        "trip": range(N_ROWS), "at": datetime(2024, 1, 1), "distance": 1.0, "delay": 5,
        "word": ["x", *["2020"] * (N_ROWS - 1)], "place": [*["2020"] * (N_ROWS - 1), "x"],
    }).cast({"at": pl.Datetime("us")})  # fmt: skip
    for most in (N_ROWS, 10):
        with pytest.raises(NotComputedError) as error:
            ran(tmp_path, data, rows, most)
        assert (error.value.where, error.value.index) == ("data.rules.late", N_ROWS - 1)
        paths = Paths(tmp_path / f"in-{most}")
        assert not paths.valid.exists()
        assert not paths.quarantine.exists()


SMALL: dict[str, Any] = {
    "name": "small",
    "sources": {"small": {"path": "small.csv"}},
    "columns": {
        "x": {"type": "number", "min": 0},
        "y": {"type": "number", "role": "outcome", "nullable": True},
    },
    "targets": {"y": {"task": "regression", "sql": "y"}},
}


@pytest.mark.parametrize(
    ("xs", "fails"), [([1.0, 2.0, 3.0, -1.0], False), ([1.0, 2.0, -3.0, -1.0], True), ([-1.0], True)]
)
def test_a_share_of_broken_rows_past_the_limit_fails_the_data(tmp_path: Path, xs: list[float], fails: bool):
    data = shipped(Data, **SMALL, checks={"max_quarantined_share": 0.25})
    rows = pl.DataFrame({ROW_ID: range(len(xs)), "x": xs, "y": [1.0, 2.0, 1.0, 2.0][: len(xs)]})
    if fails:
        with pytest.raises(
            AccordError, match=r"rows \(\d+\.\d%\) break the contract of small.*column 'x'.*at least 0"
        ):
            ran(tmp_path, data, rows, 10)
    else:
        ran(tmp_path, data, rows, 10)
    report = read_as(Paths(tmp_path / "in-10").validation, Validated)
    assert report.n_valid + report.n_quarantined == report.n_rows == len(xs)


@pytest.mark.parametrize("action", ["fail", "report"])
def test_a_leak_fails_the_data_only_if_the_config_asks_for_it(tmp_path: Path, action: str):
    data = shipped(Data, **SMALL, checks={"leaks": {"action": action}})
    values = [float(i // 10) for i in range(400)]
    rows = pl.DataFrame({ROW_ID: range(400), "x": values, "y": values})
    if action == "fail":
        with pytest.raises(AccordError, match=r"Possible leak: feature 'x'.*role outcome.*accepted"):
            ran(tmp_path, data, rows, 400)
    else:
        ran(tmp_path, data, rows, 400)
    report = read_as(Paths(tmp_path / "in-400").validation, Validated)
    assert [leak.feature for leak in report.leaks] == ["x"]
    assert "LEAK SUSPECTS: x (y)" in summary(report)
