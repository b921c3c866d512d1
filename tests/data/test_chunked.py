"""Rows in order that don't fit into memory: the same bytes as in one chunk, however few rows a chunk has."""

import gzip
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from shipped import shipped
from uuid_utils import uuid7

from accord.data import partitions
from accord.data.batch_list import Batch, sha256
from accord.data.ingest import chunked, csv_blocks
from accord.data.ingest.batches import Batches
from accord.errors import AccordError
from accord.files import sha256 as sha256_of
from accord.paths import Paths
from accord.schema.config import Engine
from accord.schema.data import Data

N = 400
START = datetime(2024, 1, 20)
Settings = dict[str, Any]


def engine(chunk_rows: int | None, memory: str = "1GB") -> Engine:
    return Engine(workers=1, memory=memory, chunk_rows=chunk_rows, scratch=".accord/scratch")


def ingested(
    settings: Settings, root: Path, chunk_rows: int | None, batches: list[Batch] | None = None
) -> str:
    """Everything that depends on the rows: the hash of data/rows, and what is counted."""
    data, paths = shipped(Data, **settings), Paths(root)
    among = Batches(batches or [], data, paths)
    with partitions.writing(paths.rows, data.time) as into:
        found = chunked.ingest(data, engine(chunk_rows), root, among, into.add)
    assert not any((root / ".accord/scratch").rglob("*")), "nothing is left in the scratch folder"
    assert found.n_rows == partitions.n_rows(paths.rows)
    return f"{sha256_of(paths.rows)} {found.left_aside} {among.told(found.n_replaced)}"


def at(i: int) -> datetime:
    """Half of all rows are in February; the others in January and March."""
    return START + timedelta(hours=6 * i if i < N // 4 else 6 * (N // 4) + (i - N // 4) * 2)


def table(seed: int = 1) -> pl.DataFrame:
    """Rides in no order, some of them twice and some without a key or a time."""
    deal = random.Random(seed)
    rows = [
        {
            "ride": None if i % 97 == 0 else i, "begun": None if i % 53 == 0 else at(i),
            "minutes": i % 60, "place": deal.choice(["north", "south", "e\"ast"]),
            "note": deal.choice(["a, b", "two\nlines", "plain", None]), "late": i % 3,
        }
        for i in range(N)
    ]  # fmt: skip
    rows += [{**row, "note": "again"} for row in rows[::29]]
    deal.shuffle(rows)
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(pl.col("begun").cast(pl.Datetime("us")))


def settings(path: str, **more: Any) -> Settings:
    return {
        "name": "rides",
        "sources": {"rides": {"path": path}},
        "rows": "rides",
        "key": ["ride"],
        "time": {"event": "begun"},
        "columns": {
            "ride": {"type": "integer", "role": "info"},
            "begun": {"type": "datetime", "role": "info"},
            "minutes": {"type": "number"},
            "place": {"type": "category"},
            "note": {"type": "category", "nullable": True},
            "late": {"type": "integer", "role": "outcome"},
        },
        "targets": {"late": {"task": "binary", "sql": "late = 1"}},
        **more,
    }


def whole(frame: pl.DataFrame, folder: Path, kind: str) -> str:
    """One file of CSV or Parquet with these rows."""
    path = folder / f"rides.{kind}"
    if kind == "parquet":
        frame.write_parquet(path, row_group_size=50)
    elif kind == "csv.gz":
        path.write_bytes(gzip.compress(frame.write_csv().encode()))
    else:
        frame.write_csv(path)
    return path.name


@pytest.mark.parametrize("chunk_rows", [5, 100, 413])
@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
def test_rows_in_no_order_are_the_same(tmp_path: Path, kind: str, chunk_rows: int) -> None:
    made = settings(whole(table(), tmp_path, kind))
    assert ingested(made, tmp_path, chunk_rows) == ingested(made, tmp_path, None)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """CSV is read 300 bytes at a time, so that quoted fields lie across blocks."""
    monkeypatch.setattr(csv_blocks, "MAX_ROW", 1200)


WRITTEN: dict[str, tuple[Callable[[bytes], bytes], Settings]] = {
    "plain": (lambda text: text, {}),
    "no newline at the end": (lambda text: text.rstrip(b"\n"), {}),
    "latin-1": (lambda text: text.replace(b"north", "n\xf6rd".encode("latin-1")), {"encoding": "latin-1"}),
    "utf-16": (lambda text: text.decode().encode("utf-16"), {"encoding": "utf-16"}),
    "a mark": (lambda text: b"\xef\xbb\xbf" + text, {"encoding": "utf-8-sig"}),
    "carriage returns and newlines": (lambda text: text.replace(b"\n", b"\r\n"), {}),
    "carriage returns alone": (lambda text: text.replace(b"two\nlines", b"line").replace(b"\n", b"\r"), {}),
    "blank lines and rows of nulls": (lambda text: text.replace(b"\n1", b"\n,,,,,\n1", 3) + b"\n\n", {}),
    "rows of nulls": (lambda text: text.replace(b"\n1", b"\n,,,,,\n1", 3), {}),
    "semicolons and single quotes": (
        lambda text: text.replace(b"a, b", b"a; b").replace(b",", b";").replace(b'"', b"'"),
        {"separator": ";", "quote": "'"},
    ),
    "no header": (lambda text: text.partition(b"\n")[2], {"header": False}),
}  # fmt: skip


@pytest.mark.parametrize("how", WRITTEN)
def test_csv_in_blocks_is_the_same(tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change, written = WRITTEN[how]
    (tmp_path / "rides.csv").write_bytes(change(table().write_csv().encode()))
    made = settings("rides.csv", sources={"rides": {"path": "rides.csv", **written}})
    if "header" in written:
        for i, column in enumerate(made["columns"].values(), 1):
            column["source"] = f"column_{i}"
    expected = ingested(made, tmp_path, None)
    monkeypatch.setattr(csv_blocks, "MAX_ROW", 1200)
    assert ingested(made, tmp_path, 50) == expected
    assert ingested(made, tmp_path, None) == expected


@pytest.mark.parametrize("kinds", [("csv", "csv"), ("parquet", "parquet")])
def test_files_with_their_columns_in_another_order_are_the_same(
    tmp_path: Path, kinds: tuple[str, str]
) -> None:
    rows = table()
    (tmp_path / "raw").mkdir()
    halves = (
        rows.head(180),
        rows.slice(180).select(reversed(rows.columns)).with_columns(pl.col("minutes").cast(pl.Float64)),
    )
    for number, (half, kind) in enumerate(zip(halves, kinds, strict=True)):
        (tmp_path / whole(half, tmp_path, kind)).rename(tmp_path / f"raw/{number}.{kind}")
    made = settings("raw/*")
    assert ingested(made, tmp_path, 50) == ingested(made, tmp_path, None)


def test_a_value_that_is_not_of_the_type_that_the_source_declares_is_named_with_its_row(
    tmp_path: Path,
) -> None:
    rows = table().with_columns(score=pl.Series(["many" if i > 380 else str(i) for i in range(N + 14)]))
    made = settings(whole(rows, tmp_path, "csv"))
    made["sources"]["rides"]["columns"] = {"score": {"type": "integer"}}
    for chunk_rows, how_many in ((None, "33"), (50, "at least 19"), (390, "at least 9")):
        with pytest.raises(
            AccordError,
            match=f"columns.score: {how_many} values are no integer, the first in row 382: 'many'",
        ):
            ingested(made, tmp_path, chunk_rows)


def test_sql_that_reads_the_text_of_a_column_with_another_type_in_the_contract_is_the_same(
    tmp_path: Path,
) -> None:
    sql = "SELECT * EXCLUDE (begun), strptime(begun, '%Y-%m-%dT%H:%M:%S%.f') AS begun FROM rides"
    made = settings(whole(table(), tmp_path, "csv"), joins=sql)
    assert ingested(made, tmp_path, 50) == ingested(made, tmp_path, None)
    for chunk_rows in (None, 50):
        with pytest.raises(AccordError, match=r"data.joins of rides fails: .*nowhere"):
            ingested({**made, "joins": "SELECT *, nowhere FROM rides"}, tmp_path, chunk_rows)


def test_rows_without_a_time_or_a_key_are_the_same(tmp_path: Path) -> None:
    path = whole(table(), tmp_path, "csv")
    for more in ({"time": None}, {"key": []}, {"time": None, "key": []}, {"key": ["place", "ride"]}):
        made = settings(path, **more)
        assert ingested(made, tmp_path, 50) == ingested(made, tmp_path, None), more


def test_a_column_with_a_value_that_is_not_of_its_type_stays_text_in_all_pieces(tmp_path: Path) -> None:
    rows = table().with_columns(pl.col("minutes", "ride").cast(pl.String))
    for column, value in (("minutes", "many"), ("ride", "last")):
        rows = pl.concat([rows, rows.tail(1).with_columns(pl.lit(value).alias(column))])
    for sql in (None, "SELECT * FROM rides", "SELECT *, minutes || '!' AS shown FROM rides"):
        for kind in ("csv", "parquet"):
            made = settings(whole(rows, tmp_path, kind), joins=sql)
            assert ingested(made, tmp_path, 50) == ingested(made, tmp_path, None)
            assert partitions.read(tmp_path / "data/rows").schema["minutes"] == pl.String


def weather(folder: Path) -> str:
    """Observations in no order, some twice, each known half an hour later."""
    hours = [START - timedelta(hours=30) + timedelta(hours=5 * i) for i in range(380)]
    places = ["north", "south", 'e"ast']
    frame = pl.DataFrame(
        {"where": [places[i % 3] for i in range(380)], "hour": hours, "rain": [i / 7 for i in range(380)]}
    )
    frame = pl.concat([frame, frame.head(40).with_columns(pl.col("rain") + 1)]).sample(
        fraction=1, shuffle=True, seed=3
    )
    frame.with_columns(pl.col("hour").cast(pl.Datetime("us"))).write_parquet(
        folder / "weather.parquet", row_group_size=90
    )
    return "weather.parquet"


def with_weather(path: str, folder: Path, **more: Any) -> Settings:
    made = settings(path, **more)
    made["sources"]["weather"] = {"path": weather(folder), "available_at": "hour + INTERVAL '30 minutes'"}
    made["as_of"] = {"weather": {"by": ["where"], "columns": ["rain"], "tolerance": "12h"}}
    made["joins"] = 'SELECT *, place AS "where" FROM rides'
    made["columns"]["rain"] = {"type": "number", "nullable": True}
    return made


@pytest.mark.parametrize("chunk_rows", [20, 70])
def test_what_is_joined_as_of_a_time_is_the_same(tmp_path: Path, chunk_rows: int) -> None:
    rows = table().with_columns(
        pl.when(pl.col("ride") == 7).then(datetime(9999, 12, 31)).when(pl.col("ride") == 8).then(datetime(1, 1, 1))
        .otherwise(pl.col("begun")).alias("begun")
    )  # fmt: skip
    made = with_weather(whole(rows, tmp_path, "csv"), tmp_path)
    expected = ingested(made, tmp_path, None)
    assert ingested(made, tmp_path, chunk_rows) == expected
    assert partitions.read(tmp_path / "data/rows")["rain"].null_count() not in (0, N)


def test_a_value_of_another_type_that_is_joined_as_of_a_time_counts_where_it_gets_to_a_row(
    tmp_path: Path,
) -> None:
    made = with_weather(whole(table(), tmp_path, "csv"), tmp_path)
    frame = pl.read_parquet(tmp_path / "weather.parquet").with_columns(pl.col("rain").cast(pl.String))
    for place, is_lost in (("nowhere", False), ("north", True)):
        row = frame.filter(pl.col("where") == "north").sort("hour").slice(40, 1)
        odd = row.with_columns(pl.lit(place).alias("where"), pl.lit("much").alias("rain"))
        pl.concat([frame, odd]).write_parquet(tmp_path / "weather.parquet")
        expected = ingested(made, tmp_path, None)
        assert ingested(made, tmp_path, 50) == expected
        assert (partitions.read(tmp_path / "data/rows").schema["rain"] == pl.String) == is_lost


SHARED = {
    "a window": "SELECT *, COUNT(*) OVER (PARTITION BY place, minutes) AS late2 FROM rides",
    "windows with a column in common": (
        "SELECT *, COUNT(*) OVER (PARTITION BY place, minutes) AS late2, ROW_NUMBER() OVER (PARTITION BY minutes ORDER BY ride) AS nth FROM rides"
    ),
    "a window over joined columns": (
        "SELECT r.*, p.height, MAX(p.height) OVER (PARTITION BY r.minutes) AS late2 FROM rides r LEFT JOIN places p ON r.place = p.name"
    ),
    "an aggregate of another table": (
        "SELECT r.*, h.top AS late2 FROM rides r LEFT JOIN (SELECT name, MAX(height) AS top FROM places GROUP BY name) h ON r.place = h.name"
    ),
}


@pytest.mark.parametrize("which", SHARED)
def test_sql_over_rows_with_a_value_in_common_is_the_same(tmp_path: Path, which: str) -> None:
    made = settings(whole(table(), tmp_path, "csv"), joins=SHARED[which])
    (tmp_path / "places.csv").write_text("name,height\nnorth,10.5\nsouth,3\n")
    made["sources"]["places"] = {"path": "places.csv", "columns": {"height": {"type": "number"}}}
    made["columns"]["late2"] = {"type": "number", "nullable": True}
    expected = ingested(made, tmp_path, None)
    assert ingested(made, tmp_path, 90) == expected
    assert partitions.read(tmp_path / "data/rows")["late2"].n_unique() > 1


APART = {
    "all rows": ("SELECT *, COUNT(*) OVER () AS late2 FROM rides", "an aggregate"),
    "computed": ("SELECT *, COUNT(*) OVER (PARTITION BY upper(place)) AS late2 FROM rides", "OVER"),
    "renamed": (
        "WITH r AS (SELECT * REPLACE (upper(place) AS place) FROM rides) SELECT *, COUNT(*) OVER (PARTITION BY place) AS late2 FROM r", "OVER",
    ),
    "nothing in common": (
        "SELECT *, COUNT(*) OVER (PARTITION BY place) AS late2, COUNT(*) OVER (PARTITION BY minutes) AS n FROM rides",
        "windows with nothing in common",
    ),
    "a group": (
        "SELECT r.*, g.n AS late2 FROM rides r LEFT JOIN (SELECT place, COUNT(*) AS n FROM rides GROUP BY place) g ON r.place = g.place",
        "GROUP BY",
    ),
    "an order": ("SELECT *, 1 AS late2 FROM rides ORDER BY minutes", "ORDER BY"),
    "a limit": ("SELECT *, 1 AS late2 FROM rides LIMIT 1000", "LIMIT"),
    "distinct": ("SELECT DISTINCT *, 1 AS late2 FROM rides", "DISTINCT"),
}  # fmt: skip


@pytest.mark.parametrize("which", APART)
def test_sql_that_needs_all_rows_is_refused_where_they_do_not_fit(tmp_path: Path, which: str) -> None:
    sql, what = APART[which]
    made = settings(whole(table(), tmp_path, "csv"), joins=sql)
    made["columns"]["late2"] = {"type": "integer"}
    with pytest.raises(
        AccordError, match=rf"data.joins of rides looks across rows \(.*{what}.*\).* partition: \[ride\]"
    ) as error:
        ingested(made, tmp_path, 50)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "data/rows").exists()


def test_columns_of_rows_that_belong_together_can_be_declared(tmp_path: Path) -> None:
    made = settings(whole(table(), tmp_path, "csv"), joins=APART["a group"][0], partition=["place"])
    made["columns"]["late2"] = {"type": "integer"}
    assert ingested(made, tmp_path, 200) == ingested(made, tmp_path, None)
    with pytest.raises(
        AccordError, match="gives other values where rows with other values of minutes are left out"
    ):
        ingested({**made, "partition": ["minutes"]}, tmp_path, 200)
    with pytest.raises(AccordError, match=r"data.partition: source 'rides' has no column 'plaze'; .*place"):
        ingested({**made, "partition": ["plaze"]}, tmp_path, 200)
    with pytest.raises(
        AccordError,
        match=r"same values of place together, and \d+ rows have nearly the same; expected at most 40",
    ):
        ingested(made, tmp_path, 20)


def test_text_that_is_sorted_although_it_may_be_meant_as_numbers_is_refused_in_pieces_too(
    tmp_path: Path,
) -> None:
    rows = table().with_columns(
        bound=pl.Series([6, 50] * (N // 2 + 7)),
        score=pl.Series([9 if i == 400 else 10 + i % 80 for i in range(N + 14)]),
    )
    made = settings(
        whole(rows, tmp_path, "csv"),
        joins="SELECT *, CASE WHEN score > bound THEN 1 ELSE 0 END AS late2 FROM rides",
    )
    made["columns"]["late2"] = {"type": "integer"}
    said = set()
    for chunk_rows in (None, 50):
        with pytest.raises(AccordError, match="sorts or compares text that may be meant as numbers") as error:
            ingested(made, tmp_path, chunk_rows)
        said.add(str(error.value))
    assert len(said) == 1


@pytest.mark.parametrize("key", [["ride", "begun"], ["ride"], []])
def test_batches_are_the_same(tmp_path: Path, key: list[str]) -> None:
    """A batch's row goes to the month of its event, and that which it replaces leaves another one."""
    rows = table()
    given = rows.drop_nulls("ride")[::9].with_columns(
        pl.col("begun") if "begun" in key else pl.col("begun") + timedelta(days=31), minutes=pl.lit(99.5), late=pl.lit(0),
    )  # fmt: skip
    given = pl.concat(
        [
            given,
            given.head(2).with_columns(pl.lit(None, pl.Int64).alias("ride")),
            given.tail(3).with_columns(pl.col("ride") + 5000),
        ]
    )
    ids = [str(uuid7()) for _ in range(given.height)]
    given = given.with_columns(pl.Series("log|prediction_id", ids), pl.Series("log|outcome_id", ids))
    listed = []
    for name, part in (("a", given.head(30)), ("b", given.slice(20))):
        part.write_parquet(tmp_path / f"{name}.parquet")
        listed.append(Batch(f"{name}.parquet", sha256(tmp_path / f"{name}.parquet"), "rides"))
    made = settings(whole(rows, tmp_path, "csv"), key=key)
    expected = ingested(made, tmp_path, None, listed)
    assert ingested(made, tmp_path, 50, listed) == expected
    assert "2 batches" in expected


def test_joins_that_drop_rows_are_counted_over_all_pieces(tmp_path: Path) -> None:
    made = settings(whole(table(), tmp_path, "csv"), joins="SELECT * FROM rides WHERE place <> 'north'")
    said = set()
    for chunk_rows in (None, 50):
        with pytest.raises(AccordError, match="joins may not add or drop rows") as error:
            ingested(made, tmp_path, chunk_rows)
        said.add(str(error.value))
    assert len(said) == 1


def test_a_table_that_sql_needs_as_a_whole_is_named_if_it_does_not_fit(tmp_path: Path) -> None:
    made = settings(
        whole(table(), tmp_path, "csv"),
        joins="SELECT r.* FROM rides r LEFT JOIN places p ON r.place = p.name",
    )
    (tmp_path / "places.csv").write_text("name\n" + "".join(f"p{i}\n" for i in range(6000)))
    made["sources"]["places"] = {"path": "places.csv"}
    data, paths = shipped(Data, **made), Paths(tmp_path)
    with pytest.raises(AccordError, match=r"Source 'places' of rides has more than 4,166 rows"):
        chunked.ingest(data, engine(50, "1MB"), tmp_path, Batches([], data, paths), lambda rows: None)


def test_a_damaged_piece_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    for number in range(3):
        table(number).write_parquet(tmp_path / f"raw/{number}.parquet", row_group_size=50, compression="lz4")
    broken = tmp_path / "raw/1.parquet"
    content = bytearray(broken.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = b"\xff" * 400
    broken.write_bytes(content)
    with pytest.raises(AccordError, match=r"file 1.parquet, rows \d+ to \d+, can't be read: .* damaged"):
        ingested(settings("raw/*"), tmp_path, 100)
    assert not (tmp_path / "data/rows").exists()
    assert not any((tmp_path / ".accord/scratch").rglob("*"))


def test_lines_of_text_that_can_not_be_read_are_counted_from_the_beginning_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_blocks, "MAX_ROW", 1200)
    lines = [b"ride,begun,minutes,place,note,late", *(b"%d,2024-01-20,3,north,x,1" % i for i in range(300))]
    for change, said in (
        (b"7,2024-01-20,3", "line 251: found 3 fields; expected 6"),
        (b"7,2024-01-20,3,north,x,1,2", "line 251: found 7 fields; expected at most 6"),
        (b"7,2024-01-20,3,n\xf6rd,x,1", "has the byte 0xf6 in line 251"),
    ):
        (tmp_path / "rides.csv").write_bytes(b"\n".join([*lines[:250], change, *lines[251:], b""]))
        with pytest.raises(AccordError, match=said):
            ingested(settings("rides.csv"), tmp_path, 50)


def test_a_quote_without_its_end_is_found_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_blocks, "MAX_ROW", 1200)
    text = table().write_csv().replace("plain", 'pl"ain', 1)
    (tmp_path / "rides.csv").write_text(text)
    with pytest.raises(AccordError, match=r"a quote may lack its end|quote \"|can't be read"):
        ingested(settings("rides.csv"), tmp_path, 50)


@pytest.mark.slow
@pytest.mark.parametrize(
    "reached",
    [
        ".accord/scratch/ingest/rides",
        ".accord/scratch/ingest/joined rows/000001.arrow",
        "data/.rows.tmp/2024-02*",
    ],
)
def test_a_kill_leaves_no_half_of_the_rows_and_its_scratch_is_swept(tmp_path: Path, reached: str) -> None:
    made = with_weather(whole(pl.concat([table(i) for i in range(12)]), tmp_path, "csv"), tmp_path)
    expected = ingested(made, tmp_path, None)
    program = (
        "import json, sys; from pathlib import Path; sys.path[:0] = json.loads(sys.argv[3])\n"
        "import test_chunked\ntest_chunked.ingested(json.loads(sys.argv[1]), Path(sys.argv[2]), 60)"
    )
    path = [str(Path(__file__).parent), *sys.path]
    with subprocess.Popen(
        [sys.executable, "-c", program, json.dumps(made), str(tmp_path), json.dumps(path)]
    ) as process:
        while process.poll() is None and not any(tmp_path.glob(reached)):
            time.sleep(0.001)
        process.kill()
    assert process.returncode == -signal.SIGKILL, "it was too fast to be killed"
    assert any((tmp_path / ".accord/scratch").rglob("*"))
    assert sha256_of(tmp_path / "data/rows") in expected, "what was there before is there as it was"
    assert ingested(made, tmp_path, 500) == expected
