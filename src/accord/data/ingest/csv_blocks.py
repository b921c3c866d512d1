"""CSV of any length, read in blocks that end where a row does."""

import codecs
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import islice
from typing import IO, TypeVar

import polars as pl

from accord.data.ingest import csv_text
from accord.errors import AccordError
from accord.schema.data import Source

MAX_ROW = 64 << 20
"""Bytes that a row may have. A file that has fewer is read at once."""
PARTS = 4
"""How many blocks as many bytes are."""
T = TypeVar("T")
Opened = Callable[[], AbstractContextManager[IO[bytes]]]


def frames(where: str, opened: Opened, source: Source) -> Iterator[pl.DataFrame]:
    """The rows of a file, which each call of `opened` opens from its beginning: in order, and a block of them at a time.
    Raises as `csv_text.read` does, and AccordError for a row that is too long."""
    with opened() as stream:
        begun = list(islice(_blocks(stream), PARTS))
        if len(begun) < PARTS or len(begun[-1]) < MAX_ROW // PARTS:
            yield csv_text.read(where, b"".join(begun), source)
            return
        csv_text.refuse_other_kinds(where, begun[0], source)
        line_end, has_blank_lines = _marks(where, opened, source)
        in_utf8 = source if csv_text.is_utf8(source) else source.model_copy(update={"encoding": "utf-8"})
        first, n_lines = None, 0
        blocks = _decoded(where, continued(begun, _blocks(stream)), source)
        for rows in _whole_rows(where, blocks, source, line_end):
            if first is None:
                text = first = replace(csv_text.opened(where, rows, in_utf8), has_blank_lines=has_blank_lines)
            else:
                text = csv_text.following(first, rows, n_lines)
            yield text.read()
            first = replace(first, content=b"")  # its names are what is needed of it
            n_lines += rows.count(line_end)


def endless(where: str, n_lines: int) -> AccordError:
    return AccordError(
        f"{where} has a line of more than {MAX_ROW >> 20} MB after line {n_lines:,}; expected rows of CSV, one a line. It "
        "may be another kind of file, or a quote may lack its end: mend the file"
    )


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    """All that follows in the stream; only the last block is shorter than the others."""
    while block := _read(stream, MAX_ROW // PARTS):
        yield block


def _read(stream: IO[bytes], n_bytes: int) -> bytes:
    """So many bytes, fewer only at the end of the stream."""
    parts, n = [], 0
    while n < n_bytes and (part := stream.read(n_bytes - n)):
        parts.append(part)
        n += len(part)
    return b"".join(parts)


def continued(begun: list[T], following: Iterator[T]) -> Iterator[T]:
    """All of them; those that were begun with are held no longer than the others."""
    while begun:
        yield begun.pop(0)
    yield from following


def _decoded(where: str, blocks: Iterable[bytes], source: Source) -> Iterator[bytes]:
    """The blocks in UTF-8."""
    if csv_text.is_utf8(source):
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(source.encoding)()
    try:
        for block in blocks:
            yield decoder.decode(block).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise csv_text.other_encoding(where, source, error) from error


def _marks(where: str, opened: Opened, source: Source) -> tuple[bytes, bool]:
    """What only the whole file tells: what ends its lines, and whether some are blank."""
    has_newlines = has_blank_lines = False
    with opened() as stream:
        before = b""
        for block in _decoded(where, _blocks(stream), source):
            has_newlines |= b"\n" in block
            has_blank_lines |= csv_text.has_blank_lines(block) or csv_text.has_blank_lines(before + block[:2])
            before = block[-2:]
    return b"\n" if has_newlines else b"\r", has_blank_lines


def _whole_rows(where: str, blocks: Iterable[bytes], source: Source, line_end: bytes) -> Iterator[bytes]:
    """The same bytes, cut where a row ends."""
    rest, n_lines, quote = b"", 0, (source.quote or '"').encode()
    for block in blocks:
        content = rest + block
        end = _row_end(content, quote, line_end)
        if end:
            yield content[:end]
            n_lines += content.count(line_end, 0, end)
        rest = content[end:]
        if len(rest) > MAX_ROW:
            raise endless(where, n_lines)
    if rest:
        yield rest


def _row_end(content: bytes, quote: bytes, line_end: bytes) -> int:
    """How many bytes whole rows take. A line ends within quotes where the number of quotes before it is odd."""
    is_quoted, end = content.count(quote) % 2, len(content)
    while (at := content.rfind(line_end, 0, end)) >= 0:
        is_quoted ^= content.count(quote, at, end) % 2
        if not is_quoted:
            return at + 1
        end = at
    return 0
