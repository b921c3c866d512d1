"""Whatever is sent to the service, it answers without a failure of its own, and goes on answering as before."""

import io
import json
import os
import random
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from projects import Project
from services import READY_WITHIN_S, TOKEN, Home, json_rows, memory_mb, running

from accord.bundle.bundle import load_bundle

pytestmark = pytest.mark.slow
N_REQUESTS = int(os.environ.get("ACCORD_TEST_FUZZ", "100000"))
N_CLIENTS, N_PARTS = 30, 10
GROWTH_MB = 32.0
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
ODD_TEXTS = [
    "", " ", "\0", "\\ud800", "\\udc00\\ud800", "\\u0000", "ü" * 300, "\u202e", "\ufeff", "👩‍👩‍👧", "x" * 1001, "${jndi:x}", "../..",
    "null", "NaN", "\\", '"', "\r\n", "%00", "' OR 1=1", "<script>", "1e400", "\x7f", "a\u0301",
]  # fmt: skip
ODD_NUMBERS = [
    "0", "-0", "-0.0", "1e400", "-1e400", "1e-400", "NaN", "Infinity", "-Infinity", "00", "+1", ".5", "1.", "0x10", "1_0",
    "9" * 400, "-" + "9" * 19, "9223372036854775808", "1" + "0" * 5000, "0." + "0" * 5000 + "1", "1e99999999999", "5e-324",
]  # fmt: skip
INSTANTS = [
    "2024-02-30T00:00:00", "0000-01-01T00:00:00", "9999-12-31T23:59:59.999999999Z", "2024-01-01", "2024-01-01T24:00:00",
    "2024-01-01T00:00:60Z", "2024-01-01T00:00:00+99:99", "0001-01-01T00:00:00+14:00", "10000-01-01T00:00:00",
]  # fmt: skip
METHODS = [
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "M-SEARCH",
]
PATHS = [
    "/", "/predict", "/explain", "/model", "/contract", "/policy", "/readyz", "/livez", "/healthz", "/metrics", "/docs.json",
    "/schema.json", "//predict", "/predict/", "/%70redict", "/predict?x=1", "/..%2f..%2fetc/passwd", "/static_content/..",
    "/%00", "/%ff%fe", "/\xc3\xa9", "/" + "x" * 20_000, "*", "http://x/predict", "/predict#x", "/a/b/c", "/Predict",
]  # fmt: skip
TYPES = [
    "application/json", "application/json; charset=latin-1", "text/plain", "application/vnd.apache.arrow.stream",
    "application/vnd.apache.parquet", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "", "x" * 5000,
    "APPLICATION/JSON", "application/json,application/json",
]  # fmt: skip


class Fuzzer:
    """Makes requests at random; each is bytes for the wire, complete or not."""

    def __init__(self, rows: list[dict[str, Any]], seed: int) -> None:
        self.dice = random.Random(seed)
        self.rows = rows
        frame = pl.DataFrame(rows[:20], infer_schema_length=None)
        arrow, parquet = io.BytesIO(), io.BytesIO()
        frame.write_ipc_stream(arrow)
        frame.write_parquet(parquet)
        self.tables = {TYPES[3]: arrow.getvalue(), TYPES[4]: parquet.getvalue()}
        self.makers: list[Callable[[], bytes]] = [
            self.valid, self.changed_row, self.changed_row, self.changed_row, self.changed_bytes, self.changed_bytes,
            self.any_json, self.any_bytes, self.deep, self.any_head, self.any_head, self.table, self.chunked, self.odd_body,
        ]  # fmt: skip

    def valid(self) -> bytes:
        rows = [self.dice.choice(self.rows) for _ in range(self.dice.choice([1, 1, 2, 30]))]
        return self.posted(json.dumps({"rows": rows}).encode())

    def changed_row(self) -> bytes:
        """A valid request with one or two of its values, names or places changed."""
        row: dict[str, Any] = dict(self.dice.choice(self.rows))
        marks = {}
        for _ in range(self.dice.randint(1, 2)):
            name, mark = self.dice.choice(list(row)), f"MARK{len(marks)}"
            marks[f'"{mark}"'] = self.value(2)
            what = self.dice.randrange(4)
            if what == 0:
                del row[name]
            elif what == 1:
                row[self.dice.choice([name.upper(), name + " ", *ODD_TEXTS])] = row.pop(name)
            else:
                row[name] = mark
        text = json.dumps({"rows": [self.dice.choice(self.rows), row][self.dice.randrange(2) :]})
        for mark, value in marks.items():
            text = text.replace(mark, value)
        return self.posted(text.encode("utf-8", "surrogatepass"))

    def changed_bytes(self) -> bytes:
        body = bytearray(json.dumps({"rows": [self.dice.choice(self.rows)]}).encode())
        for _ in range(self.dice.randint(1, 4)):
            at = self.dice.randrange(len(body) + 1)
            what = self.dice.randrange(4)
            if what == 0:
                body[at : at + 1] = self.dice.randbytes(1)
            elif what == 1:
                body[at:at] = self.dice.choice([b'"', b"{", b"[", b",", b"\xff", b"\\u", b"\0", b"null"])
            elif what == 2:
                del body[at : at + self.dice.randint(1, 20)]
            else:
                del body[at:]
        return self.posted(bytes(body))

    def any_json(self) -> bytes:
        return self.posted(self.value(4).encode("utf-8", "surrogatepass"))

    def any_bytes(self) -> bytes:
        return self.posted(self.dice.randbytes(self.dice.choice([0, 1, 10, 500, 20_000])))

    def deep(self) -> bytes:
        n = self.dice.choice([10, 1000, 8000, 100_000])
        inner = self.dice.choice([b"[", b'{"rows":', b'{"rows":[', b'{"a":[{"b":'])
        body = inner * (n // len(inner))
        return self.posted(body + b"]" * n if self.dice.random() < 0.5 else body)

    def table(self) -> bytes:
        kind = self.dice.choice(list(self.tables))
        body = bytearray(self.tables[kind])
        for _ in range(self.dice.randint(0, 3)):
            at = self.dice.randrange(len(body))
            if self.dice.random() < 0.7:
                body[at] = self.dice.randrange(256)
            else:
                del body[at : at + self.dice.randint(1, 50)]
        accept = self.dice.choice([*TYPES, "*/*"])
        return self.posted(bytes(body), f"accept: {accept}", kind=kind)

    def chunked(self) -> bytes:
        body = json.dumps({"rows": [self.dice.choice(self.rows)]}).encode()
        at = self.dice.randrange(len(body))
        parts = [body[:at], body[at:]]
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part)
        return (
            self.head("POST", "/predict", ["content-type: application/json", "transfer-encoding: chunked"])
            + chunks
            + b"0\r\n\r\n"
        )

    def odd_body(self) -> bytes:
        """A body where none is expected, or none where one is."""
        path = self.dice.choice(["/model", "/readyz", "/policy", "/metrics", "/"])
        return self.posted(
            self.dice.randbytes(100), path=path, method=self.dice.choice(["GET", "DELETE", "POST"])
        )

    def any_head(self) -> bytes:
        lines = [f"content-type: {self.dice.choice(TYPES)}"]
        for _ in range(self.dice.randint(0, 4)):
            name = self.dice.choice(
                ["accept", "authorization", "content-encoding", "expect", "origin", "x-forwarded-for", "traceparent", "cookie",
                 "upgrade", "range", "if-none-match", "te", "bentoml-x", "x-bentoml-task-id", "content-language", "x"]
            )  # fmt: skip
            value = self.dice.choice(
                [
                    *TYPES,
                    "gzip",
                    "identity",
                    "100-continue",
                    "Bearer x",
                    "bytes=0-1",
                    "websocket",
                    "ü",
                    "00-0-0-0",
                ]
            )
            lines.append(f"{name}: {value}")
        body = json.dumps({"rows": [self.dice.choice(self.rows)]}).encode()
        lines.append(f"content-length: {len(body)}")
        method = self.dice.choice(METHODS)
        path = self.dice.choice(PATHS) if self.dice.random() < 0.7 else "/predict"
        return self.head(method, path, lines) + body

    def garbage(self) -> bytes:
        """Bytes that are no request."""
        body = json.dumps({"rows": [self.dice.choice(self.rows)]}).encode()
        whole = self.posted(body)
        return self.dice.choice(
            [
                self.dice.randbytes(self.dice.choice([1, 100, 5000])),
                whole[: self.dice.randrange(len(whole))],
                whole.replace(b"content-length", b"content-lenght"),
                whole.replace(b"content-length: ", b"content-length: -"),
                whole.replace(b"content-length: ", b"content-length: 1e"),
                whole.replace(b"content-length: ", b"content-length: 7\r\ncontent-length: "),
                whole.replace(b"content-length: ", b"transfer-encoding: chunked\r\ncontent-length: "),
                whole.replace(b"\r\n", b"\n"),
                whole.replace(b"HTTP/1.1", self.dice.choice([b"HTTP/1.0", b"HTTP/9.9", b"HTTP/2", b"FTP/1"])),
                whole.replace(b"host: localhost", b"x: " + b"y" * self.dice.choice([1000, 70_000])),
                self.head("CONNECT", "x:443", []),
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(30),
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + self.dice.randbytes(60),
                self.head("POST", "/predict", ["transfer-encoding: chunked"]) + b"ffffffffffffffffff\r\n",
                self.head("POST", "/predict", ["transfer-encoding: chunked"]) + b"-1\r\nx\r\n0\r\n\r\n",
                self.head("GET", self.dice.choice(["/", "/predict", "/x"]),
                          ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13", "sec-websocket-key: eA=="]),
            ]
        )  # fmt: skip

    def value(self, depth: int) -> str:
        """Something like JSON."""
        what = self.dice.randrange(8 if depth else 5)
        if what == 0:
            return self.dice.choice(ODD_NUMBERS)
        if what == 1:
            return json.dumps(self.dice.choice(ODD_TEXTS), ensure_ascii=self.dice.random() < 0.5)
        if what == 2:
            return '"' + self.dice.choice([*INSTANTS, *ODD_TEXTS]) + '"'
        if what == 3:
            return self.dice.choice(["null", "true", "false", "undefined", "", "'x'"])
        if what == 4:
            return repr(self.dice.uniform(-1e6, 1e6))
        parts = [self.value(depth - 1) for _ in range(self.dice.randint(0, 4))]
        if what == 5:
            return f"[{','.join(parts)}]"
        names = ["rows", "outcomes", "weights", *self.rows[0], *ODD_TEXTS]
        # As they stand, an escape in a name is one; as JSON writes them, it is text like any other.
        written = [json.dumps, '"{}"'.format]
        return (
            "{"
            + ",".join(f"{self.dice.choice(written)(self.dice.choice(names))}:{part}" for part in parts)
            + "}"
        )

    def posted(
        self, body: bytes, *lines: str, kind: str = TYPES[0], path: str | None = None, method: str = "POST"
    ) -> bytes:
        where = path or self.dice.choice(
            ["/predict", "/predict", "/predict", "/predict", "/explain", "/outcomes", "/policy"]
        )
        own = [f"content-type: {kind}", f"content-length: {len(body)}", f"authorization: Bearer {TOKEN}"]
        return self.head(method, where, [*own, *lines]) + body

    @staticmethod
    def head(method: str, path: str, lines: list[str]) -> bytes:
        return (
            "\r\n".join([f"{method} {path} HTTP/1.1", "host: localhost", *lines]).encode("latin-1", "replace")
            + b"\r\n\r\n"
        )


class Found:
    """What came back, of all clients."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.n_sent = 0
        self.statuses: Counter[int] = Counter()
        self.failures: list[bytes] = []
        self.hung: list[bytes] = []
        """What was not answered to the end."""

    def add(self, sent: list[bytes], received: bytes) -> None:
        statuses = [int(status) for status in STATUS.findall(received)]
        with self.lock:
            self.n_sent += len(sent)
            self.statuses.update(statuses)
            if any(status >= 500 for status in statuses):
                self.failures.append(b"".join(sent)[:2000] + b" -> " + received[:500])


def fuzz(port: int, fuzzer: Fuzzer, found: Found, n: int, source: str) -> None:
    """So many requests: some pipelined on a connection, some cut off, some no requests at all."""
    dice, sent = fuzzer.dice, 0
    while sent < n:
        kind = dice.random()
        requests = [dice.choice(fuzzer.makers)() for _ in range(dice.choice([1, 1, 1, 2, 5, 20]))]
        if kind < 0.1:
            requests = [fuzzer.garbage()]
        data = b"".join(requests)
        received = b""
        with socket.create_connection(("127.0.0.1", port), READY_WITHIN_S, (source, 0)) as connection:
            try:
                if kind > 0.97:  # gone in the middle, without a word
                    connection.sendall(data[: dice.randrange(len(data))])
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                elif kind > 0.94:  # gone before the answer
                    connection.sendall(data)
                else:
                    received = conversation(connection, data, ends=kind < 0.1)
            except TimeoutError:
                found.hung.append(data[:2000])
            except ConnectionError:
                pass
        found.add(requests, received)
        sent += len(requests)


def conversation(connection: socket.socket, data: bytes, ends: bool) -> bytes:
    """All that comes back while the data goes out. The service closes the connection, since the last request asks for
    that; or the client stops sending, where what it sent is no request."""
    last = b"" if ends else b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    sender = threading.Thread(target=send_all, args=(connection, data + last, ends), daemon=True)
    sender.start()
    received = b""
    while part := connection.recv(65_536):
        received += part
    sender.join()
    return received


def send_all(connection: socket.socket, data: bytes, ends: bool) -> None:
    try:
        connection.sendall(data)
        if ends:
            connection.shutdown(socket.SHUT_WR)
    except OSError:  # the service had enough
        pass


def test_a_hundred_thousand_odd_requests_cause_no_failure_and_leave_nothing_behind(
    packaged: Project, home: Home, released: dict[str, Path]
) -> None:
    rows = json_rows(packaged, load_bundle(released["lightgbm"]))
    with running(packaged, home, {"timeout_s": 2, "max_mb": 0.15}) as service:
        before = service.ask(*rows[:300])
        workers = service.workers()
        found, memory = Found(), []
        for _ in range(N_PARTS):
            threads = [
                threading.Thread(
                    target=fuzz,
                    args=(service.port, Fuzzer(rows[:100], len(memory) * N_CLIENTS + i), found,
                          N_REQUESTS // N_PARTS // N_CLIENTS + 1, f"127.0.0.{10 + i}"),
                )
                for i in range(N_CLIENTS)
            ]  # fmt: skip
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            service.ask(*rows[:300])
            memory.append(memory_mb(workers[0]))
        used = ", ".join(f"{mb:.0f}" for mb in memory)
        print(f"{found.n_sent} requests, {dict(sorted(found.statuses.items()))}, memory in MB: {used}")
        assert found.failures == []
        assert found.hung == []
        assert found.n_sent >= N_REQUESTS
        assert {200, 400, 404, 405, 413, 415, 422} <= found.statuses.keys()
        assert service.workers() == workers  # none died
        said = service.log.read_text()
        assert "Traceback" not in said
        after = service.ask(*rows[:300])
        answers = [[(row["predictions"], row["score"]) for row in a["rows"]] for a in (before, after)]
        assert answers[0] == answers[1]
        assert len(home.records()) > N_REQUESTS / 10  # and each line of the log can be read
        assert service.client.get("/readyz").json() == {"ready": True, "problems": []}
        assert (
            memory[-1] - memory[N_PARTS // 3] < GROWTH_MB
        )  # what only the first requests allocate is no growth
