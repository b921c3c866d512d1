"""The rows on which models are scored, as the stages after training read them."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from accord.data import partitions, splitting
from accord.sql.rows import with_derived


def rows(splits: Path, derived: Mapping[str, str]) -> dict[str, pl.DataFrame]:
    """The rows of each scored split, with derived features; splits without rows are left out."""
    frames = {split: with_derived(partitions.read(splits / split), derived) for split in splitting.SCORED}
    return {split: frame for split, frame in frames.items() if frame.height}
