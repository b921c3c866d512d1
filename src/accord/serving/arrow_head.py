"""What an Arrow stream says of itself: columns, rows and sizes, from the metadata of its messages. Nothing is decoded.

https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc and
https://flatbuffers.dev/internals/
"""

import struct
from collections.abc import Iterator

from accord.serving.table_head import Head, HeadError

CONTINUATION = 0xFFFFFFFF
SCHEMA, DICTIONARY, RECORDS = 1, 2, 3
FLAT = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 18, 19, 20, 23, 24}
"""The types without others in them, by their numbers in Arrow's Schema.fbs."""


def read(body: bytes) -> Head:
    """What the stream says of itself. Raises HeadError."""
    try:
        return _read(body)
    except (struct.error, UnicodeDecodeError, StopIteration) as error:
        raise HeadError("the metadata of a message is damaged") from error


def _read(body: bytes) -> Head:
    messages = _messages(body)
    kind, header, _, _ = next(messages)
    if kind != SCHEMA:
        raise HeadError("expected a schema at its beginning")
    fields = header.tables(1)
    names = [field.text(0) for field in fields]
    nested = [name for name, field in zip(names, fields, strict=True) if field.number(2, "B") not in FLAT]
    n_rows = n_parts = unpacked = 0
    for kind, header, begin, end in messages:
        if kind == RECORDS:
            batch, n_columns = header, len(fields)
            n_rows += batch.number(0, "q")
        elif kind == DICTIONARY:
            batch, n_columns = header.table(1), 1
        else:
            raise HeadError("expected batches of records behind the schema")
        if not nested:
            unpacked += _unpacked(batch, n_columns, body, begin, end)
        n_parts += 1
    return Head(names, nested, n_rows, n_parts, unpacked)


def _messages(body: bytes) -> "Iterator[tuple[int, Table, int, int]]":
    """The kind of each message, its header, and where its body begins and ends."""
    at = 0
    while at + 4 <= len(body):
        [size] = struct.unpack_from("<I", body, at)
        if size == CONTINUATION:
            at += 4
            [size] = struct.unpack_from("<I", body, at)
        at += 4
        if size == 0:
            return
        if at + size > len(body):
            raise HeadError("it ends within a message")
        message = Table(body, at, at + size).table_at(at)
        begin = at + size
        at = begin + message.number(3, "q")
        if not begin <= at <= len(body):
            raise HeadError("it ends within a message")
        yield message.number(1, "B"), message.table(2), begin, at


def _unpacked(batch: "Table", n_columns: int, body: bytes, begin: int, end: int) -> int:
    """What the buffers of a batch unpack to."""
    n_rows = batch.number(0, "q")
    nodes = batch.pairs(1)
    if n_rows < 0 or len(nodes) != n_columns or any(length != n_rows for length, _ in nodes):
        raise HeadError("a batch has columns of other lengths than its own")
    is_packed, total = batch.has(3), 0
    for offset, size in batch.pairs(2):
        if offset < 0 or size < 0 or begin + offset + size > end:
            raise HeadError("a column lies outside its message")
        if is_packed and size:
            [declared] = struct.unpack_from("<q", body, begin + offset)
            if declared < -1:
                raise HeadError("a column has less than no bytes")
            total += size if declared == -1 else declared
        else:
            total += size
    return total


class Table:
    """A table of FlatBuffers. Raises struct.error where it points outside the message."""

    def __init__(self, data: bytes, begin: int, end: int, at: int = 0) -> None:
        self._data, self._begin, self._end, self._at = data, begin, end, at

    def number(self, field: int, kind: str) -> int:
        """A number of this kind of struct's; 0 if it is left out."""
        at = self._place(field)
        return 0 if at is None else self._number(at, kind)

    def has(self, field: int) -> bool:
        return self._place(field) is not None

    def table(self, field: int) -> "Table":
        at = self._place(field)
        if at is None:
            raise struct.error
        return self.table_at(at)

    def table_at(self, at: int) -> "Table":
        """The table whose place stands here."""
        return Table(self._data, self._begin, self._end, at + self._number(at, "I"))

    def tables(self, field: int) -> "list[Table]":
        return [self.table_at(at) for at in self._vector(field, 4)]

    def pairs(self, field: int) -> list[tuple[int, int]]:
        return [(self._number(at, "q"), self._number(at + 8, "q")) for at in self._vector(field, 16)]

    def text(self, field: int) -> str:
        places = self._vector(field, 1)
        return self._data[places.start : places.stop].decode()

    def _vector(self, field: int, size: int) -> range:
        """Where its elements of this size begin."""
        at = self._place(field)
        if at is None:
            return range(0)
        at += self._number(at, "I")
        end = at + 4 + size * self._number(at, "I")
        if end > self._end:
            raise struct.error
        return range(at + 4, end, size)

    def _place(self, field: int) -> int | None:
        """Where a field is; None if it is left out."""
        layout = self._at - self._number(self._at, "i")
        if 4 + 2 * field >= self._number(layout, "H"):
            return None
        offset = self._number(layout + 4 + 2 * field, "H")
        return self._at + offset if offset else None

    def _number(self, at: int, kind: str) -> int:
        if not self._begin <= at <= self._end - struct.calcsize(kind):
            raise struct.error
        number: int = struct.unpack_from("<" + kind, self._data, at)[0]
        return number
