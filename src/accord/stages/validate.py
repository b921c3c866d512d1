"""Rows against the data contract: those that break it into quarantine, the rest on; leak suspects named."""

from accord.data import partitions, validation
from accord.engines import memory
from accord.engines.scratch import scratch
from accord.paths import Paths
from accord.schema.config import Config
from accord.stages import run


def validate(config: Config, paths: Paths) -> str:
    most = memory.chunk_rows(config.engine, partitions.n_columns(paths.rows))
    with scratch(config.engine, paths.root, "validate") as folder:
        report = validation.validate(
            config.data, config.features, config.objective.targets, paths, most, folder
        )
    return validation.summary(report)


if __name__ == "__main__":
    run(validate)
