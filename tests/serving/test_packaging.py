"""A Bento is made anew when anything that goes into it has changed, and then takes the old one's place unseen."""

import contextlib
import os
import re
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
import yaml
from projects import Project, program
from services import READY_WITHIN_S, children

Serve = Callable[[Project], AbstractContextManager[httpx.Client]]

LOCKED = "requirements/serving.lock"


@pytest.fixture
def own(packaged: Project, tmp_path: Path) -> Project:
    """A copy of the packaged project that a test may change."""
    shutil.copytree(packaged.root, tmp_path / "own", symlinks=True)
    return Project(tmp_path / "own")


def bento(project: Project) -> Path:
    """The folder that the project's one tag leads to."""
    [link] = (project.root / ".bentoml/bentos/accord").glob("[0-9a-f]*")
    return link.resolve(strict=True)


def append(project: Project, path: str, text: str) -> None:
    project.write(path, project.read(path) + text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("bentofile.yaml", "labels: {owner: riders}\n"),
        (LOCKED, "# a line more\n"),
        ("src/accord/client.py", "# a line more\n"),
        ("models/bundle/example.json", " "),
    ],
)
def test_a_change_of_what_goes_in_makes_a_new_bento_of_the_same_tag(own: Project, path: str, text: str):
    before = bento(own)
    append(own, path, text)
    assert own.run("accord", "package").stdout.split() == [f"accord:{before.name.partition('-')[0]}"]
    assert bento(own) != before
    assert not before.exists()


def test_a_module_of_the_projects_own_goes_in(own: Project):
    before = bento(own)
    own.write("src/mytasks.py", "SHARES = (0.1, 0.9)\n")
    own.run("accord", "package")
    assert bento(own) != before
    assert (bento(own) / "src/src/mytasks.py").read_text() == own.read("src/mytasks.py")


def test_a_new_lock_reaches_the_image(own: Project):
    append(own, LOCKED, "# a line more\n")
    own.run("accord", "package")
    assert "# a line more\n" in (bento(own) / "env/python/requirements.txt").read_text()


def test_a_bento_says_what_went_in(own: Project):
    labels = yaml.safe_load((bento(own) / "bento.yaml").read_text())["labels"]
    assert re.fullmatch("[0-9a-f]{64}", labels["content_sha256"])
    assert bento(own).name.endswith(f"-{labels['content_sha256'][:16]}")


def test_what_a_champions_release_and_the_candidate_have_in_common_is_one_bento(own: Project):
    """A service that was started for the one is not the past of the other."""
    before = bento(own)
    own.run("accord", "promote")
    [pointer] = (own.root / "models/releases").glob("*.dvc")
    release = pointer.with_suffix("")
    script = "import sys, pathlib; from accord.paths import Paths; from accord.config import lock; from accord.serving import bento; bento.package(pathlib.Path(sys.argv[1]), lock.load(paths := Paths(pathlib.Path())).serving, paths)"
    own.run("python", "-c", script, str(release))
    assert bento(own) == before


def test_bentomls_own_commands_find_the_bento(own: Project, tmp_path: Path):
    done = subprocess.run(
        [program("bentoml"), "export", f"accord:{bento(own).name.partition('-')[0]}", str(tmp_path / "out.tar")],
        env=own.environment | {"BENTOML_HOME": str(own.root / ".bentoml"), "BENTOML_DO_NOT_TRACK": "True"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    listed = subprocess.run(["tar", "-tf", tmp_path / "out.tar"], capture_output=True, text=True).stdout
    assert "src/models/bundle/manifest.json" in listed


def test_others_may_read_a_bento_if_the_umask_says_so(own: Project):
    for mask, may in ((0o022, 0o755), (0o027, 0o750), (0o077, 0o700)):
        append(own, LOCKED, "# a line more\n")
        subprocess.run(
            [program("accord"), "package"], cwd=own.root, env=own.environment, umask=mask, check=True
        )
        modes = {stat.S_IMODE(path.stat().st_mode) for path in (bento(own), bento(own) / "env/docker")}
        assert modes == {may}


@pytest.mark.slow
def test_a_running_service_is_not_hurt_by_a_new_bento_of_its_tag(own: Project, serve: Serve):
    """Its processes, killed afterwards, come back with the code that they had; the next start takes the new code."""
    before = bento(own)
    with serve(own) as client:
        own.replace("src/accord/serving/state.py", '"accord_problems"', '"accord_problems_new"')
        own.run("accord", "package")
        assert bento(own) != before
        [guard] = [pid for pid in children(os.getpid()) if before in place(pid).parents]
        for _ in range(2):
            [supervisor] = children(guard)
            os.kill(supervisor, signal.SIGKILL)
            until(lambda gone=supervisor: children(guard) not in ([], [gone]) and is_ready(client))
            assert "accord_problems 0" in client.get("/metrics").text
    own.run("accord", "package")
    assert not before.exists()
    with serve(own) as client:
        assert "accord_problems_new 0" in client.get("/metrics").text


@pytest.mark.slow
def test_packaging_killed_at_any_moment_leaves_the_old_bento_or_the_new_one(own: Project):
    began = time.monotonic()
    append(own, LOCKED, "# line\n")
    own.run("accord", "package")
    lasts = time.monotonic() - began
    for i in range(12):
        before = bento(own)
        append(own, LOCKED, "# line\n")
        package = subprocess.Popen(
            [program("accord"), "package"], cwd=own.root, env=own.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        time.sleep(lasts * i / 10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(package.pid, signal.SIGKILL)
        package.wait()
        after = bento(own)
        locked = (after / "env/python/requirements.txt").read_text()
        assert after == before or locked.count("# line") == own.read(LOCKED).count("# line")
        assert (after / "src/models/bundle/manifest.json").is_file()
    own.run("accord", "package")
    assert bento(own) != before


def place(pid: int) -> Path:
    """The folder that the process works in."""
    return Path(f"/proc/{pid}/cwd").resolve()


def is_ready(client: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return client.get("/readyz").status_code == 200
    return False


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
