"""The transform, fitted on train, and the matrix that it makes of each scored split."""

from accord.data import partitions, splitting
from accord.engines import memory
from accord.features.transform import fit_chunks, input_names, save_chunks
from accord.files import replacing, write_json
from accord.paths import Paths
from accord.schema.config import Config
from accord.stages import run


def featurize(config: Config, paths: Paths) -> str:
    data = config.data
    names = input_names(data.columns, data.derived, config.features)
    # The columns are in memory, and the matrix.
    n_rows = memory.chunk_rows(config.engine, 2 * len(names) + len(data.derived))
    train = partitions.chunks(paths.splits / "train", n_rows, names)
    transform = fit_chunks(train, data.columns, data.derived, config.features, cautious=data.is_cautious)
    with replacing(paths.features) as folder:
        folder.mkdir()
        write_json(folder / "transform.json", transform.as_dict())
        for name in splitting.SCORED:
            rows = paths.splits / name
            chunks = transform.matrices(partitions.chunks(rows, n_rows, transform.inputs))
            save_chunks(folder / f"{name}.npy", chunks, (partitions.n_rows(rows), len(transform.features)))
    return f"{len(transform.features)} features"


if __name__ == "__main__":
    run(featurize)
