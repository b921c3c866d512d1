"""What one client may take of a running service, which may open few files."""

import contextlib
import io
import json
import resource
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from projects import Project
from services import TOKEN, Running, home_with, json_rows, memory_mb, running

from accord.bundle.bundle import load_bundle

FILES = 200
HEAD = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def few_files(
    packaged: Project, released: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    home = home_with(released, tmp_path_factory.mktemp("few") / "home")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))
        try:
            service = stack.enter_context(running(packaged, home, {"max_mb": 1, "timeout_s": 20}))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        yield service


@pytest.fixture(scope="module")
def rows(packaged: Project, released: dict[str, Path]) -> Rows:
    return json_rows(packaged, load_bundle(released["lightgbm"]))[:200]


def connected(service: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=60)


def test_hundreds_of_idle_and_half_sent_connections_lock_nobody_out(few_files: Running, rows: Rows) -> None:
    sent = b"", b"GET / HT", HEAD, HEAD + b"content-length: 100\r\n\r\n{"
    with contextlib.ExitStack() as stack:
        for i in range(300):
            connection = stack.enter_context(connected(few_files))
            with contextlib.suppress(ConnectionError):
                connection.sendall(sent[i % len(sent)])
        for row in rows[:10]:
            with connected(few_files) as one:
                body = json.dumps({"rows": [row]}).encode()
                one.sendall(HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
                assert one.makefile("rb").read().startswith(b"HTTP/1.1 200")
    few_files.until(lambda: few_files.metrics()["accord_closed_connections_total"] > 0, "counted")


def test_a_head_without_an_end_costs_no_memory(few_files: Running, rows: Rows) -> None:
    few_files.ask(*rows)
    [worker] = few_files.workers()
    before = memory_mb(worker)
    with connected(few_files) as one, contextlib.suppress(ConnectionError):
        one.sendall(b"GET / HTTP/1.1\r\n")
        for _ in range(3000):
            one.sendall(b"a: " + b"b" * 60_000 + b"\r\n")
    assert memory_mb(worker) < before + 20
    few_files.until(lambda: few_files.metrics()["accord_refused_connections_total"] > 0, "counted")


def test_large_bodies_that_do_not_come_make_room_for_those_that_do(few_files: Running, rows: Rows) -> None:
    with contextlib.ExitStack() as stack:
        halves = [stack.enter_context(connected(few_files)) for _ in range(30)]
        for half in halves:
            half.sendall(HEAD + b"content-length: 1000000\r\n\r\n" + b" " * 900_000)
        assert len(few_files.ask(*rows)["rows"]) == len(rows)
        assert halves[0].recv(1000).startswith(b"HTTP/1.1 503")


def test_clients_with_bad_tables_hold_up_no_other(few_files: Running, rows: Rows) -> None:
    """Ten thousand lists of twenty thousand numbers, in five kilobytes."""
    out = io.BytesIO()
    lists = pa.array([[0] * 20_000] * 10_000, pa.list_(pa.int8()))
    pq.write_table(pa.table({"bike": lists}), out, compression="zstd")
    body, kind = out.getvalue(), b"application/vnd.apache.parquet"
    assert len(body) < 10_000
    request = HEAD.replace(b"application/json", kind) + b"content-length: %d\r\n\r\n" % len(body) + body
    stopping, answers = threading.Event(), []

    def send() -> None:
        with connected(few_files) as client:
            stream = client.makefile("rb")
            while not stopping.is_set():
                client.sendall(request)
                headers = [stream.readline()]
                while headers[-1].strip():
                    headers.append(stream.readline())
                [length] = [int(line.split()[1]) for line in headers if line.startswith(b"content-length")]
                answers.append((headers[0], stream.read(length)))

    bad = [threading.Thread(target=send) for _ in range(4)]
    for each in bad:
        each.start()
    for _ in range(3):
        assert len(few_files.ask(*rows)["rows"]) == len(rows)
        assert few_files.client.post("/explain", json={"rows": rows[:1]}).status_code == 200
        table = few_files.client.post(
            "/predict", content=b"no table", headers={"content-type": kind.decode()}
        )
        assert table.status_code == 422
        authorised = {"authorization": f"Bearer {TOKEN}"}
        changed = few_files.client.post("/policy", json={"weights": {"w": 0.5}}, headers=authorised)
        assert changed.status_code == 200
    stopping.set()
    for each in bad:
        each.join()
    assert {status.split()[1] for status, _ in answers} == {b"422"}
    assert all(b"bike: found lists or structs" in answer for _, answer in answers)
