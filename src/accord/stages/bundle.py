"""Everything that serving needs, as plain data, in models/bundle."""

from accord import paths
from accord.bundle import build
from accord.files import replacing
from accord.schema.config import Config
from accord.stages import run


def bundle(config: Config) -> str:
    with replacing(paths.BUNDLE) as folder:
        model_id = build.write(folder, config)
    return f"model {model_id} in {paths.BUNDLE}"


if __name__ == "__main__":
    run(bundle)
