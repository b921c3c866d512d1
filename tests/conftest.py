import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from projects import Project, copy_to


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Project]:
    """Makes copies of the project that have not run yet."""
    return lambda: copy_to(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def project(new_project: Callable[[], Project]) -> Project:
    """A project whose pipeline has run on the rides; tests share it and leave it as they found it."""
    project = new_project()
    project.run("accord", "run", "data=rides", "objective=quality", "model.n_estimators=20")
    project.commit()
    project.run("git", "tag", "ran")
    return project


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"a small disk takes the rights to mount one: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
