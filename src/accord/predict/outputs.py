"""What is written, from which files: one of a file that is handed over, and of a folder or a pattern one for each file of it."""

import glob
import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from accord.data.ingest import sources
from accord.errors import AccordError
from accord.schema.data import Source

KINDS = (".csv", ".parquet")
"""What can be written."""
PACKED = (".zip", ".gz", ".xz")


@dataclass(frozen=True)
class Output:
    """A file to be written, with the rows of these files, in their order."""

    path: Path
    files: tuple[Path, ...]
    source: str
    """What the files are called in messages."""


def outputs_of(source: Source, output: Path) -> list[Output]:
    """Raises AccordError if there is no input, or if an output can't be written without loss."""
    given = Path(source.path)
    if given.is_dir():
        found = _for_each(_in_folder(given), given, output)
        _refuse_inside(output, given)
    elif _is_pattern(source.path) and (output.is_dir() or not output.suffix):
        files = sources.handed_over_files("input", source)
        found = _for_each(files, Path(os.path.commonpath([file.parent for file in files])), output)
        if "**" in source.path or any(_fits(one.path, source.path) for one in found):
            _refuse_inside(output, Path(os.path.commonpath([file.parent for file in files])))
    else:
        _check(output)
        found = [Output(output, tuple(sources.handed_over_files("input", source)), source.path)]
    inputs = {file.resolve() for one in found for file in one.files}
    for one in found:
        if one.path.resolve() in inputs or _is_same(one):
            raise AccordError(
                f"Can't write {one.path}: it is the file to be predicted, and would be overwritten. Choose another name for the output"
            )
        if one.path.is_dir():
            raise _is_folder(one.path)
    return found


def _check(output: Path) -> None:
    if output.suffix not in KINDS:
        raise AccordError(
            f"Can't write {output}: unknown kind of file '{output.suffix}'; expected .csv or .parquet"
        )
    if output.is_dir():
        raise _is_folder(output)


def _is_folder(output: Path) -> AccordError:
    return AccordError(
        f"Can't write {output}: it is a folder; expected a file's name. Choose another, or remove it"
    )


def _is_same(one: Output) -> bool:
    return one.path.exists() and any(one.path.samefile(file) for file in one.files)


def _is_pattern(path: str) -> bool:
    return "://" not in path and glob.has_magic(path) and not Path(path).is_file()


def _in_folder(folder: Path) -> list[Path]:
    """The files of known kinds in the folder, at any depth, by name. Hidden ones, and those whose name begins with an underscore, are
    what programs note beside the data."""
    found = [
        path for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in (*sources.OPENED, ".zip", ".parquet") and path.is_file()
        and not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    ]  # fmt: skip
    if not found:
        raise AccordError(
            f"{folder} holds no file to predict; expected .csv, .tsv, .txt, packed or not, or .parquet"
        )
    return found


def _for_each(files: list[Path], base: Path, output: Path) -> list[Output]:
    """An output for each file, by the same name below the folder."""
    if output.exists() and not output.is_dir():
        raise AccordError(
            f"Can't write into {output}: it is a file; expected a folder for {len(files):,} files. Choose another, or remove it"
        )
    found = [Output(output / _named(file.relative_to(base)), (file,), str(file)) for file in files]
    first: dict[Path, Output] = {}
    for one in found:
        if (other := first.setdefault(one.path, one)) is not one:
            raise AccordError(
                f"{other.source} and {one.source} would both be written to {one.path}; rename one of them, or predict them one after the other"
            )
    return found


def _refuse_inside(output: Path, base: Path) -> None:
    if base.resolve() in (output.resolve(), *output.resolve().parents):
        raise AccordError(
            f"Can't write into {output}: it lies in {base}, whose files are predicted, and its own would be the next time. Choose a folder "
            "elsewhere"
        )


def _fits(path: Path, pattern: str) -> bool:
    parts, wanted = path.resolve().parts, Path(pattern).absolute().parts
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _named(file: Path) -> Path:
    """What the output of a file is called: like it, and unpacked."""
    if file.suffix.lower() == ".parquet":
        return file.with_suffix(".parquet")
    stem = Path(file.stem) if file.suffix.lower() in PACKED else file
    known = stem.suffix.lower() in (*sources.OPENED, *KINDS)
    return file.with_name(f"{stem.stem if known else stem.name}.csv")
