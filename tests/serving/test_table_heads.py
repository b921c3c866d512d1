"""Tables are refused by what they say of themselves, before any column is decoded; what one client sends holds up no other."""

import asyncio
import io
import random
import struct
import threading
from collections.abc import Iterator
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from accord.serving import arrow_head, parquet_head
from accord.serving.reader import NotReadError, Reader, Task
from accord.serving.table_head import HeadError
from accord.serving.turns import Turns

MAX_ROWS, MAX_TEXT, MAX_BYTES = 10_000, 1000, 2_000_000
FRAME = pl.DataFrame(
    {
        "a": [1, 2, None] * 300,
        "b": ["x", "\u00fc", None] * 300,
        "c": [1.5] * 900,
        "d": [True, None, False] * 300,
    }
)
PARQUET_CODECS = ["NONE", "SNAPPY", "GZIP", "BROTLI", "ZSTD", "LZ4"]
ARROW_CODECS = [None, "lz4", "zstd"]
CODECS = [*((True, codec) for codec in PARQUET_CODECS), *((False, codec) for codec in ARROW_CODECS)]
IDS = [f"{'parquet' if is_parquet else 'arrow'} {codec}" for is_parquet, codec in CODECS]


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    reader = Reader(timeout_s=60)
    yield reader
    reader.close()


def refused(reader: Reader, body: bytes, is_parquet: bool = True, names: Any = "abcd") -> str:
    """Why; the process that reads outlives it."""
    reader.json(good(False), task(False))
    process = reader._process
    with pytest.raises(NotReadError) as error:
        reader.json(body, task(is_parquet, names))
    assert reader._process is process, str(error.value)
    reason = str(error.value)
    assert "\n" not in reason
    return reason


def task(is_parquet: bool, names: Any = "abcd") -> Task:
    return Task(is_parquet, [*names], MAX_ROWS, MAX_TEXT, MAX_BYTES, 5)


def good(is_parquet: bool) -> bytes:
    return written(FRAME.to_arrow(), is_parquet, "NONE" if is_parquet else None)


def written(table: pa.Table, is_parquet: bool, codec: str | None, **options: Any) -> bytes:
    out = io.BytesIO()
    if is_parquet:
        pq.write_table(table, out, compression=codec, **options)
        return out.getvalue()
    with pa.ipc.new_stream(out, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as stream:
        stream.write_table(table, **options)
    return out.getvalue()


@pytest.mark.parametrize(("is_parquet", "codec"), CODECS, ids=IDS)
def test_heads_say_what_is_in_good_tables(reader: Reader, is_parquet: bool, codec: str | None) -> None:
    head_of = parquet_head.read if is_parquet else arrow_head.read
    options = {"row_group_size": 100, "data_page_size": 64} if is_parquet else {"max_chunksize": 100}
    body = written(FRAME.to_arrow(), is_parquet, codec, **options)
    head = head_of(body)
    assert head[:4] == ([*"abcd"], [], 900, 9)
    assert 900 * 8 / 8 < head.unpacked_bytes < 200_000
    assert reader.json(body, task(is_parquet)) == reader.json(good(is_parquet), task(is_parquet))


@pytest.mark.parametrize("is_parquet", [True, False])
@pytest.mark.parametrize("compression", ["uncompressed", "zstd"])
def test_polars_own_tables_are_read(reader: Reader, is_parquet: bool, compression: str) -> None:
    frame = FRAME.with_columns(pl.col("b").cast(pl.Categorical), a=pl.lit(None))
    out = io.BytesIO()
    (frame.write_parquet if is_parquet else frame.write_ipc_stream)(out, compression=compression)  # type: ignore[arg-type]
    assert reader.json(out.getvalue(), task(is_parquet)).count(b"{") == 901


LISTS = pa.table({"b": pa.array([[0] * 20_000] * 10_000, pa.list_(pa.int8()))})
NESTED = {
    "lists": LISTS,
    "fixed lists": pa.table({"b": pa.array([[0] * 200] * 10, pa.list_(pa.int8(), 200))}),
    "structs": pa.table({"b": pa.array([{"x": {"y": 1}}] * 10)}),
    "maps": pa.table({"b": pa.array([[("x", 1)]] * 10, pa.map_(pa.string(), pa.int8()))}),
}


@pytest.mark.parametrize("kind", NESTED)
@pytest.mark.parametrize("is_parquet", [True, False])
def test_columns_of_lists_and_structs_are_refused(reader: Reader, kind: str, is_parquet: bool) -> None:
    body = written(NESTED[kind], is_parquet, "zstd")
    assert refused(reader, body, is_parquet) == (
        "b: found lists or structs; expected numbers, text, true and false, or instants"
    )


@pytest.mark.parametrize(("is_parquet", "codec"), CODECS, ids=IDS)
def test_what_unpacks_to_much_more_is_refused(reader: Reader, is_parquet: bool, codec: str | None) -> None:
    plain: dict[str, Any] = {"use_dictionary": False} if is_parquet else {}
    text = pa.table({"b": ["x" * 60_000_000]})
    reason = refused(reader, written(text, is_parquet, codec, **plain), is_parquet)
    assert reason == "the table unpacks to more than 2,000,000 bytes; send fewer rows at a time"
    rows = pa.table({"a": pa.array([0] * 3_000_000, pa.int64())})
    assert (
        refused(reader, written(rows, is_parquet, codec), is_parquet)
        == "rows: found 3,000,000; expected 1 to 10,000"
    )


@pytest.mark.parametrize("is_parquet", [True, False])
def test_text_that_a_dictionary_repeats_is_refused(reader: Reader, is_parquet: bool) -> None:
    texts = pa.array(["x" * MAX_TEXT] * MAX_ROWS).dictionary_encode()
    body = written(pa.table({"b": texts}), is_parquet, "zstd")
    assert len(body) < 50_000
    assert "unpacks to more than 2,000,000 bytes" in refused(reader, body, is_parquet)


def test_text_that_repeats_the_one_before_is_refused(reader: Reader) -> None:
    table = pa.table({"b": ["x" * 900_000 + str(i) for i in range(10)]})
    options = {"use_dictionary": False, "column_encoding": {"b": "DELTA_BYTE_ARRAY"}}
    assert "DELTA_BYTE_ARRAY" in refused(reader, written(table, True, "NONE", **options))


@pytest.mark.parametrize("is_parquet", [True, False])
def test_many_columns_and_many_parts_are_refused(reader: Reader, is_parquet: bool) -> None:
    wide = pa.table({f"c{i}": [1] for i in range(20_000)})
    reason = refused(reader, written(wide, is_parquet, None if not is_parquet else "NONE"), is_parquet)
    assert "footer has more than 1,000,000 bytes" in reason or "c0: is no field of the contract" in reason
    options = {"row_group_size": 1} if is_parquet else {"max_chunksize": 1}
    table = pa.table({"a": [1] * 3000})
    reason = refused(
        reader, written(table, is_parquet, None if not is_parquet else "NONE", **options), is_parquet
    )
    assert (
        reason == f"the table has 3,000 {'row groups' if is_parquet else 'batches'}; expected at most 1,000"
    )


def test_a_footer_that_is_larger_than_the_file_or_than_any_is_refused(reader: Reader) -> None:
    body = good(True)
    claimed = body[:-8] + struct.pack("<I", 2**31) + b"PAR1"
    assert "its footer is larger than the file" in refused(reader, claimed)
    huge = b"PAR1" + bytes(5_000_000) + struct.pack("<I", 4_000_000) + b"PAR1"
    assert "its footer has more than 1,000,000 bytes" in refused(reader, huge)
    deep = b"\x1c" * 900_000
    nested = b"PAR1" + deep + struct.pack("<I", len(deep)) + b"PAR1"
    assert "nested too deeply" in refused(reader, nested)


@pytest.mark.parametrize("is_parquet", [True, False])
def test_heads_of_damaged_tables_are_read_or_refused(is_parquet: bool) -> None:
    head_of = parquet_head.read if is_parquet else arrow_head.read
    dice = random.Random(1)
    body = good(is_parquet)
    n_refused = 0
    for _ in range(3000):
        changed = bytearray(body)
        for _ in range(dice.choice([1, 1, 2, 5])):
            changed[dice.randrange(len(body))] = dice.choice([0, 0x7F, 0x80, 0xFF, dice.randrange(256)])
        if dice.random() < 0.2:
            del changed[dice.randrange(len(body)) :]
        try:
            head_of(bytes(changed))
        except HeadError:
            n_refused += 1
    assert n_refused > 100


def test_arrow_metadata_that_claims_what_is_not_there_is_refused(reader: Reader) -> None:
    body = good(False)
    claimed = body.replace(struct.pack("<q", 900), struct.pack("<q", 2**60))
    assert claimed != body
    assert "a column lies outside its message" in refused(reader, claimed, False)
    empty = written(pa.table({"a": pa.nulls(900)}), False, None).replace(
        struct.pack("<q", 900), struct.pack("<q", 2**60)
    )
    assert refused(reader, empty, False) == f"rows: found {2**60:,}; expected 1 to 10,000"
    one = body.replace(struct.pack("<q", 900), struct.pack("<q", 10_000), 1)
    assert "columns of other lengths" in refused(reader, one, False)


def test_a_table_that_takes_much_time_ends_the_process_and_says_so() -> None:
    reader = Reader(timeout_s=600)
    names = [f"c{i}" for i in range(3000)]
    wide = pl.DataFrame({name: [0.5] * 10_000 for name in names})
    out = io.BytesIO()
    wide.write_ipc_stream(out)
    slow = Task(False, names, MAX_ROWS, MAX_TEXT, 10**9, 1)
    with pytest.raises(NotReadError, match="takes more than 1 s to read"):
        reader.json(out.getvalue(), slow)
    reader.json(good(True), task(True))
    reader.close()


def test_clients_take_turns_however_much_one_of_them_sends() -> None:
    done: list[str] = []
    hold = threading.Event()

    def work(name: str) -> None:
        hold.wait()
        done.append(name)

    async def all_of_them() -> None:
        turns = Turns(1, "test")
        first = [asyncio.create_task(turns.run("one", work, "one")) for _ in range(50)]
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(turns.run(name, work, name)) for name in ("two", "three")]
        await asyncio.sleep(0.05)
        hold.set()
        await asyncio.gather(*first, *others)
        turns.close()

    asyncio.run(all_of_them())
    assert {"two", "three"} <= set(done[:4])
    assert done.count("one") == 50
