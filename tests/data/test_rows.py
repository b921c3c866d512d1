"""Rows joined from sources, with nothing from after the decision."""

import copy
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from shipped import shipped

from accord.data.ingest.joins import ingest
from accord.data.partitions import partitions, read, write
from accord.errors import AccordError
from accord.schema.data import AVAILABLE, ROW_ID, Data

HERE = Path()  # the sources' paths are absolute


def rows_of(settings: dict[str, Any]) -> pl.DataFrame:
    return ingest(shipped(Data, **settings), HERE).rows.sort("ride")


def test_a_row_gets_the_latest_value_that_was_available_at_its_decision(rides: dict):
    rows = rows_of(rides)
    # Ride 1 is decided at 09:00: the observation of 08:00, there from 08:30, and not the one of 09:00, there from 09:30.
    # Ride 2, at 11:00: the one of 09:00. The one of 11:00 was made, but not there before 11:30.
    assert rows["rain"].to_list() == [0.0, 1.0, 3.0, None]
    assert (rows[f"weather{AVAILABLE}"] <= rows["decided"]).drop_nulls().all()


def test_a_value_available_at_the_very_decision_counts(rides: dict):
    rides["sources"]["weather"]["available_at"] = "strptime(hour, '%Y-%m-%dT%H:%M:%SZ')"
    assert rows_of(rides)["rain"].to_list()[:2] == [1.0, 2.0]


def test_without_a_decision_time_the_event_counts(rides: dict):
    del rides["time"]["decision"]
    assert rows_of(rides)["rain"].to_list()[:2] == [1.0, 2.0]


def test_a_value_older_than_the_tolerance_is_not_used(rides: dict):
    rides["as_of"]["weather"]["tolerance"] = "1h"
    assert rows_of(rides)["rain"].to_list() == [0.0, None, None, None]
    rides["as_of"]["weather"]["tolerance"] = "1d"
    assert rows_of(rides)["rain"].to_list() == [0.0, 1.0, 3.0, 3.0]


def test_a_value_of_another_place_is_not_used(rides: dict):
    assert rows_of(rides)["rain"].to_list()[2] == 3.0
    rides["as_of"]["weather"]["by"] = []
    assert rows_of(rides)["rain"].to_list()[2] == 0.0


def test_an_observation_without_an_instant_is_not_used(rides: dict):
    path = Path(rides["sources"]["weather"]["path"])
    path.write_text(path.read_text() + "south,,99.0\n")
    assert 99.0 not in rows_of(rides)["rain"].to_list()


def test_of_two_observations_of_one_instant_the_later_in_the_source_counts(rides: dict):
    path = Path(rides["sources"]["weather"]["path"])
    path.write_text(path.read_text() + "south,2024-03-01T07:00:00Z,4.0\n")
    assert rows_of(rides)["rain"].to_list()[2] == 4.0


def test_the_order_of_a_source_does_not_change_the_rows(rides: dict):
    before = rows_of(rides)
    for name in ("rides", "weather", "places"):
        path = Path(rides["sources"][name]["path"])
        if path.suffix == ".csv":
            pl.read_csv(path).reverse().write_csv(path)
        else:
            pl.read_parquet(path).reverse().write_parquet(path)
    assert rows_of(rides).equals(before)


def test_rows_come_in_the_order_of_event_time_and_key(rides: dict):
    rows = ingest(shipped(Data, **rides), HERE).rows
    assert rows["ride"].to_list() == [1, 3, 2, 4]
    assert rows.columns == [*rides["columns"], f"weather{AVAILABLE}"]


def test_rows_without_a_key_are_numbered_in_the_order_of_the_source(rides: dict):
    rides["key"] = []
    rows = ingest(shipped(Data, **rides), HERE).rows
    assert dict(zip(rows["ride"], rows[ROW_ID], strict=True)) == {1: 0, 2: 1, 3: 2, 4: 3}


@pytest.mark.parametrize(
    ("change", "n_rows"),
    [
        ("north,11\n", "6 rows"),
        (None, "3 rows"),
    ],
    ids=["duplicates", "drops"],
)
def test_a_join_may_not_add_or_drop_rows(rides: dict, change: str | None, n_rows: str):
    if change:
        path = Path(rides["sources"]["places"]["path"])
        path.write_text(path.read_text() + change)
    else:
        rides["joins"] += " WHERE r.ride < 4"
    with pytest.raises(
        AccordError, match=rf"data\.joins of rides gives {n_rows}; expected the 4 of source 'rides'"
    ):
        rows_of(rides)


def test_a_number_with_decimals_loses_no_digits_in_a_join(rides: dict):
    rides["joins"] = "SELECT r.*, r.ride * 1.0 / 3.0 AS height FROM rides AS r -- it's 1.5"
    found = rows_of(rides)
    assert found["height"].to_list() == pytest.approx((found["ride"] / 3).to_list(), rel=1e-15)


@pytest.mark.parametrize("kind", ["date", "text"])
def test_a_source_with_times_but_no_availability_is_refused(rides: dict, kind: str):
    path = Path(rides["sources"]["places"]["path"]).with_suffix(".parquet")
    rides["sources"]["places"]["path"] = str(path)
    when = [datetime(2024, 2, 1), None] if kind == "date" else [None, "2024-02-01T12:00:00Z"]
    pl.DataFrame({"name": ["north", "south"], "height": [10.0, 20.0], "opened": when}).write_parquet(path)
    with pytest.raises(AccordError, match=r"Possible leak: source 'places' .*'opened'.*timeless"):
        rows_of(rides)
    rides["sources"]["places"]["timeless"] = True
    assert rows_of(rides)["height"].to_list() == [10.0, 10.0, 20.0, 20.0]


@pytest.mark.parametrize("join", ["LEFT JOIN weather AS w ON w.place = r.place", ", weather AS w"])
def test_sql_never_sees_a_source_that_becomes_available_over_time(rides: dict, join: str):
    rides["joins"] = f"SELECT r.*, 1.0 AS height FROM rides AS r {join}"
    with pytest.raises(AccordError, match=r"data\.joins of rides fails"):
        rows_of(rides)


@pytest.mark.parametrize("sql", ["SELECT nope FROM rides", "SELEC * FROM rides", "SELECT * FROM nope"])
def test_a_query_that_fails_is_one_error(rides: dict, sql: str):
    rides["joins"] = sql
    with pytest.raises(AccordError, match=r"data\.joins of rides fails") as error:
        rows_of(rides)
    assert "\n" not in str(error.value)


def test_a_missing_column_of_the_contract_says_what_was_found(rides: dict):
    rides["columns"]["speed"] = {"type": "number"}
    with pytest.raises(
        AccordError,
        match=r"Column 'speed' is missing from the rows of rides; found ride, place, .*conf/data/rides\.yaml",
    ):
        rows_of(rides)


@pytest.mark.parametrize(("key", "name", "side"), [("by", "plaze", "rides"), ("columns", "rian", "weather")])
def test_a_column_missing_from_an_as_of_join_is_met_with_the_nearest(
    rides: dict, key: str, name: str, side: str
):
    rides["as_of"]["weather"][key] = [name]
    with pytest.raises(
        AccordError, match=rf"data\.as_of\.weather: source '{side}' has no column '{name}'; did you mean"
    ):
        rows_of(rides)


def test_an_instant_that_can_not_be_read_is_one_error(rides: dict):
    rides["sources"]["weather"]["available_at"] = "strptime(rain, '%Y')"
    with pytest.raises(AccordError, match=r"data\.as_of\.weather fails"):
        rows_of(rides)
    rides["sources"]["weather"]["available_at"] = "strptime("
    with pytest.raises(AccordError, match=r"data\.sources\.weather\.available_at: not a SQL expression"):
        rows_of(rides)


def test_ingesting_leaves_the_settings_untouched(rides: dict):
    before = copy.deepcopy(rides)
    rows_of(rides)
    assert rides == before


def test_partitions_are_the_months_of_the_data_s_own_zone(data_with):
    rows = pl.DataFrame(
        {"at": [datetime(2024, 1, 31, 20), datetime(2024, 2, 1, 2), datetime(2024, 2, 1, 6), None]}
    )
    time = data_with(time={"event": "at", "zone": "America/New_York"}).time
    parts = partitions(rows, time)
    assert [(name, part.height) for name, part in parts] == [("2024-01", 2), ("2024-02", 1), ("unknown", 1)]
    assert pl.concat(part for _, part in parts).equals(rows)


def test_no_rows_are_written_and_read_with_their_columns(data_with, tmp_path: Path):
    rows = pl.DataFrame(schema={"at": pl.Datetime("us"), "id": pl.Int64})
    write(tmp_path / "none", partitions(rows, data_with(time={"event": "at"}).time))
    assert read(tmp_path / "none", ["id"]).schema == {"id": pl.Int64}


def test_rows_without_time_are_one_run(data_with):
    rows = pl.DataFrame({"id": range(10)})
    assert [(name, part.height) for name, part in partitions(rows, None)] == [("rows-00000", 10)]
    assert [part.height for _, part in partitions(rows.head(0), None)] == [0]


def table(folder: Path, text: str, **settings: Any) -> dict[str, Any]:
    """The config of a data set without time, from one CSV called `s`, with another, `t`, beside it if it is given."""
    (folder / "s.csv").write_text(text)
    sources = {"s": {"path": str(folder / "s.csv")}}
    if "other" in settings:
        (folder / "t.csv").write_text(settings.pop("other"))
        sources["t"] = {"path": str(folder / "t.csv")}
    for name in ("s", "t"):
        if name in settings:
            sources[name] |= settings.pop(name)
    columns = settings.pop("columns")
    return {
        "name": "small", "sources": sources, "rows": "s", **settings,
        "columns": {**columns, "y": {"type": "integer", "role": "outcome"}},
        "targets": {"y": {"task": "binary", "sql": "y > 0"}},
    }  # fmt: skip


def found(settings: dict[str, Any]) -> pl.DataFrame:
    return ingest(shipped(Data, **settings), HERE).rows


CODES = '"Product Code",Batch,Size,y\n007,1E5,1.50,1\n010,2E1,2.00,0\n'


def test_codes_keep_their_text_through_renames_in_sql(tmp_path: Path):
    columns = {name: {"type": "category"} for name in ("product", "batch", "size", "tag")}
    sql = """SELECT *, "Product Code" AS product, "Batch" AS batch, "Size" AS size, CONCAT('P', "Product Code") AS tag FROM s"""
    rows = found(table(tmp_path, CODES, columns=columns, joins=sql))
    assert rows["product"].to_list() == ["007", "010"]
    assert rows["batch"].to_list() == ["1E5", "2E1"]
    assert rows["size"].to_list() == ["1.50", "2.00"]
    assert rows["tag"].to_list() == ["P007", "P010"]


@pytest.mark.parametrize(
    "joins", [None, "SELECT * FROM s", 'SELECT "Product Code", "Batch", "Size", y, row_id FROM s']
)
def test_a_column_may_have_any_name_in_its_source(tmp_path: Path, joins: str | None):
    columns = {
        "product": {"type": "category", "source": "Product Code"},
        "n": {"type": "integer", "source": "Product Code"},
        "size": {"type": "number", "source": "Size"},
    }
    rows = found(table(tmp_path, CODES, columns=columns, **({"joins": joins} if joins else {})))
    assert rows["product"].to_list() == ["007", "010"]
    assert rows["n"].to_list() == [7, 10]
    assert rows["size"].to_list() == [1.5, 2.0]


def test_columns_may_swap_their_names(tmp_path: Path):
    columns = {"a": {"type": "integer", "source": "b"}, "b": {"type": "integer", "source": "a"}}
    assert found(table(tmp_path, "a,b,y\n1,2,0\n", columns=columns)).select("a", "b").rows() == [(2, 1)]


@pytest.mark.parametrize("other", ["02139", "2139"])
def test_zip_codes_join_by_their_text_whether_declared_or_not(tmp_path: Path, other: str):
    settings = table(
        tmp_path, "zip,y\n02139,1\n10001,0\n", other=f"code,town\n{other},Cambridge\n10001,New York\n",
        columns={"zip": {"type": "category"}, "town": {"type": "category", "nullable": True}},
        joins="SELECT s.*, t.town FROM s LEFT JOIN t ON s.zip = t.code",
    )  # fmt: skip
    assert found(settings)["town"].to_list() == ["Cambridge" if other == "02139" else None, "New York"]


def test_sql_computes_on_columns_in_the_types_of_the_contract_or_of_the_source(tmp_path: Path):
    settings = table(
        tmp_path, "distance,hours,y\n10,2,1\n9,3,0\n", columns={"distance": {"type": "number"}, "speed": {"type": "number"}},
        s={"columns": {"hours": {"type": "number"}}}, joins="SELECT *, distance / hours AS speed FROM s",
    )  # fmt: skip
    assert found(settings)["speed"].to_list() == [5.0, 3.0]


def test_sql_that_computes_on_text_says_which_types_to_declare(tmp_path: Path):
    settings = table(
        tmp_path, "distance,Hours,y\n10,2,1\n9,3.5,0\n", columns={"distance": {"type": "number"}, "speed": {"type": "number"}},
        joins='SELECT *, distance / "Hours" AS speed FROM s',
    )  # fmt: skip
    with pytest.raises(AccordError, match=r"s: \{columns: \{Hours: \{type: number\}\}\}"):
        found(settings)


def test_sql_may_read_the_text_of_a_column_that_the_contract_declares(tmp_path: Path):
    settings = table(
        tmp_path, "at,price,y\n03/01/2024,$5,1\n04/01/2024,$7,0\n", columns={"at": {"type": "datetime"}, "price": {"type": "number"}},
        joins="SELECT strptime(\"at\", '%d/%m/%Y') AS \"at\", CAST(REPLACE(price, '$', '') AS DOUBLE) AS price, y, row_id FROM s",
    )  # fmt: skip
    rows = found(settings)
    assert rows["at"].to_list() == [datetime(2024, 1, 3), datetime(2024, 1, 4)]
    assert rows["price"].to_list() == [5.0, 7.0]
    (tmp_path / "s.csv").write_text(
        "at,price,y\n2024-01-03,5,1\n"
    )  # what the contract could read, but the SQL does
    settings["joins"] = 'SELECT strptime("at", \'%Y-%m-%d\') AS "at", price, y, row_id FROM s'
    assert found(settings)["at"].to_list() == [datetime(2024, 1, 3)]


SORTED = "SELECT *, ROW_NUMBER() OVER (ORDER BY seq) AS place FROM s"


@pytest.mark.parametrize(
    ("values", "declared", "places"),
    [
        (["9", "10", "8"], None, None),  # as text 10 comes first
        (["9.5", "10", "8.25"], None, None),
        (["9", "10", "8"], "integer", [2, 3, 1]),
        (["9", "10", "8"], "category", [3, 1, 2]),
        (["09", "10", "08"], None, [2, 3, 1]),  # in one order either way
        (["b", "10", "a"], None, [3, 1, 2]),
    ],
)
def test_numbers_are_never_sorted_as_text_unless_they_are_declared_so(
    tmp_path: Path, values: list[str], declared: str | None, places: list[int] | None
):
    text = "seq,y\n" + "".join(f"{value},1\n" for value in values)
    own = {"s": {"columns": {"seq": {"type": declared}}}} if declared else {}
    settings = table(tmp_path, text, columns={"place": {"type": "integer"}}, joins=SORTED, **own)
    if places:
        assert found(settings)["place"].to_list() == places
    else:
        with pytest.raises(
            AccordError, match=r"sorts or compares text .*s: \{columns: \{seq: \{type: (integer|number)\}\}\}"
        ):
            found(settings)


@pytest.mark.parametrize(
    ("values", "sql", "said"),
    [
        (["9", "10", "?"], "SELECT *, MAX(seq) OVER () AS place FROM s", "column 'seq' has values that are no numbers"),
        (["9", "10", "8"], "SELECT *, ROW_NUMBER() OVER (ORDER BY seq) AS place, strptime(at, '%Y-%m-%d') AS then FROM s", "seq: {type: integer}"),
    ],
)  # fmt: skip
def test_numbers_of_the_contract_that_stay_text_in_sql_are_not_sorted_as_text(
    tmp_path: Path, values: list[str], sql: str, said: str
):
    columns = {"seq": {"type": "integer"}, "at": {"type": "datetime"}, "place": {"type": "integer"}}
    text = "seq,at,y\n" + "".join(f"{value},2024-01-01,1\n" for value in values)
    with pytest.raises(AccordError, match="sorts or compares text") as error:
        found(table(tmp_path, text, columns=columns, joins=sql))
    assert said in str(error.value)


def test_codes_beside_what_is_sorted_are_no_reason_to_ask(tmp_path: Path):
    settings = table(
        tmp_path, "zip,seq,y\n02139,1,1\n501,2,0\n", columns={"code": {"type": "category"}, "place": {"type": "integer"}},
        s={"columns": {"seq": {"type": "integer"}}}, joins="SELECT *, zip AS code, ROW_NUMBER() OVER (ORDER BY seq) AS place FROM s",
    )  # fmt: skip
    assert found(settings)["code"].to_list() == ["02139", "501"]


def test_a_value_that_a_source_s_own_type_does_not_hold_is_one_error(tmp_path: Path):
    settings = table(
        tmp_path,
        "x,y\n1,1\n?,0\n",
        columns={"x": {"type": "category"}},
        s={"columns": {"x": {"type": "integer"}}},
    )
    with pytest.raises(
        AccordError, match=r"columns\.x: 1 values are no integer, the first in row 2: '\?'.*nulls: \[\"\?\"\]"
    ):
        found(settings)
    settings["sources"]["s"]["columns"]["x"]["nulls"] = ["?"]
    assert found(settings)["x"].to_list() == ["1", None]


def test_a_value_that_the_contract_does_not_hold_comes_through_joins_as_it_is(tmp_path: Path):
    rows = found(
        table(tmp_path, "x,y\n1,1\nabc,0\n", columns={"x": {"type": "integer"}}, joins="SELECT * FROM s")
    )
    assert rows["x"].to_list() == ["1", "abc"]


def test_all_missing_columns_are_named_at_once_with_what_mends_them(tmp_path: Path):
    columns = {
        "postal_code": {"type": "category"},
        "size": {"type": "number"},
        "batch": {"type": "category", "source": "Betch", "role": "info", "nulls": ["?"]},
        "weight": {"type": "number", "source": "Weight kg", "decimal": ",", "max": 9.5},
    }
    with pytest.raises(
        AccordError,
        match=r"'postal_code', 'size', 'Betch', 'Weight kg' are missing from the rows of small; found Postal Code, SIZE, Batch, .*, y\. ",
    ) as error:
        found(table(tmp_path, '"Postal Code",SIZE,Batch,Weight\u00a0kg,y\n1,2,3,4,1\n', columns=columns))
    assert [line.split("As the contract has it: ", 1)[1] for line in error.value.details] == [
        'postal_code: {type: category, source: "Postal Code"}',
        'size: {type: number, source: "SIZE"}',
        'batch: {type: category, nulls: ["?"], source: "Batch", role: info}',
        r'weight: {type: number, decimal: ",", source: "Weight\u00a0kg", max: 9.5}',
    ]


def test_columns_that_the_config_does_not_list_are_left_aside_by_name(tmp_path: Path):
    settings = table(tmp_path, "x,used,z,y\n1,2,3,1\n", columns={"a": {"type": "integer", "source": "x"}})
    settings["joins"] = "SELECT *, used AS b FROM s"
    assert ingest(shipped(Data, **settings), HERE).left_aside == ["z"]


def test_times_of_csv_join_as_of_the_decision(tmp_path: Path):
    settings = table(
        tmp_path, "started,Booked At,City,y\n2024-03-01T10:00:00Z,2024-03-01T09:00:00+01:00,Ulm,1\n",
        other="City,Seen,Rain (mm)\nUlm,2024-03-01 07:00,1.5\nUlm,2024-03-01 08:30,9\n",
        columns={
            "started": {"type": "datetime", "role": "info"},
            "booked": {"type": "datetime", "role": "info", "source": "Booked At"},
            "city": {"type": "category", "source": "City"},
            "rain": {"type": "number", "source": "Rain (mm)"},
        },
        t={"columns": {"Seen": {"type": "datetime"}}, "available_at": "\"Seen\" + INTERVAL '30 minutes'"},
        as_of={"t": {"by": ["city"], "columns": ["rain"], "tolerance": "6h"}},
        time={"event": "started", "decision": "booked"},
    )  # fmt: skip
    rows = found(settings)
    assert rows["rain"].to_list() == [1.5]
    assert rows["booked"].to_list() == [datetime(2024, 3, 1, 8)]
    del settings["sources"]["t"]["columns"]
    with pytest.raises(AccordError, match=r"data\.as_of\.t fails.*\{columns: \{.*type: datetime"):
        found(settings)


def test_rows_are_ordered_by_the_instants_and_numbers_that_their_text_means(tmp_path: Path):
    columns = {
        "at": {"type": "datetime", "role": "info", "format": "%m/%d/%Y"},
        "id": {"type": "integer", "role": "info"},
    }
    text = "at,id,y\n12/31/2022,10,1\n01/01/2023,9,0\n01/01/2023,x,0\n"
    assert found(table(tmp_path, text, columns=columns, key=["id"], time={"event": "at"}))[
        "id"
    ].to_list() == ["10", "9", "x"]
