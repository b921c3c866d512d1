"""Reading the tables that clients send: an Arrow stream or a Parquet file becomes the JSON of the same request.

A small file can unpack to many gigabytes, so columns, rows and sizes are checked by what a table says of itself before
any of it is decoded. Polars trusts that metadata: one changed byte can make it ask for more memory than there is, which
ends the process. So tables are read in a process of its own with limited memory and time, which is started again after a
table that ended it: `python -m accord.serving.reader`.
"""

import contextlib
import io
import math
import os
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

import msgspec

from accord.serving import arrow_head, parquet_head
from accord.serving.table_head import Head, HeadError

if TYPE_CHECKING:
    import polars as pl

LENGTH = struct.Struct("<Q")
MEMORY_BYTES = 2 << 30
"""Address space: Polars reserves far more than it uses."""
MAX_PARTS = 1000
"""Row groups or batches of a table; each costs time."""
MAX_REASON = 200
EXPECTED = "expected numbers, text, true and false, or instants"


class Task(msgspec.Struct):
    """What the reader is to do with the bytes that follow."""

    is_parquet: bool
    names: Sequence[str]
    """The columns that a request may have."""
    max_rows: int
    max_text: int
    max_bytes: int
    """What all of it may unpack to."""
    cpu_s: int
    """Processor time that reading it may take."""

    @property
    def kind(self) -> str:
        return "Parquet file" if self.is_parquet else "Arrow stream"


class NotReadError(Exception):
    """The table is refused; the message says why."""


class Reader:
    """The reading process, started when it is first needed; for several threads."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def json(self, body: bytes, task: Task) -> bytes:
        """The table's rows as a request in JSON. Raises NotReadError."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "accord.serving.reader"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,  # where Polars would print at length what was wrong with a table
                    env={**os.environ, "POLARS_MAX_THREADS": "1"},
                )
            process = self._process
            assert process.stdin is not None
            assert process.stdout is not None
            too_long = threading.Timer(self._timeout_s, process.kill)
            too_long.start()
            try:
                for part in (msgspec.json.encode(task), body):
                    process.stdin.write(LENGTH.pack(len(part)) + part)
                process.stdin.flush()
                read, answer = _received(process.stdout), _received(process.stdout)
            except (OSError, EOFError) as error:
                took_long = self._end() == -signal.SIGXCPU
                reason = f"takes more than {task.cpu_s} s to read" if took_long else "can't be read"
                raise NotReadError(f"the body is a {task.kind} that {reason}") from error
            finally:
                too_long.cancel()
        if read != b"read":
            raise NotReadError(answer.decode())
        return answer

    def close(self) -> None:
        with self._lock:
            self._end()

    def _end(self) -> int:
        """The process's exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.kill()
        with contextlib.suppress(OSError):  # what it has not read is lost
            process.communicate()
        return process.returncode


def _received(stream: IO[bytes]) -> bytes:
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    [length] = LENGTH.unpack(head)
    body = stream.read(length)
    if len(body) < length:
        raise EOFError
    return body


# In the process of its own


def main() -> None:
    """Reads tables until its input ends."""
    import polars  # noqa: F401, before time counts

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            task = msgspec.json.decode(_received(source), type=Task)
            until = math.ceil(time.process_time()) + task.cpu_s
            resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))
            try:
                parts = b"read", as_json(_received(source), task)
            except NotReadError as error:
                parts = b"refused", str(error).encode()
            for part in parts:
                sink.write(LENGTH.pack(len(part)) + part)
            sink.flush()


def as_json(body: bytes, task: Task) -> bytes:
    """The table as a request in JSON, with numbers that read back as the same bits. Raises NotReadError."""
    import polars as pl
    from polars.exceptions import PanicException, PolarsError

    try:
        _check_head((parquet_head if task.is_parquet else arrow_head).read(body), task)
        if task.is_parquet:
            lazy = pl.scan_parquet(io.BytesIO(body))
            for name, kind in lazy.collect_schema().items():
                _check_type(name, kind)
            frame = lazy.collect()
        else:
            frame = pl.read_ipc_stream(io.BytesIO(body), use_pyarrow=False)
        _check_height(frame.height, task)
        for name in frame.columns:
            _check_type(name, frame[name].dtype)
            _check_values(frame[name], task.max_text)
        _check_text(frame, task)
        return msgspec.json.encode({"rows": frame.to_dicts()})
    except (HeadError, PolarsError, PanicException, OSError, ValueError, MemoryError) as error:
        raise NotReadError(
            f"the body is no {task.kind}: {' '.join(str(error).split())[:MAX_REASON]}"
        ) from error


def _check_head(head: Head, task: Task) -> None:
    """Refuses a table by what it says of itself."""
    _check_names(head.names, task)
    for name in head.nested:
        raise NotReadError(f"{name}: found lists or structs; {EXPECTED}")
    _check_height(head.n_rows, task)
    if head.n_parts > MAX_PARTS:
        parts = "row groups" if task.is_parquet else "batches"
        raise NotReadError(f"the table has {head.n_parts:,} {parts}; expected at most {MAX_PARTS:,}")
    if head.unpacked_bytes > task.max_bytes:
        raise _too_large(task)


def _check_text(frame: "pl.DataFrame", task: Task) -> None:
    """Refuses text that is repeated so often, as by a dictionary, that the rows become larger than a body may be."""
    import polars as pl

    n_bytes = 0
    for values in frame:
        if values.dtype == pl.String:
            n_bytes += int(values.str.len_bytes().sum())
        elif values.dtype in (pl.Categorical, pl.Enum):
            n_bytes += int(values.cat.len_bytes().sum())
    if n_bytes > task.max_bytes:
        raise _too_large(task)


def _too_large(task: Task) -> NotReadError:
    return NotReadError(f"the table unpacks to more than {task.max_bytes:,} bytes; send fewer rows at a time")


def _check_names(names: Sequence[str], task: Task) -> None:
    for name in names:
        if name not in task.names:
            raise NotReadError(f"{name[:MAX_REASON]}: is no field of the contract; leave it out")


def _check_height(n_rows: int, task: Task) -> None:
    if not 1 <= n_rows <= task.max_rows:
        raise NotReadError(f"rows: found {n_rows:,}; expected 1 to {task.max_rows:,}")


def _check_values(values: "pl.Series", max_text: int) -> None:
    """Refuses values that JSON can't hold, or that it can't tell from others."""
    import polars as pl

    kind = values.dtype
    if kind.is_float():
        odd = (~values.is_finite()).fill_null(False).arg_true()
        if len(odd):
            value = "nan" if math.isnan(values[odd[0]]) else values[odd[0]]
            raise NotReadError(
                f"rows[{odd[0]}].{values.name}: found {value}; expected a finite number, or null if it may be missing"
            )
    elif kind in (pl.String, pl.Categorical, pl.Enum):
        lengths = values.str.len_chars() if kind == pl.String else values.cat.len_chars()
        if (lengths.max() or 0) > max_text:  # type: ignore[operator]
            raise NotReadError(f"{values.name}: expected text of at most {max_text:,} characters")


def _check_type(name: str, kind: "pl.DataType") -> None:
    import polars as pl

    is_taken = kind.is_numeric() and not kind.is_decimal()
    if not (
        is_taken or kind in (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Null) or kind == pl.Datetime
    ):
        raise NotReadError(f"{name}: found the type {str(kind)[:MAX_REASON]}; {EXPECTED}")


if __name__ == "__main__":
    main()
