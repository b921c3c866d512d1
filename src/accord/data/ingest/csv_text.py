"""CSV as text: every column as it is written, whatever its encoding and line ends, or an error that says what is written there."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
STEP = 16 << 20
"""Bytes that are looked at at a time."""
SHOWN = 40
"""Characters of a line that an error quotes."""


def read(
    where: str, content: bytes, source: Source, n_skipped: int = 0, has_blank_lines: bool | None = None
) -> pl.DataFrame:
    """The rows of a file in text. `where` is the source, for the AccordError that a file raises which is written otherwise than
    the source says, has two columns of one name, or rows of other lengths. Raises NoDataError for an empty one.

    Of a piece of a file, behind the file's header, it has to be said how many lines of the file are left out before it, and whether the
    file has blank ones anywhere."""
    text = opened(where, content, source, n_skipped)
    if has_blank_lines is not None:
        text = replace(text, has_blank_lines=has_blank_lines and len(text.names) > 1)
    return text.read()


@dataclass(frozen=True)
class Text:
    """A file of CSV, of which all columns can be read at once or some at a time."""

    where: str
    content: bytes
    """In UTF-8."""
    source: Source
    names: list[str]
    has_blank_lines: bool
    """Whether the whole file has any. A blank line is read as a row of nulls, which can't be told from one that is written."""
    n_skipped: int = 0
    """Lines of the file that are left out before the rows, beside a header."""

    def read(self) -> pl.DataFrame:
        frame = self.read_columns(range(len(self.names)))
        return frame.filter(~pl.all_horizontal(pl.all().is_null())) if self.has_blank_lines else frame

    def read_columns(self, which: range) -> pl.DataFrame:
        """The columns at these positions, of all rows and of blank lines, which are rows without a value here."""
        indices = None if len(which) == len(self.names) else list(which)
        options = {"has_header": self.source.header is not False, "columns": indices}
        frame = _parsed(self.where, self.content, self.source, self.n_skipped, **options)
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
                        f"{self.where}, line {reader.line_num + self.n_skipped}: found {len(row)} fields; expected {len(self.names)}, as many as there are "
                        "columns. The line may be cut short, or lack a separator: mend the file"
                    )
        except csv.Error:  # a field is too long for this reader, but no row too short
            return


def opened(where: str, content: bytes, source: Source, n_skipped: int = 0) -> Text:
    """The file with the names of its columns."""
    content = _in_utf8(where, content, source, n_skipped)
    literal = source.model_copy(update={"nulls": []})
    names = _names(where, _parsed(where, content, literal, n_skipped, has_header=False, n_rows=2), source)
    return Text(where, content, source, names, len(names) > 1 and has_blank_lines(content), n_skipped)


def has_blank_lines(content: bytes) -> bool:
    return any(mark in content for mark in BLANK_LINES)


def following(first: Text, content: bytes, n_lines: int) -> Text:
    """Rows of the file of which `first` are the first ones, that stand behind so many of its lines."""
    end = b"\r" if b"\n" not in content else b"\n"
    mark = first.source.separator.encode()
    header = mark.join(str(i).encode() for i in range(len(first.names))) + end
    source, n_skipped = first.source.model_copy(update={"header": None}), n_lines - 1
    content = header + _in_utf8(first.where, content, source, n_lines)
    return Text(first.where, content, source, first.names, first.has_blank_lines, n_skipped)


def _parsed(where: str, content: bytes, source: Source, n_skipped: int = 0, **options: Any) -> pl.DataFrame:
    is_cr_alone, mark = b"\n" not in content and b"\r" in content, source.quote or '"'
    try:
        return pl.read_csv(
            content, separator=source.separator, quote_char=mark, null_values=source.nulls, infer_schema=False,
            eol_char="\r" if is_cr_alone else "\n", **options,
        )  # fmt: skip
    except PolarsError as error:
        if "more fields" in str(error):
            raise AccordError(_too_many_fields(where, content, source, n_skipped)) from error
        if "could not parse" in str(error):
            raise AccordError(
                f"{where} has a field that begins with the quote {mark} and doesn't end with one. Close the quote, or double it "
                "where it is part of the text"
            ) from error
        raise


def _in_utf8(where: str, content: bytes, source: Source, n_lines: int = 0) -> bytes:
    """The content in UTF-8, if it is written as the source says. So many lines of the file stand before it."""
    if not n_lines:
        refuse_other_kinds(where, content, source)
    if is_utf8(source):
        if not n_lines and (which := of_two_bytes(content)):
            raise AccordError(_encoded(where, source, "has a zero byte beside each letter", which))
        if not n_lines and NO_TEXT.search(content[:1000]):
            raise AccordError(f"{where} is no CSV: its bytes are no text. Save it as CSV or Parquet")
        at = not_utf8(content)
        if at is not None:
            line = content.count(b"\n", 0, at) + n_lines + 1
            which = "cp1252" if _is_of_windows(content) else "latin-1"
            text = content[max(at - SHOWN // 2, 0) : at + SHOWN // 2].decode(which, errors="replace")
            shown = " ".join(text.split())
            found = f"has the byte 0x{content[at]:02x} in line {line}, which would be '{shown}' in {which}"
            raise AccordError(_encoded(where, source, found, which))
        return content
    try:
        return content.decode(source.encoding).encode()
    except UnicodeError as error:
        raise other_encoding(where, source, error) from error


def is_utf8(source: Source) -> bool:
    return _encoding(source) in ("utf-8", "utf8", "utf-8-sig", "ascii")


def _encoding(source: Source) -> str:
    return source.encoding.lower().replace("_", "-")


def other_encoding(where: str, source: Source, error: UnicodeError) -> AccordError:
    return AccordError(
        f"{where} is not written in {source.encoding}, as `encoding` says: {error}. Correct `encoding` in conf/data, or leave it "
        "out if it is utf-8"
    )


def refuse_other_kinds(where: str, content: bytes, source: Source) -> None:
    """Raises AccordError for a file that begins as no CSV does, or says that its encoding is another one."""
    other = next((kind for start, kind in OTHERS.items() if content.startswith(start)), None)
    if other:
        raise AccordError(f"{where} is no CSV but {other}, by its first bytes. Call it so, or save it as CSV")
    mark = next((name for start, name in MARKS.items() if content.startswith(start)), None)
    if mark and not _encoding(source).startswith(mark[:6]):
        raise AccordError(
            _encoded(where, source, f"begins with the mark of {mark.removesuffix('-sig')}", mark)
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


def _too_many_fields(where: str, content: bytes, source: Source, n_skipped: int) -> str:
    reader = csv.reader(io.StringIO(content.decode(errors="replace"), newline=""), delimiter=source.separator)
    header = next(reader, [])
    for row in reader:
        if len(row) > len(header):
            return (
                f"{where}, line {reader.line_num + n_skipped}: found {len(row)} fields; expected at most {len(header)}, as many as the header has. "
                f"Put a field that holds a '{source.separator}' in quotes, or correct `separator` in conf/data; above the header nothing may stand"
            )
    return f"{where}: a row has more fields than the header; expected at most {len(header)}. Correct the file"
