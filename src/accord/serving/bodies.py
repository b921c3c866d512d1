"""Reading the bodies of requests: not too large, not too slow, and not too many at a time."""

import asyncio
import time
from collections.abc import Awaitable, Generator, Mapping
from typing import Any, TypeVar

from accord.serving.asgi import Message, Receive
from accord.serving.refusals import RETRY_LATER, RefusedError

T = TypeVar("T")
LOOK_EVERY_S = 1.0
QUICK_BYTES = 16_384
"""Requests up to this size, some thirty rows, are answered at once; larger ones by a thread, so that none waits for them."""
ROOM = 8
"""This many of the largest bodies may be in memory at a time; small ones always have room."""


class DisconnectedError(Exception):
    """The client went away before its request was complete."""


class Bodies:
    """Reads bodies, and ends the wait for those that don't come in time."""

    def __init__(self, max_bytes: int, timeout_s: float) -> None:
        self._max_bytes, self._timeout_s = max_bytes, timeout_s
        self._waiting: dict[asyncio.Task[Any], float] = {}
        """The requests that wait for the rest of their bodies, and since when."""
        self._arriving: dict[asyncio.Task[Any], int] = {}
        """Those of them whose bodies are above QUICK_BYTES already, and how large they are; the first began first."""
        self._ended: dict[asyncio.Task[Any], RefusedError] = {}
        """Those whose wait this class has ended, and why."""
        self._taken = 0
        """Bytes of the bodies above QUICK_BYTES that are in memory."""
        self._is_watching = False

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """The whole body. Raises RefusedError for one that is too large, encoded or late, and DisconnectedError."""
        if (declared := headers.get(b"content-length")) is not None and int(declared) > self._max_bytes:
            raise self._too_large()
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise RefusedError(415, "the body is encoded; send it without content-encoding")
        try:
            return await self._all_parts(receive)
        except asyncio.CancelledError:
            task = _task()
            if (refused := self._ended.pop(task, None)) is None:
                raise
            task.uncancel()
            raise refused from None
        finally:
            if self._waiting:
                self._waiting.pop(_task(), None)

    def let_go(self, body: bytes) -> None:
        """For who has read a body and needs it no more."""
        if len(body) > QUICK_BYTES:
            self._taken -= len(body)

    async def _all_parts(self, receive: Receive) -> bytes:
        parts, size, more = [], 0, True
        try:
            while more:
                message = await self._part(receive)
                if message["type"] == "http.disconnect":
                    raise DisconnectedError
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > self._max_bytes:
                    raise self._too_large()
                if size > QUICK_BYTES:
                    self._take(size)
                more = message.get("more_body", False)
        except BaseException:
            self._taken -= self._arriving.pop(_task(), 0)
            raise
        if size > QUICK_BYTES:
            del self._arriving[_task()]
        return b"".join(parts)

    async def _part(self, receive: Receive) -> Message:
        steps = receive().__await__()
        try:
            waited_for = next(steps)
        except StopIteration as received:  # it came with the request's head, as most bodies do
            message: Message = received.value
            return message
        self._note_wait()
        return await _Rest(waited_for, steps)

    def _take(self, size: int) -> None:
        """Takes room for a body of this size as yet; if there is too little, ends the wait for the one that began first, or for
        this one if it is the only one that can be given up."""
        task = _task()
        self._taken += size - self._arriving.get(task, 0)
        self._arriving[task] = size
        if self._taken > ROOM * self._max_bytes:
            refused = RefusedError(503, "too many large bodies at a time; try again later", RETRY_LATER)
            oldest = next(other for other in self._arriving if other is task or other in self._waiting)
            if oldest is task:
                raise refused
            self._end(oldest, refused)

    def _end(self, task: asyncio.Task[Any], refused: RefusedError) -> None:
        del self._waiting[task]
        self._ended[task] = refused
        task.cancel()

    def _note_wait(self) -> None:
        """Notes since when the current task waits for the rest of a body."""
        self._waiting.setdefault(_task(), time.monotonic())
        if not self._is_watching:
            self._is_watching = True
            asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._end_late_ones)

    def _end_late_ones(self) -> None:
        """Ends the wait for bodies that don't come. A timeout for each request would cost a tenth of what it takes."""
        too_old = time.monotonic() - self._timeout_s
        for task, since in list(self._waiting.items()):
            if since < too_old:
                self._end(task, RefusedError(408, f"the body did not arrive within {self._timeout_s:g} s"))
        self._is_watching = bool(self._waiting)
        if self._is_watching:
            asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._end_late_ones)

    def _too_large(self) -> RefusedError:
        return RefusedError(
            413, f"the body has more than {self._max_bytes:,} bytes; send fewer rows at a time"
        )


def _task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


class _Rest(Awaitable[T]):
    """An awaitable of which the first step has been taken."""

    def __init__(self, waited_for: Any, steps: Generator[Any, Any, T]) -> None:
        self._waited_for, self._steps = waited_for, steps

    def __await__(self) -> Generator[Any, Any, T]:
        try:
            yield self._waited_for
        except BaseException:
            self._steps.close()
            raise
        return (yield from self._steps)
