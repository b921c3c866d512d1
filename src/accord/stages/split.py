"""Valid rows into train, tune, test, holdout, future, older and purged, all of them accounted for."""

from accord import paths
from accord.config.schema import Config
from accord.data import rows, splitting, tables
from accord.files import read_json, write_json
from accord.stages import run


def split(config: Config) -> str:
    parts, report = splitting.split(tables.read(paths.VALID), config.data, read_json(paths.VALIDATION))
    for name, part in parts.items():
        tables.write(paths.SPLITS / name, rows.partitions(part, config.data.time))
    write_json(paths.ACCOUNTING, report)
    return ", ".join(f"{name} {part.height:,}" for name, part in parts.items())


if __name__ == "__main__":
    run(split)
