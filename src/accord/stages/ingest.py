"""Sources, joined into rows, and the batches in use with them."""

from accord import paths
from accord.config.schema import Config
from accord.data import batch_list, batches, partitions, rows, tables
from accord.stages import run


def ingest(config: Config) -> str:
    frame, joined = batches.joined(rows.ingest(config.data), batch_list.listed(config.data.name), config.data)
    parts = partitions.partitions(frame, config.data.time)
    tables.write(paths.ROWS, parts)
    return f"{frame.height:,} rows of {config.data.name} in {len(parts)} partitions{joined}"


if __name__ == "__main__":
    run(ingest)
