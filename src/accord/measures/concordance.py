"""How many pairs of a positive and a negative row are in the right order, for each pair of blocks."""

import numpy as np
from numpy.typing import NDArray

from accord.engines.mapped import are_many, in_parts
from accord.losses import Matrix, Vector
from accord.measures.ranked import runs


def concordant(p: Vector, y: Vector, block: NDArray[np.intp], n_blocks: int) -> Matrix:
    """Of rows (n) by rising score p, for each block of positives and block of negatives, (n_blocks, n_blocks): how many pairs
    have the higher score at the positive, those with the same counting half. The numbers are exact."""
    pairs, below = np.zeros((n_blocks, n_blocks)), np.zeros(n_blocks)
    for rows in runs(p):
        positive, negative = _counts(y[rows], block[rows], n_blocks)
        pairs += np.outer(positive, below)
        if are_many(rows.stop - rows.start):  # all have one score
            pairs += np.outer(positive, negative / 2)
        else:
            pairs += _within(p[rows], y[rows] > 0.5, block[rows], n_blocks)
        below += negative
    return pairs


def _counts(y: Vector, block: NDArray[np.intp], n_blocks: int) -> Matrix:
    """Positives and negatives of each block, (2, n_blocks)."""
    found = np.zeros((2, n_blocks))
    for rows in in_parts(len(y)):
        for kind, one in zip((y[rows] > 0.5, y[rows] <= 0.5), found, strict=True):
            one += np.bincount(block[rows][kind], minlength=n_blocks)
    return found


def _within(p: Vector, positive: NDArray[np.bool_], block: NDArray[np.intp], n_blocks: int) -> Matrix:
    """The same of rows that fit into memory."""
    pairs = np.zeros((n_blocks, n_blocks))
    ups, of_ups = p[positive], block[positive]
    downs, of_downs = p[~positive], block[~positive]
    by_block = np.argsort(of_downs, kind="stable")
    edges = np.searchsorted(of_downs[by_block], np.arange(n_blocks + 1))
    for b in range(n_blocks):
        below = downs[by_block[edges[b] : edges[b + 1]]]
        if len(below):
            ranks = np.searchsorted(below, ups, "left") + np.searchsorted(below, ups, "right")
            pairs[:, b] = np.bincount(of_ups, ranks / 2, minlength=n_blocks)
    return pairs
