"""Reading sources: files, files inside installed packages, and scikit-learn's bundled data sets."""

import glob
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import polars as pl
from polars.exceptions import NoDataError, PanicException, PolarsError

from accord.data.casting import MAX_EXACT
from accord.data.ingest import csv_blocks, csv_text
from accord.errors import AccordError
from accord.schema.data import Column, Source

ChunkRows = Callable[[int], int]
"""How many rows of so many columns may be in memory at once."""


def read(name: str, source: Source, root: Path) -> pl.DataFrame:
    """The source, whose path is relative to `root`, as a frame; all columns of CSV are text, for the contract to cast. Raises
    AccordError if it can't be read, holds no row, or has two columns of one name."""
    where = f"Source '{name}' ({source.path})"
    return not_empty(where, _read(where, source, root))


def pieces(name: str, source: Source, root: Path, chunk_rows: ChunkRows) -> Iterator[pl.DataFrame]:
    """The rows of the source as `read` returns them, in order, a chunk at a time: each but the last has as many rows as may be in memory.
    Raises as `read` does, but not before it meets the mistake."""
    where = f"Source '{name}' ({source.path})"
    waiting: list[pl.DataFrame] = []
    is_empty = True
    for frame in _frames(where, source, root, chunk_rows):
        is_empty &= frame.is_empty()
        waiting.append(frame)
        most = chunk_rows(frame.width)
        while sum(part.height for part in waiting) > most:
            together = pl.concat(waiting)
            yield together.head(most)
            waiting = [together.slice(most)]
    if is_empty:
        not_empty(where, pl.DataFrame())
    yield pl.concat(waiting)


def _frames(where: str, source: Source, root: Path, chunk_rows: ChunkRows) -> Iterator[pl.DataFrame]:
    """The rows of all files in order, in frames of the same columns and types."""
    scheme, separator, rest = source.path.partition("://")
    if separator and scheme == "sklearn":
        yield _sklearn(where, rest)
        return
    found = files(where, source.path, root)
    named = {file: f"{where}, file {file.name}" if len(found) > 1 else where for file in found}
    schema = _schema_of_all(where, {file: _schema(named[file], file) for file in found})
    for file in found:
        for frame in _frames_of(named[file], file, source, chunk_rows):
            if not schema:
                schema = dict(frame.schema)
            if len(found) == 1:
                yield frame
                continue
            _refuse_other_columns(where, found[0], list(schema), file, frame.columns)
            for column, wanted in schema.items():
                if frame.schema[column] != wanted and not _fits(frame[column], wanted):
                    raise _of_two_types(where, column, frame.schema[column], file, wanted, "the other files")
            yield frame.select(pl.col(name).cast(wanted) for name, wanted in schema.items())


def _schema(where: str, file: Path) -> dict[str, pl.DataType]:
    """The columns of a file of Parquet; none for CSV, whose columns are all text."""
    if file.suffix.lower() != ".parquet":
        return {}
    with readable(where):
        return dict(pl.read_parquet_schema(file))


def _schema_of_all(where: str, schemas: Mapping[Path, dict[str, pl.DataType]]) -> dict[str, pl.DataType]:
    """The types that hold the values of all files of Parquet among them."""
    known = {file: schema for file, schema in schemas.items() if schema}
    if not known:
        return {}
    first = next(iter(known))
    for file, schema in known.items():
        _refuse_other_columns(where, first, list(known[first]), file, list(schema))
        for column, found in schema.items():
            expected = known[first][column]
            if found != expected and not fit(pl.Series(dtype=found), pl.Series(dtype=expected)):
                raise _of_two_types(where, column, found, file, expected, first.name)
    empty = [pl.DataFrame(schema=schema).select(list(known[first])) for schema in known.values()]
    return dict(pl.concat(empty, how="vertical_relaxed").schema)


def _fits(values: pl.Series, wanted: pl.DataType) -> bool:
    """Whether a type that holds the values of all files holds these exactly."""
    return not (values.dtype.is_integer() and wanted.is_float() and (values.abs() >= MAX_EXACT).any()) and (
        values.dtype != pl.String or wanted == pl.String
    )


def _frames_of(where: str, path: Path, source: Source, chunk_rows: ChunkRows) -> Iterator[pl.DataFrame]:
    """The rows of a file in order, in as many frames as it takes."""
    if path.suffix.lower() != ".parquet":
        with readable(where):
            yield from csv_blocks.frames(where, partial(unpacked, where, path), source)
        return
    with readable(where):
        table = pl.scan_parquet(path, glob=False)
        n_rows = int(table.select(pl.len()).collect().item())
        n_columns = len(table.collect_schema())
    most = chunk_rows(n_columns)
    for start in range(0, max(n_rows, 1), most):
        rows = f", rows {start + 1:,} to {min(start + most, n_rows):,}," if n_rows > most else ""
        with readable(f"{where}{rows}"):
            frame = table.slice(start, most).collect()
        yield frame


def handed_over(
    name: str, source: Source, columns: Mapping[str, Column], *others: str, may_be_empty: bool = False
) -> pl.DataFrame:
    """The file that somebody hands over, written as the data set's own rows are. Where these have no header, a first line that
    names one of the columns, or of the others that such a file may have, is one all the same."""
    where = f"Source '{name}' ({source.path})"
    rows = _read(where, source, Path())
    if source.header is False and rows.height and names_columns(rows, columns, *others):
        rows = _read(where, source.model_copy(update={"header": None}), Path())
    return rows if may_be_empty else not_empty(where, rows)


def handed_over_files(name: str, source: Source) -> list[Path]:
    """The files that are handed over: one, or those that a pattern fits."""
    return files(f"Source '{name}' ({source.path})", source.path, Path())


def names_columns(rows: pl.DataFrame, columns: Mapping[str, Column], *others: str) -> bool:
    """Whether the first row has the name of a column."""
    names = {*columns, *(column.source for column in columns.values()), *others}
    return not names.isdisjoint(rows.row(0))


def not_empty(where: str, frame: pl.DataFrame) -> pl.DataFrame:
    if frame.is_empty():
        raise AccordError(
            f"{where} has no rows; expected at least one. Put the data there or remove the source"
        )
    return frame


def _read(where: str, source: Source, root: Path) -> pl.DataFrame:
    scheme, separator, rest = source.path.partition("://")
    if separator and scheme == "sklearn":
        return _sklearn(where, rest)
    found = files(where, source.path, root)
    frames = [
        _file(f"{where}, file {file.name}" if len(found) > 1 else where, file, source) for file in found
    ]
    return frames[0] if len(frames) == 1 else stacked(where, found, frames)


def files(where: str, path: str, root: Path) -> list[Path]:
    """The files of a source that is no data set of scikit-learn: one, or those that a pattern fits, by name. Raises AccordError
    if there is none."""
    scheme, separator, rest = path.partition("://")
    if separator and scheme != "package":
        raise AccordError(
            f"{where}: unknown scheme '{scheme}'; valid: package, sklearn, or a path without one"
        )
    if separator:
        found = [_in_package(where, rest)]
    elif (root / path).is_file():
        found = [root / path]
    else:
        found = [root / file for file in sorted(glob.glob(path, root_dir=root))]
    if not found or not all(file.is_file() for file in found):
        raise AccordError(
            f"{where} is not there; expected a file. Put it there, or correct `path` in conf/data"
        )
    return found


def stacked(where: str, files: Sequence[Path], frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The rows of all files, whose columns may stand in any order. Raises AccordError for one that has other columns."""
    expected = frames[0].columns
    for file, frame in zip(files, frames, strict=True):
        _refuse_other_columns(where, files[0], expected, file, frame.columns)
        for name, found in frame.schema.items():
            if found != frames[0].schema[name] and not fit(frame[name], frames[0][name]):
                raise _of_two_types(where, name, found, file, frames[0].schema[name], files[0].name)
    return pl.concat([frame.select(expected) for frame in frames], how="vertical_relaxed")


def _refuse_other_columns(
    where: str, first: Path, expected: Sequence[str], file: Path, found: Sequence[str]
) -> None:
    lacking = [name for name in expected if name not in found]
    more = [name for name in found if name not in expected]
    if lacking or more:
        said = [f"lacks {', '.join(map(repr, lacking))}"] if lacking else []
        said += [f"has {', '.join(map(repr, more))} besides"] if more else []
        raise AccordError(
            f"{where}: file {file.name} {' and '.join(said)}, compared with {first.name}; expected the same columns, in any "
            "order. Mend the file, or make it a source of its own"
        )


def _of_two_types(
    where: str, name: str, found: pl.DataType, file: Path, expected: pl.DataType, others: str
) -> AccordError:
    return AccordError(
        f"{where}: column '{name}' is {found} in {file.name} and {expected} in {others}, which no type "
        "holds exactly. Write it in one type"
    )


def fit(one: pl.Series, other: pl.Series) -> bool:
    """Whether one type can hold the values of both: integers among floats must be ones that a float holds."""
    if one.dtype.is_numeric() and other.dtype.is_numeric():
        integers = [values for values in (one, other) if values.dtype.is_integer()]
        return len(integers) == 2 or all(not (values.abs() >= MAX_EXACT).any() for values in integers)
    return pl.Null in (one.dtype, other.dtype) or one.dtype.base_type() == other.dtype.base_type()


def _file(where: str, path: Path, source: Source) -> pl.DataFrame:
    text = content(where, path)
    with readable(where):
        if text is None:
            return pl.read_parquet(path, glob=False)
        return csv_text.read(where, text, source)


def content(where: str, path: Path) -> bytes | None:
    """What a file of CSV holds, unpacked; None for Parquet. Raises AccordError for a file of another kind, or a damaged one."""
    if path.suffix.lower() == ".parquet":
        return None
    with readable(where), unpacked(where, path) as stream:
        return _bounded(where, stream)


@contextmanager
def unpacked(where: str, path: Path) -> Iterator[IO[bytes]]:
    """A file of CSV, opened to be read, unpacked. Raises AccordError for a file of another kind."""
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            if len(members) != 1:
                raise AccordError(f"{where}: {path.name} holds {len(members)} files; expected one CSV")
            with _member(where, archive, members[0]) as packed:
                yield packed
        return
    opened = OPENED.get(suffix)
    if opened is None:
        raise AccordError(
            f"{where}: unknown kind of file '{path.suffix}'; valid: .csv, .tsv, .txt, each also .zip, .gz or .xz, and .parquet"
        )
    with opened(path) as plain:
        yield plain


def _member(where: str, archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """The member opened. Raises AccordError if it takes a password, or is packed by a method that Python doesn't know."""
    try:
        return archive.open(name)
    except (RuntimeError, NotImplementedError) as error:
        raise AccordError(
            f"{where}: {name} in it can't be unpacked: {error}. Pack it anew, without a password and by deflate"
        ) from error


def _plain(path: Path) -> IO[bytes]:
    return path.open("rb")


def _gzip(path: Path) -> IO[bytes]:
    return io.BufferedReader(gzip.open(path))


def _xz(path: Path) -> IO[bytes]:
    return lzma.open(path)


OPENED: Mapping[str, Callable[[Path], IO[bytes]]] = {
    ".csv": _plain, ".tsv": _plain, ".txt": _plain, ".data": _plain, ".gz": _gzip, ".xz": _xz,
}  # fmt: skip


def _bounded(where: str, stream: IO[bytes]) -> bytes:
    """All of the stream, unless a line is so long that it is no row: that is seen before the line fills the memory."""
    parts, since, n_lines = io.BytesIO(), 0, 0
    while part := stream.read(csv_blocks.MAX_ROW // 4):
        parts.write(part)
        n_lines += part.count(b"\n")
        end = max(part.rfind(b"\n"), part.rfind(b"\r"))
        since = since + len(part) if end < 0 else len(part) - end - 1
        if since > csv_blocks.MAX_ROW:
            raise csv_blocks.endless(where, n_lines)
    return parts.getvalue()


DAMAGED = (
    PolarsError, PanicException, zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, lzma.LZMAError, EOFError,
)  # fmt: skip


@contextmanager
def readable(where: str) -> Iterator[None]:
    """Errors of libraries that read a damaged file, in words."""
    try:
        yield
    except NoDataError as error:
        raise AccordError(
            f"{where} is empty; expected a header and rows. Put the data there or remove the source"
        ) from error
    except DAMAGED as error:
        reason = " ".join(str(error).split())[:200]
        raise AccordError(
            f"{where} can't be read: {reason}. It may be damaged or cut short: fetch it again"
        ) from error


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
