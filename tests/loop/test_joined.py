"""Rows of batches join those of the sources: one row a key, the latest outcome's."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from shipped import shipped
from uuid_utils import uuid7

from accord.data.batch_list import Batch, listed, relist, sha256, write
from accord.data.ingest.batches import Batches
from accord.errors import AccordError
from accord.paths import Paths
from accord.schema.data import ROW_ID, Data

COLUMNS = {
    "ride": {"type": "integer"}, "started_at": {"type": "datetime"}, "station": {"type": "category"},
    "delay": {"type": "number", "role": "outcome", "nullable": True},
}  # fmt: skip
DAY = datetime(2024, 3, 1)


def data(key: list[str], time: bool = True) -> Data:
    return shipped(
        Data,
        name="rides",
        sources={"rides": {"path": "rides.csv"}},
        key=key,
        columns=COLUMNS,
        time={"event": "started_at"} if time else None,
        targets={"late": {"task": "binary", "sql": "delay > 10"}},
    )


RIDES = data(["ride", "started_at"])


def batch(
    folder: Path,
    name: str,
    *rows: tuple[int | None, int, float | None],
    ids: list[str] | None = None,
    received: int = 0,
) -> Batch:
    """Rides of these numbers, days and delays; outcomes received in a minute of its own."""
    frame = pl.DataFrame(
        {"ride": [r for r, _, _ in rows], "started_at": [DAY + timedelta(days=d) for _, d, _ in rows], "station": "north",
         "delay": [v for _, _, v in rows], "log|prediction_id": ids or [str(uuid7()) for _ in rows],
         "log|outcome_id": f"{received:02}"},
        schema_overrides={"ride": pl.Int64, "delay": pl.Float64},
    )  # fmt: skip
    frame.with_columns(probability=0.5).write_parquet(folder / f"{name}.parquet")
    return Batch(str(folder / f"{name}.parquet"), sha256(folder / f"{name}.parquet"), "rides")


def source(typed: bool) -> pl.DataFrame:
    """Rides 1 to 3 on days 1 to 3, as Parquet or as CSV has them, with a column that the contract leaves out."""
    rows = pl.DataFrame(
        {
            "ride": [1, 2, 3],
            "started_at": [DAY + timedelta(days=i) for i in (1, 2, 3)],
            "station": "south",
            "delay": [1, 2, 3],
        }
    )
    rows = rows.with_columns(**{"weather|available_at": pl.lit(DAY)})
    return rows if typed else rows.with_columns(pl.col("started_at").dt.to_string("%Y-%m-%d %H:%M:%S"))


def joined(rows: pl.DataFrame, listed: list[Batch], data: Data, paths: Paths) -> tuple[pl.DataFrame, str]:
    batches = Batches(listed, data, paths)
    found, n_replaced = batches.among(rows)
    return found, batches.told(n_replaced)


def values(frame: pl.DataFrame) -> list[tuple[int, str, float]]:
    return frame.select("ride", "station", "delay").rows()


@pytest.mark.parametrize("typed", [True, False])
def test_a_row_of_a_batch_takes_the_place_of_the_sources(tmp_path: Path, typed: bool):
    batches = [batch(tmp_path, "a", (2, 2, 20.5), (9, 0, None)), batch(tmp_path, "b", (2, 3, 30.0))]
    frame, told = joined(source(typed), batches, RIDES, Paths(tmp_path))
    assert values(frame) == [
        (9, "north", None),
        (1, "south", 1.0),
        (2, "north", 20.5),
        (2, "north", 30.0),
        (3, "south", 3.0),
    ]
    assert frame.columns == source(typed).columns
    assert frame.schema["started_at"] == pl.Datetime("us")
    assert (
        told
        == "; 2 batches with 3 rows: 1 replace rows of the sources, 0 those of earlier batches, 2 are new"
    )


def test_of_several_batches_the_latest_outcome_counts_in_whatever_order_they_are_listed(tmp_path: Path):
    first = batch(tmp_path, "a", (2, 2, 20.0), received=1)
    second = batch(tmp_path, "b", (2, 2, 22.0), (7, 7, 7.0), received=2)
    for batches in ([first, second], [second, first]):
        frame, told = joined(source(True), batches, RIDES, Paths(tmp_path))
        assert (2, "north", 22.0) in values(frame)
        assert frame.height == 4
        assert "1 replace rows of the sources, 1 those of earlier batches, 1 are new" in told


def test_a_source_with_values_that_break_the_contract_keeps_them(tmp_path: Path):
    rows = source(False).with_columns(
        started_at=pl.Series(["never", "2024-03-03 00:00:00", "2024-03-04 00:00:00"])
    )
    frame, _ = joined(rows, [batch(tmp_path, "a", (2, 2, 20.5))], RIDES, Paths(tmp_path))
    assert frame.height == 3
    assert set(frame["started_at"]) == {"never", "2024-03-03 00:00:00.000000", "2024-03-04 00:00:00"}


def test_rows_without_their_key_are_left_for_validate_to_count(tmp_path: Path):
    frame, _ = joined(
        source(True), [batch(tmp_path, "a", (None, 2, 1.0), (None, 2, 2.0))], RIDES, Paths(tmp_path)
    )
    assert frame.height == 5
    assert frame["ride"].null_count() == 2


def test_without_a_key_each_prediction_is_there_once(tmp_path: Path):
    ids = [str(uuid7()) for _ in range(2)]
    batches = [
        batch(tmp_path, "a", (2, 2, 1.0), (2, 2, 2.0), ids=ids),
        batch(tmp_path, "b", (2, 2, 3.0), ids=ids[:1], received=1),
    ]
    rows = source(True).with_columns(pl.int_range(3).alias(ROW_ID))
    frame, told = joined(rows, batches, data([], time=False), Paths(tmp_path))
    assert sorted(frame["delay"]) == [1.0, 2.0, 2.0, 3.0, 3.0]
    assert frame[ROW_ID].is_unique().all()
    assert "0 replace rows of the sources, 1 those of earlier batches, 2 are new" in told
    fewer, _ = joined(rows, batches[:1], data([], time=False), Paths(tmp_path))
    assert set(fewer[ROW_ID]) == set(frame[ROW_ID]), "a row keeps its number, and so its split"


def test_bytes_that_are_missing_or_changed_are_named(tmp_path: Path):
    made = batch(tmp_path, "a", (2, 2, 20.5))
    with pytest.raises(
        AccordError, match=r"a.parquet has the hash .*; expected 0000.* Restore it: dvc checkout"
    ):
        joined(source(True), [made._replace(sha256="0" * 64)], RIDES, Paths(tmp_path))
    shutil.move(made.file, tmp_path / "elsewhere")
    with pytest.raises(AccordError, match=r"The bytes of .*a.parquet.* are not here; fetch them: dvc pull"):
        joined(source(True), [made], RIDES, Paths(tmp_path))


def test_the_list_follows_batches_of_which_rows_were_erased(tmp_path: Path):
    folder = tmp_path / "batches"
    folder.mkdir()
    made = [batch(folder, name, (2, 2, 20.5)) for name in "ab"]
    write(made, tmp_path / "batches.json")
    batch(folder, "a", (3, 3, 1.0))
    relist(folder)
    again = listed(tmp_path / "batches.json")
    assert again[0].sha256 == sha256(folder / "a.parquet") != made[0].sha256
    assert again[1] == made[1]
    joined(source(True), again, RIDES, Paths(tmp_path))
