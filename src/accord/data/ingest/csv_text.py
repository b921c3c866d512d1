"""CSV as text: every column as it is written, whatever its encoding and line ends, or an error that says what is written there."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from accord.errors import AccordError
from accord.schema.data import Source

MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"\xef\xbb\xbf": "utf-8-sig",
}
"""Byte-order marks, by which a file says its encoding."""
OTHERS = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive, such as .xlsx",
    b"\x1f\x8b": "a gzip file",
    b"ARROW1": "an Arrow file",
}
"""What begins with other bytes than text does."""
SEPARATORS = {",": '","', ";": '";"', "\t": r'"\t"', "|": '"|"'}
NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x19\x1c-\x1f]")
"""Bytes that text in one byte a letter doesn't have."""
BLANK_LINES = (b"\n\n", b"\n\r\n", b"\r\r")
"""Where a line without anything is."""
STEP = 16 << 20
"""Bytes that are looked at at a time."""
SHOWN = 40
"""Characters of a line that an error quotes."""


def read(
    where: str, content: bytes, source: Source, lines_before: int = 0, has_blank_lines: bool | None = None
) -> pl.DataFrame:
    """The rows of a file in text. `where` is the source, for the AccordError that a file raises which is written otherwise than
    the source says, has two columns of one name, or rows of other lengths. Raises NoDataError for an empty one.

    Of a piece of a file, behind the file's header, it has to be said how many lines of the file are left out before it, and whether the
    file has blank ones anywhere."""
    return opened(where, content, source, lines_before).read(has_blank_lines)


@dataclass(frozen=True)
class Text:
    """A file of CSV, of which all columns can be read at once or some at a time."""

    where: str
    content: bytes
    """In UTF-8."""
    source: Source
    names: list[str]
    lines_before: int = 0

    @cached_property
    def has_blank_lines(self) -> bool:
        return len(self.names) > 1 and any(mark in self.content for mark in BLANK_LINES)

    def read(self, has_blank_lines: bool | None = None) -> pl.DataFrame:
        """All rows; of a piece of a file it has to be said whether the file has blank lines."""
        frame = self.read_columns(range(len(self.names)))
        is_filtered = self.has_blank_lines if has_blank_lines is None else has_blank_lines and frame.width > 1
        return frame.filter(~pl.all_horizontal(pl.all().is_null())) if is_filtered else frame

    def read_columns(self, which: range) -> pl.DataFrame:
        """The columns at these positions, of all rows and of blank lines, which are rows without a value here."""
        indices = None if len(which) == len(self.names) else list(which)
        frame = _parsed(
            self.where,
            self.content,
            self.source,
            self.lines_before,
            has_header=self.source.header is not False,
            columns=indices,
        )
        frame.columns = [self.names[i] for i in which]
        # A row that is too short lacks its last field.
        if which.stop == len(self.names) > 1 and frame.to_series(-1).has_nulls():
            self._refuse_short_rows(frame.height)
        return frame

    def _refuse_short_rows(self, n_rows: int) -> None:
        mark, quote = self.source.separator, self.source.quote or '"'
        n_lines = n_rows + (self.source.header is not False)
        if quote.encode() not in self.content and self.content.count(mark.encode()) == n_lines * (
            len(self.names) - 1
        ):
            return
        text = io.TextIOWrapper(io.BytesIO(self.content), "utf-8", newline="")
        reader = csv.reader(text, delimiter=mark, quotechar=quote)
        try:
            for row in reader:
                if 0 < len(row) < len(self.names):
                    raise AccordError(
                        f"{self.where}, line {self.lines_before + reader.line_num}: found {len(row)} fields; expected {len(self.names)}, as many as there are "
                        "columns. The line may be cut short, or lack a separator: mend the file"
                    )
        except csv.Error:  # a field is too long for this reader, but no row too short
            return


def opened(where: str, content: bytes, source: Source, lines_before: int = 0) -> Text:
    """The file with the names of its columns."""
    content = _in_utf8(where, content, source, lines_before)
    literal = source.model_copy(update={"nulls": []})
    head = _parsed(where, content, literal, lines_before, has_header=False, n_rows=2)
    return Text(where, content, source, _names(where, head, source), lines_before)


def _parsed(where: str, content: bytes, source: Source, lines_before: int, **options: Any) -> pl.DataFrame:
    is_cr_alone, mark = b"\n" not in content and b"\r" in content, source.quote or '"'
    try:
        return pl.read_csv(
            content, separator=source.separator, quote_char=mark, null_values=source.nulls, infer_schema=False,
            eol_char="\r" if is_cr_alone else "\n", **options,
        )  # fmt: skip
    except PolarsError as error:
        if "more fields" in str(error):
            raise AccordError(_too_many_fields(where, content, source, lines_before)) from error
        if "could not parse" in str(error):
            raise AccordError(
                f"{where} has a field that begins with the quote {mark} and doesn't end with one. Close the quote, or double it "
                "where it is part of the text"
            ) from error
        raise


def _in_utf8(where: str, content: bytes, source: Source, lines_before: int) -> bytes:
    """The content in UTF-8, if it is written as the source says."""
    other = next((kind for start, kind in OTHERS.items() if content.startswith(start)), None)
    if other:
        raise AccordError(f"{where} is no CSV but {other}, by its first bytes. Call it so, or save it as CSV")
    mark = next((name for start, name in MARKS.items() if content.startswith(start)), None)
    encoding = source.encoding.lower().replace("_", "-")
    if mark and not encoding.startswith(mark[:6]):
        raise AccordError(
            _encoded(where, source, f"begins with the mark of {mark.removesuffix('-sig')}", mark)
        )
    if encoding in ("utf-8", "utf8", "utf-8-sig", "ascii"):
        if which := of_two_bytes(content):
            raise AccordError(_encoded(where, source, "has a zero byte beside each letter", which))
        if NO_TEXT.search(content[:1000]):
            raise AccordError(f"{where} is no CSV: its bytes are no text. Save it as CSV or Parquet")
        at = not_utf8(content)
        if at is not None:
            line = lines_before + content.count(b"\n", 0, at) + 1
            which = "cp1252" if _is_of_windows(content) else "latin-1"
            text = content[max(at - SHOWN // 2, 0) : at + SHOWN // 2].decode(which, errors="replace")
            shown = " ".join(text.split())
            found = f"has the byte 0x{content[at]:02x} in line {line}, which would be '{shown}' in {which}"
            raise AccordError(_encoded(where, source, found, which))
        return content
    try:
        return content.decode(source.encoding).encode()
    except UnicodeError as error:
        raise AccordError(wrongly_encoded(where, source, error)) from error


def wrongly_encoded(where: str, source: Source, error: UnicodeError) -> str:
    return (
        f"{where} is not written in {source.encoding}, as `encoding` says: {error}. Correct `encoding` in conf/data, or leave it "
        "out if it is utf-8"
    )


def of_two_bytes(content: bytes) -> str | None:
    """The encoding of text that has a zero byte beside each letter, as most languages have it."""
    head = content[:1000]
    for which, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if zeros.count(0) > len(zeros) / 2:
            return which
    return None


def not_utf8(content: bytes) -> int | None:
    """Where the first byte is that isn't UTF-8; no copy of the content is made."""
    if content.isascii():
        return None
    start = 0
    while start < len(content):
        end = content.rfind(b"\n", start, start + STEP) + 1 or len(content)
        try:
            content[start:end].decode()
        except UnicodeDecodeError as error:
            return start + error.start
        start = end
    return None


def _is_of_windows(content: bytes) -> bool:
    """Whether it has signs, such as the one for the euro, where latin-1 has characters that no text has."""
    try:
        return re.search(rb"[\x80-\x9f]", content) is not None and bool(content.decode("cp1252"))
    except UnicodeDecodeError:
        return False


def _encoded(where: str, source: Source, found: str, which: str) -> str:
    return f"{where} is not written in {source.encoding}: it {found}. Say how it is written, beside `path` in conf/data: encoding: {which}"


def _names(where: str, head: pl.DataFrame, source: Source) -> list[str]:
    """The columns by name, unnamed ones by number."""
    first = head.row(0)
    if source.header is False:
        return [f"column_{i}" for i in range(1, len(first) + 1)]
    if len(first) == 1 and head.height > 1 and (other := _separator(*map(str, head.to_series()))):
        raise AccordError(
            f"{where} has one column, '{first[0][:SHOWN]}', with the separator '{source.separator}'. It seems to be another one; write "
            f"beside `path` in conf/data: separator: {SEPARATORS[other]}"
        )
    names = [name or f"column_{i}" for i, name in enumerate(first, start=1)]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        which = ", ".join(
            f"'{name}' (columns {' and '.join(str(i) for i, n in enumerate(names, start=1) if n == name)})"
            for name in twice
        )
        raise AccordError(f"{where} has several columns of one name: {which}. Rename all but one in the file")
    return names


def _separator(header: str, row: str) -> str | None:
    """What separates the fields of both lines into more than one."""
    counts: Mapping[str, int] = {mark: header.count(mark) for mark in SEPARATORS}
    found = [mark for mark, n in counts.items() if n and row.count(mark) == n]
    return max(found, key=lambda mark: counts[mark], default=None)


def _too_many_fields(where: str, content: bytes, source: Source, lines_before: int) -> str:
    reader = csv.reader(io.StringIO(content.decode(errors="replace"), newline=""), delimiter=source.separator)
    header = next(reader, [])
    for row in reader:
        if len(row) > len(header):
            return (
                f"{where}, line {lines_before + reader.line_num}: found {len(row)} fields; expected at most {len(header)}, as many as the header has. "
                f"Put a field that holds a '{source.separator}' in quotes, or correct `separator` in conf/data; above the header nothing may stand"
            )
    return f"{where}: a row has more fields than the header; expected at most {len(header)}. Correct the file"
