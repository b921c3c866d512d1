"""Everything that serving needs, as plain data, in models/bundle."""

from accord import bundling, paths
from accord.config.schema import Config
from accord.files import replacing
from accord.stages import run


def bundle(config: Config) -> str:
    with replacing(paths.BUNDLE) as folder:
        model_id = bundling.write(folder, config)
    return f"model {model_id} in {paths.BUNDLE}"


if __name__ == "__main__":
    run(bundle)
