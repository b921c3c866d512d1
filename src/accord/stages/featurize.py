"""The transform, fitted on train, and the matrix that it makes of each scored split."""

from accord import features, paths
from accord.config.schema import Config
from accord.data import splitting, tables
from accord.files import replacing, write_json
from accord.stages import run


def featurize(config: Config) -> str:
    train = tables.read(paths.SPLITS / "train")
    transform = features.fit(train, config.data.columns, config.data.derived, config.features)
    with replacing(paths.FEATURES) as folder:
        folder.mkdir()
        write_json(folder / "transform.json", transform.as_dict())
        for name in splitting.SCORED:
            features.save_matrix(
                folder / f"{name}.npy", transform.matrix(tables.read(paths.SPLITS / name, transform.inputs))
            )
    return f"{len(transform.features)} features"


if __name__ == "__main__":
    run(featurize)
