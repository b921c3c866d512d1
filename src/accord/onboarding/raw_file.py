"""Where a table that is onboarded lies in the project."""

import filecmp
import glob
import shutil
from dataclasses import dataclass
from pathlib import Path

from accord.errors import AccordError
from accord.files import replacing
from accord.paths import Paths

RAW = "data/raw"
"""The folder that DVC watches."""
PACKED = (".zip", ".gz", ".xz")
SUFFIXES = (".csv", ".tsv", ".txt", ".data", ".parquet", *PACKED)
LARGE = 10_000_000


@dataclass(frozen=True)
class Raw:
    """A source as the config names it, and the files that are yet to be copied for that."""

    path: str
    """For the config: relative to the project's root."""
    found: str
    """For reading it now."""
    copies: tuple[tuple[Path, Path], ...] = ()
    """Files, and where in the project their copies go."""

    @property
    def n_bytes(self) -> int:
        return sum(file.stat().st_size for file, _ in self.copies)

    def copy(self) -> None:
        for file, target in self.copies:
            with replacing(target) as temporary:
                shutil.copyfile(file, temporary)

    def in_the_way(self) -> list[Path]:
        """Files that a copy would overwrite by others."""
        return [
            target
            for file, target in self.copies
            if target.exists() and not filecmp.cmp(file, target, shallow=False)
        ]

    def remark(self) -> str | None:
        if not self.copies:
            return None
        size = f"{self.n_bytes / 1e6:,.1f} MB"
        track = (
            f"; before you commit: dvc add {self.path}, which keeps it out of git"
            if self.n_bytes > LARGE
            else ""
        )
        return f"Copied to {self.path} ({size}), where DVC sees when it changes{track}"


def located(source: str, name: str, paths: Paths) -> Raw:
    """A source as it was typed: a file or pattern, of which copies go to data/raw unless it is there, or an address such as
    package://... Raises AccordError where nothing is there."""
    if "://" in source:
        return Raw(source, source)
    files = _files(source)
    if not files:
        raise AccordError(
            f"{source} is not there; expected a file, or a pattern that files match, such as rides/*.csv"
        )
    for file in files:
        if file.is_dir():
            raise AccordError(f"{file} is a folder; expected a file, or a pattern such as {file}/*.csv")
        if not file.is_file():
            raise AccordError(
                f"{file} is no file of its own, but a pipe, a device or a link to nothing; expected a file. Write what it holds to one"
            )
    root = paths.root.resolve()
    raw = root / RAW
    found = str(Path(source).resolve() if len(files) == 1 else source)
    if all(file.resolve().is_relative_to(raw) and _is_readable(file) for file in files):
        where = Path(source).resolve() if len(files) == 1 else Path(source).absolute()
        return Raw(where.relative_to(root).as_posix(), found)
    if len(files) == 1:
        target = f"{RAW}/{name}{_suffix(files[0])}"
        return Raw(target, found, ((files[0], paths.root / target),))
    folder = f"{RAW}/{name}"
    copies = tuple((file, paths.root / folder / f"{file.stem}{_suffix(file)}") for file in files)
    return Raw(f"{folder}/*{_suffix(files[0])}", found, copies)


def _files(source: str) -> list[Path]:
    """The file called so, or those that a pattern fits. Raises AccordError for a name that no file can have."""
    try:
        return [Path(source)] if Path(source).exists() else [Path(file) for file in sorted(glob.glob(source))]
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise AccordError(f"{source[:60]} can't be the name of a file: {reason}; expected a file") from error


def _is_readable(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES


def _suffix(file: Path) -> str:
    """The suffix that says how the file is read: without one that is known it is text."""
    suffixes = [suffix.lower() for suffix in file.suffixes[-2:]]
    if suffixes and suffixes[-1] in SUFFIXES:
        return "".join(suffixes) if suffixes[-1] in PACKED and suffixes[0] in SUFFIXES else suffixes[-1]
    return ".csv"
