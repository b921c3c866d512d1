"""Arrays on disk, mapped into memory: they have as many values as there are rows and take no memory that can't be given back.
Their files have no name, so that nothing is left of a process that ends, however it ends."""

import os
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

MAX_BYTES = 2**24
"""Arrays that are no larger are in memory."""
PART_ROWS = 2**20
"""Rows of which temporary arrays are made at once. It is no setting: sums of the parts' sums would depend on it."""


def empty(scratch: Path | None, shape: int | tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """An array to be filled; in memory if it is small, or without a folder for what doesn't fit. Raises OSError if the disk is full."""
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if scratch is None or n_bytes <= MAX_BYTES:
        return np.empty(shape, dtype)
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=scratch) as file:
        os.posix_fallocate(file.fileno(), 0, n_bytes)  # a full disk would otherwise kill the process later
        return np.asarray(np.memmap(file, dtype, "r+", shape=shape))


def are_many(n: int) -> bool:
    """Whether so many rows are more than one part."""
    return n > PART_ROWS


def in_parts(n: int) -> Iterator[slice]:
    """The rows (n) in parts, one if they are few."""
    return (slice(start, min(start + PART_ROWS, n)) for start in range(0, max(n, 1), PART_ROWS))


def kept(values: NDArray[Any], keep: NDArray[np.bool_], scratch: Path | None) -> NDArray[Any]:
    """The values (n, ...) where `keep` (n,) holds."""
    found = empty(scratch, (int(np.count_nonzero(keep)), *values.shape[1:]), values.dtype)
    start, step = (
        0,
        max(1, PART_ROWS // max(1, prod(values.shape[1:]))),
    )  # no sums: a wide row may be in a smaller part
    for first in range(0, len(values), step):
        rows = slice(first, first + step)
        some = values[rows][keep[rows]]
        found[start : start + len(some)] = some
        start += len(some)
    return found


def computed(
    of: Callable[[slice], NDArray[Any]], n: int, scratch: Path | None, dtype: DTypeLike = np.float64
) -> NDArray[Any]:
    """Values (n,) that are computed of some of the rows at a time."""
    found = empty(scratch, n, dtype)
    for rows in in_parts(n):
        found[rows] = of(rows)
    return found
