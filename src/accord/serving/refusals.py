"""Requests that are refused."""

from collections.abc import Sequence

from accord.serving.output import encodable

Headers = Sequence[tuple[bytes, bytes]]
RETRY_LATER: Headers = [(b"retry-after", b"5")]


class RefusedError(Exception):
    """The request is refused: a status, and why in one line, which may quote anything that was sent."""

    def __init__(self, status: int, reason: str, headers: Headers = ()) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, encodable(reason), headers
