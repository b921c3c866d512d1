"""Sources, joined into rows."""

from accord import paths
from accord.config.schema import Config
from accord.data import rows, tables
from accord.stages import run


def ingest(config: Config) -> str:
    frame = rows.ingest(config.data)
    partitions = rows.partitions(frame, config.data.time)
    tables.write(paths.ROWS, partitions)
    return f"{frame.height:,} rows of {config.data.name} in {len(partitions)} partitions"


if __name__ == "__main__":
    run(ingest)
