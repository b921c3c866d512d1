"""Requests as no client should send them: each is answered or refused in one line, and costs the service nothing."""

import contextlib
import gzip
import json
import re
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from projects import Project
from services import Running, home_with, json_rows, memory_mb, running

from accord.bundle.bundle import load_bundle

HEAD = b"\r\nhost: localhost\r\nconnection: close"
BENTOMLS = (b"/ ", b"/livez ")
"""Paths that BentoML answers, whose refusals are lines of plain text."""


@pytest.fixture(scope="module")
def patient(
    packaged: Project, released: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A service that waits for nothing long."""
    home = home_with(released, tmp_path_factory.mktemp("odd") / "home")
    with running(packaged, home, {"idle_s": 2, "timeout_s": 2, "max_mb": 1}) as service:
        yield service


@pytest.fixture(scope="module")
def row(packaged: Project, released: dict[str, Path]) -> dict[str, Any]:
    return json_rows(packaged, load_bundle(released["lightgbm"]))[0]


def post(body: bytes, *headers: bytes, path: bytes = b"/predict", length: bytes | None = None) -> bytes:
    lines = [b"content-type: application/json", *headers, length or b"content-length: %d" % len(body)]
    return b"POST " + path + b" HTTP/1.1" + HEAD + b"\r\n" + b"\r\n".join(lines) + b"\r\n\r\n" + body


def framed(good: bytes) -> Iterator[bytes]:
    whole = b"%x\r\n" % len(good) + good + b"\r\n0\r\n\r\n"
    for coding in (
        b"chunked, chunked", b"chunked\r\ntransfer-encoding: chunked", b"gzip, chunked", b"identity", b"xchunked", b"\x0bchunked", b"",
    ):  # fmt: skip
        yield post(whole, length=b"transfer-encoding: " + coding)
    for body in (
        b"zz\r\nab\r\n0\r\n\r\n", b"-1\r\na\r\n0\r\n\r\n", b"ffffffffffffffff\r\na", b"1\r\nab\r\n0\r\n\r\n", b"1\na\n0\n\n", b"0\r\n",
        b"0\r\nhost: evil\r\n\r\n", b"1;a=b\r\na\r\n0\r\n\r\n", b"0x1\r\na\r\n0\r\n\r\n",
    ):  # fmt: skip
        yield post(body, length=b"transfer-encoding: chunked")
    for length in (
        b"-1", b"+5", b"0x5", b"5, 5", b"5\r\ncontent-length: 6", b"9" * 26, b"1e3", b"", b"\xb2", b"18446744073709551615",
        b"5\r\ntransfer-encoding: chunked", b"0",
    ):  # fmt: skip
        yield post(b"hello", length=b"content-length: " + length)
    for expected in (b"100-continue", b"200-ok", b""):
        yield post(good, b"expect: " + expected)


def aimed() -> Iterator[bytes]:
    for target in (
        b"http://localhost/predict", b"http://evil/predict", b"//evil/predict", b"*", b"localhost:80", b"/predict#f", b"/pre%64ict",
        b"/predict%00", b"/predict\x00", b"/predict/../model", b"/%2e%2e/etc/passwd", b"/static_content/%2e%2e/x", b"/" + b"a" * 100_000,
        b"/\xff\xfe", b"/%ff", b"/%zz", b"/ predict", b"predict", b"", b"http:///", b"/%0d%0aX: y",
    ):  # fmt: skip
        for method in (b"GET", b"POST"):
            yield method + b" " + target + b" HTTP/1.1" + HEAD + b"\r\n\r\n"
    for method in (b"OPTIONS", b"TRACE", b"CONNECT", b"PUT", b"BREW", b"get", b"PRI", b"G\x00T", b""):
        for path in (b"/predict", b"/", b"/livez"):
            yield method + b" " + path + b" HTTP/1.1" + HEAD + b"\r\n\r\n"
    for version in (b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9", b"HTP/1.1", b"", b"HTTP/1.1 x"):
        yield b"GET /model " + version + HEAD + b"\r\n\r\n"
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
    yield b"\x16\x03\x01\x02\x00\x01\x00"


def headed(good: bytes) -> Iterator[bytes]:
    for header in (
        b"upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABk", b"a\x00b: c", b"a: b\x00c", b"a : b", b" a: b",
        b"a: b\r\n c", b": b", b"a", b"a: \xff\xfe", b"\xc3\xbc: x", b"a: b\rc: d", b"a: \x1b]0;x\x07", b"host: evil", b"traceparent: 00-zz",
    ):  # fmt: skip
        yield post(good, header)
    yield b"GET /model HTTP/1.1" + HEAD + b"".join(b"\r\nh%d: x" % i for i in range(10_000)) + b"\r\n\r\n"
    for encoding, body in (
        (b"gzip", gzip.compress(bytes(50_000_000))), (b"deflate", zlib.compress(bytes(10_000_000))), (b"br", b"\x0b\x02\x80"), (b"x", good),
    ):  # fmt: skip
        yield post(body, b"content-encoding: " + encoding)


def filled(row: dict[str, Any], good: bytes) -> Iterator[bytes]:
    number = next(
        name for name, value in row.items() if isinstance(value, float | int) and not isinstance(value, bool)
    )
    text = next(name for name, value in row.items() if isinstance(value, str))
    values = [
        (number, value)
        for value in (b"1e400", b"-1e400", b"1e-400", b"9" * 5000, b"9223372036854775808", b"Infinity", b"NaN", b"01", b".5", b"0x10", b"[]")
    ] + [
        (text, value)
        for value in (b'"\\ud800"', b'"\xed\xa0\x80"', b'"\xff"', b'"\\u0000"', b'"\x00"', b'"\\x"', b'"a\nb"', b'"\\u001b[2J"', b"1")
    ]  # fmt: skip
    changed = [
        json.dumps({"rows": [{**row, name: "@"}]}).encode().replace(b'"@"', value) for name, value in values
    ]
    twice = good.replace(b'"%s"' % number.encode(), b'"%s": 1, "%s"' % (number.encode(), number.encode()), 1)
    for body in (
        *changed, twice, good[: len(good) // 2], good + good, b"[" * 100_000, b'{"rows":' * 20_000, b'{"rows":[{"\\ud800":NaN}]}', b"null",
        b"", b"{}", b"\xef\xbb\xbf" + good, good.decode().encode("utf-16"), b'{"rows":[],"rows":[]}',
    ):  # fmt: skip
        yield post(body)
        yield post(body, path=b"/explain")


def answered(port: int, request: bytes) -> bytes:
    """All that comes back."""
    parts = []
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(request)
        with contextlib.suppress(ConnectionError):
            while part := client.recv(1 << 16):
                parts.append(part)
    return b"".join(parts)


def test_no_odd_request_is_the_services_own_failure(patient: Running, row: dict[str, Any]) -> None:
    good = json.dumps({"rows": [row]}).encode()
    requests = [*framed(good), *aimed(), *headed(good), *filled(row, good)]
    [worker] = patient.workers()
    before = memory_mb(worker)
    for request in requests:
        answer = answered(patient.port, request)
        statuses = [int(status) for status in re.findall(rb"HTTP/1.1 (\d+)", answer)]
        assert all(status < 500 for status in statuses), (request[:200], answer)
        if statuses and statuses[-1] >= 400:
            body = answer.rpartition(b"\r\n\r\n")[2]
            line = (
                body.decode() if any(path in request[:20] for path in BENTOMLS) else json.loads(body)["error"]
            )
            assert line
            assert "\n" not in line
    assert patient.workers() == [worker]
    assert memory_mb(worker) < before + 30
    assert "Traceback" not in patient.log.read_text()
    patient.ask(row)
