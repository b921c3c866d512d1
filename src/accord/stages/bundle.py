"""Everything that serving needs, as plain data, in models/bundle."""

from accord.bundle import build
from accord.files import replacing
from accord.paths import Paths
from accord.schema.config import Config
from accord.stages import run


def bundle(config: Config, paths: Paths) -> str:
    with replacing(paths.bundle) as folder:
        model_id = build.write(folder, config, paths)
    return f"model {model_id} in {paths.bundle}"


if __name__ == "__main__":
    run(bundle)
