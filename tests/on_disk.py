"""Rows as the stages after training read them: from a folder."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from accord.data import partitions
from accord.data.scored import Rows
from accord.schema.config import Config


def on_disk(frames: Mapping[str, pl.DataFrame], config: Config, folder: Path) -> dict[str, Rows]:
    """The rows of each split, without derived features, written to the folder."""
    found = {}
    for split, frame in frames.items():
        partitions.write(folder / split, frame, None)
        found[split] = Rows(
            folder / split, frame.height, config.data.derived, config.engine, folder / "scratch"
        )
    return found
