"""A large file of CSV in pieces that end where rows do, so that never all of it is in memory."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from accord.data.ingest import csv_blocks, csv_text, sources
from accord.errors import AccordError
from accord.schema.data import Source

HEAD = 16 << 20
"""Bytes at the beginning of a file in which its names and first rows are."""
STEP = 16 << 20
"""Bytes that are looked at at a time."""
PLAIN = (".csv", ".tsv", ".txt", ".data")


@dataclass(frozen=True)
class Cut:
    """Where the rows of a file may be parted."""

    header: bytes
    """What every piece is read behind: the line of names, if need be a made-up one."""
    source: Source
    """How the pieces are written."""
    begin: int
    """The byte where the first row begins."""
    ends: tuple[int, ...]
    """The byte behind each piece."""
    has_blank_lines: bool

    @property
    def pieces(self) -> list[tuple[int, int]]:
        return list(zip((self.begin, *self.ends[:-1]), self.ends, strict=True))


def is_plain(path: Path, source: Source) -> bool:
    """Whether pieces can be read from the file itself: it is neither packed nor written in another encoding than UTF-8."""
    return path.suffix.lower() in PLAIN and csv_text.is_utf8(source)


def write_plain(where: str, path: Path, source: Source, copy: Path) -> None:
    """Writes the file unpacked, and in UTF-8."""
    encoding = source.encoding
    with sources.readable(where), sources.unpacked(where, path) as packed, copy.open("wb") as file:
        if csv_text.is_utf8(source):
            for part in iter(lambda: packed.read(STEP), b""):
                file.write(part)
            return
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            for part in iter(lambda: packed.read(STEP), b""):
                file.write(decoder.decode(part).encode())
            file.write(decoder.decode(b"", final=True).encode())
        except UnicodeError as error:
            raise csv_text.other_encoding(where, source, error) from error


def cut(where: str, path: Path, source: Source, n_rows: int) -> Cut:
    """Cuts the file at the ends of rows, into pieces of about as many. A line break between quotes ends none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEAD)
    quote = (source.quote or '"').encode()
    end_of_line = _end_of_line(path, head)
    begin = 0 if source.header is False else _first_end(head, quote, end_of_line)
    n_bytes = max(1, n_rows * _row_bytes(head[begin:], end_of_line))
    ends: list[int] = []
    has_blank_lines = False
    nominal, before, last, is_quoted = begin + n_bytes, 0, b"", False
    for part in _parts(path):
        has_blank_lines = has_blank_lines or csv_text.has_blank_lines(last + part)
        # Where a part is looked at from, and whether that is between quotes.
        place, quoted = 0, is_quoted
        while nominal - before < len(part):
            target = max(nominal - before, place)
            quoted ^= part.count(quote, place, target) % 2 == 1
            place = target
            found = _end(part, place, quoted, quote, end_of_line)
            if found is None:
                break
            place, quoted = found, False
            ends.append(before + place)
            nominal = before + place + n_bytes
        is_quoted ^= part.count(quote) % 2 == 1
        before, last = before + len(part), (last + part)[-2:]
        if before - (ends[-1] if ends else begin) > n_bytes + csv_blocks.MAX_ROW + STEP:
            raise csv_blocks.endless(where, csv_lines(path, ends[-1] if ends else begin))
    if size > (ends[-1] if ends else begin) or not ends:
        ends.append(size)
    if begin or size == 0:
        return Cut(head[:begin], source, begin, tuple(ends), has_blank_lines)
    names = first_rows(where, path, source, 2).columns
    header = source.separator.join(names).encode() + end_of_line
    return Cut(header, source.model_copy(update={"header": None}), 0, tuple(ends), has_blank_lines)


def read(
    where: str, path: Path, source: Source, piece: tuple[int, int], header: bytes, has_blank_lines: bool
) -> pl.DataFrame:
    """The rows of a piece. An error says the line of the file."""
    start, stop = piece
    with path.open("rb") as file:
        file.seek(start)
        content = header + file.read(stop - start)
    with sources.readable(where):
        try:
            return csv_text.read(where, content, source, has_blank_lines=has_blank_lines)
        except AccordError:
            left_out = csv_lines(path, start) - header.count(b"\n")
            csv_text.read(where, content, source, left_out, has_blank_lines)
            raise


def first_rows(where: str, path: Path, source: Source, n: int) -> pl.DataFrame:
    """The rows of the first lines that are not blank."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    place, quote, end_of_line = 0, (source.quote or '"').encode(), _end_of_line(path, head)
    for _ in range(n):
        place += _first_end(head[place:], quote, end_of_line)
    with sources.readable(where):
        return csv_text.read(where, head[:place], source)


def csv_lines(path: Path, stop: int) -> int:
    """The line breaks before a byte of the file."""
    found = 0
    for part in _parts(path):
        found += part.count(b"\n", 0, stop)
        stop -= len(part)
        if stop <= 0:
            break
    return found


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(STEP), b"")


def _end_of_line(path: Path, head: bytes) -> bytes:
    r"""`\n`, or `\r` in a file that has no `\n` at all."""
    if b"\n" in head or b"\r" not in head:
        return b"\n"
    return b"\n" if any(b"\n" in part for part in _parts(path)) else b"\r"


def _first_end(head: bytes, quote: bytes, end_of_line: bytes) -> int:
    """Behind the first line that is not blank."""
    place = 0
    while (end := _end(head, place, False, quote, end_of_line)) is not None:
        if head[place:end].strip(b"\r\n"):
            return end
        place = end
    return len(head)


def _end(part: bytes, place: int, is_quoted: bool, quote: bytes, end_of_line: bytes) -> int | None:
    """Behind the first line break from `place` on that is not between quotes, if there is one."""
    for mark in re.compile(re.escape(quote) + b"|" + end_of_line).finditer(part, place):
        if mark[0] == quote:
            is_quoted = not is_quoted
        elif not is_quoted:
            return mark.end()
    return None


def _row_bytes(rows: bytes, end_of_line: bytes) -> int:
    """What a row takes, about, by the first ones."""
    return max(1, len(rows) // max(1, rows.count(end_of_line)))
