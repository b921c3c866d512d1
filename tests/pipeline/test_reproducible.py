"""Same inputs, same bytes: in another folder, in a fresh clone, and on another day."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import Project

pytestmark = pytest.mark.slow

RUN = (
    "accord",
    "run",
    "data=rides",
    "objective=quality",
    "model.n_estimators=20",
    "evaluation.n_resamples=50",
)
OUTS = (
    "data/splits",
    "data/features",
    "data/predictions",
    "data/decisions",
    "data/quarantine",
    "models/bundle",
    "models/trained",
    "models/evaluated",
    "models/decided",
    "reports",
)


@pytest.fixture(scope="module")
def project(new_project: Callable[[], Project]) -> Project:
    project = new_project()
    project.run(*RUN)
    project.commit()
    return project


AFTER = ("index", "model_card", "scorecard", "measurement")


def contents(project: Project) -> dict[str, bytes]:
    """The outputs of the stages; what `accord run` writes after them is no output."""
    files = (path for folder in OUTS for path in (project.root / folder).rglob("*") if path.is_file())
    return {
        path.relative_to(project.root).as_posix(): path.read_bytes()
        for path in files
        if path.stem not in AFTER
    }


def test_two_cold_runs_in_different_folders_give_the_same_bytes(
    project: Project, new_project: Callable[[], Project]
):
    other = new_project()
    assert other.root != project.root
    assert len(other.ran(*RUN)) == 9
    assert contents(other) == contents(project)
    assert other.read("dvc.lock") == project.read("dvc.lock")
    assert other.read("conf.lock.yaml") == project.read("conf.lock.yaml")


def test_a_run_of_a_committed_project_leaves_git_status_clean(project: Project):
    assert project.ran("accord", "run") == []
    assert project.run("git", "status", "--porcelain").stdout == ""


def test_running_every_stage_again_leaves_git_status_clean(project: Project):
    before = contents(project)
    assert len(project.ran("dvc", "repro", "--force", "--no-run-cache")) == 9
    assert contents(project) == before
    assert project.run("git", "status", "--porcelain").stdout == ""


def test_a_fresh_clone_pulls_what_was_pushed_and_runs_nothing(project: Project, tmp_path: Path):
    clone = cloned(project, tmp_path)
    assert not (clone.root / "models/bundle").exists()
    clone.run("dvc", "pull")
    assert contents(clone) == contents(project)
    assert clone.ran("dvc", "repro") == []
    assert clone.run("git", "status", "--porcelain").stdout == ""


def test_a_fresh_clone_without_what_was_pushed_runs_to_the_same_lock(project: Project, tmp_path: Path):
    clone = cloned(project, tmp_path)
    assert len(clone.ran("accord", "run")) >= 8
    assert contents(clone) == contents(project)
    assert clone.run("git", "status", "--porcelain").stdout == ""


def cloned(project: Project, folder: Path) -> Project:
    """A clone of the project, whose remote holds what the project pushed; the raw rides are committed to git."""
    remote = folder / "remote"
    project.run("dvc", "remote", "add", "--force", "--default", "shared", str(remote))
    project.run("dvc", "push")
    project.run("git", "clone", "--quiet", str(project.root), str(folder / "clone"))
    shutil.copyfile(project.root / ".dvc/config", folder / "clone/.dvc/config")
    clone = Project(folder / "clone")
    clone.commit()
    project.run("git", "checkout", "--quiet", ".dvc/config")
    return clone
