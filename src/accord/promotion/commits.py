"""What git has of the project, and a commit of some of its files that leaves all others as they are, staged or not."""

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from accord.errors import AccordError
from accord.paths import Paths


class Change(NamedTuple):
    """A file that differs from the last commit."""

    file: str
    """Relative to the project's root."""
    status: str
    """Git's two letters: of what is staged, and of the file."""

    @property
    def is_staged_otherwise(self) -> bool:
        """Whether a third content is staged, neither the committed one nor the file's."""
        return self.status[0] not in " ?!" and self.status[1] != " "


def changes(paths: Paths, *of: Path, ignored: bool = False) -> list[Change]:
    """What differs from the last commit: everywhere, or of these files and folders."""
    words = ["status", "--porcelain", "-z", "--untracked-files=all", "--no-renames"]
    words += ["--ignored=matching"] if ignored else []
    done = git(paths, *words, "--", *(paths.in_root(path) for path in of))
    top = git(paths, "rev-parse", "--show-prefix").stdout.strip()
    return [Change(one[3:].removeprefix(top), one[:2]) for one in done.stdout.split("\0") if one]


def tracked(paths: Paths, path: Path) -> list[str]:
    return [
        name for name in git(paths, "ls-files", "-z", "--", paths.in_root(path)).stdout.split("\0") if name
    ]


def commit(message: str, of: Iterable[Path], paths: Paths) -> None:
    """Commits these files and folders as they are, removed or not, and nothing else."""
    files = [paths.in_root(path) for path in of if path.exists() or tracked(paths, path)]
    for words in (["add", "--", *files], ["commit", "--quiet", "--message", message, "--", *files]):
        done = git(paths, *words)
        if done.returncode:
            raise AccordError(
                f"The champion is named, but git could not commit: {' '.join(done.stderr.split() or done.stdout.split())[:200]}"
            )


def git(paths: Paths, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["git", *words], cwd=paths.root, capture_output=True, text=True)
