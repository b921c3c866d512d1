"""Arrays on disk, mapped into memory: they have as many values as there are rows and take no memory that can't be given back.
Their files have no name, so that nothing is left of a process that ends, however it ends."""

import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

MAX_BYTES = 2**24
"""Arrays that are no larger are in memory."""


def empty(scratch: Path | None, shape: int | tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """An array to be filled; in memory if it is small, or without a folder for what doesn't fit. Raises OSError if the disk is full."""
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if scratch is None or n_bytes <= MAX_BYTES:
        return np.empty(shape, dtype)
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=scratch) as file:
        os.posix_fallocate(file.fileno(), 0, n_bytes)  # a full disk would otherwise kill the process later
        return np.asarray(np.memmap(file, dtype, "r+", shape=shape))
