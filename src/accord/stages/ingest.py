"""Sources, joined into rows, and the batches in use with them."""

from accord import paths
from accord.data import batch_list, batches, joins, partitions
from accord.schema.config import Config
from accord.stages import run


def ingest(config: Config) -> str:
    frame, joined = batches.joined(
        joins.ingest(config.data), batch_list.listed(config.data.name), config.data
    )
    parts = partitions.partitions(frame, config.data.time)
    partitions.write(paths.ROWS, parts)
    return f"{frame.height:,} rows of {config.data.name} in {len(parts)} partitions{joined}"


if __name__ == "__main__":
    run(ingest)
