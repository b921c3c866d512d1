"""What one client may take of a worker, on uvicorn with an application that answers at once."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from services import memory_mb

from accord.serving import connections
from accord.serving.connections import MAX_PIPELINED, Limits, protocol

LIMITS = Limits(max_head_bytes=8000, max_connections=20, idle_s=1.5, answer_s=1.5)
LARGE = b"x" * 40_000_000
GET = b"GET /answer HTTP/1.1\r\nhost: here\r\n\r\n"
LONG_S = 60


class Served:
    def __init__(self, port: int, counts: Counter[str], asked: Counter[str]) -> None:
        self.port, self.counts, self.asked = port, counts, asked

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=LONG_S)

    def ask(self, request: bytes = GET) -> bytes:
        """All that is answered until the connection ends."""
        with self.connect() as client:
            with contextlib.suppress(OSError):
                client.sendall(request)
            return rest(client)

    def is_answering(self) -> bool:
        return self.ask(GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")).endswith(b"answer")

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LONG_S
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.05)


def rest(client: socket.socket) -> bytes:
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := client.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def status_and_reason(reply: bytes) -> tuple[int, str]:
    head, _, body = reply.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


@contextlib.contextmanager
def served(limits: Limits) -> Iterator[Served]:
    counts: Counter[str] = Counter()
    asked: Counter[str] = Counter()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked[scope["path"]] += 1
        if scope["path"] == "/body":
            while (message := await receive())["type"] != "http.disconnect" and message.get("more_body"):
                pass
            if message["type"] == "http.disconnect":
                asked["gone"] += 1
                return
        if scope["path"] == "/slow":
            await asyncio.sleep(1)
        body = LARGE if scope["path"] == "/large" else b"answer"
        length = str(len(body)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(
        app, http=protocol(limits, lambda name: counts.update([name])), log_config=None, lifespan="off",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Served(listener.getsockname()[1], counts, asked)
    finally:
        server.should_exit = True
        thread.join()


def test_uvicorn_is_the_version_that_was_compared() -> None:
    assert version("uvicorn") == connections.COMPARED_WITH, (
        "compare accord.serving.connections with this version's httptools_impl.py and config.py, then name the version there"
    )


@pytest.fixture(scope="module")
def worker() -> Iterator[Served]:
    with served(LIMITS) as worker:
        yield worker


@pytest.mark.parametrize(
    "request_",
    [
        GET.replace(b"\r\n\r\n", b"\r\na: " + b"b" * 9000 + b"\r\n\r\n"),
        GET.replace(b"\r\n\r\n", b"\r\n" + b"a: b\r\n" * 2000 + b"\r\n"),
        GET.replace(b"/answer", b"/" + b"a" * 9000),
        b"GET /answer HTTP/1.1\r\na: " + b"b" * 20_000,
        b"GET /" + b"a" * 20_000,
        b"\r\n" * 10_000,
        b"POST /body HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n" + b"a: b\r\n" * 200_000,
        b"POST /body HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;" + b"a" * 1_000_000,
    ],
    ids=["header", "headers", "path", "unfinished header", "unfinished path", "empty lines", "trailers", "chunk extension"],
)  # fmt: skip
def test_a_head_that_is_too_large_is_refused_in_one_line(worker: Served, request_: bytes) -> None:
    refused = worker.counts["accord_refused_connections"]
    status, reason = status_and_reason(worker.ask(request_))
    assert (status, reason) == (431, "the request's head has more than 8,000 bytes")
    assert worker.counts["accord_refused_connections"] == refused + 1


def test_a_head_may_have_the_size_that_the_limit_says(worker: Served) -> None:
    assert b"answer" in worker.ask(
        GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\na: " + b"b" * 7900 + b"\r\n\r\n")
    )
    body = b"x" * 200_000  # comes with the head in one piece
    head = b"POST /body HTTP/1.1\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    assert worker.ask(head + body).endswith(b"answer")


def test_endless_headers_cost_no_memory(worker: Served) -> None:
    before = memory_mb(os.getpid())
    line = b"a: " + b"b" * 60_000 + b"\r\n"
    with worker.connect() as client, contextlib.suppress(OSError):
        client.sendall(b"GET / HTTP/1.1\r\n")
        for _ in range(3000):
            client.sendall(line)
    assert memory_mb(os.getpid()) < before + 50
    assert worker.is_answering()


def test_an_idle_connection_is_closed_and_half_a_head_ends_with_408(worker: Served) -> None:
    assert worker.ask(b"") == b""
    status, reason = status_and_reason(worker.ask(b"GET / HTTP/1.1\r\n"))
    assert (status, reason) == (408, "the request's head did not arrive within 1.5 s")
    first = worker.ask(GET)
    assert first.count(b"answer") == 1


def test_a_byte_now_and_then_does_not_keep_a_connection(worker: Served) -> None:
    with worker.connect() as client:
        client.settimeout(0.2)
        client.sendall(b"GET / HTTP/1.1\r\na: ")
        reply = b""
        while not reply:
            with contextlib.suppress(TimeoutError):
                reply = client.recv(1000)
            with contextlib.suppress(ConnectionError):
                client.sendall(b"b")
        assert reply.startswith(b"HTTP/1.1 408")


def test_the_rest_of_a_body_that_was_answered_before_it_came_is_not_awaited_for_good(worker: Served) -> None:
    with worker.connect() as client:
        client.sendall(b"POST /answer HTTP/1.1\r\ncontent-length: 1000000000\r\n\r\nx")
        client.settimeout(0.1)
        worker.until(lambda: has_ended(client))


def has_ended(client: socket.socket) -> bool:
    """Whether the other side takes no more."""
    try:
        client.sendall(b"x")
        client.recv(1000)
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return False


def test_an_answer_that_nobody_takes_is_given_up(worker: Served) -> None:
    closed = worker.counts["accord_closed_connections"]
    with worker.connect() as client:
        client.sendall(GET.replace(b"/answer", b"/large") * 3)
        worker.until(lambda: worker.counts["accord_closed_connections"] > closed)
        assert len(rest(client)) < 3 * len(LARGE)
    assert worker.ask(GET.replace(b"/answer", b"/large")).endswith(LARGE)


def test_idle_and_half_sent_connections_make_room_for_others(worker: Served) -> None:
    held = [worker.connect() for _ in range(3 * LIMITS.max_connections)]
    for i, client in enumerate(held):
        with contextlib.suppress(ConnectionError):
            client.sendall([b"", b"GET / HT", b"GET / HTTP/1.1\r\na: b\r\n"][i % 3])
    for _ in range(5):
        assert worker.is_answering()
    for client in held:
        client.close()
    assert worker.counts["accord_closed_connections"]


def test_connections_above_the_limit_are_refused_while_all_are_being_answered() -> None:
    with served(LIMITS._replace(max_connections=3)) as worker:
        held = [worker.connect() for _ in range(3)]
        for client in held:
            client.sendall(
                GET.replace(b"/answer", b"/slow").replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
            )
        worker.until(lambda: worker.asked["/slow"] == len(held))
        assert status_and_reason(worker.ask()) == (503, "all connections are busy; try again later")
        assert all(rest(client).endswith(b"answer") for client in held)
        assert worker.is_answering()


def test_pipelined_requests_are_answered_in_order_up_to_a_number(worker: Served) -> None:
    some = worker.ask(GET * MAX_PIPELINED + GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
    assert some.count(b"HTTP/1.1 200") == MAX_PIPELINED + 1
    many = worker.ask(GET * 5000)
    assert many.count(b"HTTP/1.1 200") == 1
    assert many.count(b"HTTP/1.1") == 1


def test_what_is_no_http_is_refused_after_the_answer_before_it(worker: Served) -> None:
    assert status_and_reason(worker.ask(b"\x16\x03\x01 no http\r\n\r\n")) == (
        400,
        "the request is no proper HTTP",
    )
    reply = worker.ask(GET.replace(b"/answer", b"/slow") + b"no http\r\n\r\n")
    assert reply.count(b"HTTP/1.1") == 1
    assert reply.endswith(b"answer")


def test_a_body_that_can_not_be_parsed_ends_its_own_request(worker: Served) -> None:
    gone = worker.asked["gone"]
    with worker.connect() as client:
        client.sendall(b"POST /body HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        time.sleep(0.1)
        client.sendall(b"no chunk\r\n")
        assert status_and_reason(rest(client))[0] == 400
    worker.until(lambda: worker.asked["gone"] == gone + 1)


def test_a_process_that_may_open_few_files_holds_few_connections() -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200));"
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from shipped import shipped; from accord.schema.serving import Serving;"
        "from accord.serving.connections import Limits; print(Limits.of(shipped(Serving)).max_connections)"
    )
    printed = subprocess.check_output([sys.executable, "-c", program, str(Path(__file__).parents[1])])
    assert 100 <= int(printed) < 150


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
def test_a_request_for_another_protocol_is_answered_in_this_one(worker: Served, upgrade: bytes) -> None:
    request = GET.replace(b"\r\n\r\n", b"\r\nconnection: upgrade\r\nupgrade: " + upgrade + b"\r\n\r\n")
    reply = worker.ask(request)
    assert reply.startswith(b"HTTP/1.1 200")
    assert reply.endswith(b"answer")
