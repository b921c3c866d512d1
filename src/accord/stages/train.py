"""One model a target, and the baseline beside it."""

from accord import paths, training, training_cost
from accord.config.schema import Config
from accord.files import replacing
from accord.models.trained import MODEL_FILE
from accord.stages import run


def train(config: Config) -> str:
    targets = config.objective.targets
    with replacing(paths.TRAINED) as output:
        jobs = [
            training.Job(name, target, config.model, config.seed, paths.FEATURES, paths.SPLITS, output)
            for name, target in targets.items()
        ]
        training.train_all(jobs, config.engine.workers)
        training_cost.note([output / name / MODEL_FILE for name in targets], training.cpu_s())
    return f"{config.model['_target_'].rpartition('.')[2]} for {', '.join(targets)}"


if __name__ == "__main__":
    run(train)
