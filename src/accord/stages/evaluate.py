"""What the models are worth, whatever is decided on them: metrics with intervals, plots, expressions proven, drift expected."""

from accord.bundle import interface, proofs
from accord.data import scored
from accord.evaluation.evaluate import evaluated, write_plots
from accord.expectation import expectation
from accord.features.transform import Transform
from accord.files import replacing, write_json
from accord.paths import Paths
from accord.schema.config import Config
from accord.stages import run


def evaluate(config: Config, paths: Paths) -> str:
    rows, transform = scored.rows(config, paths), Transform.load(paths.features)
    result = evaluated(config, rows, transform, paths.features, paths.trained)
    scored.write(paths.predictions, result.predictions)
    asked = interface.contract(config.data, transform, config.objective)
    with replacing(paths.plots) as plots, replacing(paths.evaluated) as folder:
        write_plots(plots, result.plots)
        expected = expectation.build(config, asked.columns, asked.context, rows, result.predictions)
        expectation.save_undecided(expected, folder)
        proofs.save(proofs.of(rows["train"], asked, transform, config), folder)
    write_json(paths.metrics, result.metrics)
    write_json(paths.evaluation, result.report)
    return result.summary


if __name__ == "__main__":
    run(evaluate)
