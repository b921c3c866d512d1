"""Partitions on disk: cut by the rows alone, whatever the frames are in which they come and are read."""

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from shipped import shipped

from accord.data import partitions
from accord.files import sha256
from accord.schema.data import Time

N_ROWS = 1000
TIME = shipped(Time, event="at")


def rows() -> pl.DataFrame:
    at = [datetime(2013, 1, 1) + timedelta(hours=3 * i) for i in range(N_ROWS)]
    return pl.DataFrame({"at": at, "x": range(N_ROWS)}).with_columns(pl.col("at").cast(pl.Datetime("us")))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Partitions of at most 200 rows, fewer than a month has."""
    monkeypatch.setattr(partitions, "MAX_ROWS", 200)


@pytest.mark.parametrize("time", [TIME, None], ids=["time", "no time"])
@pytest.mark.parametrize("n", [1, 7, 200, 333])
@pytest.mark.usefixtures("small")
def test_files_are_the_same_in_however_many_frames_rows_come(tmp_path: Path, time: Time, n: int) -> None:
    whole = rows()
    n_partitions = partitions.write(tmp_path / "a/rows", whole, time)
    with partitions.writing(tmp_path / "b/rows", time) as into:
        for start in range(0, N_ROWS, n):
            into.add(whole.slice(start, n))
            into.add(whole.clear())
    assert sha256(tmp_path / "a/rows") == sha256(tmp_path / "b/rows")
    assert n_partitions == into.n_partitions == len(partitions.names(tmp_path / "b/rows"))
    assert_frame_equal(partitions.read(tmp_path / "a/rows"), whole)


@pytest.mark.usefixtures("small")
def test_a_month_that_has_too_many_rows_is_cut(tmp_path: Path) -> None:
    partitions.write(tmp_path / "rows", rows(), TIME)
    assert partitions.names(tmp_path / "rows")[:3] == ["2013-01-00000", "2013-01-00001", "2013-02-00000"]
    assert partitions.names(tmp_path / "rows")[-1] == "2013-05"


def test_no_rows_are_one_partition_with_their_columns(tmp_path: Path) -> None:
    assert partitions.write(tmp_path / "rows", rows().clear(), TIME) == 1
    assert_frame_equal(partitions.read(tmp_path / "rows"), rows().clear())
    assert [chunk.shape for chunk in partitions.chunks(tmp_path / "rows", 10)] == [(0, 2)]


@pytest.mark.parametrize("most", [1, 77, 248, 500, 10_000])
@pytest.mark.usefixtures("small")
def test_chunks_are_all_rows_in_order_and_none_is_too_large(tmp_path: Path, most: int) -> None:
    partitions.write(tmp_path / "rows", rows(), TIME)
    found = list(partitions.chunks(tmp_path / "rows", most, ["x"]))
    assert max(chunk.height for chunk in found) <= most
    assert pl.concat(found)["x"].to_list() == list(range(N_ROWS))
    assert most < N_ROWS or len(found) == 1


def test_a_partition_is_named_for_its_month_in_the_zone_of_the_data(tmp_path: Path) -> None:
    time = shipped(Time, event="at", zone="America/New_York")
    at = [datetime(1, 1, 1), datetime(999, 5, 2), datetime(2024, 3, 1, 4), datetime(9999, 12, 31, 23), None]
    frame = pl.DataFrame({"at": at}, schema={"at": pl.Datetime("us")})
    partitions.write(tmp_path / "rows", frame, time)
    assert partitions.names(tmp_path / "rows") == ["0001-01", "0999-05", "2024-02", "9999-12", "unknown"]


def test_wide_rows_make_smaller_partitions() -> None:
    assert partitions.max_rows(20) == 1_000_000
    assert partitions.max_rows(2000) == 32_000
