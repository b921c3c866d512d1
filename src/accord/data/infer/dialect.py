"""How a file of CSV is written: its encoding, what separates and quotes its fields, and whether a header stands above its rows."""

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice, pairwise
from typing import Any

from accord.data.infer.guess import Guess
from accord.data.ingest.csv_text import MARKS, NO_TEXT, not_utf8, of_two_bytes
from accord.errors import AccordError

N_LINES = 500
MAX_HEAD = 4 << 20
"""Bytes of the beginning that are looked at for all but the encoding."""
SEPARATORS = {
    "\t": "tabs",
    ";": "semicolons",
    "|": "bars",
    ",": "commas",
    "^": "carets",
    "~": "tildes",
    " ": "blanks",
}
"""In the order in which they are preferred, if they separate equally well."""
QUOTES = "' or \""
VALUE = re.compile(
    r"\s*[+-]?[$€£¥]?\s*(\d[\d.,' ]*([eE][+-]?\d+)?\s*%?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*)\s*$"
)
"""A number or date: the header of a column is seldom one."""


def dialect(content: bytes, given: Mapping[str, Any]) -> list[Guess]:
    """How the content is written, with what is `given` of it as it stands."""
    _refuse_unfit(given)
    encoding = _encoding(content) if "encoding" not in given else _given("encoding", given)
    head = _lines(content[:MAX_HEAD].decode(encoding.value, errors="replace"), len(content) > MAX_HEAD)
    quote = _given("quote", given) if "quote" in given else _quote(head)
    separator = _given("separator", given) if "separator" in given else _separator(head, quote.value)
    rows = _rows(head, separator.value, quote.value)
    header = _given("header", given) if "header" in given else _header(rows)
    return [encoding, separator, quote, header]


def _refuse_unfit(given: Mapping[str, Any]) -> None:
    """Raises AccordError for what no CSV is written with."""
    for key in ("separator", "quote"):
        sign = given.get(key, ",")
        if len(sign) != 1 or not sign.isascii() or sign.isalnum() or sign in "\r\n":
            raise AccordError(
                f"{key} {sign!r}: expected a single sign of ASCII, such as {'; or |' if key == 'separator' else QUOTES}"
            )
    if given.get("separator", ",") == given.get("quote", '"'):
        raise AccordError(f"separator {given['separator']!r}: it is the quote too; expected another sign")
    try:
        "".encode(given.get("encoding", "utf-8"))
    except LookupError as error:
        raise AccordError(
            f"encoding {given['encoding']!r}: Python knows none of this name; expected one such as utf-8, latin-1 or cp1252"
        ) from error


def _given(key: str, given: Mapping[str, Any]) -> Guess:
    return Guess(key, given[key], "as you said")


def _encoding(content: bytes) -> Guess:
    mark = next((name for start, name in MARKS.items() if content.startswith(start)), None)
    if mark:
        return Guess("encoding", mark, "the file begins with its byte-order mark")
    two = of_two_bytes(content)
    if two:
        return Guess("encoding", two, "a zero byte stands beside each letter")
    if not_utf8(content) is None or NO_TEXT.search(content[:1000]):
        return Guess("encoding", "utf-8", "all bytes are valid UTF-8")
    which = "cp1252" if re.search(rb"[\x80-\x9f]", content) and _decodes(content, "cp1252") else "latin-1"
    return Guess(
        "encoding",
        which,
        "it is no UTF-8, and every byte is a character of this one; others may be meant",
        "--encoding",
    )


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _lines(text: str, is_cut: bool) -> list[str]:
    lines = io.StringIO(text, newline=None).read().split("\n")
    return [
        line for line in (lines[:-1] if is_cut and len(lines) > 1 else lines)[: N_LINES * 2] if line.strip()
    ]


def _quote(lines: Sequence[str]) -> Guess:
    singles = [bool(re.search(r"(^|[,;\t| ])'[^'\"]*'($|[,;\t| ])", line)) for line in lines]
    is_header = bool(lines) and re.fullmatch(r"'[^']*'(?:[,;\t| ]'[^']*')*", lines[0].strip()) is not None
    if (is_header or sum(singles) > len(lines) / 2) and not any('"' in line for line in lines):
        return Guess("quote", "'", "fields stand in single quotes", "--quote")
    return Guess("quote", '"', "fields stand in double quotes, if in any", "--quote")


def _separator(lines: Sequence[str], quote: str) -> Guess:
    best, best_score, counts = ",", (0.0, 0), {}
    for mark in SEPARATORS:
        rows = _rows(lines, mark, quote)
        widths = Counter(map(len, rows))
        width, n = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
        if width < 2 or len(rows[0]) != width:
            continue
        share = n / len(rows)
        counts[mark] = (share, width, rows)
    decimal = {m for m in counts if m in (";", "\t", "|", " ")}
    for mark, (share, width, _) in counts.items():
        if mark == "," and any(counts[m][0] >= share and _has_decimal_commas(counts[m][2]) for m in decimal):
            continue
        if mark == " " and any(counts[m][0] > 0.9 for m in counts if m != " "):
            continue
        score = (round(share, 2), width)
        if score > best_score:
            best, best_score = mark, score
    if not counts:
        return Guess("separator", ",", "there is one column", "--separator")
    n_fields = best_score[1]
    return Guess(
        "separator", best, f"{SEPARATORS[best]} separate each line into {n_fields} fields", "--separator"
    )


def _has_decimal_commas(rows: Sequence[Sequence[str]]) -> bool:
    fields = [field for row in rows for field in row if "," in field]
    return bool(fields) and all(re.fullmatch(r"\s*[+-]?[\d.]*,\d+\s*%?", field) for field in fields)


def _rows(lines: Sequence[str], separator: str, quote: str) -> list[list[str]]:
    text = io.StringIO("\n".join(lines), newline="")
    reader = csv.reader(text, delimiter=separator, quotechar=quote)
    try:
        return list(islice(reader, N_LINES))
    except csv.Error:
        return [line.split(separator) for line in lines[:N_LINES]]


def _header(rows: Sequence[Sequence[str]]) -> Guess:
    """Whether the first row names the columns: it does unless it looks like the rows below it."""
    first, below = rows[0] if rows else [], rows[1:]
    names = [field.strip() for field in first]
    if not below:
        return Guess("header", True, "there is one line")
    like, unlike = 0, 0
    for i, name in enumerate(names):
        column = [row[i].strip() for row in below if len(row) > i and row[i].strip()]
        n_values = sum(bool(VALUE.match(value)) for value in column)
        if column and n_values > 0.8 * len(column):
            like, unlike = like + bool(VALUE.match(name)), unlike + (not VALUE.match(name) and name != "")
        elif column and name:
            often = column.count(name) >= 2 and len(set(column)) <= len(column) / 2
            like += often
    if like > unlike and not _counts_up(names):
        return Guess(
            "header",
            False,
            f"the first line has the form of the others, in {like} of {len(names)} columns",
        )
    why = (
        f"the first line has words over {unlike} columns of numbers or dates"
        if unlike
        else "the first line is unlike the others"
    )
    return Guess("header", True, why, "--no-header")


def _counts_up(names: Sequence[str]) -> bool:
    """Whether names that are numbers are years or positions, as above a table that is wider than long."""
    numbers = [int(name) for name in names if name.isdecimal()]
    return len(numbers) >= 3 and all(b - a == 1 for a, b in pairwise(numbers))
