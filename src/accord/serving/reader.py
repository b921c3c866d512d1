"""Reading the tables that clients send: an Arrow stream or a Parquet file becomes the JSON of the same request.

Polars trusts the metadata of such files: one changed byte can make it ask for more memory than there is, which ends the
process, and a small file can unpack to many gigabytes. So they are read in a process of its own with limited memory,
which is started again after a table that ended it: `python -m accord.serving.reader`.
"""

import contextlib
import io
import math
import os
import resource
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import polars as pl

LENGTH = struct.Struct("<Q")
MEMORY_BYTES = 2 << 30
"""Address space: Polars reserves far more than it uses."""
MAX_REASON = 200


class Task(msgspec.Struct):
    """What the reader is to do with the bytes that follow."""

    is_parquet: bool
    names: Sequence[str]
    """The columns that a request may have."""
    max_rows: int
    max_text: int


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
                self._end()
                kind = "Parquet file" if task.is_parquet else "Arrow stream"
                raise NotReadError(f"the body is no {kind} that can be read") from error
            finally:
                too_long.cancel()
        if read != b"read":
            raise NotReadError(answer.decode())
        return answer

    def close(self) -> None:
        with self._lock:
            self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with contextlib.suppress(OSError):  # what it has not read is lost
                process.communicate()


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
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            task = msgspec.json.decode(_received(source), type=Task)
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

    kind = "Parquet file" if task.is_parquet else "Arrow stream"
    try:
        if task.is_parquet:
            lazy = pl.scan_parquet(io.BytesIO(body))
            _check_names(lazy.collect_schema().names(), task)
            _check_height(lazy.select(pl.len()).collect().item(), task)
            frame = lazy.collect()
        else:
            frame = pl.read_ipc_stream(io.BytesIO(body), use_pyarrow=False)
            _check_names(frame.columns, task)
        _check_height(frame.height, task)
        for name in frame.columns:
            _check_values(frame[name], task.max_text)
        return msgspec.json.encode({"rows": frame.to_dicts()})
    except (PolarsError, PanicException, OSError, ValueError, MemoryError) as error:
        raise NotReadError(f"the body is no {kind}: {' '.join(str(error).split())[:MAX_REASON]}") from error


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
    elif kind == pl.String:
        if (values.str.len_chars().max() or 0) > max_text:  # type: ignore[operator]
            raise NotReadError(f"{values.name}: expected text of at most {max_text:,} characters")
    elif not (
        kind.is_integer() or kind in (pl.Boolean, pl.Categorical, pl.Enum, pl.Null) or kind == pl.Datetime
    ):
        raise NotReadError(
            f"{values.name}: found the type {str(kind)[:MAX_REASON]}; expected numbers, text, true and false, or instants"
        )


if __name__ == "__main__":
    main()
