"""Asking the service over raw connections, with so little work that the service is measured rather than the client."""

import asyncio
import json
from typing import TypeAlias

import polars as pl

from accord.bundle.bundle import as_json_row

Connection: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def requests(rows: pl.DataFrame, rows_per_request: int = 1, path: str = "/predict") -> list[bytes]:
    """Requests for predictions of the rows, in their order, as bytes for the wire."""
    encoded = []
    for begin in range(0, rows.height, rows_per_request):
        part = rows[begin : begin + rows_per_request]
        body = json.dumps({"rows": [as_json_row(part, i) for i in range(part.height)]}).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        encoded.append(head.encode() + body)
    return encoded


async def ask(connection: Connection, request: bytes) -> tuple[int, bytes]:
    """The status and the body of the answer, on a connection that stays open. Raises IncompleteReadError if it ends."""
    reader, writer = connection
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0"
    )
    body = await reader.readexactly(int(length.partition(b":")[2]))
    return int(head.split(b" ", 2)[1]), body
