"""Valid rows into train, tune, test, holdout, future, older and purged, all of them accounted for."""

from accord.data import leaks, partitions, splitting
from accord.data.accounting import Accounting
from accord.data.validated import Validated
from accord.errors import AccordError
from accord.files import read_as, write_json
from accord.paths import Paths
from accord.schema.config import Config
from accord.stages import run


def split(config: Config, paths: Paths) -> str:
    validated = read_as(paths.validation, Validated)
    parts, account = splitting.split(
        partitions.read(paths.valid), config.data, validated.n_rows, validated.n_quarantined
    )
    found = leaks.across_splits(parts, config.data)
    write_json(paths.accounting, Accounting(**vars(account), leaks=found))
    if refusal := leaks.refusal(found, config.data.name, config.data.checks.leaks, str(paths.accounting)):
        raise AccordError(refusal)
    for name, part in parts.items():
        partitions.write(paths.splits / name, part, config.data.time)
    counts = ", ".join(f"{name} {part.height:,}" for name, part in parts.items())
    return counts + leaks.warning(found, str(paths.accounting))


if __name__ == "__main__":
    run(split)
