"""What the models are worth, whatever is decided on them: metrics with intervals, plots, expressions proven, drift expected."""

from accord import paths
from accord.bundle import interface, proofs
from accord.data import partitions, scored
from accord.evaluation.evaluate import evaluated, write_plots
from accord.features.transform import Transform
from accord.files import replacing, write_json
from accord.monitoring import expectation
from accord.schema.config import Config
from accord.stages import run


def evaluate(config: Config) -> str:
    rows = scored.rows(paths.SPLITS, config.data.derived)
    transform = Transform.load(paths.FEATURES)
    result = evaluated(config, rows, transform, paths.FEATURES, paths.TRAINED)
    partitions.write(paths.PREDICTIONS, result.predictions.items())
    asked = interface.contract(config.data, transform, config.objective)
    with replacing(paths.PLOTS) as plots, replacing(paths.EVALUATED) as folder:
        write_plots(plots, result.plots)
        expectation.save_undecided(expectation.build(config, asked, rows, result.predictions), folder)
        proofs.save(proofs.of(rows["train"], asked, transform, config.objective.policy, config.seed), folder)
    write_json(paths.METRICS, result.metrics)
    write_json(paths.EVALUATION, result.report)
    return result.summary


if __name__ == "__main__":
    run(evaluate)
