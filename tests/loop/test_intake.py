"""Outcomes are checked against the contract, whole file or whole request, before any is logged."""

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from shipped import shipped
from traffic_records import SETTINGS, predicted

from accord.errors import AccordError
from accord.schema.data import Column, Data, Source
from accord.schema.serving import Serving
from accord.serving.intake import Intake, Keys, from_file
from accord.serving.requests import InvalidRowError
from accord.traffic.outcomes import labelled
from accord.traffic.pii import Pseudonyms
from accord.traffic.reading import scan_outcomes
from accord.traffic.records import key_text

SERVING = shipped(Serving, traffic=SETTINGS, max_rows=3)
KEY = {
    "ride": shipped(Column, type="integer"),
    "started_at": shipped(Column, type="datetime"),
    "rider": shipped(Column, type="category", pii="hash"),
}
OUTCOMES = {
    "delay": shipped(Column, type="number", role="outcome", nullable=True, max=500),
    "arrived_at": shipped(Column, type="datetime", role="outcome", nullable=True),
    "stops": shipped(Column, type="integer", role="outcome"),
}
DATA = shipped(
    Data,
    name="rides",
    sources={"rides": {"path": "rides.csv"}},
    key=list(KEY),
    columns={**KEY, **OUTCOMES},
    targets={"late": {"task": "binary", "sql": "delay > 10"}},
)
ROW: dict[str, Any] = {
    "ride": 7, "started_at": "2024-03-11T08:00:00+02:00", "rider": "ann", "delay": 2.5, "arrived_at": None, "stops": 1
}  # fmt: skip


@pytest.fixture
def intake(folder: Path) -> Intake:
    return Intake(OUTCOMES, KEY, partial(Pseudonyms, folder), SERVING)


def test_a_key_is_the_one_that_the_log_has(folder: Path, intake: Intake):
    [logged] = intake.record(
        intake.decoder.rows(json.dumps({"outcomes": [ROW]}).encode()), datetime.now(UTC)
    ).rows
    pseudonym = Pseudonyms(folder).of("ann")
    started_at = datetime(2024, 3, 11, 6)
    assert logged.key == key_text([7, started_at, pseudonym])
    assert logged.row == {"ride": 7, "started_at": started_at, "rider": pseudonym}
    assert logged.outcome == {"delay": 2.5, "arrived_at": None, "stops": 1}
    given = {**ROW, "started_at": started_at}
    assert Keys(KEY, partial(Pseudonyms, folder))(given)[1] == logged.key


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"delay": "late"}, r"outcomes\[1\].delay: expected `float \| null`, got `str`"),
        ({"delay": 501.0}, r"outcomes\[1\].delay: expected `float` <= 500"),
        ({"stops": None}, r"outcomes\[1\].stops: expected `int`, got `null`"),
        (
            {"ride": None},
            r"outcomes\[1\]: names no prediction; expected prediction_id, or the key: ride, started_at, rider",
        ),
        ({"colour": 1}, r"outcomes\[1\].colour: is no field"),
        ({"delay": ...}, r"outcomes\[1\].delay: is missing"),
    ],
)
def test_what_breaks_the_contract_is_named(intake: Intake, change: dict[str, Any], words: str):
    changed = {name: value for name, value in {**ROW, **change}.items() if value is not ...}
    with pytest.raises(InvalidRowError, match=words):
        intake.record(intake.decoder.converted([ROW, changed]), datetime.now(UTC))
    with pytest.raises(InvalidRowError, match=words):
        intake.record(
            intake.decoder.rows(json.dumps({"outcomes": [ROW, changed]}).encode()), datetime.now(UTC)
        )


def test_the_schema_says_what_is_taken(intake: Intake):
    outcome = intake.json_schema["properties"]["outcomes"]["items"]
    assert sorted(outcome["required"]) == ["arrived_at", "delay", "stops"]
    assert [way["required"] for way in outcome["anyOf"]] == [["prediction_id"], list(KEY)]
    assert outcome["anyOf"][0]["properties"] == {"prediction_id": {"not": {"type": "null"}}}
    assert outcome["properties"]["delay"] == {"type": ["number", "null"], "maximum": 500}


def table(n: int) -> pl.DataFrame:
    return pl.DataFrame(
        {"ride": range(n), "started_at": [datetime(2024, 3, 11)] * n, "rider": ["00700700"] * n, "weather": ["x"] * n,
         "delay": [None if i % 2 else i / 4 for i in range(n)], "arrived_at": [datetime(2024, 3, 12, microsecond=1)] * n,
         "stops": [float(i) for i in range(n)]}
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_gives_what_the_predictions_are_to_be_labelled_with(
    folder: Path, tmp_path: Path, write: Any, kind: str
):
    rows = table(10)
    file = tmp_path / f"outcomes.{kind}"
    rows.write_csv(file) if kind == "csv" else rows.write_parquet(file)
    keys = Keys(KEY, partial(Pseudonyms, folder))
    write(*(predicted(key=keys(row)[1]) for row in rows.to_dicts()))
    for _ in range(2):  # sent again, it changes nothing
        assert from_file(file, folder, DATA, SERVING) == 10
        found = labelled(folder).collect().sort("prediction_id")
        assert found["outcome|delay"].to_list() == rows["delay"].to_list()
        assert found["outcome|stops"].to_list() == list(range(10))
        assert found["outcome|arrived_at"].unique().to_list() == ["2024-03-12T00:00:00.000001"]
    assert "00700700" not in str(scan_outcomes(folder).collect().to_dicts())


def test_a_file_is_read_as_the_rows_of_the_data_set_are(folder: Path, tmp_path: Path, write: Any):
    source = shipped(Source, path="rides.csv", separator=";", nulls=["-"])
    data = DATA.model_copy(update={"sources": {"rides": source}})
    rows, keys = table(10), Keys(KEY, partial(Pseudonyms, folder))
    rows.write_csv(tmp_path / "outcomes.csv", separator=";", null_value="-")
    write(*(predicted(key=keys(row)[1]) for row in rows.to_dicts()))
    assert from_file(tmp_path / "outcomes.csv", folder, data, SERVING) == 10
    found = labelled(folder).collect().sort("prediction_id")
    assert found["outcome|delay"].to_list() == rows["delay"].to_list()


def test_outcomes_may_have_a_header_where_the_rows_have_none(folder: Path, tmp_path: Path, write: Any):
    source = shipped(Source, path="rides.csv", header=False)
    data = DATA.model_copy(update={"sources": {"rides": source}})
    record = predicted()
    write(record)
    rows = table(1).select("delay", "stops", "arrived_at", prediction_id=pl.lit(record.rows[0].prediction_id))
    rows.write_csv(tmp_path / "outcomes.csv")
    assert from_file(tmp_path / "outcomes.csv", folder, data, SERVING) == 1
    assert labelled(folder).collect()["outcome|stops"].to_list() == [0]


def test_a_file_with_a_broken_row_leaves_nothing_behind(folder: Path, tmp_path: Path):
    rows = table(10).with_columns(stops=pl.when(pl.col("ride") == 7).then(None).otherwise("stops"))
    rows.write_csv(tmp_path / "outcomes.csv")
    with pytest.raises(
        AccordError, match=r"outcomes.csv, row 8, stops: expected `int`, got `null`. .*nothing was logged"
    ):
        from_file(tmp_path / "outcomes.csv", folder, DATA, SERVING)
    assert not folder.exists() or not list(folder.rglob("*.jsonl"))
    rows.drop("delay").write_csv(tmp_path / "outcomes.csv")
    with pytest.raises(AccordError, match=r"Column 'delay' is missing from .*outcomes.csv; "):
        from_file(tmp_path / "outcomes.csv", folder, DATA, SERVING)
    rows.drop("ride").head(2).write_csv(tmp_path / "outcomes.csv")
    with pytest.raises(AccordError, match="row 1: names no prediction; expected prediction_id, or the key"):
        from_file(tmp_path / "outcomes.csv", folder, DATA, SERVING)
    with pytest.raises(AccordError, match="is not there"):
        from_file(tmp_path / "none.csv", folder, DATA, SERVING)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), 1e30, 0.5])
def test_a_number_that_no_integer_column_holds_is_refused_in_one_line(
    folder: Path, tmp_path: Path, value: float
):
    table(3).with_columns(stops=pl.Series([1.0, value, None])).write_parquet(tmp_path / "outcomes.parquet")
    with pytest.raises(AccordError, match=r"outcomes.parquet, row 2, stops: ") as refused:
        from_file(tmp_path / "outcomes.parquet", folder, DATA, SERVING)
    assert "\n" not in str(refused.value)


def test_predictions_may_be_named_by_their_ids_in_a_file(folder: Path, tmp_path: Path, write: Any):
    record = predicted()
    write(record)
    rows = table(1).select("delay", "stops", "arrived_at", prediction_id=pl.lit(record.rows[0].prediction_id))
    rows.write_csv(tmp_path / "outcomes.csv")
    assert from_file(tmp_path / "outcomes.csv", folder, DATA, SERVING) == 1
    assert labelled(folder).collect()["outcome|stops"].to_list() == [0]
