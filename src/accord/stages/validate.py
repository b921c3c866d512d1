"""Rows against the data contract: those that break it into quarantine, the rest on; leak suspects named."""

from accord import paths
from accord.data import partitions, validation
from accord.files import write_json
from accord.schema.config import Config
from accord.stages import run


def validate(config: Config) -> str:
    result = validation.validate(
        partitions.read(paths.ROWS), config.data, config.features, config.objective.targets
    )
    partitions.write(paths.QUARANTINE, [("rows", result.quarantine)])
    write_json(paths.VALIDATION, result.report)
    result.raise_for_failure()
    partitions.write(paths.VALID, partitions.partitions(result.valid, config.data.time))
    return result.summary


if __name__ == "__main__":
    run(validate)
