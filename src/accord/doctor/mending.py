"""What `accord doctor --fix` does to files. Nothing is deleted: what is damaged is set aside in .accord/damaged."""

import os
import shutil
import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from accord.errors import AccordError
from accord.files import replacing, write_text
from accord.paths import Paths

ASIDE = "damaged"


def git(paths: Paths, *words: str) -> "subprocess.CompletedProcess[str]":
    """Git, which takes no lock and writes nothing unless it is told to."""
    return subprocess.run(
        ["git", *words],
        cwd=paths.root,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        capture_output=True,
        text=True,
        errors="replace",
    )


def is_in_git(path: Path, paths: Paths) -> bool:
    """Whether the last commit has the file, or files in the folder."""
    return bool(git(paths, "ls-tree", "--name-only", "HEAD", f"./{paths.in_root(path)}").stdout.strip())


def set_aside(path: Path, paths: Paths) -> str:
    """Moves it, whatever it is, to where the user finds it again. It may be outside of the project too, in the store."""
    name = paths.in_root(path) if path.is_relative_to(paths.root) else path.name
    name = path.name if ".." in Path(name).parts else name
    place = _folder_aside(paths) / datetime.now(UTC).strftime("%Y-%m-%dT%H.%M.%S.%f") / name
    place.parent.mkdir(parents=True)
    shutil.move(path, place)
    return f"{path} is set aside as {place}"


def restored(path: Path, paths: Paths) -> str:
    """The file or folder as the last commit has it; what stands in its place is set aside."""
    said = f"{set_aside(path, paths)}; " if os.path.lexists(path) else ""
    done = git(paths, "checkout", "--quiet", "HEAD", "--", f"./{paths.in_root(path)}")
    if done.returncode:
        raise AccordError(f"{said}git could not restore {path}: {' '.join(done.stderr.split())[:200]}")
    return f"{said}{path} is restored from git's last commit"


def written_again(path: Path, text: str, paths: Paths) -> str:
    """The text in the file's place; what stands there is set aside."""
    said = f"{set_aside(path, paths)}; " if os.path.lexists(path) else ""
    write_text(path, text)
    return f"{said}{path} is written again"


def copied(source: Path, target: Path, paths: Paths) -> str:
    """The target as the whole source has it; what stands in its place is set aside."""
    said = f"{set_aside(target, paths)}; " if os.path.lexists(target) else ""
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
    return f"{said}{target} is copied from {source}"


def opened_for_owner(path: Path, bits: int) -> str:
    """Adds these bits to its mode."""
    mode = stat.S_IMODE(path.stat().st_mode) | bits
    path.chmod(mode)
    return f"{path} has mode {mode:04o} now"


def _folder_aside(paths: Paths) -> Path:
    """Below .accord, or beside it where something else has its name."""
    if paths.own.is_dir() or not os.path.lexists(paths.own):
        return paths.own / ASIDE
    return paths.root / f".accord-{ASIDE}"
