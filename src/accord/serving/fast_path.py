"""The fast path: an ASGI application in front of BentoML's, which answers requests for predictions by itself.

BentoML's own endpoint spends ten times what a prediction costs on middleware, threads and models of its own. So the
fast path takes the requests that accord documents and leaves the pages and health to BentoML. A request is read,
decoded and checked, answered, logged, and only then sent.
"""

import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from accord.serving import asgi
from accord.serving.asgi import ARROW, JSON, PARQUET, App, Receive, Request, Response, Scope, Send
from accord.serving.bodies import QUICK_BYTES, Bodies, DisconnectedError
from accord.serving.front_page import FRONT_PAGE
from accord.serving.hosts import Hosts
from accord.serving.output import say_exception
from accord.serving.refusals import Headers, RefusedError
from accord.serving.turns import Turns
from accord.traffic import records

if TYPE_CHECKING:  # BentoML's supervisor imports this module and needs neither models nor Polars
    from accord.serving.endpoints import Endpoint, Endpoints
    from accord.serving.state import State

BENTOML_PATHS = {"/schema.json", "/livez", "/healthz"}
"""What BentoML answers beside the files of its page; it gets to see no other request."""


class FastPath:
    """Answers accord's endpoints. It is made idle, and opened where requests arrive."""

    def __init__(self, page_files: Sequence[str], hosts: Hosts) -> None:
        """`page_files` are the paths of the files that BentoML's page consists of, `hosts` what requests may call the service."""
        self._hosts = hosts
        self._bentoml_paths = {*BENTOML_PATHS, *page_files}
        self._routes: dict[str, dict[str, Endpoint]] = {}

    def open(self, state: "State", endpoints: "Endpoints") -> None:
        """From here on requests are answered; none arrives before."""
        self._bodies = Bodies(int(state.settings.max_mb * 1e6), state.settings.timeout_s)
        self._slow = Turns(max(2, os.cpu_count() or 1), "rows")
        self._tables = Turns(1, "tables")  # there is one process that reads them
        self._predictions = endpoints.predictions
        self._routes = endpoints.routes
        self._seen, self._count = state.metrics.seen, state.metrics.count

    def count(self, name: str) -> None:
        """Adds one to the counter of this name."""
        self._count(name)

    def close(self) -> None:
        self._slow.close()
        self._tables.close()
        self._predictions.close()

    def around(self, app: App) -> App:
        """This application in front of another, BentoML's."""

        async def fronted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            headers = dict(scope["headers"])
            try:
                self._hosts.check(headers.get(b"host"))
            except RefusedError as refused:
                await asgi.send_response(send, asgi.error(refused.reason, refused.status))
                return
            if (path := scope["path"]) in self._routes:
                await self._serve(path, scope, headers, receive, send)
            elif path == "/" and scope["method"] in ("GET", "HEAD"):
                await asgi.send_page(send, FRONT_PAGE)
            elif path == "/":
                await asgi.send_response(send, asgi.error("/ takes GET", 405), [(b"allow", b"GET, HEAD")])
            elif path in self._bentoml_paths:
                await app(scope, receive, asgi.with_page_headers(send))
            else:
                reason = f"there is no {path[:200]!r} here; see / for what there is"
                await asgi.send_response(send, asgi.error(reason, 404))

        return fronted

    def ask(self, rows: Sequence[Mapping[str, Any]]) -> bytes:
        """The answer to a request that came by no HTTP. Raises RefusedError."""
        body = records.encode({"rows": rows})
        now, started = datetime.now(UTC), time.perf_counter_ns()
        request = Request("POST", JSON, JSON, b"", body, "", now, started)
        return self._predictions.answer(request, quick=False).body

    async def _serve(
        self, path: str, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        started = time.perf_counter_ns()
        arrived = datetime.now(UTC)
        try:
            response, more = await self._answered(path, scope, headers, receive, arrived, started)
        except DisconnectedError:
            return
        except Exception:
            # Nothing of it goes to the client; whoever runs the service finds it in the server's own output.
            say_exception()
            response, more = asgi.error("the service failed on this request; its output says how", 500), ()
        await asgi.send_response(send, response, more)
        self._seen(path, response.status, (time.perf_counter_ns() - started) / 1e9)

    async def _answered(
        self,
        path: str,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        arrived: datetime,
        started: int,
    ) -> tuple[Response, Headers]:
        """The answer, or why there is none."""
        body = b""
        try:
            endpoint = self._endpoint(path, scope["method"])
            body = await self._bodies.read(headers, receive)
            request = asgi.request(scope, headers, body, arrived, started)
            if len(body) <= QUICK_BYTES and request.content_type in (JSON, b"") and not endpoint.is_slow:
                return endpoint.handler(request), ()
            turns = self._tables if request.content_type in (ARROW, PARQUET) else self._slow
            return await turns.run(request.client, endpoint.handler, request), ()
        except RefusedError as refused:
            if (
                path == "/predict" and refused.status < 500
            ):  # what was no prediction for that reason is logged too
                self._predictions.log_refusal(refused, arrived, started, len(body))
            return asgi.error(refused.reason, refused.status), refused.headers
        finally:
            self._bodies.let_go(body)

    def _endpoint(self, path: str, method: str) -> "Endpoint":
        endpoints = self._routes[path]
        if method not in endpoints:
            allowed = ", ".join(endpoints)
            raise RefusedError(405, f"{path} takes {allowed}", [(b"allow", allowed.encode())])
        return endpoints[method]
