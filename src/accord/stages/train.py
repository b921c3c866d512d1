"""One model a target, and the baseline beside it."""

from accord.engines import memory
from accord.engines.scratch import scratch
from accord.files import replacing
from accord.models.trained import MODEL_FILE
from accord.paths import Paths
from accord.schema.config import Config
from accord.stages import run
from accord.training import cost
from accord.training.jobs import cpu_s, jobs_of, train_all


def train(config: Config, paths: Paths) -> str:
    targets = config.objective.targets
    with scratch(config.engine, paths.root, "train") as folder, replacing(paths.trained) as output:
        notes = train_all(
            jobs_of(config, paths, output, folder), config.engine.workers, memory.limit(config.engine)
        )
        cost.note([output / name / MODEL_FILE for name in targets], cpu_s(), paths)
    done = f"{config.model['_target_'].rpartition('.')[2]} for {', '.join(targets)}"
    return "; ".join([done, *notes])


if __name__ == "__main__":
    run(train)
