"""Requests and responses, as ASGI passes them on."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import datetime
from typing import Any, NamedTuple

from accord.serving.answers import Refusal
from accord.serving.refusals import Headers, RefusedError
from accord.traffic import records

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = b"application/json"
ARROW = b"application/vnd.apache.arrow.stream"
PARQUET = b"application/vnd.apache.parquet"
PAGE_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    # Swagger UI would ask a validator in the net for its opinion of the description.
    (b"content-security-policy", b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"),
]  # fmt: skip
ANSWER_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]


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


def request(
    scope: Scope, headers: Mapping[bytes, bytes], body: bytes, arrived: datetime, started: int
) -> Request:
    content_type = headers.get(b"content-type", b"")
    if content_type != JSON:
        content_type = content_type.partition(b";")[0].strip().lower()
    return Request(
        scope["method"],
        content_type,
        headers.get(b"accept", b""),
        headers.get(b"authorization", b""),
        body,
        scope["client"][0] if scope.get("client") else "",
        arrived,
        started,
    )


def need_json(request: Request) -> None:
    """Raises RefusedError for a body of another type."""
    if request.content_type != JSON:
        raise RefusedError(
            415, f"the content type is {quoted(request.content_type)}; expected application/json"
        )


def quoted(value: bytes) -> str:
    """A header's value, as a reason quotes it."""
    return repr(value[:100].decode("latin-1")) if value else "missing"


def error(reason: str, status: int) -> Response:
    return Response(records.encode(Refusal(reason)), status=status)


async def send_response(send: Send, response: Response, headers: Headers = ()) -> None:
    """Sends the response, or nothing if the client has gone."""
    await _send(send, response, [*ANSWER_HEADERS, *headers])


async def send_page(send: Send, page: Response) -> None:
    """Sends a page, or nothing if the client has gone."""
    await _send(send, page, PAGE_HEADERS)


async def _send(send: Send, response: Response, headers: Headers) -> None:
    length = str(len(response.body)).encode()
    try:
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": [
                    (b"content-type", response.content_type),
                    (b"content-length", length),
                    *headers,
                ],
            }
        )
        await send({"type": "http.response.body", "body": response.body})
    except RuntimeError as closed:
        _raise_unless_gone(closed)


def with_page_headers(send: Send) -> Send:
    """Sends another application's response with headers that browsers keep pages safe by."""

    async def secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *PAGE_HEADERS]
        try:
            await send(message)
        except RuntimeError as closed:
            _raise_unless_gone(closed)

    return secured


def _raise_unless_gone(error: RuntimeError) -> None:
    """A client may go away before its answer is written. uvloop then raises a RuntimeError, which would be a traceback per
    client."""
    if "closed" not in str(error):
        raise error
