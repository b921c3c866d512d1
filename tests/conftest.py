"""Copies of the project, for tests that run it: they share the machine's DVC cache of results, never its files."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COPIED = (
    ".dvc/config", ".dvcignore", ".gitignore", "bentofile.yaml", "conf", "data/raw", "data/.gitignore", "dvc.yaml",
    "models/.gitignore", "params.yaml", "reports/.gitignore", "requirements", "requirements.lock", "src", "conf.lock.yaml",
    "dvc.lock",
)  # fmt: skip


class Project:
    """A copy of the project in a folder and git repository of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *command: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a program of the virtual environment in the copy; its `src` is what Python imports."""
        bin_folder = Path(sys.executable).parent
        environment = {
            **os.environ,
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.root / "src"),
            "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org",
            "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.org",
        }  # fmt: skip
        program = bin_folder / command[0]
        done = subprocess.run(
            [str(program) if program.exists() else command[0], *command[1:]],
            cwd=self.root, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert not ok or done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    def stage(self, name: str, *words: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("python", "-m", f"accord.stages.{name}", *words, ok=ok)

    def ran(self, *command: str) -> list[str]:
        """The stages that the command ran, rather than skipped or took from the cache."""
        done = self.run(*command)
        return [line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage")]

    def commit(self) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", "state")

    def read(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def replace(self, path: str, old: str, new: str) -> None:
        text = self.read(path)
        assert old in text, f"{old!r} is not in {path}"
        self.write(path, text.replace(old, new))


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Project]:
    def copy() -> Project:
        root = tmp_path_factory.mktemp("project")
        for name in COPIED:
            source, target = ROOT / name, root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copyfile(source, target)
        project = Project(root)
        project.run("git", "init", "--quiet")
        project.commit()
        return project

    return copy


@pytest.fixture
def project(new_project: Callable[[], Project]) -> Iterator[Project]:
    yield new_project()


@pytest.fixture(scope="module")
def small_project(new_project: Callable[[], Project]) -> Project:
    """A project whose pipeline has run on the smallest data set, with few trees and resamples."""
    project = new_project()
    project.run("accord", "run", "data=breast_cancer", "objective=quality", "experiment=quick")
    project.commit()
    return project
