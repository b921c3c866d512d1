"""Rows in order of a score, of which no more are sorted in memory at once than fit there."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accord.engines import mapped
from accord.engines.mapped import are_many, in_parts
from accord.losses import Vector

N_SAMPLED = 2**16
"""Scores that tell where to cut."""

Columns = tuple[NDArray[Any], ...]


def ranked(score: Vector, columns: Sequence[NDArray[Any]], scratch: Path | None) -> Columns:
    """The score (n,) and the columns (n,) by rising score; rows with one score keep their order."""
    given = (score, *columns)
    if not are_many(len(score)):
        order = np.argsort(score, kind="stable")
        return tuple(column[order] for column in given)
    edges, found = _scattered(given, scratch)
    for begin, end in zip(edges[:-1:2], edges[1::2], strict=True):
        if end - begin > 1:
            order = np.argsort(found[0][begin:end], kind="stable")
            for column in found:
                column[begin:end] = column[begin:end][order]
    return found


def runs(score: Vector, size: int | None = None) -> Iterator[slice]:
    """Rising scores (n,) in runs of about so many rows, no score in two runs. A score that more rows have is a run of its own."""
    begin, size = 0, size or mapped.PART_ROWS
    while begin < len(score):
        end = min(begin + size, len(score))
        if end < len(score):
            end = int(np.searchsorted(score, score[end]))
            if end <= begin:
                end = int(np.searchsorted(score, score[begin], "right"))
        yield slice(begin, end)
        begin = end


def quantiles(score: Vector, shares: Vector) -> Vector:
    """Quantiles of rising scores (n,), between two of them as NumPy has it."""
    place = shares * (len(score) - 1)
    below = np.floor(place).astype(np.intp)
    low, high = score[below], score[np.minimum(below + 1, len(score) - 1)]
    return np.asarray(low + (high - low) * (place - below))


def _scattered(columns: Columns, scratch: Path | None) -> tuple[NDArray[np.intp], Columns]:
    """The rows in buckets of rising scores, in their order in each; and where the buckets begin and end. A score that many rows
    share is a bucket of its own."""
    score = columns[0]
    sample = np.sort(score[:: -(-len(score) // N_SAMPLED)])
    cuts = np.unique(sample[:: max(1, len(sample) * mapped.PART_ROWS // (2 * len(score)))])
    counts = np.zeros(2 * len(cuts) + 1, np.intp)
    for rows in in_parts(len(score)):
        counts += np.bincount(_bucket(score[rows], cuts), minlength=len(counts))
    edges = np.append(0, np.cumsum(counts))
    found = tuple(mapped.empty(scratch, len(column), column.dtype) for column in columns)
    begin = edges[:-1].copy()
    for rows in in_parts(len(score)):
        bucket = _bucket(score[rows], cuts)
        order, n = np.argsort(bucket, kind="stable"), np.bincount(bucket, minlength=len(counts))
        place = np.repeat(begin - np.cumsum(n) + n, n) + np.arange(len(bucket))
        for column, into in zip(columns, found, strict=True):
            into[place] = column[rows][order]
        begin += n
    return edges, found


def _bucket(score: Vector, cuts: Vector) -> NDArray[np.intp]:
    """Below, on and between the cuts in turn."""
    below = np.searchsorted(cuts, score)
    return np.asarray(2 * below + (np.append(cuts, cuts[-1])[below] == score))
