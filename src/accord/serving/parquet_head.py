"""What a Parquet file says of itself: columns, rows, encodings and sizes, from its footer and the heads of its pages.

Nothing is decoded, and nothing is taken on trust that decides how much a decoder would do: the heads of all pages are
walked, and must fit what the footer declares. https://parquet.apache.org/docs/file-format/ and
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from collections.abc import Iterator
from typing import Any

from accord.serving.table_head import Head, HeadError

MAGIC = b"PAR1"
TAIL = 8
MAX_FOOTER_BYTES = 1_000_000
MAX_DEPTH = 12
DATA, DATA_V2 = 0, 3
DELTA_BYTE_ARRAY = 7
"""A value shares the beginning of the one before it, so that a few bytes can stand for text of any length."""
Struct = dict[int, Any]


def read(body: bytes) -> Head:
    """What the file says of itself. Raises HeadError."""
    try:
        return _read(body)
    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise HeadError("its footer or the head of a page is damaged") from error


def _read(body: bytes) -> Head:
    if len(body) < 2 * TAIL or body[:4] != MAGIC or body[-4:] != MAGIC:
        raise HeadError(f"expected {MAGIC.decode()} at its beginning and its end")
    size = int.from_bytes(body[-TAIL:-4], "little")
    if size > len(body) - 2 * TAIL + 4:
        raise HeadError("its footer is larger than the file")
    if size > MAX_FOOTER_BYTES:
        raise HeadError(
            f"its footer has more than {MAX_FOOTER_BYTES:,} bytes; write fewer columns and row groups"
        )
    footer = Thrift(body, len(body) - TAIL - size, len(body) - TAIL).struct()
    root, *elements = footer[2]
    columns = list(_columns(elements, root.get(5, 0)))
    groups = footer.get(4, [])
    n_rows = sum(group[3] for group in groups)
    if n_rows != footer[3] or any(group[3] < 0 for group in groups):
        raise HeadError("the rows of its row groups are not those of the file")
    nested = [name for name, is_nested in columns if is_nested]
    unpacked = 0 if nested else sum(_unpacked(body, group, len(columns)) for group in groups)
    return Head([name for name, _ in columns], nested, n_rows, len(groups), unpacked)


def _columns(elements: list[Struct], n_columns: int) -> Iterator[tuple[str, bool]]:
    """Each column's name and whether it is nested, from the schema as a tree that is written depth first."""
    at = 0
    for _ in range(n_columns):
        name, end = elements[at][4].decode(), at + 1
        n_open = elements[at].get(5, 0)
        is_nested = n_open > 0 or elements[at].get(3, 0) == 2  # 2 is repeated
        while n_open:
            n_open += elements[end].get(5, 0) - 1
            end += 1
        yield name, is_nested
        at = end
    if at != len(elements):
        raise HeadError("its schema has more columns than it says")


def _unpacked(body: bytes, group: Struct, n_columns: int) -> int:
    """What the pages of a row group declare that they unpack to."""
    chunks = group[1]
    if len(chunks) != n_columns:
        raise HeadError("a row group has other columns than the schema")
    return sum(_unpacked_pages(body, chunk[3], group[3]) for chunk in chunks)


def _unpacked_pages(body: bytes, column: Struct, n_rows: int) -> int:
    begin = min(column[9], column.get(11) or column[9])
    end, total, n_values = begin + column[7], 0, 0
    if column[5] != n_rows or begin < 4 or end > len(body):
        raise HeadError("a column has other rows than its row group, or lies outside the file")
    at = begin
    while at < end:
        thrift = Thrift(body, at, end)
        page = thrift.struct()
        kind, unpacked, packed = page[1], page[2], page[3]
        if unpacked < 0 or packed < 0 or thrift.at + packed > end:
            raise HeadError("a page is larger than its column")
        if kind in (DATA, DATA_V2):
            about = page[5 if kind == DATA else 8]
            n_values += about[1]
            if about[2 if kind == DATA else 4] == DELTA_BYTE_ARRAY:
                raise HeadError("it has the encoding DELTA_BYTE_ARRAY; write it with another")
        total += unpacked
        at = thrift.at + packed
    if n_values != n_rows:
        raise HeadError("the values of a column's pages are not those of its rows")
    return total


class Thrift:
    """Reads Thrift's compact protocol. Raises IndexError at the end, and HeadError for what it can't read."""

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self._data, self.at, self._end = data, at, end

    def struct(self, depth: int = 0) -> Struct:
        """The fields by their numbers."""
        if depth > MAX_DEPTH:
            raise HeadError("its footer is nested too deeply")
        fields: Struct = {}
        number = 0
        while (head := self._byte()) != 0:
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            kind = head & 0xF
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2):
            return self._byte() == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._zigzag()
        if kind == 7:
            return self._bytes(8)
        if kind == 8:
            return self._bytes(self._varint())
        if kind in (9, 10):
            head = self._byte()
            size = self._varint() if head >> 4 == 15 else head >> 4
            if size > self._end - self.at:  # each takes a byte at least
                raise IndexError
            return [self._value(head & 0xF, depth + 1) for _ in range(size)]
        if kind == 12:
            return self.struct(depth + 1)
        raise HeadError("its footer has a type that Parquet doesn't have")

    def _byte(self) -> int:
        if self.at >= self._end:
            raise IndexError
        self.at += 1
        return self._data[self.at - 1]

    def _bytes(self, size: int) -> bytes:
        if size > self._end - self.at:
            raise IndexError
        self.at += size
        return self._data[self.at - size : self.at]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise IndexError
        return value | byte << shift

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
