"""Text that no encoding can hold, or that other programs read as something else, wherever a client can put it: it is the
client's fault or a value like any other, and it is counted, logged and kept."""

import io
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from projects import Project
from services import TOKEN, Running, exchange, json_rows, post
from shipped import shipped

from accord.bundle.bundle import load_bundle
from accord.schema.serving import Traffic
from accord.serving.counters import PASS_ON_AFTER_S
from accord.traffic.compaction import compact
from accord.traffic.reading import scan_predictions, scan_refusals

AUTHORISED = f"authorization: Bearer {TOKEN}"
JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
POSTED = ["/predict", "/explain", "/outcomes", "/policy"]
FIELDS = {"/predict": "rows", "/explain": "rows", "/outcomes": "outcomes", "/policy": "weights"}
EXAMPLES = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def row(packaged: Project, released: dict[str, Path]) -> dict[str, Any]:
    return json_rows(packaged, load_bundle(released["lightgbm"]))[0]


@pytest.fixture(scope="module", autouse=True)
def nothing_else(live: Running, row: dict[str, Any]) -> Any:
    """When the module's tests are over, the service has met no failure, each line of its log reads, and moves on."""
    live.ask(row)
    workers = live.workers()
    yield
    live.ask(row)
    assert live.workers() == workers
    assert "Traceback" not in live.log.read_text()
    copy = live.home.root / "copy"
    shutil.copytree(live.home.traffic, copy)
    kept = compact(copy, shipped(Traffic, min_free_mb=0))
    assert kept is not None
    assert (kept.problem, kept.n_damaged, kept.n_torn) == (None, 0, 0)
    assert kept.n_predictions == scan_predictions(copy).collect().height > 0
    assert kept.n_refusals == scan_refusals(copy).collect().height > 0


def sent(live: Running, path: str, body: bytes, *headers: str) -> tuple[int, dict[str, Any]]:
    [reply] = exchange(live.port, post(path, body, AUTHORISED, *headers))
    return reply.status, json.loads(reply.body)


# Half of a surrogate pair


SURROGATES = {
    "a key": rb'{"FIELD":[NaN,{"\ud800":NaN}]}',
    "a key beside a value that is not finite": rb'{"FIELD":[{"\ud800":Infinity,"distance":1}]}',
    "a key in bytes": b'{"FIELD":[{"\xed\xa0\x80":NaN}]}',
    "a key in another encoding": '{"FIELD":[{"\ud800":NaN}]}'.encode("utf-16", "surrogatepass"),
    "a value": rb'{"FIELD":[{"station":"\ud800","distance":NaN}]}',
    "a value of a choice": rb'{"FIELD":[{"station":"\udfff"}]}',
    "the field": rb'{"\ud800":[NaN]}',
    "a weight": rb'{"weights":{"\ud800":1}}',
    "a reason": rb'{"weights":{"w":1},"reason":"\ud800"}',
}


@pytest.mark.parametrize("path", POSTED)
@pytest.mark.parametrize("where", SURROGATES)
def test_half_a_surrogate_pair_is_refused_counted_and_logged(live: Running, path: str, where: str) -> None:
    body = SURROGATES[where].replace(b"FIELD", FIELDS[path].encode())
    counted = f'accord_request_seconds_count{{endpoint="{path}",status="422"}}'
    n_counted, n_logged = live.metrics().get(counted, 0), len(live.home.refused())
    status, answer = sent(live, path, body)
    assert status == 422
    assert answer["error"]
    live.until(lambda: live.metrics().get(counted, 0) == n_counted + 1, f"counted within {PASS_ON_AFTER_S} s")
    logged = live.home.refused()[n_logged:]
    assert [one["reason"] for one in logged] == ([answer["error"]] if path == "/predict" else [])


def test_a_refusal_quotes_half_a_surrogate_pair_by_its_escape(live: Running) -> None:
    _, answer = sent(live, "/predict", rb'{"rows":[NaN,{"\ud800":NaN}]}')
    assert answer["error"].startswith(r"rows[1].\ud800: found nan")


def test_a_refusal_quotes_no_more_of_a_long_name_than_a_line(live: Running) -> None:
    status, answer = sent(live, "/predict", b'{"rows":[NaN,{"' + b"x" * 500_000 + b'":NaN}]}')
    assert status == 422
    assert len(answer["error"]) < 500


# Anything like JSON


def chosen(*texts: bytes) -> st.SearchStrategy[bytes]:
    return st.sampled_from(texts)


NUMBERS = chosen(
    b"0", b"-0", b"0.25", b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e-999", b"00", b".5", b"0x1", b"1_0",
    b"9" * 400, b"9" * 5000, b"9223372036854775808", b"-9223372036854775809", b"5e-324", b"1" * 19 + b".0",
)  # fmt: skip
ODD_TEXTS = chosen(
    rb'"\ud800"', rb'"\udc00\ud800"', rb'"\u0000"', rb'"\ud83d\ude00"', b'"\0"', b'"\xed\xa0\x80"', b'"\xc0\xaf"', b'"\xff"',
    b'"\xf4\x90\x80\x80"', b'"\xe2\x82"', '"\ufeff"'.encode(), '"\u202e"'.encode(), rb'"\x"', rb'"\u12"', b'"\n"', b'""', b"'x'",
    b'"' + b"x" * 1001 + b'"',
)  # fmt: skip
TEXTS = ODD_TEXTS | st.text(max_size=20).map(lambda text: json.dumps(text).encode())
SCALARS = NUMBERS | TEXTS | chosen(b"null", b"true", b"false", b"undefined", b"", b"2024-01-01")
NAMES = ODD_TEXTS | TEXTS | chosen(*(f'"{name}"'.encode() for name in (
    "station", "distance", "bike", "seats", "booked_at", "ride", "rows", "outcomes", "prediction_id", "delay", "w", "weights", "reason",
)))  # fmt: skip


def listed(parts: list[bytes]) -> bytes:
    return b"[" + b",".join(parts) + b"]"


def named(parts: list[tuple[bytes, bytes]]) -> bytes:
    """An object, in which a name may come twice."""
    return b"{" + b",".join(name + b":" + value for name, value in parts) + b"}"


VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(listed)
        | st.lists(st.tuples(NAMES, inner), max_size=3).map(named)
        | st.tuples(chosen(b"[", b'{"a":', b'{"rows":[', b'[{"w":'), st.sampled_from([50, 2000, 50_000])).map(
            lambda deep: deep[0] * (deep[1] // len(deep[0]))
        )
    ),
    max_leaves=8,
)
AROUND: list[Callable[[bytes], bytes]] = [
    lambda body: body, lambda body: body, lambda body: b"\xef\xbb\xbf" + body, lambda body: body + b"\0", lambda body: body[:-1],
    lambda body: body.decode("latin-1").encode("utf-16"), lambda body: body.decode("latin-1").encode("utf-32-be"),
    lambda body: body + body, lambda body: b" " * 20_000 + body,
]  # fmt: skip


@EXAMPLES
@given(
    path=st.sampled_from(POSTED), value=VALUES, changed=st.lists(st.tuples(NAMES, NUMBERS | VALUES), max_size=2),
    shape=st.integers(0, 4), around=st.sampled_from(AROUND),
)  # fmt: skip
def test_no_body_is_the_services_own_failure(
    live: Running,
    row: dict[str, Any],
    path: str,
    value: bytes,
    changed: list[tuple[bytes, bytes]],
    shape: int,
    around: Callable[[bytes], bytes],
) -> None:
    field = f'"{FIELDS[path]}"'.encode()
    whole = [(json.dumps(name).encode(), json.dumps(given).encode()) for name, given in row.items()]
    body = [
        value,
        named([(field, value)]),
        named([(field, listed([named([*whole, *changed])]))]),
        named([(field, listed([value, named(changed)])), *changed]),
        named([(field, listed([b"NaN", named(changed)]))]),
    ][shape]
    status, answer = sent(live, path, around(body))
    assert status in (200, 413, 422), (status, answer)
    assert status == 200 or answer["error"]


# Heads


NO_LINE_END = st.binary(max_size=40).map(lambda raw: raw.translate(None, b"\r\n"))
HEADERS = st.sampled_from(
    [
        "content-type",
        "content-encoding",
        "accept",
        "authorization",
        "x-forwarded-for",
        "traceparent",
        "host",
        "x",
    ]
)
WORDS = NO_LINE_END | chosen(
    b"application/json", b"application/json;charset=\xff", ARROW.encode(), b"identity", b"gzip", b"\xed\xa0\x80", b"Bearer \xff",
    b"\xc3\xa9", b"x" * 3000,
)  # fmt: skip


@EXAMPLES
@given(
    method=st.sampled_from([b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"]),
    path=chosen(b"/", b"/predict", b"/policy", b"/metrics", b"/readyz", b"/livez", b"/model", b"/nowhere"),
    rest=NO_LINE_END.map(lambda raw: raw.translate(None, b" "))
    | chosen(b"?%ed%a0%80", b"%ff", b"?\xff", b"?a=%00", b"%ed%a0%80", b"%c0%af", b"/\xed\xa0\x80", b"?" + b"x" * 5000),
    headers=st.lists(st.tuples(HEADERS, WORDS), max_size=3),
)  # fmt: skip
def test_no_head_is_the_services_own_failure(
    live: Running, method: bytes, path: bytes, rest: bytes, headers: list[tuple[str, bytes]]
) -> None:
    lines = [b"host: localhost", b"content-length: 0", b"connection: close"]
    lines += [name.encode() + b": " + value for name, value in headers]
    replies = exchange(
        live.port, b" ".join([method, path + rest, b"HTTP/1.1"]) + b"\r\n" + b"\r\n".join(lines) + b"\r\n\r\n"
    )
    # A HEAD is answered with a length, and no body.
    assert [reply.status for reply in replies if reply.status >= 500] == []
    assert replies or method == b"HEAD"


# Tables


CELL, NAME = "CELLCELLCELL", "NAMENAMENAME"
ODD_BYTES = [
    b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\0", b"\xf4\x90\x80\x80", b"\xe2\x82", "\ufeff".encode(), "\u202e".encode(), b"\x1b]0;x\a",
]  # fmt: skip


@pytest.mark.parametrize("kind", [ARROW, PARQUET])
@pytest.mark.parametrize("odd", ODD_BYTES, ids=bytes.hex)
@pytest.mark.parametrize("where", [CELL, NAME])
def test_odd_text_in_a_table_is_refused_or_a_value_like_any_other(
    live: Running, row: dict[str, Any], kind: str, odd: bytes, where: str
) -> None:
    values = {**row, "bike": CELL} if where == CELL else {**row, NAME: 1}
    frame = pl.DataFrame([values]).with_columns(
        pl.col("booked_at", "started_at").cast(pl.String).str.to_datetime(time_unit="us")
    )
    out = io.BytesIO()
    frame.write_ipc_stream(out) if kind == ARROW else frame.write_parquet(out, compression="uncompressed")
    body = out.getvalue().replace(where.encode(), odd.ljust(len(where), b"x"))
    [reply] = exchange(live.port, post("/predict", body).replace(JSON.encode(), kind.encode()))
    assert reply.status == 422 or (reply.status == 200 and where == CELL)
    answer = json.loads(reply.body)
    assert reply.status == 200 or answer["error"]


# Outcomes


@pytest.mark.parametrize("text", ["a\0b", "\ufeff", "\u202e", "\x1b]0;x\a", "|\\|", "👩‍👩‍👧", "=1+1"])
def test_an_outcome_of_an_oddly_named_prediction_is_kept_as_it_was_named(live: Running, text: str) -> None:
    outcome = {"prediction_id": text, "delay": 1.0}
    at = datetime.now(UTC).isoformat()
    assert sent(live, "/outcomes", json.dumps({"outcomes": [outcome]}).encode()) == (200, {"outcomes": 1})
    found = [one for one in live.home.records() if one["kind"] == "outcomes" and one["at"] >= at[:19]]
    assert found[-1]["rows"][0]["prediction_id"] == text
