"""Files in pieces that fit into memory: whole ones, stretches of rows of Parquet, stretches of bytes of CSV."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from accord.data.ingest import csv_pieces, sources
from accord.errors import AccordError
from accord.files import replacing
from accord.schema.data import Column, Source

SMALL_BYTES, SMALL_VALUES = 64_000_000, 12_000_000
"""CSV of so many bytes, and Parquet of so many values, are small: what is written from them is laid out as one frame, however many
rows were in memory at once."""
PACKED_BYTES = 1_000_000
"""A packed file of CSV, or one in another encoding than UTF-8, of no more than that is read as a whole."""


@dataclass(frozen=True)
class Stamp:
    """What tells whether a file is still the one that it was."""

    path: str
    size: int
    modified_ns: int
    inode: int

    @property
    def holds(self) -> bool:
        try:
            return stamp(Path(self.path)) == self
        except OSError:
            return False


def stamp(path: Path) -> Stamp:
    found = path.stat()
    return Stamp(str(path), found.st_size, found.st_mtime_ns, found.st_ino)


@dataclass(frozen=True)
class Piece:
    """Some rows of a file, or all of it: then its source may stand for several that are read together."""

    file: Stamp
    source: Source
    where: str
    """What the file is called in messages."""
    start: int = 0
    stop: int | None = None
    """Rows of Parquet, or bytes of CSV; None for all of the source."""
    plain: Path | None = None
    """The file of CSV unpacked, if it had to be."""
    header: bytes = b""
    has_blank_lines: bool = False
    may_be_empty: bool = False
    size: float = 0.0
    """About; files that come to 1 together are small."""
    schema: dict[str, pl.DataType] | None = None
    """The columns, and their types, of all files whose rows are written together."""

    @property
    def path(self) -> Path:
        return Path(self.file.path)


def cut(
    piece: Piece, rows_at_once: Callable[[int], int], scratch: Path, columns: Mapping[str, Column]
) -> list[Piece]:
    """A whole file in pieces of as many rows as may be in memory, which depends on the number of columns. A file that has to be unpacked
    for that is, into `scratch`. Raises AccordError if it can't be read."""
    if piece.path.suffix.lower() == ".parquet":
        return _cut_parquet(piece, rows_at_once)
    if csv_pieces.is_plain(piece.path, piece.source):
        return _cut_csv(piece, piece.path, rows_at_once, columns)
    if piece.file.size <= PACKED_BYTES:
        return [piece]
    plain = scratch / f"{piece.file.inode}.plain"
    if not plain.exists():
        with replacing(plain) as temporary:
            csv_pieces.write_plain(piece.where, piece.path, piece.source, temporary)
    as_utf8 = piece.source.model_copy(update={"encoding": "utf-8"})
    return _cut_csv(replace(piece, source=as_utf8), plain, rows_at_once, columns, is_copy=True)


def _cut_parquet(piece: Piece, rows_at_once: Callable[[int], int]) -> list[Piece]:
    with sources.readable(piece.where):
        table = pl.scan_parquet(piece.path, glob=False)
        width, n_rows = len(table.collect_schema()), int(table.select(pl.len()).collect().item())
    step, size = rows_at_once(width), n_rows * width / SMALL_VALUES
    if n_rows <= step:
        return [replace(piece, size=size)]
    stretches = [(i, min(i + step, n_rows)) for i in range(0, n_rows, step)]
    return [
        replace(piece, start=start, stop=stop, size=size * (stop - start) / n_rows)
        for start, stop in stretches
    ]


def _cut_csv(
    piece: Piece,
    path: Path,
    rows_at_once: Callable[[int], int],
    columns: Mapping[str, Column],
    is_copy: bool = False,
) -> list[Piece]:
    """The text lies at `path`."""
    with path.open("rb") as file:
        head = file.read(csv_pieces.HEAD)
    n_bytes, source = path.stat().st_size, piece.source
    step = rows_at_once(1 + head.partition(b"\n")[0].count(source.separator.encode()))
    if not is_copy and n_bytes == len(head) and max(head.count(b"\n"), head.count(b"\r")) <= step:
        return [replace(piece, size=n_bytes / SMALL_BYTES)]
    if source.header is False and n_bytes:
        first = csv_pieces.first_rows(piece.where, path, source, 1)
        if first.height and sources.names_columns(first, columns):
            source = source.model_copy(update={"header": None})
    found = csv_pieces.cut(piece.where, path, source, step)
    piece = replace(
        piece, source=found.source, plain=path, header=found.header, has_blank_lines=found.has_blank_lines
    )
    return [
        replace(piece, start=start, stop=stop, size=(stop - start) / SMALL_BYTES)
        for start, stop in found.pieces
    ]


def read(piece: Piece, columns: Mapping[str, Column]) -> pl.DataFrame:
    """The rows of the piece. Raises AccordError if they can't be read, or the file isn't any more what it was."""
    try:
        rows = _read(piece, columns)
    except (AccordError, OSError):
        refuse_changed(piece.file)
        raise
    refuse_changed(piece.file)
    return _in_types(rows, piece)


def refuse_changed(file: Stamp) -> None:
    if not file.holds:
        raise AccordError(
            f"{file.path} was changed while it was read; nothing was written. Run this again once nobody writes to it"
        )


def _read(piece: Piece, columns: Mapping[str, Column]) -> pl.DataFrame:
    if piece.stop is None:
        return sources.handed_over("input", piece.source, columns, may_be_empty=piece.may_be_empty)
    if piece.plain is not None:
        stretch = (piece.start, piece.stop)
        return csv_pieces.read(
            piece.where, piece.plain, piece.source, stretch, piece.header, piece.has_blank_lines
        )
    with sources.readable(f"{piece.where}, rows {piece.start + 1:,} to {piece.stop:,},"):
        return pl.scan_parquet(piece.path, glob=False).slice(piece.start, piece.stop - piece.start).collect()


def together(where: str, of_files: list[list[Piece]], columns: Mapping[str, Column]) -> list[list[Piece]]:
    """The pieces of files whose rows are written together, in the types that hold the values of all of them. Raises AccordError if
    files have other columns than the first one."""
    if len(of_files) == 1:
        return of_files
    heads = [_head(pieces[0], columns) for pieces in of_files]
    schema = dict(sources.stacked(where, [pieces[0].path for pieces in of_files], heads).schema)
    return [[replace(piece, schema=schema, may_be_empty=True) for piece in pieces] for pieces in of_files]


def _head(piece: Piece, columns: Mapping[str, Column]) -> pl.DataFrame:
    """The columns, without rows."""
    if piece.path.suffix.lower() == ".parquet":
        with sources.readable(piece.where):
            return pl.scan_parquet(piece.path, glob=False).head(0).collect()
    if piece.plain is None:
        return read(replace(piece, may_be_empty=True), columns).clear()
    return csv_pieces.read(piece.where, piece.plain, piece.source, (0, 0), piece.header, False)


def _in_types(rows: pl.DataFrame, piece: Piece) -> pl.DataFrame:
    if piece.schema is None:
        return rows
    for name, wanted in piece.schema.items():
        if wanted.is_float() and not sources.fit(rows[name], pl.Series(dtype=wanted)):
            raise AccordError(
                f"{piece.where}: column '{name}' has whole numbers beyond 2^53, and fractions in another file, which no type holds exactly. "
                "Write it in one type"
            )
    return rows.select(pl.col(name).cast(wanted) for name, wanted in piece.schema.items())
