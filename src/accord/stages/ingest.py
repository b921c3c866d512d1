"""Sources, joined into rows, and the batches in use with them."""

from accord.data import batch_list, batches, joins, partitions
from accord.paths import Paths
from accord.schema.config import Config
from accord.stages import run


def ingest(config: Config, paths: Paths) -> str:
    frame, joined = batches.joined(
        joins.ingest(config.data, paths.root),
        batch_list.listed(paths.batch_list, config.data.name),
        config.data,
        paths,
    )
    parts = partitions.partitions(frame, config.data.time)
    partitions.write(paths.rows, parts)
    return f"{frame.height:,} rows of {config.data.name} in {len(parts)} partitions{joined}"


if __name__ == "__main__":
    run(ingest)
