"""The reader takes whatever bytes are sent as a table: it reads them, or refuses them in one line, and reads the next."""

import io
import json
import random
from collections.abc import Iterator
from datetime import datetime

import polars as pl
import pytest

from accord.serving.reader import NotReadError, Reader, Task

FRAME = pl.DataFrame(
    {"x": [0.1 + 0.2, -0.0, 5e-324, None], "n": [2**63 - 1, -(2**63), 0, None], "name": ["a", "ü", "", None],
     "yes": [True, False, None, None], "at": [datetime(2024, 1, 1, 1, 2, 3, 456789), datetime(9999, 12, 31), None, None]}
)  # fmt: skip
KINDS = [False, True]
MAX_BYTES, CPU_S = 1_000_000, 5


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    reader = Reader(timeout_s=60)
    yield reader
    reader.close()


def task(is_parquet: bool, max_rows: int = 1000, max_text: int = 100) -> Task:
    return Task(is_parquet, FRAME.columns, max_rows, max_text, MAX_BYTES, CPU_S)


def written(frame: pl.DataFrame, is_parquet: bool, compression: str = "uncompressed") -> bytes:
    out = io.BytesIO()
    write = frame.write_parquet if is_parquet else frame.write_ipc_stream
    write(out, compression=compression)  # type: ignore[arg-type]
    return out.getvalue()


@pytest.mark.parametrize("is_parquet", KINDS)
def test_a_table_becomes_json_with_the_same_bits(reader: Reader, is_parquet: bool) -> None:
    found = json.loads(reader.json(written(FRAME, is_parquet), task(is_parquet)))["rows"]
    assert [
        row | {"at": row["at"] and datetime.fromisoformat(row["at"])} for row in found
    ] == FRAME.to_dicts()
    assert str(found[1]["x"]) == "-0.0"


@pytest.mark.parametrize("is_parquet", KINDS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_no_null(reader: Reader, is_parquet: bool, value: float) -> None:
    frame = FRAME.with_columns(x=pl.Series([1.0, None, value, 2.0]))
    with pytest.raises(NotReadError, match=rf"rows\[2\].x: found {value}"):
        reader.json(written(frame, is_parquet), task(is_parquet))


@pytest.mark.parametrize("compression", ["uncompressed", "zstd"])
@pytest.mark.parametrize("is_parquet", KINDS)
def test_no_changed_byte_ends_more_than_its_own_request(
    reader: Reader, is_parquet: bool, compression: str
) -> None:
    """Such a byte can ask for terabytes, which ends the process that reads."""
    dice = random.Random(1)
    body = written(pl.concat([FRAME] * 20), is_parquet, compression)
    expected = reader.json(body, task(is_parquet))
    reasons: list[str] = []
    for i in range(0, len(body), max(1, len(body) // 400)):
        changed = bytearray(body)
        changed[i] = dice.choice([0x7F, 0xFF, 0, changed[i] ^ 1, dice.randrange(256)])
        try:
            reader.json(bytes(changed), task(is_parquet))
        except NotReadError as error:
            reasons.append(str(error))
    assert reader.json(body, task(is_parquet)) == expected
    assert reasons
    assert all(0 < len(reason) < 400 and "\n" not in reason for reason in reasons)


@pytest.mark.parametrize("is_parquet", KINDS)
def test_a_small_file_that_unpacks_to_gigabytes_is_refused(reader: Reader, is_parquet: bool) -> None:
    text = pl.DataFrame({"name": ["x" * 60_000_000]})
    body = written(text, is_parquet, "zstd")
    assert len(body) < 200_000
    with pytest.raises(NotReadError):
        reader.json(body, task(is_parquet))
    numbers = pl.DataFrame({"x": pl.zeros(5_000_000, eager=True)})
    with pytest.raises(NotReadError):
        reader.json(written(numbers, is_parquet, "zstd"), task(is_parquet))
    reader.json(written(FRAME, is_parquet), task(is_parquet))


def test_a_reader_that_is_killed_is_started_again(reader: Reader) -> None:
    body = written(FRAME, False)
    expected = reader.json(body, task(False))
    assert reader._process is not None
    reader._process.kill()
    reader._process.wait()
    assert reader.json(body, task(False)) == expected


def test_a_table_that_takes_too_long_is_given_up() -> None:
    reader = Reader(timeout_s=0.001)  # less than its start
    with pytest.raises(NotReadError, match="read"):
        reader.json(written(FRAME, False), task(False))
    reader.close()
