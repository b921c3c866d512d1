"""Reading sources: files, files inside installed packages, and scikit-learn's bundled data sets."""

import glob
import gzip
import zipfile
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import NoDataError, PolarsError

from accord.errors import AccordError
from accord.schema.data import Source

SAMPLE_ROWS = 10_000
"""The types of a CSV's columns are inferred from this many rows. If a later value doesn't fit, all rows are read for it."""


def read(name: str, source: Source, root: Path, texts: Collection[str] = ()) -> pl.DataFrame:
    """The source as a frame, with types inferred from its values. Its path is relative to `root`.

    In CSV, the columns named in `texts` stay text, so that a code such as 007 keeps its zeros. Raises AccordError if the
    source can't be read or has no rows.
    """
    where = f"Source '{name}' ({source.path})"
    try:
        frame = _read(where, source, root, texts)
    except NoDataError as error:
        raise AccordError(
            f"{where} is empty; expected a header and rows. Put the data there or remove the source"
        ) from error
    except (PolarsError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise AccordError(
            f"{where} can't be read: {reason}. It may be damaged or cut short: fetch it again"
        ) from error
    if frame.is_empty():
        raise AccordError(
            f"{where} has no rows; expected at least one. Put the data there or remove the source"
        )
    return frame


def _read(where: str, source: Source, root: Path, texts: Collection[str]) -> pl.DataFrame:
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
    frames = [_file(where, file, source, texts) for file in files]
    if len(frames) == 1:
        return frames[0]
    return pl.concat(frames, how="vertical_relaxed")


def _file(where: str, path: Path, source: Source, texts: Collection[str]) -> pl.DataFrame:
    if path.suffix == ".parquet":
        return pl.read_parquet(path, glob=False)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            if len(members) != 1:
                raise AccordError(f"{where}: {path.name} holds {len(members)} files; expected one CSV")
            content = archive.read(members[0])
    elif path.suffix == ".gz":
        content = gzip.decompress(path.read_bytes())
    elif path.suffix in (".csv", ".tsv", ".txt"):
        content = path.read_bytes()
    else:
        raise AccordError(
            f"{where}: unknown kind of file '{path.suffix}'; valid: .csv, .tsv, .txt, each also .zip or .gz, and .parquet"
        )
    options: dict[str, Any] = {"separator": source.separator, "null_values": source.nulls}
    header = pl.read_csv(content, n_rows=0, **options).columns
    options["schema_overrides"] = {column: pl.String for column in header if column in texts}
    try:
        frame = pl.read_csv(content, infer_schema_length=SAMPLE_ROWS, **options)
    except PolarsError:  # a later value doesn't fit the type of the first ones
        return pl.read_csv(content, infer_schema_length=None, **options)
    if any(column.head(SAMPLE_ROWS).null_count() == SAMPLE_ROWS for column in frame.iter_columns()):
        return pl.read_csv(content, infer_schema_length=None, **options)
    return frame


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
