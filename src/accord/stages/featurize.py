"""The transform, fitted on train, and the matrix that it makes of each scored split."""

from accord.data import partitions, splitting
from accord.features.transform import fit, save_matrix
from accord.files import replacing, write_json
from accord.paths import Paths
from accord.schema.config import Config
from accord.stages import run


def featurize(config: Config, paths: Paths) -> str:
    train = partitions.read(paths.splits / "train")
    transform = fit(
        train, config.data.columns, config.data.derived, config.features, cautious=config.data.is_cautious
    )
    with replacing(paths.features) as folder:
        folder.mkdir()
        write_json(folder / "transform.json", transform.as_dict())
        for name in splitting.SCORED:
            save_matrix(
                folder / f"{name}.npy",
                transform.matrix(partitions.read(paths.splits / name, transform.inputs)),
            )
    return f"{len(transform.features)} features"


if __name__ == "__main__":
    run(featurize)
