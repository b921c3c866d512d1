"""One model a target, and the baseline beside it."""

from accord.engines import memory
from accord.engines.room import Room
from accord.engines.scratch import scratch
from accord.files import replacing
from accord.models.trained import MODEL_FILE
from accord.paths import Paths
from accord.schema.config import Config
from accord.stages import run
from accord.training import cost
from accord.training.jobs import Job, cpu_s, train_all

COLUMNS = 20
"""Those that a target's SQL reads are few, and its numbers few more."""


def train(config: Config, paths: Paths) -> str:
    targets = config.objective.targets
    with scratch(config.engine, paths.root, "train") as folder, replacing(paths.trained) as output:
        room = Room(memory.chunk_rows(config.engine, COLUMNS), folder)
        jobs = [
            Job(
                name, target, config.model, config.seed, paths.features, paths.splits, output,
                cautious=config.data.is_cautious, by_time=config.data.time is not None, room=room,
            )
            for name, target in targets.items()
        ]  # fmt: skip
        notes = train_all(jobs, config.engine.workers, memory.limit(config.engine))
        cost.note([output / name / MODEL_FILE for name in targets], cpu_s(), paths)
    done = f"{config.model['_target_'].rpartition('.')[2]} for {', '.join(targets)}"
    return "; ".join([done, *notes])


if __name__ == "__main__":
    run(train)
