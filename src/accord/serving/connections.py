"""Connections of clients: uvicorn's protocol with bounds on a request's head, on the wait for it, on answers that nobody
takes, and on the number of connections.

uvicorn passes what arrives to httptools, which holds as many headers as a client sends; its only timeout begins after an
answer. BentoML passes none of uvicorn's limits on, so the protocol is put where uvicorn looks for its own.
"""

import itertools
import os
import resource
from asyncio import AbstractEventLoop, Transport
from collections.abc import Callable, Iterator, Set
from typing import Any, NamedTuple

import httptools
from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http import httptools_impl

from accord.schema.serving import Serving
from accord.serving import asgi

COMPARED_WITH = "0.54.0"
"""The version of uvicorn whose protocol this was compared with. A test fails for another, so that somebody compares again."""
LOOK_EVERY_S = 1.0
MAX_PIPELINED = 32
"""Requests that may wait for the answer to an earlier one of their connection."""
FILES_FOR_OTHERS = 50
"""Files that a worker opens beside its connections: segments, processes, models that are loaded."""
MIN_CONNECTIONS = 10
LINGER_S = 2.0
"""How long the client of a refused request may take to read why."""
NO_HTTP = 400, "the request is no proper HTTP"
REFUSED_REQUESTS = "accord_refused_connections"
CLOSED_CONNECTIONS = "accord_closed_connections"
COUNTERS = {
    REFUSED_REQUESTS: "Connections ended because a request on them was no HTTP, or its head too large or too slow",
    CLOSED_CONNECTIONS: "Connections closed because their clients took no answer, or made room for others",
}


class Limits(NamedTuple):
    """What one client may take of a worker."""

    max_head_bytes: int
    max_connections: int
    idle_s: float
    """How long a connection may wait for the whole head of its next request."""
    answer_s: float
    """How long an answer may wait to be taken."""

    @classmethod
    def of(cls, settings: Serving) -> "Limits":
        """The settings' limits, with fewer connections where this process may not open as many files."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        n_free = soft - len(os.listdir("/proc/self/fd")) - FILES_FOR_OTHERS
        n_connections = min(settings.max_connections, max(n_free, MIN_CONNECTIONS))
        return cls(int(settings.max_head_kb * 1e3), n_connections, settings.idle_s, settings.timeout_s)


PROXIES_VARIABLE = "FORWARDED_ALLOW_IPS"
"""Where uvicorn looks for the proxies that it trusts; by itself it trusts all of this machine."""


def bound(settings: Serving, count: Callable[[str], None]) -> None:
    """Has the uvicorn server that this process will start bound its connections, and trust the settings' proxies alone.
    `count` is called with the name of a counter for each connection that is refused or closed."""
    os.environ[PROXIES_VARIABLE] = ",".join(settings.proxies)
    HTTP_PROTOCOLS["auto"] = protocol(Limits.of(settings), count)  # type: ignore[assignment]


def protocol(limits: Limits, count: Callable[[str], None]) -> type["Connection"]:
    """uvicorn's protocol with these limits."""
    bounds = {"limits": limits, "count": staticmethod(count), "watch": Watch(), "turns": itertools.count()}
    return type("Bounded", (Connection,), bounds)


class Watch:
    """Looks at all connections now and then. A timer for each request would cost more."""

    def __init__(self) -> None:
        self._is_on = False

    def start(self, loop: AbstractEventLoop, connections: Set[Any]) -> None:
        if not self._is_on:
            self._is_on = True
            loop.call_later(LOOK_EVERY_S, self._look, loop, connections)

    def _look(self, loop: AbstractEventLoop, connections: Set[Any]) -> None:
        now = loop.time()
        for each in list(connections):
            each.look(now)
        self._is_on = False
        if connections:
            self.start(loop, connections)


class HeadError(Exception):
    """The head of a request is refused."""


class Connection(httptools_impl.HttpToolsProtocol):
    """One connection of a client."""

    limits: Limits
    count: Callable[[str], None]
    watch: Watch
    turns: Iterator[int]

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.ws_protocol_class = None  # accord has no web sockets
        self._pending = 0
        """Bytes that have arrived since the last whole head or part of a body."""
        self._since = 0.0
        """When the connection was made, or its last request began or was answered."""
        self._turn = 0
        """Higher than those of connections that were made, or answered, before."""
        self._refusal = NO_HTTP
        """Why the request is refused if it can't be parsed."""
        self._is_last = False
        """Whether the connection ends with the answer that is under way."""
        self._is_refused = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since, self._turn = self.loop.time(), next(self.turns)
        self.watch.start(self.loop, self.connections)
        if len(self.connections) > self.limits.max_connections:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        if self._is_refused or self._is_last:
            return
        self._pending += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return  # the request is answered as if it did not ask for another protocol
        except httptools.HttpParserError:
            self._refuse(*self._refusal)
        else:
            if self._pending > self.limits.max_head_bytes:
                self._refuse(*self._too_large())

    def on_message_begin(self) -> None:
        self._since = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._pending > self.limits.max_head_bytes and self._head_bytes() > self.limits.max_head_bytes:
            self._refusal = self._too_large()
            raise HeadError
        self._pending = 0
        super().on_headers_complete()
        if len(self.pipeline) > MAX_PIPELINED:
            raise HeadError

    def on_body(self, body: bytes) -> None:
        self._pending = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        self._since, self._turn = self.loop.time(), next(self.turns)
        self.server_state.total_requests += 1
        if self._is_last:
            self.transport.close()
        if self.transport.is_closing():
            return
        # As uvicorn does, but for a timer per answer: `look` ends connections without requests.
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def look(self, now: float) -> None:
        """Ends what has lasted too long."""
        age = now - self._since
        if self._is_refused:
            if age > LINGER_S:
                self.transport.abort()
        elif self.transport.get_write_buffer_size():
            if age > self.limits.answer_s:
                self._end()
        elif self._is_waiting() and age > self.limits.idle_s:
            if self._pending:
                self._refuse(408, f"the request's head did not arrive within {self.limits.idle_s:g} s")
            else:
                self.transport.close()

    def _is_waiting(self) -> bool:
        """Whether it is the client's turn to send a request, or the rest of one that was answered before it was complete."""
        return self._is_refused or self.cycle is None or self.cycle.response_complete

    def _make_room(self) -> None:
        """Ends the connection that has waited longest for a request; or this one, if all others are being answered."""
        others: Set[Any] = self.connections
        oldest = min((each for each in others if each._is_waiting()), key=lambda each: each._turn)
        if oldest is self:
            self._refuse(503, "all connections are busy; try again later")
            self.connections.discard(self)
        else:
            oldest._end()

    def _end(self) -> None:
        """Ends the connection with what was not sent yet."""
        self.count(CLOSED_CONNECTIONS)
        self.connections.discard(self)
        self.transport.abort()

    def _refuse(self, status: int, reason: str) -> None:
        """Says why in one line and ends the connection. Requests before this one are answered first, and then it just ends."""
        self.count(REFUSED_REQUESTS)
        cycle = self.cycle
        if self.pipeline or (cycle and not cycle.response_complete and not cycle.more_body):
            self._is_last = True
            self.pipeline.clear()
            return
        self._is_refused, self._since = True, self.loop.time()
        if cycle and not cycle.response_complete:  # its body is what can't be parsed
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
                return
        self.flow.resume_reading()
        self.transport.write(_answer(status, reason))
        self.transport.write_eof()  # closed at once, what has arrived unread would cost the client the answer

    def _too_large(self) -> tuple[int, str]:
        return 431, f"the request's head has more than {self.limits.max_head_bytes:,} bytes"

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)


def _answer(status: int, reason: str) -> bytes:
    response = asgi.error(reason, status)
    head = (
        b"content-type: " + response.content_type,
        b"content-length: %d" % len(response.body),
        b"connection: close",
    )
    return httptools_impl.STATUS_LINE[status] + b"\r\n".join((*head, b"", response.body))
