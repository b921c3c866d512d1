"""A machine that refuses: files that may not be written, a disk without room, too little memory. Each ends in one line."""

import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from projects import Project, program

from accord.data import partitions
from accord.errors import AccordError
from accord.program import exit_with_message

CAPABILITIES = "-dac_override,-dac_read_search,-fowner"
"""What lets root write whatever the modes say."""
WRITING = (
    ("report",), ("judge",), ("traffic",), ("collect",), ("monitor", "--no-reports"), ("retrain", "--now"), ("package",),
    ("tradeoff", "--steps", "3"), ("promote", "--reason", "a test"), ("predict", "data/raw/rides.csv", "out.csv"), ("run",),
    ("measure",), ("forget", "3"), ("simulate",), ("serve", "--port", "65000"),
)  # fmt: skip


def bound() -> tuple[str, ...]:
    """What to put before a command so that modes bind it; nothing for a user whom they bind anyway."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("modes don't bind root, and there is no setpriv to change that")
    return ("setpriv", f"--bounding-set={CAPABILITIES}", f"--inh-caps={CAPABILITIES}")


@pytest.fixture
def copy(project: Project, tmp_path: Path) -> Iterator[Project]:
    copied = Project(tmp_path / "project")
    shutil.copytree(project.root, copied.root, symlinks=True)
    yield copied
    subprocess.run(["chmod", "-R", "u+w", str(copied.root)], check=True)


def ended(project: Project, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=project.root, env=project.environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
@pytest.mark.parametrize("words", WRITING, ids=lambda words: words[0])
def test_a_project_that_may_only_be_read_is_refused_in_one_line(
    copy: Project, words: tuple[str, ...]
) -> None:
    before = sorted(path for path in copy.root.rglob("*") if "__pycache__" not in path.parts)
    subprocess.run(["chmod", "-R", "a-w", str(copy.root)], check=True)
    done = ended(copy, *bound(), program("accord"), *words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("accord: Not allowed for ")
    assert sorted(path for path in copy.root.rglob("*") if "__pycache__" not in path.parts) == before


def test_a_folder_that_a_stage_may_not_write_is_named(copy: Project) -> None:
    subprocess.run(["chmod", "-R", "a-w", str(copy.root / "models")], check=True)
    done = ended(copy, *bound(), program("accord"), "run", "seed=7")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "models" in next(line for line in done.stderr.splitlines() if "Not allowed for " in line)


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [900, 1200, 1600])
def test_training_with_too_little_memory_ends_in_one_line(copy: Project, megabytes: int) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes * 10**6, megabytes * 10**6))

    done = subprocess.run(
        [program("python"), "-m", "accord.stages.train"], cwd=copy.root, env=copy.environment, preexec_fn=limited,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode in (0, 2), done.stderr
    assert done.returncode == 0 or "too little memory" in done.stderr.splitlines()[-1], done.stderr


def test_a_stage_that_needs_more_than_it_may_take_ends_in_one_line(copy: Project) -> None:
    grown = pl.concat([partitions.read(copy.paths.splits / "train")] * 1000)
    partitions.write(copy.paths.splits / "train", grown, None)
    copy.replace("conf.lock/engine.yaml", "memory: null", "memory: 400MB")
    copy.replace("conf.lock/engine.yaml", "chunk_rows: null", f"chunk_rows: {grown.height}")
    done = copy.run("python", "-m", "accord.stages.featurize", ok=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("accord: There is too little memory for stage featurize: "), done.stderr
    assert "may take 0.40 GB (engine.memory); raise that" in done.stderr
    assert done.stderr.count("\n") == 1
    copy.replace("conf.lock/engine.yaml", f"chunk_rows: {grown.height}", "chunk_rows: 100000")
    copy.run("python", "-m", "accord.stages.featurize")


def test_memory_that_the_libraries_alone_take_is_refused(copy: Project) -> None:
    copy.replace("conf.lock/engine.yaml", "memory: null", "memory: 120MB")
    line = copy.refused("python", "-m", "accord.stages.train")
    assert line.startswith("accord: engine.memory is 0.12 GB; stage train and its libraries need 0."), line


def fails(error: Exception, cause: Exception | None = None) -> None:
    raise error from cause


FULL = OSError(errno.ENOSPC, "No space left on device", "data/x")
BLAMES_USER = AccordError("data.columns: the column is missing; correct conf/data")


@pytest.mark.parametrize(
    ("error", "cause", "said"),
    [
        (FULL, None, "The disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), None, "The disk is full"),
        (RuntimeError("failed to write: No space left on device (os error 28)"), None, "The disk is full"),
        (BLAMES_USER, FULL, "The disk is full"),
        (BLAMES_USER, MemoryError(), "too little memory"),
        (PermissionError(errno.EACCES, "Permission denied", "data/x"), None, "Not allowed for"),
        (OSError(errno.EROFS, "Read-only file system", "data/x"), None, "data/x"),
        (MemoryError(), None, "too little memory"),
        (RuntimeError("std::bad_alloc"), None, "too little memory"),
        (ValueError("wrapped"), MemoryError(), "too little memory"),
        (
            FileNotFoundError(errno.ENOENT, "No such file", "models/trained/late/baseline"),
            None,
            "Make it: accord run",
        ),
        (
            FileNotFoundError(errno.ENOENT, "No such file", "../data/splits/test"),
            None,
            "../data/splits/test is missing",
        ),
        (BLAMES_USER, PermissionError(errno.EACCES, "Permission denied"), "the column is missing"),
    ],
)
def test_the_machine_is_blamed_for_what_it_did(
    error: Exception, cause: Exception | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        exit_with_message(lambda: fails(error, cause))
    assert end.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("accord: ")
    assert said in line


def test_a_mistake_of_our_own_stays_a_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        exit_with_message(lambda: fails(ZeroDivisionError()))
    with pytest.raises(FileNotFoundError):
        exit_with_message(lambda: fails(FileNotFoundError(errno.ENOENT, "No such file", "/usr/lib/x")))
