"""Every type of Arrow and Parquet against every type of the contract, by real files: taken exactly, or refused."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shipped import shipped

from accord.data import contract
from accord.data.casting import ARROW, WAYS, kind
from accord.data.ingest import sources
from accord.schema.data import Column, Source
from accord.sql.rows import TYPES

ROOT = Path(__file__).parents[2]
NEW_YEAR = datetime(2024, 1, 1)
UNITS = ("s", "ms", "us", "ns")
DECIMAL = [Decimal("0.00"), Decimal("1.00")]

ARRAYS: dict[str, tuple[str, pa.Array]] = {
    **{
        name: ("integer", pa.array([0, 1], getattr(pa, name)()))
        for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
    },
    **{
        name: ("float", pa.array([0.0, 1.0], getattr(pa, name)()))
        for name in ("float16", "float32", "float64")
    },
    **{
        name: ("decimal", pa.array(DECIMAL, getattr(pa, name)(5, 2)))
        for name in ("decimal32", "decimal64", "decimal128", "decimal256")
    },
    "bool": ("boolean", pa.array([False, True])),
    **{
        name: ("text", pa.array(["0", "1"], getattr(pa, name)()))
        for name in ("string", "large_string", "string_view")
    },
    "dictionary": ("text", pa.array(["0", "1"]).dictionary_encode()),
    "dictionary of integers": ("integer", pa.array([0, 1]).dictionary_encode()),
    **{
        name: ("bytes", pa.array([b"0", b"1"], getattr(pa, name)()))
        for name in ("binary", "large_binary", "binary_view")
    },
    "fixed_size_binary": ("bytes", pa.array([b"0", b"1"], pa.binary(1))),
    "date32": ("date", pa.array([date(2024, 1, 1)] * 2)),
    "date64": ("datetime", pa.array([date(2024, 1, 1)] * 2, pa.date64())),
    **{f"timestamp {unit}": ("datetime", pa.array([NEW_YEAR] * 2, pa.timestamp(unit))) for unit in UNITS},
    **{
        f"timestamp {unit} in a zone": (
            "datetime",
            pa.array([NEW_YEAR] * 2, pa.timestamp(unit, "Europe/Berlin")),
        )
        for unit in UNITS
    },
    "timestamp at an offset": ("datetime", pa.array([NEW_YEAR] * 2, pa.timestamp("us", "+02:00"))),
    **{f"duration {unit}": ("duration", pa.array([timedelta(1)] * 2, pa.duration(unit))) for unit in UNITS},
    "time32": ("time", pa.array([time(1)] * 2, pa.time32("s"))),
    "time64": ("time", pa.array([time(1)] * 2, pa.time64("us"))),
    "list": ("nested", pa.array([[1], [2]])),
    "large_list": ("nested", pa.array([[1], [2]], pa.large_list(pa.int64()))),
    "fixed_size_list": ("nested", pa.array([[1], [2]], pa.list_(pa.int64(), 1))),
    "struct": ("nested", pa.array([{"a": 1}, {"a": 2}])),
    "map": ("nested", pa.array([[("a", 1)], [("b", 2)]], pa.map_(pa.string(), pa.int64()))),
    "null": ("null", pa.nulls(2)),
}
"""Of each type two values, 0 and 1 where it has them, with the kind that it belongs to."""
TAKEN: dict[tuple[str, str], list[Any]] = {
    **{(name, "integer"): [0, 1] for name in ("integer", "float", "decimal", "boolean", "text")},
    **{(name, "number"): [0.0, 1.0] for name in ("integer", "float", "decimal", "boolean", "text")},
    **{(name, "boolean"): [False, True] for name in ("integer", "float", "decimal", "boolean", "text")},
    ("integer", "category"): ["0", "1"],
    ("float", "category"): ["0.0", "1.0"],
    ("decimal", "category"): ["0.00", "1.00"],
    ("boolean", "category"): ["false", "true"],
    ("text", "category"): ["0", "1"],
    ("date", "category"): ["2024-01-01"] * 2,
    ("date", "datetime"): [NEW_YEAR] * 2,
    ("datetime", "datetime"): [NEW_YEAR] * 2,
}
"""What each kind is taken as, where it is."""


def in_file(folder: Path, array: pa.Array) -> pl.DataFrame:
    """The array, with a null after its values, as the pipeline reads it from Parquet."""
    path = folder / "t.parquet"
    whole = pa.chunked_array([array, pa.nulls(1, array.type)])
    pq.write_table(pa.table({"x": whole}), path)
    return sources.read("t", shipped(Source, path=str(path)), folder)


@pytest.mark.parametrize("declared", TYPES)
@pytest.mark.parametrize("name", ARRAYS)
def test_each_type_of_parquet_is_taken_exactly_or_refused(tmp_path: Path, name: str, declared: str):
    stands_for, array = ARRAYS[name]
    rows = in_file(tmp_path, array)
    found = contract.check(rows, {"x": shipped(Column, type=declared, nullable=True)})
    assert kind(rows.schema["x"]) == stands_for
    if stands_for == "null":
        assert found.valid["x"].to_list() == [None] * 3
    elif (stands_for, declared) in TAKEN:
        assert found.valid["x"].to_list() == [*TAKEN[stands_for, declared], None]
    elif stands_for == "text":  # no instant, as in CSV
        assert found.broken == {"x|type": 2}
    else:
        assert declared not in WAYS[stands_for]
        assert found.valid["x"].to_list() == [None]
        assert found.broken == {"x|type": 2}
        assert contract.in_words(found, {"x": shipped(Column, type=declared, nullable=True)}, [])
    assert found.valid.schema["x"] == TYPES[declared]


def test_every_kind_of_the_table_has_a_type_that_is_tried():
    assert {stands_for for stands_for, _ in ARRAYS.values()} == ARROW.keys() == WAYS.keys() - {"other"}


def test_the_table_of_the_documentation_is_the_one_of_the_code():
    text = (ROOT / "docs/data.md").read_text(encoding="utf-8")
    assert "\n".join(table()) in text


def table() -> Iterable[str]:
    yield f"| Parquet, Arrow | {' | '.join(TYPES)} |"
    yield f"|---{'|---' * len(TYPES)}|"
    for name, types in ARROW.items():
        cells = (WAYS[name][declared].which if declared in WAYS[name] else "-" for declared in TYPES)
        yield f"| {types} | {' | '.join(cells)} |"
