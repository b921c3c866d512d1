"""What a kill leaves of DVC and git is mended by the next command, and what a living process has is left alone."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from projects import Project, program

from accord import dvc, files, locks
from accord.errors import AccordError

RWLOCK = ".dvc/tmp/rwlock"
STAGES = """
stages:
  first:
    cmd: cp source first
    deps: [source]
    outs: [first]
  slow:
    cmd: cp first second && touch at-work && sleep ${seconds}
    deps: [first]
    outs: [second]
vars: [seconds: 0]
"""


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of two stages that copy a file."""
    project = Project(tmp_path_factory.mktemp("reproduced"))
    project.write(".dvc/config", "[core]\n    analytics = false\n")
    project.write(".dvc/.gitignore", "/tmp\n/cache\n")
    project.write("dvc.yaml", STAGES)
    project.write("source", "some rows\n")
    project.run("git", "init", "--quiet")
    project.run("dvc", "repro", "--quiet")
    (project.root / "at-work").unlink()
    project.commit()
    return project


@pytest.fixture
def small(reproduced: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of one's own."""
    project = Project(tmp_path / "small")
    shutil.copytree(reproduced.root, project.root)
    monkeypatch.setattr(dvc, "WAIT_S", 0.2)
    return project


def refusal(project: Project) -> str:
    with pytest.raises(AccordError) as refused, dvc.alone(project.paths):
        pass
    return str(refused.value)


@contextmanager
def started(*words: str, **more: object) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, **more)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def reproducing(project: Project, seconds: float) -> Iterator["subprocess.Popen[str]"]:
    """A plain `dvc repro` that has a stage at work."""
    project.replace("dvc.yaml", "seconds: 0", f"seconds: {seconds}")
    words = program("dvc"), "repro"
    with started(*words, env=project.environment, cwd=project.root, start_new_session=True) as process:
        try:
            while not (project.root / "at-work").exists():
                assert process.poll() is None
                time.sleep(0.02)
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with its stage


def entry(pid: int) -> str:
    return json.dumps({"write": {"/elsewhere": {"pid": pid, "cmd": "/usr/bin/dvc repro"}}, "read": {}})


def dead() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


# DVC's locks


@pytest.mark.parametrize(
    "left",
    [
        "",
        '{"write": {"/data/rows": {"pid": 12, "c',
        "[]",
        '{"read": {"/data": [{"pid": 12, "cmd": "dvc", "host": "elsewhere"}]}}',
        '{"write": {"/data": {"pid": "12@elsewhere", "cmd": "dvc repro"}}}',
    ],
)
def test_a_rwlock_that_can_not_be_read_is_emptied(small: Project, left: str):
    small.write(RWLOCK, left)
    assert small.run("dvc", "repro", ok=False).returncode == 255, "DVC itself gives up"
    assert dvc.run(small.paths, "repro").returncode == 0


def test_entries_of_dead_processes_are_dropped(small: Project):
    small.write(RWLOCK, entry(dead()))
    with dvc.alone(small.paths):
        assert json.loads(small.read(RWLOCK)) == {}


def test_an_entry_of_a_process_that_nobody_has_waited_for_is_dropped(small: Project):
    with started("true") as ended:
        assert ended.stdout is not None
        ended.stdout.read()
        small.write(RWLOCK, entry(ended.pid))
        with dvc.alone(small.paths):
            assert json.loads(small.read(RWLOCK)) == {}


@pytest.mark.parametrize("words", [("sleep", "60"), (sys.executable, "-c", "import time; time.sleep(60)")])
def test_an_entry_whose_id_is_another_process_by_now_is_dropped(small: Project, words: tuple[str, ...]):
    with started(*words) as stranger:
        small.write(RWLOCK, entry(stranger.pid))
        os.utime(small.root / RWLOCK, (time.time() - 3600,) * 2)  # written before the stranger began
        with dvc.alone(small.paths):
            assert json.loads(small.read(RWLOCK)) == {}


def test_a_python_program_that_was_there_already_is_taken_for_the_one_that_has_the_path(small: Project):
    with started(sys.executable, "-c", "import time; time.sleep(60)") as notebook:
        small.write(RWLOCK, entry(notebook.pid))
        assert f"process {notebook.pid}" in refusal(small)
        assert small.read(RWLOCK) == entry(notebook.pid)


def test_a_plain_dvc_at_work_is_named_and_goes_on_undisturbed(small: Project):
    with reproducing(small, seconds=3) as process:
        before = small.read(RWLOCK)
        said = refusal(small)
        assert said.startswith("'dvc repro' (process ")
        assert f"process {process.pid}, since 2" in said
        assert small.read(RWLOCK) == before
        assert process.wait() == 0
    assert dvc.run(small.paths, "status").stdout.strip() == "Data and pipelines are up to date."


def test_a_rwlock_that_can_not_be_read_is_left_while_a_plain_dvc_is_at_work(small: Project):
    with reproducing(small, seconds=60) as process:
        small.write(RWLOCK, "")
        assert f"process {process.pid}" in refusal(small)
        assert small.read(RWLOCK) == ""
        process.kill()
        process.wait()
        with dvc.alone(small.paths):
            assert small.read(RWLOCK) == "{}"


def test_dvcs_own_lock_is_left_to_the_process_that_has_it(small: Project):
    small.write(RWLOCK, "")
    with (small.root / ".dvc/tmp/lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f" {os.getpid()}\n")
        file.flush()
        assert f"process {os.getpid()}" in refusal(small)
    assert small.read(RWLOCK) == ""
    with dvc.alone(small.paths):
        assert small.read(RWLOCK) == "{}"


def test_a_dvc_that_comes_in_between_is_named_without_advice_to_remove_its_lock(
    small: Project, capfd: pytest.CaptureFixture[str]
):
    with dvc.alone(small.paths), reproducing(small, seconds=60) as process:
        for work in (lambda: dvc.reproduce(small.paths), lambda: dvc.run(small.paths, "repro")):
            with pytest.raises(AccordError, match=f"'dvc repro' .process {process.pid}, .* is at work"):
                work()
    assert "remove" not in capfd.readouterr().err


def test_a_stage_that_dvc_left_behind_is_waited_for(small: Project, capfd: pytest.CaptureFixture[str]):
    small.write("accord/stages/train.py", "import time; time.sleep(2)")
    with started(sys.executable, "-m", "accord.stages.train", cwd=small.root, env={}) as stage:
        time.sleep(0.2)
        with dvc.alone(small.paths):
            assert stage.poll() is not None
    assert f"Waiting for 'python -m accord.stages.train' (process {stage.pid}" in capfd.readouterr().err.replace("python3.11", "python")  # fmt: skip


def test_a_stage_of_an_experiment_in_a_copy_is_not_waited_for(small: Project):
    small.write(".dvc/tmp/exps/copy/accord/stages/train.py", "import time; time.sleep(60)")
    small.write(".dvc/tmp/exps/copy/.dvc/config", "")
    copy = small.root / ".dvc/tmp/exps/copy"
    with started(sys.executable, "-m", "accord.stages.train", cwd=copy, env={}) as stage:
        time.sleep(0.2)
        with dvc.alone(small.paths):
            assert stage.poll() is None


def test_locks_by_hard_links_are_left_to_dvc(small: Project):
    small.run("dvc", "config", "core.hardlink_lock", "true")
    small.write(RWLOCK, "")
    (small.root / ".dvc/tmp/lock").unlink()
    with dvc.alone(small.paths):
        assert small.read(RWLOCK) == ""
    assert not (small.root / ".dvc/tmp/lock").exists(), "which would be a lock that somebody has"


# accord's own lock

AT_WORK = """
import subprocess, sys, time
from pathlib import Path
from accord import dvc
from accord.paths import Paths
with dvc.alone(Paths(Path())) as lock:
    if sys.argv[1:] == ["left"]:
        print(subprocess.Popen(["sleep", "2"], pass_fds=[lock], stdout=subprocess.DEVNULL).pid)
    print("in", flush=True)
    time.sleep(60)
"""


@contextmanager
def at_work(project: Project, *words: str) -> Iterator["subprocess.Popen[str]"]:
    with started(sys.executable, "-c", AT_WORK, *words, cwd=project.root) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "in\n":
            assert process.poll() is None
        yield process


def test_a_second_command_says_which_is_at_work_and_a_kill_frees_the_project(small: Project):
    with at_work(small, "model=linear") as process:
        assert f"'-c model=linear' (process {process.pid}, since 2" in refusal(small)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with dvc.alone(small.paths):
            pass


def test_what_a_killed_command_left_running_is_waited_for(small: Project, capfd: pytest.CaptureFixture[str]):
    with at_work(small, "left") as process:
        process.kill()
        process.wait()
        with small.paths.command_lock.open("a") as file:
            assert not locks.locked(file.fileno()), "the program that it started has the lock"
        with dvc.alone(small.paths):
            pass
    assert "Waiting for what '-c left' had started" in capfd.readouterr().err


def test_two_runs_at_once_are_one_run_and_a_line_with_exit_code_2(project: Project):
    with at_work(project) as process:
        for words in (("run", "seed=3"), ("judge",), ("promote",), ("collect",), ("retrain", "--now")):
            before = project.read("params.yaml")
            assert f"(process {process.pid}, since" in project.refused("accord", *words)
            assert project.read("params.yaml") == before


# Files cut short


@pytest.mark.parametrize("keep", [0, 9, 40, 150, 300])
def test_a_lock_file_cut_short_is_written_anew(small: Project, keep: int):
    whole = small.read("dvc.lock")
    assert keep < len(whole)
    small.write("dvc.lock", whole[:keep])
    assert dvc.run(small.paths, "repro").returncode == 0
    assert small.read("dvc.lock") == whole


def test_a_lock_file_with_a_conflict_is_left_to_the_user(small: Project):
    conflict = small.read("dvc.lock") + "<<<<<<< HEAD\n"
    small.write("dvc.lock", conflict)
    with dvc.alone(small.paths):
        assert small.read("dvc.lock") == conflict


@pytest.mark.parametrize("keep", [0, 10, 40, 60])
def test_a_pointer_cut_short_is_written_anew(small: Project, keep: int):
    small.write("models/releases/abc/manifest.json", "{}")
    dvc.run(small.paths, "add", "models/releases/abc")
    whole = small.read("models/releases/abc.dvc")
    small.write("models/releases/abc.dvc", whole[:keep])
    with dvc.alone(small.paths):
        assert small.read("models/releases/abc.dvc") == whole


# What DVC notes of a push

KILLED = """
import os, sys
from dvc.cli import main
from sqltrie.sqlite.sqlite import SQLiteTrie
put, left = SQLiteTrie.__setitem__, [int(sys.argv[1])]
def killed(trie, key, value):
    if not left[0]:
        os._exit(9)
    left[0] -= 1
    put(trie, key, value)
SQLiteTrie.__setitem__ = killed
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("after", [13, 16])
@pytest.mark.parametrize("site_cache", [{}, {"DVC_SITE_CACHE_DIR": f".dvc/{dvc.TRANSFER}"}])
def test_a_push_killed_while_dvc_indexes_its_files_is_done_whole_by_the_next(
    small: Project, after: int, site_cache: dict[str, str]
):
    for name in "abcdef":
        small.write(f"models/releases/abc/{name}", name)
    dvc.run(small.paths, "add", "models/releases/abc")
    dvc.run(small.paths, "remote", "add", "releases", str(small.root / "store"))
    words = "push", "--quiet", "--remote", "releases", "models/releases/abc.dvc"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(after), *words],
        cwd=small.root, env={**small.environment, **site_cache},
    )  # fmt: skip
    assert killed.returncode == 9
    assert not (small.root / "store").exists()
    assert dvc.transfer(small.paths, *words).returncode == 0
    stored = {path.read_text() for path in (small.root / "store").rglob("*") if path.is_file()}
    assert len(stored) == 7
    assert {*"abcdef"} < stored


def test_what_was_begun_and_not_finished_is_removed(small: Project):
    begun = [
        small.root / ".first.tmp",
        small.root / "models/releases/.abc.tmp",
        small.root / ".dvc/cache/runs/aa/aakey/.Yz0.tmp",
        small.root / ".dvc/cache/files/md5/ab/.Yz0.tmp",
    ]
    for path in begun:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    with dvc.alone(small.paths):
        assert [path for path in begun if path.exists()] == []


def test_what_another_project_writes_into_a_shared_cache_is_left(small: Project):
    path = small.root / ".dvc/cache/files/md5/ab/.Yz0.tmp"
    path.parent.mkdir(parents=True)
    with path.open("w"):
        os.utime(path, (time.time() - 3600,) * 2)
        with dvc.alone(small.paths):
            assert path.exists()
    with dvc.alone(small.paths):
        assert not path.exists()


def test_half_a_bento_and_folders_outside_are_removed(project: Project):
    bentoml = project.paths.bentoml
    with files.scratch("package", project.root) as folder:
        begun = [
            folder.with_name(f"{folder.name}x"),
            bentoml / "building-x",
            bentoml / "bentos/accord/.x.tmp",
        ]
    for path in begun:
        (path / "src").mkdir(parents=True)
    project.run("accord", "package")
    assert not any(path.exists() for path in begun[1:])
    with files.scratch("package", project.root):
        assert not begun[0].exists()
    assert bentoml.exists()


# git


@pytest.mark.parametrize(
    "name", ["index.lock", "HEAD.lock", "next-index-123.lock", "refs/heads/topic/new.lock"]
)
def test_a_lock_that_git_left_is_removed(small: Project, name: str):
    small.write(f".git/{name}", "")
    with dvc.alone(small.paths):
        assert not (small.root / ".git" / name).exists()


def test_a_lock_that_a_program_has_open_is_left(small: Project):
    with (small.root / ".git/index.lock").open("w"), dvc.alone(small.paths):
        assert (small.root / ".git/index.lock").exists()


def test_a_lock_of_a_git_at_work_is_left(small: Project):
    small.write("source", "other rows\n")
    environment = {**small.environment, "GIT_EDITOR": "sleep 60 #"}
    with started(program("git"), "commit", "source", cwd=small.root, env=environment):
        while not (small.root / ".git/index.lock").exists():
            time.sleep(0.02)
        with dvc.alone(small.paths):
            assert (small.root / ".git/index.lock").exists()
