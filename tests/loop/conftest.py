"""A log of one's own, and a project that is served for replay and collect."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from projects import Project
from services import TOKEN, Home, Running, running
from traffic_records import SETTINGS

from accord import cli
from accord.traffic.log import TrafficLog
from accord.traffic.records import Record, encode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "traffic"


@pytest.fixture
def write(folder: Path) -> Callable[..., None]:
    """Writes records to a segment of their own and completes it."""

    def write_segment(*records: Record) -> None:
        log = TrafficLog(folder, SETTINGS)
        for record in records:
            log.append(encode(record))
        log.close()

    return write_segment


@pytest.fixture(scope="module")
def served(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service of a copy of the project that ran on the rides; tests share it, and each has days of its own."""
    copy = copied(project, tmp_path_factory.mktemp("served"))
    with running(copy, Home(copy.root)) as service:
        yield service


@pytest.fixture
def rides(project: Project, tmp_path: Path) -> Project:
    """A copy of one's own, without a service."""
    return copied(project, tmp_path)


@pytest.fixture
def accord(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs `accord` in a project as a shell would, with the service's token: what it prints, or the one line with which
    it refuses."""
    monkeypatch.setenv("ACCORD_TOKEN", TOKEN)

    def run(project: Project | Home, *words: str) -> str:
        monkeypatch.chdir(project.root)
        capsys.readouterr()
        refusal = None
        try:
            cli.main(words)
        except SystemExit as exit_:
            refusal = exit_.code
        printed = capsys.readouterr()
        assert refusal in (None, 2)
        return printed.out if refusal is None else printed.err

    return run


def copied(project: Project, folder: Path) -> Project:
    shutil.copytree(project.root, folder / "rides", symlinks=True)
    return Project(folder / "rides")
