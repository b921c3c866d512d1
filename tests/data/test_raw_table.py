"""How a raw file is written, and what becomes of one that can't be read."""

import gzip
import lzma
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from accord.data.infer import inference, raw_table
from accord.data.infer.identifier_names import is_name, names
from accord.errors import AccordError

WRITTEN: dict[str, tuple[bytes, dict[str, Any], dict[str, str]]] = {
    "as usual": (b"a,b\n1,x\n2,y\n", {}, {"a": "integer", "b": "category"}),
    "semicolons and decimal commas": (b"a;b\n1,5;2\n2,5;3\n", {"separator": ";"}, {"a": "number", "b": "integer"}),
    "bars": (b"a|b\n1|2\n3|4\n", {"separator": "|"}, {"a": "integer", "b": "integer"}),
    "tabs": (b"a\tb\n1\t2\n", {"separator": "\t"}, {"a": "integer", "b": "integer"}),
    "blanks": (b"a b\n1 2\n3 4\n", {"separator": " "}, {"a": "integer", "b": "integer"}),
    "a separator in quotes": (b'a;b\n"x,y";1\n"z,w";2\n', {"separator": ";"}, {"a": "category", "b": "integer"}),
    "single quotes": (b"'a','b'\n'x, y','1'\n'z','2'\n", {"quote": "'"}, {"a": "category", "b": "integer"}),
    "no header": (b"1,a\n2,b\n3,a\n", {"header": False}, {"column_1": "integer", "column_2": "category"}),
    "no header over words": (b"f,x\nm,y\nf,x\nf,y\nm,x\n", {"header": False}, {"column_1": "category", "column_2": "category"}),
    "no header, decimal commas": (b"1,5;2,5\n2,5;3,5\n", {"separator": ";", "header": False}, {"column_1": "number", "column_2": "number"}),
    "years as names": (b"country,2001,2002,2003\nA,1,2,3\nB,2,3,4\n", {}, {"country": "category", "2001": "integer", "2002": "integer", "2003": "integer"}),
    "western letters": ("a,b\nKöln,1\n".encode("latin-1"), {"encoding": "latin-1"}, {"a": "category", "b": "integer"}),
    "letters of Windows": ("a,b\nAmt \u2013 Ost,1\n".encode("cp1252"), {"encoding": "cp1252"}, {"a": "category", "b": "integer"}),
    "two bytes a letter": ("a,b\n1,é\n".encode("utf-16"), {"encoding": "utf-16"}, {"a": "integer", "b": "category"}),
    "a byte-order mark": (b"\xef\xbb\xbfa,b\n1,2\n", {"encoding": "utf-8-sig"}, {"a": "integer", "b": "integer"}),
    "lines of an old Macintosh": (b"a,b\r1,2\r3,4\r", {}, {"a": "integer", "b": "integer"}),
    "blank lines": (b"a,b\r\n1,2\r\n\r\n3,4\r\n\r\n", {}, {"a": "integer", "b": "integer"}),
    "a column without a name": (b'"",b\n0,2\n1,3\n', {}, {"column_1": "integer", "b": "integer"}),
}  # fmt: skip


@pytest.mark.parametrize("how", WRITTEN)
def test_how_a_file_is_written_is_found(tmp_path: Path, how: str):
    content, written, types = WRITTEN[how]
    (tmp_path / "t.csv").write_bytes(content)
    table = raw_table.read("t.csv", tmp_path)
    assert table.written == written
    found = inference.columns(table)
    assert {column.source: column.type for column in found} == types
    assert not any(column.values.has_nulls() for column in found)


def test_what_somebody_says_of_a_file_is_not_guessed(tmp_path: Path):
    (tmp_path / "t.csv").write_bytes(b"1,5;2\n2,5;3\n")
    assert raw_table.read("t.csv", tmp_path, {"separator": ",", "header": True}).names == ["1", "5;2"]


def test_parquet_has_types_of_its_own(tmp_path: Path):
    pl.DataFrame({"a": [1, None], "b": ["01", "2"], "c": [[1], [2]], "d": [1.5, 2.0]}).write_parquet(
        tmp_path / "t.parquet"
    )
    table = raw_table.read("t.parquet", tmp_path)
    assert {column.name: column.type for column in inference.columns(table)} == {
        "a": "integer",
        "b": "category",
        "d": "number",
    }
    assert inference.unread(table) == {"c": "List(Int64)"}


def test_a_large_table_is_read_the_same_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    frame = pl.DataFrame({f"c{i}": [str(i * j) for j in range(50)] for i in range(7)})
    frame.write_csv(tmp_path / "t.csv")
    whole = inference.columns(raw_table.read("t.csv", tmp_path))
    monkeypatch.setattr(raw_table, "N_CELLS", 100)
    table = raw_table.read("t.csv", tmp_path)
    assert len(list(table.parts())) == 7
    assert table.n_rows == 50
    for one, other in zip(inference.columns(table), whole, strict=True):
        assert one.guesses == other.guesses
        assert one.values.equals(other.values)


BROKEN: dict[str, tuple[bytes, str]] = {
    "long row.csv": (b"a,b\n1,2\n3,4,5\n", "line 3: found 3 fields; expected at most 2"),
    "short row.csv": (b"a,b,c\n1,2,3\n3,4\n5,6,7\n", "line 3: found 2 fields; expected 3"),
    "last row cut.csv": (b'a,b\n"x, y",1\n"z\n z",2\n"w"\n', "line 5: found 1 fields; expected 2"),
    "header alone.csv": (b"a,b\n", "has no rows"),
    "nothing.csv": (b"", "is empty"),
    "blank.csv": (b"\n\n\n", "is empty"),
    "twice.csv": (b"a,b,a\n1,2,3\n", "several columns of one name: 'a'"),
    "picture.csv": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "its bytes are no text"),
    "open quote.csv": (b'a,b\n1,"x\n2,y\n', "doesn't end with one"),
    "sheet.csv": (b"PK\x03\x04" + b"x" * 100, "a zip archive, such as .xlsx"),
    "preamble.csv": (b"# made by x\na,b,c\n1,2,3\n1,2,3\n", "above the header nothing may stand"),
    "cut.csv.gz": (gzip.compress(b"a,b\n1,2\n" * 5000)[:60], "cut short"),
    "cut.csv.xz": (lzma.compress(b"a,b\n1,2\n" * 5000)[:60], "cut short"),
    "cut.zip": (b"PK\x03\x04" + b"x" * 20, "cut short"),
    "cut.parquet": (b"PAR1xxxx", "cut short"),
    "t.json": (b"{}", "unknown kind of file '.json'"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_can_not_be_read_is_one_line(tmp_path: Path, name: str):
    content, said = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AccordError) as error:
        inference.columns(raw_table.read(name, tmp_path))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_an_archive_of_several_files_is_one_line(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("a.csv", "a,b\n1,2\n")
        archive.writestr("b.csv", "a,b\n1,2\n")
    with pytest.raises(AccordError, match="holds 2 files"):
        raw_table.read("t.zip", tmp_path)


def test_columns_of_any_name_get_identifiers_that_differ():
    sources = [
        "Größe (m²)",
        "a b",
        "a_b",
        "A-B",
        "2nd",
        "",
        " ",
        "年齢",
        "prediction_id",
        "score",
        "ok",
        "x" * 200,
        "x" * 201,
    ]
    found = names(sources)
    assert all(map(is_name, found))
    assert len(set(found)) == len(found)
    assert found[sources.index("a_b")] == "a_b"
    assert found[sources.index("ok")] == "ok"
    assert "prediction_id" not in found
    assert dict(zip(reversed(sources), names(sources[::-1]), strict=True)) == dict(
        zip(sources, found, strict=True)
    )
