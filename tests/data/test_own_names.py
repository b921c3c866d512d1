"""Columns may be called as ours are: none of them is overwritten, refused or taken for another."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from shipped import shipped

from accord.data.contract import Checked, check
from accord.data.ingest.joins import Ingested, ingest
from accord.errors import AccordError
from accord.features.transform import fit
from accord.schema.config import Features
from accord.schema.data import ROW_ID, Column, Data
from accord.sql.rows import with_derived

NAMES = (
    "filter",
    "columns",
    "column_names",
    "primary_key",
    "validate",
    "schema",
    "rule",
    "decision",
    "reasons",
    "self",
)
"""Names of dataframely's, of ours and of Python's."""


def ingested(folder: Path, frame: pl.DataFrame, columns: dict[str, Any], **more: Any) -> Ingested:
    frame.write_csv(folder / "s.csv")
    columns = {**columns, "y": {"type": "integer", "role": "outcome"}}
    targets = {"late": {"task": "binary", "sql": "y = 1"}}
    settings = {
        "name": "data",
        "sources": {"s": {"path": str(folder / "s.csv")}},
        "rows": "s",
        "targets": targets,
    }
    return ingest(shipped(Data, **{**settings, "columns": columns, **more}), Path())


@pytest.mark.parametrize("joins", [None, "SELECT *, row_id AS shop FROM s"])
def test_a_column_called_row_id_keeps_its_values(tmp_path: Path, joins: str | None):
    frame = pl.DataFrame({"row_id": [30, 10, 20], "y": [0, 1, 0]})
    own = "row_id" if joins is None else "shop"
    found = ingested(tmp_path, frame, {own: {"type": "integer"}}, **({"joins": joins} if joins else {}))
    assert found.rows.select(own, ROW_ID).rows() == [(30, 0), (10, 1), (20, 2)]


@pytest.mark.parametrize("name", ["row_id", f'"{ROW_ID}"'])
def test_sql_carries_the_number_of_a_row_by_its_name_or_the_earlier_one(tmp_path: Path, name: str):
    frame = pl.DataFrame({"x": [3, 1, 2], "y": [0, 1, 0]})
    found = ingested(tmp_path, frame, {"x": {"type": "integer"}}, joins=f"SELECT x, y, {name} FROM s")
    assert found.rows[ROW_ID].to_list() == [0, 1, 2]
    assert found.left_aside == []


def test_sql_that_leaves_the_number_out_is_refused_with_its_name(tmp_path: Path):
    frame = pl.DataFrame({"x": [3, 1, 2], "y": [0, 1, 0]})
    with pytest.raises(AccordError, match=r'leaves out "row\|id".* declare a key'):
        ingested(tmp_path, frame, {"x": {"type": "integer"}}, joins="SELECT x, y FROM s")


def test_a_source_with_a_column_called_as_the_number_is_refused(tmp_path: Path):
    frame = pl.DataFrame({ROW_ID: [3, 1, 2], "y": [0, 1, 0]})
    with pytest.raises(AccordError, match=r"has a column 'row\|id'.* give it another name"):
        ingested(tmp_path, frame, {"x": {"type": "integer", "source": ROW_ID}})


def test_a_column_of_a_source_never_stands_for_the_rows_own_in_silence(rides: dict):
    pl.read_parquet(rides["sources"]["rides"]["path"]).with_columns(rain=pl.lit(-1.0)).write_parquet(
        rides["sources"]["rides"]["path"]
    )
    with pytest.raises(
        AccordError, match=r"as_of.weather.columns: 'rain' is a column of the rows too.* EXCLUDE"
    ):
        ingest(shipped(Data, **rides), Path())
    rides["joins"] = (
        "SELECT r.* EXCLUDE (rain), p.height FROM rides AS r LEFT JOIN places AS p ON r.place = p.name"
    )
    assert ingest(shipped(Data, **rides), Path()).rows["rain"].max() == 3.0


def test_a_source_may_have_a_column_called_like_the_contracts_name_of_another(rides: dict):
    """The rows have `weather_rain`, which the contract has as `rain`, and the weather is to give `rain`."""
    path = rides["sources"]["rides"]["path"]
    pl.read_parquet(path).with_columns(weather_rain=pl.lit(-1.0)).write_parquet(path)
    rides["columns"]["rain"]["source"] = "weather_rain"
    assert ingest(shipped(Data, **rides), Path()).rows["rain"].max() == 3.0


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_value_is_found_whatever_its_column_is_called(name: str):
    columns = {name: shipped(Column, type="integer", min=1), "n": shipped(Column, type="integer")}
    rows = pl.DataFrame({name: [1, 0, 2], "n": [7, 8, 8]})
    found: Checked = check(rows, columns, key=[name], rules={"high": "n < 100"})
    assert found.valid.rows() == [(1, 7), (2, 8)]
    assert found.reasons.to_list() == [[f"{name}|min"]]
    assert found.quarantine[name].to_list() == [0]
    assert found.broken == {f"{name}|min": 1}


def test_the_reasons_stand_beside_a_column_called_reasons():
    rows = pl.DataFrame({"reasons": ["late", "late"], "x": [1, -1]})
    columns = {"reasons": shipped(Column, type="category"), "x": shipped(Column, type="integer", min=0)}
    found = check(rows, columns)
    assert found.quarantine["reasons"].to_list() == ["late"]
    assert found.quarantine["row|reasons"].to_list() == [["x|min"]]


def test_a_rule_beside_a_column_called_rule_is_told_from_it():
    rows = pl.DataFrame({"rule": [1, 2], "x": [1, 9]})
    columns = {name: shipped(Column, type="integer") for name in rows.columns}
    assert check(rows, columns, rules={"low": "x < 5"}).broken == {"rule|low": 1}


def test_categories_called_rows_or_count_are_fitted_like_others():
    rows = pl.DataFrame({name: ["a", "a", "b"] for name in ("rows", "count", "level", "plain")})
    columns = {name: shipped(Column, type="category") for name in rows.columns}
    found = fit(rows, columns, {}, shipped(Features, rare_level_rows=2))
    assert {encoding.levels for encoding in found.encodings} == {("a",)}


def test_a_derived_feature_may_be_called_self_or_like_a_parameter():
    frame = pl.DataFrame({"value": [1.0, 2.0]})
    names = dict.fromkeys(("self", "exprs", "named_exprs", "values"), "value * 2")
    assert with_derived(frame, names).select(*names).rows() == [(2.0,) * 4, (4.0,) * 4]
