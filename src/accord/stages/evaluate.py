"""Metrics with intervals, by slice and beside the baseline; plots; predictions; the page of the run."""

from accord import paths
from accord.config.schema import Config
from accord.data import tables
from accord.evaluation import run as evaluating
from accord.files import read_json, replacing, write_json, write_text
from accord.report import page
from accord.stages import run


def evaluate(config: Config) -> str:
    result = evaluating.evaluate(config, paths.SPLITS, paths.FEATURES, paths.TRAINED)
    tables.write(paths.PREDICTIONS, result.predictions.items())
    with replacing(paths.PLOTS) as folder:
        evaluating.write_plots(folder, result.plots)
    write_json(paths.METRICS, result.metrics)
    write_json(paths.EVALUATION, result.report)
    account = {"accounting": read_json(paths.ACCOUNTING), "validation": read_json(paths.VALIDATION)}
    write_text(paths.PAGE, page.render({**account, "evaluation": result.report}, result.plots))
    return result.summary


if __name__ == "__main__":
    run(evaluate)
