"""What the models are worth, whatever is decided on them: metrics with intervals, plots, expressions proven, drift expected."""

from accord import interface, paths, proofs
from accord.config.schema import Config
from accord.data import scored, tables
from accord.evaluation import run as evaluating
from accord.features import Transform
from accord.files import read_json, replacing, write_json
from accord.monitoring import expectation
from accord.stages import run


def evaluate(config: Config) -> str:
    rows = scored.rows(paths.SPLITS, config.data.derived)
    transform = Transform.from_dict(read_json(paths.FEATURES / "transform.json"))
    result = evaluating.evaluate(config, rows, transform, paths.FEATURES, paths.TRAINED)
    tables.write(paths.PREDICTIONS, result.predictions.items())
    asked = interface.contract(config.data, transform, config.objective)
    with replacing(paths.PLOTS) as plots, replacing(paths.EVALUATED) as folder:
        evaluating.write_plots(plots, result.plots)
        expectation.save_undecided(expectation.build(config, asked, rows, result.predictions), folder)
        proofs.save(proofs.of(rows["train"], asked, transform, config.objective.policy, config.seed), folder)
    write_json(paths.METRICS, result.metrics)
    write_json(paths.EVALUATION, result.report)
    return result.summary


if __name__ == "__main__":
    run(evaluate)
