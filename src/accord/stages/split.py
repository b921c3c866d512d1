"""Valid rows into train, tune, test, holdout, future, older and purged, all of them accounted for."""

from accord.data import division, leaks, partitions
from accord.engines import memory
from accord.engines.scratch import scratch
from accord.paths import Paths
from accord.schema.config import Config
from accord.stages import run


def split(config: Config, paths: Paths) -> str:
    most = memory.chunk_rows(config.engine, partitions.n_columns(paths.valid))
    with scratch(config.engine, paths.root, "split") as folder:
        accounting = division.divide(config.data, paths, most, folder)
    counts = ", ".join(f"{name} {n:,}" for name, n in accounting.splits.items())
    return counts + leaks.warning(accounting.leaks, str(paths.accounting))


if __name__ == "__main__":
    run(split)
