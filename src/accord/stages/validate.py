"""Rows against the data contract: those that break it into quarantine, the rest on; leak suspects named."""

from accord.data import partitions, validation
from accord.files import write_json
from accord.paths import Paths
from accord.schema.config import Config
from accord.stages import run


def validate(config: Config, paths: Paths) -> str:
    result = validation.validate(
        partitions.read(paths.rows), config.data, config.features, config.objective.targets
    )
    partitions.write_named(paths.quarantine, [("rows", result.quarantine)])
    write_json(paths.validation, result.report)
    result.raise_for_failure()
    partitions.write(paths.valid, result.valid, config.data.time)
    return result.summary


if __name__ == "__main__":
    run(validate)
