"""The hot path: an ASGI application in front of BentoML's, which answers requests for predictions by itself.

BentoML's own endpoint spends ten times what a prediction costs on middleware, threads and models of its own. So the
lane takes the requests that accord documents and leaves the pages, health and metrics to BentoML. A request is read,
decoded and checked, answered, logged, and only then sent.
"""

import asyncio
import hmac
import os
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec
from uuid_utils import uuid7

from accord.serving.answers import Answer, Answers, Explained, Explanations, Readiness, Received, Refusal
from accord.serving.handover import TOKEN_VARIABLE
from accord.serving.output import say_exception
from accord.serving.reader import NotReadError, Reader, Task
from accord.serving.refusals import Headers, RefusedError
from accord.serving.requests import InvalidRowError
from accord.traffic import records
from accord.traffic.log import NotLoggedError

if TYPE_CHECKING:
    from accord.serving.engine import Engine
    from accord.serving.state import Operations

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = b"application/json"
ARROW = b"application/vnd.apache.arrow.stream"
PARQUET = b"application/vnd.apache.parquet"
QUICK_BYTES = 16_384
"""Requests up to this size, some thirty rows, are answered at once; larger ones by a thread, so that none waits for them."""
LOOK_EVERY_S = 1.0
SLOW_METHODS = {("POST", "/explain"), ("POST", "/policy")}
"""These compute by the batch path, or wait for the disk or for another worker."""
BENTOML_PATHS = {"/", "/schema.json", "/livez", "/healthz"}
"""What BentoML answers beside the files of its page; it gets to see no other request."""
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    # BentoML's page would call Google's tag manager; it works without.
    (b"content-security-policy", b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"),
]  # fmt: skip
ANSWER_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]

RETRY_LATER = [(b"retry-after", b"5")]


class Request(NamedTuple):
    method: str
    content_type: bytes
    """The media type alone, in small letters."""
    accept: bytes
    authorization: bytes
    body: bytes
    client: str
    arrived: datetime
    started: int
    """By the clock that latency is taken with, in nanoseconds."""


class Response(NamedTuple):
    body: bytes
    content_type: bytes = JSON
    status: int = 200


class DisconnectedError(Exception):
    """The client went away before its request was complete."""


class Lane:
    """Answers accord's endpoints; `app` is BentoML's application, for the rest. Made idle, opened where requests arrive."""

    def __init__(self, page_files: Sequence[str]) -> None:
        """`page_files` are the paths of the files that BentoML's page consists of."""
        self._bentoml_paths = {*BENTOML_PATHS, *page_files}
        self._receiving: dict[asyncio.Task[Any], float] = {}
        """The requests that wait for the rest of their bodies, and since when."""
        self._sweeping = False
        self._routes: dict[str, dict[str, Callable[[Request], Response]]] = {
            "/predict": {"POST": self._predict},
            "/explain": {"POST": self._explain},
            "/outcomes": {"POST": self._outcomes},
            "/model": {"GET": self._model},
            "/contract": {"GET": self._contract},
            "/policy": {"GET": self._policy, "POST": self._change_policy},
            "/readyz": {"GET": self._ready},
            "/metrics": {"GET": self._metrics},
            "/docs.json": {"GET": self._documents},
        }

    def open(self, operations: "Operations") -> None:
        """From here on requests are answered; none arrives before."""
        self._operations = operations
        self._max_bytes = int(operations.settings.max_mb * 1e6)
        self._threads = ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1), thread_name_prefix="rows")
        self._reader = Reader(operations.settings.timeout_s)
        self._seen = operations.metrics.seen

    def close(self) -> None:
        self._threads.shutdown()
        self._reader.close()

    def around(self, app: App) -> App:
        """This application in front of another."""

        async def fronted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
            elif (path := scope["path"]) in self._routes:
                await self._serve(path, scope, receive, send)
            elif path in self._bentoml_paths:
                await app(scope, receive, _with_security_headers(send))
            else:
                reason = f"there is no {path[:200]!r} here; see / for what there is"
                await _send(send, _error(reason, 404))

        return fronted

    def ask(self, rows: Sequence[Mapping[str, Any]]) -> bytes:
        """The answer to a request that came by no HTTP. Raises RefusedError."""
        body = records.encode({"rows": rows})
        now, started = datetime.now(UTC), time.perf_counter_ns()
        return self._predict(Request("POST", JSON, JSON, b"", body, "", now, started), quick=False).body

    async def _serve(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter_ns()
        arrived = datetime.now(UTC)
        try:
            response, headers = await self._answered(path, scope, receive, arrived, started)
        except DisconnectedError:
            return
        except Exception:
            # Nothing of it goes to the client; whoever runs the service finds it in the server's own output.
            say_exception()
            response, headers = _error("the service failed on this request; its output says how", 500), ()
        await _send(send, response, headers)
        self._seen(path, response.status, (time.perf_counter_ns() - started) / 1e9)

    async def _answered(
        self, path: str, scope: Scope, receive: Receive, arrived: datetime, started: int
    ) -> tuple[Response, Headers]:
        """The answer, or why there is none."""
        body = b""
        try:
            handlers = self._routes[path]
            handler = handlers.get(scope["method"])
            if handler is None:
                allowed = ", ".join(handlers)
                raise RefusedError(405, f"{path} takes {allowed}", [(b"allow", allowed.encode())])
            given = _headers(scope)
            body = await self._body(given, receive)
            client = scope["client"][0] if scope.get("client") else ""
            content_type = given.get(b"content-type", b"")
            if content_type != JSON:
                content_type = content_type.partition(b";")[0].strip().lower()
            request = Request(
                scope["method"], content_type, given.get(b"accept", b""),
                given.get(b"authorization", b""), body, client, arrived, started,
            )  # fmt: skip
            if (
                len(body) <= QUICK_BYTES
                and content_type in (JSON, b"")
                and (scope["method"], path) not in SLOW_METHODS
            ):
                return handler(request), ()
            return await asyncio.get_running_loop().run_in_executor(self._threads, handler, request), ()
        except RefusedError as refused:
            return self._refused(path, refused, arrived, started, len(body)), refused.headers

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        if (declared := headers.get(b"content-length")) is not None and int(declared) > self._max_bytes:
            raise self._too_large()
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise RefusedError(415, "the body is encoded; send it without content-encoding")
        parts, size, more = [], 0, True
        try:
            while more:
                steps = receive().__await__()
                try:
                    waited_for = next(steps)
                except StopIteration as there:  # with its head, as most bodies are
                    message = there.value
                else:
                    self._has_to_wait()
                    message = await _Rest(waited_for, steps)
                if message["type"] == "http.disconnect":
                    raise DisconnectedError
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > self._max_bytes:
                    raise self._too_large()
                more = message.get("more_body", False)
            return b"".join(parts)
        except asyncio.CancelledError:
            task = _task()
            if task in self._receiving:
                raise
            task.uncancel()
            reason = f"the body did not arrive within {self._operations.settings.timeout_s:g} s"
            raise RefusedError(408, reason) from None
        finally:
            if self._receiving:
                self._receiving.pop(_task(), None)

    def _has_to_wait(self) -> None:
        """Notes since when the current task waits for the rest of a body."""
        self._receiving.setdefault(_task(), time.monotonic())
        if not self._sweeping:
            self._sweeping = True
            asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._end_slow_ones)

    def _end_slow_ones(self) -> None:
        """Ends the wait for bodies that don't come. A timeout for each request would cost a tenth of what it takes."""
        too_old = time.monotonic() - self._operations.settings.timeout_s
        for task, since in list(self._receiving.items()):
            if since < too_old:
                del self._receiving[task]
                task.cancel()
        self._sweeping = bool(self._receiving)
        if self._sweeping:
            asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._end_slow_ones)

    def _too_large(self) -> RefusedError:
        return RefusedError(
            413, f"the body has more than {self._max_bytes:,} bytes; send fewer rows at a time"
        )

    def _predict(self, request: Request, quick: bool = True) -> Response:
        # Read once: all of the answer comes from this model, whatever is loaded meanwhile.
        engine = self._operations.engine
        try:
            if request.content_type == JSON:
                rows = engine.decoder.rows(request.body)
                quick = quick and len(request.body) <= QUICK_BYTES
            else:
                rows, quick = engine.decoder.rows(self._json_of_table(engine, request)), False
            answered = engine.explored(engine.answer_quickly(rows) if quick else engine.answer(rows))
        except InvalidRowError as error:
            raise RefusedError(422, str(error)) from error
        answers, logged = [], []
        for row, (predictions, score, action, warnings, probability) in zip(rows, answered, strict=True):
            prediction_id = str(uuid7())
            kept, key = engine.logging(row)
            told = [engine.logging.words(warning) for warning in warnings]
            answers.append(Answer(prediction_id, predictions, score, action, warnings))
            logged.append(
                records.LoggedRow(prediction_id, kept, predictions, key, score, action, probability, told)
            )
        self._log(request, engine, logged)
        wanted = request.accept.partition(b";")[0]
        if wanted in (ARROW, PARQUET):
            return Response(_table(engine.bundle.model_id, answers, wanted), wanted)
        return Response(records.encode(Answers(engine.bundle.model_id, answers)))

    def _json_of_table(self, engine: "Engine", request: Request) -> bytes:
        """A request that is an Arrow stream or a Parquet file, in JSON."""
        kind = request.content_type
        if kind not in (ARROW, PARQUET):
            expected = ", ".join(k.decode() for k in (JSON, ARROW, PARQUET))
            raise RefusedError(415, f"the content type is {_quoted(kind)}; expected one of {expected}")
        decoder = engine.decoder
        task = Task(kind == PARQUET, decoder.names, decoder.max_rows, decoder.max_text)
        try:
            return self._reader.json(request.body, task)
        except NotReadError as error:
            raise InvalidRowError(str(error)) from error

    def _log(self, request: Request, engine: "Engine", rows: list[records.LoggedRow]) -> None:
        operations = self._operations
        latency_us = (time.perf_counter_ns() - request.started) // 1000
        bundle = engine.bundle
        record = records.Predicted(
            request.arrived,
            latency_us,
            bundle.model_id,
            bundle.config_id,
            rows,
            engine.weights,
            operations.code,
        )
        try:
            operations.log.append(records.encode(record))
        except NotLoggedError as error:
            operations.metrics.not_logged(len(rows))
            if operations.settings.traffic.when_full == "refuse":
                reason = f"nothing is predicted that can't be logged: {error}"
                raise RefusedError(503, reason, RETRY_LATER) from error

    def _explain(self, request: Request) -> Response:
        engine = self._operations.engine
        _need_json(request)
        try:
            rows = engine.decoder.rows(request.body)
            answered = engine.answer(rows)
        except InvalidRowError as error:
            raise RefusedError(422, str(error)) from error
        parts = {name: table.to_dicts() for name, table in engine.bundle.explain(engine.frame(rows)).items()}
        explained = [
            Explained(a.predictions, {name: parts[name][i] for name in parts}, a.score, a.action, a.warnings)
            for i, a in enumerate(answered)
        ]
        return Response(records.encode(Explanations(engine.bundle.model_id, explained)))

    def _outcomes(self, request: Request) -> Response:
        self._authorise(request)
        _need_json(request)
        operations = self._operations
        intake = operations.engine.intake
        try:
            reported = intake.record(intake.decoder.rows(request.body), request.arrived)
        except InvalidRowError as error:
            raise RefusedError(422, str(error)) from error
        try:
            operations.log.append(records.encode(reported))
        except NotLoggedError as error:
            raise RefusedError(503, f"the outcomes can't be logged: {error}", RETRY_LATER) from error
        return Response(records.encode(Received(len(reported.rows))))

    def _model(self, _: Request) -> Response:
        return Response(records.encode(self._operations.engine.bundle.manifest))

    def _contract(self, _: Request) -> Response:
        from accord.serving import promise

        return Response(records.encode(promise.contract(self._operations.engine)))

    def _policy(self, _: Request) -> Response:
        return Response(records.encode(self._operations.policy()))

    def _change_policy(self, request: Request) -> Response:
        self._authorise(request)
        _need_json(request)
        return Response(records.encode(self._operations.change_policy(request.body, request.client)))

    def _ready(self, _: Request) -> Response:
        ready, problems = self._operations.state()
        return Response(records.encode(Readiness(ready, problems)), status=200 if ready else 503)

    def _metrics(self, _: Request) -> Response:
        operations = self._operations
        metrics = operations.metrics
        return Response(metrics.text() + operations.gauges().encode(), metrics.content_type)

    def _documents(self, _: Request) -> Response:
        from accord.serving import openapi

        return Response(records.encode(openapi.document(self._operations.engine)))

    def _authorise(self, request: Request) -> None:
        """Raises RefusedError unless the request has the token that the environment names."""
        token = os.environ.get(TOKEN_VARIABLE, "")
        if not token:
            raise RefusedError(
                403, f"this needs a token, and the service was started without {TOKEN_VARIABLE}"
            )
        if not hmac.compare_digest(request.authorization, f"Bearer {token}".encode()):
            raise RefusedError(
                401,
                "this needs the header Authorization: Bearer with the service's token",
                [(b"www-authenticate", b"Bearer")],
            )

    def _refused(
        self, path: str, refused: RefusedError, arrived: datetime, started: int, n_bytes: int
    ) -> Response:
        """The answer to a refused request; what was no prediction for that reason is logged too, where it can be."""
        if path == "/predict" and refused.status < 500:
            latency_us = (time.perf_counter_ns() - started) // 1000
            reason = self._operations.engine.logging.words(refused.reason)
            record = records.Refused(arrived, latency_us, refused.status, reason, n_bytes)
            try:
                self._operations.log.append(records.encode(record))
            except NotLoggedError:
                self._operations.metrics.not_logged(0)
        return _error(refused.reason, refused.status)


def _headers(scope: Scope) -> dict[bytes, bytes]:
    return dict(scope["headers"])


def _need_json(request: Request) -> None:
    if request.content_type != JSON:
        raise RefusedError(
            415, f"the content type is {_quoted(request.content_type)}; expected application/json"
        )


def _table(model: str, answers: Sequence[Answer], kind: bytes) -> bytes:
    from accord.serving import table

    return table.written(
        [msgspec.to_builtins(answer) | {"model": model} for answer in answers], kind == PARQUET
    )


def _quoted(value: bytes) -> str:
    return repr(value[:100].decode("latin-1")) if value else "missing"


def _error(reason: str, status: int) -> Response:
    return Response(records.encode(Refusal(reason)), status=status)


async def _send(send: Send, response: Response, headers: Headers = ()) -> None:
    length = str(len(response.body)).encode()
    try:
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": [
                    (b"content-type", response.content_type),
                    (b"content-length", length),
                    *ANSWER_HEADERS,
                    *headers,
                ],
            }
        )
        await send({"type": "http.response.body", "body": response.body})
    except RuntimeError as error:
        _only_if_gone(error)


def _task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


class _Rest(Awaitable[T]):
    """What is awaited, of which the first step has been taken."""

    def __init__(self, waited_for: Any, steps: Generator[Any, Any, T]) -> None:
        self._waited_for, self._steps = waited_for, steps

    def __await__(self) -> Generator[Any, Any, T]:
        try:
            yield self._waited_for
        except BaseException:
            self._steps.close()
            raise
        return (yield from self._steps)


def _only_if_gone(error: RuntimeError) -> None:
    """A client may go away before its answer is written. uvloop then raises a RuntimeError, which would be a traceback a time."""
    if "closed" not in str(error):
        raise error


def _with_security_headers(send: Send) -> Send:
    async def secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *SECURITY_HEADERS]
        try:
            await send(message)
        except RuntimeError as error:
            _only_if_gone(error)

    return secured
