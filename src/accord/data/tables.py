"""Tables on disk: a folder of Parquet files, one a partition, in the order of their names."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from accord.files import replacing

ROW_GROUP_ROWS = 131_072


def write(folder: Path, partitions: Iterable[tuple[str, pl.DataFrame]]) -> None:
    """One file a (name, frame) pair; the folder appears whole or not at all."""
    with replacing(folder) as temporary:
        temporary.mkdir()
        for name, frame in partitions:
            frame.write_parquet(temporary / f"{name}.parquet", row_group_size=ROW_GROUP_ROWS)


def scan(folder: Path) -> pl.LazyFrame:
    """All partitions, in the order of their names."""
    return pl.scan_parquet(sorted(folder.glob("*.parquet")), glob=False)


def read(folder: Path, columns: Iterable[str] | None = None) -> pl.DataFrame:
    table = scan(folder)
    return (table if columns is None else table.select(list(columns))).collect()


def names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.parquet"))
