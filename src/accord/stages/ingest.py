"""Sources, joined into rows, and the batches in use with them."""

from accord.data import batch_list, partitions
from accord.data.ingest import batches, joins
from accord.paths import Paths
from accord.schema.config import Config
from accord.stages import run

MAX_NAMES = 20


def ingest(config: Config, paths: Paths) -> str:
    found = joins.ingest(config.data, paths.root)
    listed = batch_list.listed(paths.batch_list, config.data.name)
    frame, joined = batches.joined(found.rows, listed, config.data, paths)
    n_partitions = partitions.write(paths.rows, frame, config.data.time)
    return f"{frame.height:,} rows of {config.data.name} in {n_partitions} partitions{joined}{_in_words(found.left_aside)}"


def _in_words(names: list[str]) -> str:
    if not names:
        return ""
    shown = ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
    return f"; left aside, for the config doesn't list them: {shown}"


if __name__ == "__main__":
    run(ingest)
