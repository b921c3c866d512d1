"""A log with a few records in it, and a real Postgres to start and stop."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres_server import Server, started
from traffic_records import SETTINGS

from accord.schema.serving import Postgres
from accord.traffic.log import TrafficLog
from accord.traffic.records import Predicted, Refused, encode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "traffic"


@pytest.fixture
def write(folder: Path) -> Callable[..., list[str]]:
    """Writes records to a segment of their own and completes it; the ids of its rows."""

    def write_segment(*records: Predicted | Refused) -> list[str]:
        log = TrafficLog(folder, SETTINGS)
        for record in records:
            log.append(encode(record))
        log.close()
        return [
            row.prediction_id for record in records if isinstance(record, Predicted) for row in record.rows
        ]

    return write_segment


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with started() as server:
        yield server


@pytest.fixture
def postgres(server: Server, request: pytest.FixtureRequest) -> Postgres:
    """Tables of the test's own."""
    return Postgres(url=server.url, table=f"t{abs(hash(request.node.name))}")
