"""Sources, joined into rows, and the batches in use with them."""

from accord import paths
from accord.config.schema import Config
from accord.data import batches, rows, tables
from accord.stages import run


def ingest(config: Config) -> str:
    frame, joined = batches.joined(rows.ingest(config.data), batches.listed(config.data.name), config.data)
    partitions = rows.partitions(frame, config.data.time)
    tables.write(paths.ROWS, partitions)
    return f"{frame.height:,} rows of {config.data.name} in {len(partitions)} partitions{joined}"


if __name__ == "__main__":
    run(ingest)
