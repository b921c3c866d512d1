"""Pieces of a file of CSV hold the rows that the whole file has, wherever it is cut."""

import gzip
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shipped import shipped

from accord.data.ingest import csv_blocks, csv_pieces, csv_text, sources
from accord.errors import AccordError
from accord.schema.data import Source

FIELDS = st.sampled_from(
    ["", "a", "NA", "ü", "1.5", '"x,y"', '"two\nlines"', '"a ""quote"""', '"\r\n"', '"\n\n"', "long " * 9]
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def in_pieces(path: Path, source: Source, n_rows: int) -> list[pl.DataFrame]:
    found = csv_pieces.cut("here", path, source, n_rows)
    assert found.ends[-1] == path.stat().st_size
    return [
        csv_pieces.read("here", path, found.source, piece, found.header, found.has_blank_lines)
        for piece in found.pieces
    ]


@given(
    rows=st.lists(st.tuples(FIELDS, FIELDS), max_size=30), end=ENDS, n_rows=st.integers(1, 9), step=st.integers(1, 200),
    blank=st.sets(st.integers(1, 30), max_size=3), is_ended=st.booleans(), header=st.sampled_from([None, False]),
)  # fmt: skip
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
def test_pieces_are_the_whole(
    tmp_path: Path,
    rows: list[tuple[str, str]],
    end: str,
    n_rows: int,
    step: int,
    blank: set[int],
    is_ended: bool,
    header: bool | None,
):
    if end == "\r":
        rows = [(a.replace("\n", ""), b.replace("\n", "")) for a, b in rows]
    lines = ["one,two", *(",".join(row) for row in rows)]
    for i in sorted(blank, reverse=True):
        lines.insert(i, "")
    path = tmp_path / "rows.csv"
    path.write_bytes((end.join(lines) + (end if is_ended else "")).encode())
    source = shipped(Source, path=str(path), header=header)
    before = csv_pieces.STEP
    csv_pieces.STEP = step
    try:
        with sources.readable("here"):
            whole = csv_text.read("here", path.read_bytes(), source)
        assert pl.concat(in_pieces(path, source, n_rows)).equals(whole)
    finally:
        csv_pieces.STEP = before


@given(
    rows=st.lists(st.sampled_from(["a,b", 'a"b,1', '5",2', '"x,y",3', "z,4"]), min_size=1, max_size=12),
    n_rows=st.integers(1, 9),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
def test_rows_with_a_quote_within_a_field_are_read_alike_or_refused(
    tmp_path: Path, rows: list[str], n_rows: int
):
    path = tmp_path / "rows.csv"
    path.write_text("one,two\n" + "\n".join(rows) + "\n")
    source = shipped(Source, path=str(path))
    with suppress(AccordError), sources.readable("here"):
        pieces = pl.concat(in_pieces(path, source, n_rows))
        assert pieces.equals(csv_text.read("here", path.read_bytes(), source))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (b"1,2,3\n", "line 713: found 3 fields; expected at most 2"),
        (b"1\n", "line 713: found 1 fields; expected 2"),
        (b"1,\xff\n", "has the byte 0xff in line 713"),
    ],
)
def test_a_damaged_row_is_named_by_its_line_in_the_file(tmp_path: Path, damage: bytes, said: str):
    path = tmp_path / "rows.csv"
    lines = [b'"a\nb",2\n'] * 10 + [b"1,2\n"] * 1000
    lines[701] = damage
    path.write_bytes(b"one,two\n" + b"".join(lines))
    with pytest.raises(AccordError, match=said):
        in_pieces(path, shipped(Source, path=str(path)), 100)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_a_packed_file_is_unpacked_in_utf8(tmp_path: Path, encoding: str):
    path, plain = tmp_path / "rows.csv.gz", tmp_path / "plain"
    text = "one,two\n" + "ü,1\n" * 1000
    path.write_bytes(gzip.compress(text.encode(encoding)))
    source = shipped(Source, path=str(path), encoding=encoding)
    assert not csv_pieces.is_plain(path, source)
    csv_pieces.write_plain("here", path, source, plain)
    assert plain.read_text(encoding="utf-8-sig") == text


def test_a_line_that_never_ends_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(csv_blocks, "MAX_ROW", 1 << 20)
    monkeypatch.setattr(csv_pieces, "STEP", 1 << 16)
    path = tmp_path / "rows.csv"
    path.write_bytes(b"one,two\n" + b"1,2\n" * 1000 + b'1,"2\n' + b"3,4\n" * 1_000_000)
    with pytest.raises(AccordError, match="has a line of more than 1 MB after line"):
        csv_pieces.cut("here", path, shipped(Source, path=str(path)), 100)
