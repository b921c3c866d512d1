"""Sources, joined into rows, and the batches in use with them."""

from accord.data import batch_list, partitions
from accord.data.ingest import chunked
from accord.data.ingest.batches import Batches
from accord.paths import Paths
from accord.schema.config import Config
from accord.stages import run

MAX_NAMES = 20


def ingest(config: Config, paths: Paths) -> str:
    batches = Batches(batch_list.listed(paths.batch_list, config.data.name), config.data, paths)
    with partitions.writing(paths.rows, config.data.time) as into:
        found = chunked.ingest(config.data, config.engine, paths.root, batches, into.add)
    joined = f"{batches.told(found.n_replaced)}{_in_words(found.left_aside)}"
    return f"{found.n_rows:,} rows of {config.data.name} in {into.n_partitions} partitions{joined}"


def _in_words(names: list[str]) -> str:
    if not names:
        return ""
    shown = ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
    return f"; left aside, for the config doesn't list them: {shown}"


if __name__ == "__main__":
    run(ingest)
