"""Valid rows into train, tune, test, holdout, future, older and purged, all of them accounted for."""

from accord.data import leaks, partitions, splitting
from accord.errors import AccordError
from accord.files import read_json, write_json
from accord.paths import Paths
from accord.schema.config import Config
from accord.stages import run


def split(config: Config, paths: Paths) -> str:
    parts, report = splitting.split(partitions.read(paths.valid), config.data, read_json(paths.validation))
    found = leaks.across_splits(parts, config.data)
    write_json(paths.accounting, {**report, "leaks": [suspect.as_dict() for suspect in found]})
    if refusal := leaks.refusal(found, config.data.name, config.data.checks.leaks, str(paths.accounting)):
        raise AccordError(refusal)
    for name, part in parts.items():
        partitions.write(paths.splits / name, partitions.partitions(part, config.data.time))
    counts = ", ".join(f"{name} {part.height:,}" for name, part in parts.items())
    return counts + leaks.warning(found, str(paths.accounting))


if __name__ == "__main__":
    run(split)
