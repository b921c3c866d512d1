"""The container of a Bento without a container engine: the image's folders, user and environment, as its Dockerfile says.

Its absolute paths are real: it runs in a mount namespace of its own, with its root changed to a folder of the test.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import httpx
import pytest
from services import READY_WITHIN_S, children, free_port

OWN = ("app", "home", "root", "tmp")
"""Folders of the root that are the image's; the others are this machine's."""
BASE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
START = """
for source in "$@"; do mount --rbind "$source" "$ROOT$source"; done
mount --bind "$ROOT/passwd" "$ROOT/etc/passwd"
mount -t proc proc "$ROOT/proc"
exec chroot --userspec="$OWNER" --groups= "$ROOT" env --ignore-environment --chdir="$WORKDIR" "${IMAGE[@]}"
"""


@dataclass
class Dockerfile:
    """What a Dockerfile says of the container that is started."""

    variables: dict[str, str] = field(default_factory=lambda: {"PATH": BASE_PATH})
    """Those of ENV; a build argument is none, unless ENV repeats it."""
    arguments: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "root"
    entrypoint: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Dockerfile":
        found = cls()
        for line in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
            instruction, _, rest = line.partition(" ")
            if instruction in ("ARG", "ENV"):
                name, _, value = rest.partition("=")
                known = found.arguments | found.variables
                value = re.sub(r"\$\{?(\w+)\}?", lambda used, known=known: known[used[1]], value)
                (found.arguments if instruction == "ARG" else found.variables)[name] = "".join(
                    shlex.split(value)
                )
            elif instruction == "WORKDIR":
                found.workdir = rest.replace("$BENTO_PATH", found.arguments["BENTO_PATH"])
            elif instruction == "USER":
                found.user = rest.strip()
            elif instruction in ("ENTRYPOINT", "CMD"):
                found.entrypoint += json.loads(rest)
        return found


class Image:
    """The image of a Bento in a folder, with what its requirements name and nothing else installed."""

    def __init__(self, bento: Path, root: Path) -> None:
        self.root, self.bento = root, bento
        self.dockerfile = Dockerfile.read(bento / "env/docker/Dockerfile")
        self.uid = int(self.dockerfile.arguments["BENTO_USER_UID"])
        for name in OWN:
            (root / name).mkdir(parents=True)
        (root / "tmp").chmod(0o1777)
        (root / sys.base_prefix.lstrip("/")).mkdir(parents=True, exist_ok=True)
        self.inside = root / self.dockerfile.workdir.lstrip("/")
        shutil.copytree(bento, self.inside)
        self.owned(self.inside.parent)
        user, home = self.dockerfile.user, self.inside.parent.relative_to(root)
        passwd = f"{Path('/etc/passwd').read_text()}\n{user}:x:{self.uid}:{self.uid}::/{home}:/bin/sh\n"
        (root / "passwd").write_text(passwd)
        self._install()

    def owned(self, folder: Path) -> Path:
        """The folder, owned by the image's user."""
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.uid, self.uid, follow_symlinks=False)
        return folder

    def _install(self) -> None:
        """What the Bento's requirements name, hashes checked, into /app/.venv."""
        place = self.root / "app/.venv"
        venv.create(place, with_pip=True)
        requirements = self.bento / "env/python/requirements.txt"
        install = ["install", "--quiet", "--require-hashes", "-r", str(requirements)]
        subprocess.run([place / "bin/python", "-m", "pip", *install], check=True, capture_output=True)
        for script in (place / "bin").iterdir():
            if not script.is_symlink():
                script.write_bytes(script.read_bytes().replace(str(place).encode(), b"/app/.venv"))

    def command(self, *, uid: int | None = None, **variables: str) -> list[str]:
        """What starts a container as `docker run --user UID --env NAME=VALUE...` would."""
        machines = [f"/{path.name}" for path in self._machines()]
        uid = self.uid if uid is None else uid
        environment = {**self.dockerfile.variables, "HOME": f"/home/{self.dockerfile.user}", **variables}
        words = [*(f"{name}={value}" for name, value in environment.items()), *self.dockerfile.entrypoint]
        script = "\n".join(
            [
                f"ROOT={shlex.quote(str(self.root))} OWNER={uid}:{uid} WORKDIR={self.dockerfile.workdir}",
                f"IMAGE=({shlex.join(words)})",
                START,
            ]
        )
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL"]
        return [*namespaces, "bash", "-euc", script, "start", *machines, sys.base_prefix]

    def _machines(self) -> list[Path]:
        """The machine's folders that the container has too, each with a place to be mounted at."""
        found = [path for path in Path("/").iterdir() if path.is_dir() and path.name not in OWN]
        for path in found:
            place = self.root / path.name
            if path.is_symlink() and not place.is_symlink():  # such as /bin to usr/bin
                place.symlink_to(path.readlink())
            elif not path.is_symlink():
                place.mkdir(exist_ok=True)
        return [path for path in found if not path.is_symlink() and path.name != "proc"]


@dataclass
class Container:
    """A started container."""

    client: httpx.Client
    process: "subprocess.Popen[bytes]"
    log: Path

    def stop(self) -> int:
        """Its exit code after SIGTERM to its first process, as `docker stop` sends it."""
        os.kill(first_inside(self.process.pid), signal.SIGTERM)
        return self.process.wait(timeout=60)

    def until_it_says(self, words: str) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while words not in self.log.read_text():
            assert time.monotonic() < deadline, f"no {words!r} in\n{self.log.read_text()[-3000:]}"
            time.sleep(0.1)

    def until_up(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if self.client.get("/livez").status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError(f"the container does not answer\n{self.log.read_text()[-3000:]}")


@contextmanager
def started(image: Image, log: Path, before: Sequence[str] = (), **how: object) -> Iterator[Container]:
    """A container whose port is open; `before` are words in front of its command."""
    port = free_port()
    out: BinaryIO
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*before, *image.command(PORT=str(port), **how)],  # type: ignore[arg-type]
            stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            container = Container(client, process, log)
            container.until_up()
            yield container
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def first_inside(pid: int) -> int:
    """The first process of the namespace that this process, or one that descends from it, has made."""
    [child] = children(pid)
    numbers = re.search(r"^NSpid:(.*)$", Path(f"/proc/{child}/status").read_text(), re.MULTILINE)
    assert numbers is not None
    return child if numbers[1].split()[1:] == ["1"] else first_inside(child)


def skip_unless_possible() -> None:
    """Skips the test where a container's namespaces can't be made."""
    if os.geteuid() != 0:
        pytest.skip("only root can change the root and the user of a process")
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True).returncode:
        pytest.skip("no mount namespaces on this machine")
