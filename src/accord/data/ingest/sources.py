"""Reading sources: files, files inside installed packages, and scikit-learn's bundled data sets."""

import glob
import gzip
import zipfile
import zlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import polars as pl
from polars.exceptions import NoDataError, PolarsError

from accord.data.casting import MAX_EXACT
from accord.data.ingest import csv_text
from accord.errors import AccordError
from accord.schema.data import Source


def read(name: str, source: Source, root: Path) -> pl.DataFrame:
    """The source, whose path is relative to `root`, as a frame; all columns of CSV are text, for the contract to cast. Raises
    AccordError if it can't be read, holds no row, or has two columns of one name."""
    where = f"Source '{name}' ({source.path})"
    frame = _read(where, source, root)
    if frame.is_empty():
        raise AccordError(
            f"{where} has no rows; expected at least one. Put the data there or remove the source"
        )
    return frame


def _read(where: str, source: Source, root: Path) -> pl.DataFrame:
    scheme, separator, rest = source.path.partition("://")
    if separator and scheme == "sklearn":
        return _sklearn(where, rest)
    if separator and scheme != "package":
        raise AccordError(
            f"{where}: unknown scheme '{scheme}'; valid: package, sklearn, or a path without one"
        )
    if separator:
        files = [_in_package(where, rest)]
    elif (root / source.path).is_file():
        files = [root / source.path]
    else:
        files = [root / file for file in sorted(glob.glob(source.path, root_dir=root))]
    if not files or not all(file.is_file() for file in files):
        raise AccordError(
            f"{where} is not there; expected a file. Put it there, or correct `path` in conf/data"
        )
    frames = [
        _file(f"{where}, file {file.name}" if len(files) > 1 else where, file, source) for file in files
    ]
    return frames[0] if len(frames) == 1 else _stacked(where, files, frames)


def _stacked(where: str, files: Sequence[Path], frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The rows of all files, whose columns may stand in any order. Raises AccordError for one that has other columns."""
    expected = frames[0].columns
    for file, frame in zip(files, frames, strict=True):
        lacking = [name for name in expected if name not in frame.columns]
        more = [name for name in frame.columns if name not in expected]
        if lacking or more:
            said = [f"lacks {', '.join(map(repr, lacking))}"] if lacking else []
            said += [f"has {', '.join(map(repr, more))} besides"] if more else []
            raise AccordError(
                f"{where}: file {file.name} {' and '.join(said)}, compared with {files[0].name}; expected the same columns, in any "
                "order. Mend the file, or make it a source of its own"
            )
        for name, found in frame.schema.items():
            if found != frames[0].schema[name] and not _fit(frame[name], frames[0][name]):
                raise AccordError(
                    f"{where}: column '{name}' is {found} in {file.name} and {frames[0].schema[name]} in {files[0].name}, which no type "
                    "holds exactly. Write it in one type"
                )
    return pl.concat([frame.select(expected) for frame in frames], how="vertical_relaxed")


def _fit(one: pl.Series, other: pl.Series) -> bool:
    """Whether one type can hold the values of both: integers among floats must be ones that a float holds."""
    if one.dtype.is_numeric() and other.dtype.is_numeric():
        integers = [values for values in (one, other) if values.dtype.is_integer()]
        return len(integers) == 2 or all(not (values.abs() >= MAX_EXACT).any() for values in integers)
    return pl.Null in (one.dtype, other.dtype) or one.dtype.base_type() == other.dtype.base_type()


def _file(where: str, path: Path, source: Source) -> pl.DataFrame:
    try:
        return _decoded(where, path, source)
    except NoDataError as error:
        raise AccordError(
            f"{where} is empty; expected a header and rows. Put the data there or remove the source"
        ) from error
    except (PolarsError, zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, EOFError) as error:
        reason = " ".join(str(error).split())[:200]
        raise AccordError(
            f"{where} can't be read: {reason}. It may be damaged or cut short: fetch it again"
        ) from error


def _decoded(where: str, path: Path, source: Source) -> pl.DataFrame:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return pl.read_parquet(path, glob=False)
    if suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            if len(members) != 1:
                raise AccordError(f"{where}: {path.name} holds {len(members)} files; expected one CSV")
            content = archive.read(members[0])
    elif suffix == ".gz":
        content = gzip.decompress(path.read_bytes())
    elif suffix in (".csv", ".tsv", ".txt"):
        content = path.read_bytes()
    else:
        raise AccordError(
            f"{where}: unknown kind of file '{path.suffix}'; valid: .csv, .tsv, .txt, each also .zip or .gz, and .parquet"
        )
    return csv_text.read(where, content, source)


def _in_package(where: str, rest: str) -> Path:
    package, _, inside = rest.partition("/")
    spec = find_spec(package)  # finds the package without importing it
    if spec is None or not spec.submodule_search_locations:
        raise AccordError(
            f"{where}: package '{package}' is not installed; add it to pyproject.toml and run make lock"
        )
    return Path(spec.submodule_search_locations[0]) / inside


def _sklearn(where: str, name: str) -> pl.DataFrame:
    from sklearn import datasets

    valid = ("breast_cancer", "diabetes", "iris", "wine")
    if name not in valid:
        raise AccordError(f"{where}: unknown scikit-learn data set '{name}'; valid: {', '.join(valid)}")
    options = {"scaled": False} if name == "diabetes" else {}
    loaded = getattr(datasets, f"load_{name}")(**options)
    columns = [
        str(column).replace(" ", "_").split("_(")[0].replace("/", "_") for column in loaded.feature_names
    ]
    return pl.DataFrame(loaded.data, schema=columns).with_columns(target=pl.Series(loaded.target))
