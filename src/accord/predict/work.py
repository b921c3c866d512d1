"""What is to be done: outputs, and the pieces that each is made of."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from accord.bundle.bundle import Bundle
from accord.engines import memory
from accord.predict import pieces
from accord.predict.answered import n_values
from accord.predict.outputs import Output
from accord.predict.pieces import Piece, stamp
from accord.predict.workers import Task
from accord.schema.config import Engine
from accord.schema.data import Source

VALUES = 4_000_000
"""Of the rows that a process has in memory at once, with their answers."""


@dataclass(frozen=True)
class Place:
    """Where a prediction is at work, and in how much memory."""

    bundle: Path
    """The folder of the bundle, which further processes load."""
    scratch: Path
    engine: Engine

    def rows_at_once(self, n_columns: int) -> int:
        fitting = memory.chunk_rows(self.engine, n_columns) // self.engine.workers
        return max(1, min(VALUES // n_columns, fitting))


@dataclass(frozen=True)
class Job:
    """An output and its pieces."""

    number: int
    output: Output
    source: Source
    """Of all its rows."""
    may_be_empty: bool
    pieces: list[Piece]

    @property
    def is_small(self) -> bool:
        return sum(piece.size for piece in self.pieces) <= 1

    @property
    def name(self) -> str:
        """Of the whole output, among what is kept."""
        return f"{self.number:06}-all"

    @property
    def tasks(self) -> list[Task]:
        suffix = self.output.path.suffix
        is_whole = len(self.pieces) == 1 and self.is_small
        if suffix == ".parquet" and not is_whole:
            suffix = ".arrow"
        return [
            Task(f"{self.number:06}-{i:06}", piece, suffix, has_header=i == 0)
            for i, piece in enumerate(self.pieces)
        ]


def jobs(
    bundle: Bundle, source: Source, outputs: list[Output], place: Place, explain: bool, scratch: Path
) -> Iterator[Job]:
    """What is to be done for each output."""
    columns, more = {**bundle.columns, **bundle.context}, n_values(bundle, explain)
    for number, one in enumerate(outputs):
        where, is_one, is_only = one.source, len(one.files) == 1, len(outputs) == 1
        whole = [
            Piece(
                stamp(file), source.model_copy(update={"path": str(file)}),
                where if is_one else f"{where}, file {file.name}", may_be_empty=not is_only,
            )
            for file in one.files
        ]  # fmt: skip
        of_source = source.model_copy(update={"path": where})
        of_files = [
            pieces.cut(piece, lambda n_columns: place.rows_at_once(n_columns + more), scratch, columns)
            for piece in whole
        ]
        if sum(piece.size for of_file in of_files for piece in of_file) <= 1 and len(of_files) == sum(
            map(len, of_files)
        ):
            yield Job(
                number, one, of_source, not is_only, [replace(of_files[0][0], where=where, source=of_source)]
            )
        else:
            of_files = pieces.together(f"Source 'input' ({where})", of_files, columns)
            yield Job(
                number, one, of_source, not is_only, [piece for of_file in of_files for piece in of_file]
            )
