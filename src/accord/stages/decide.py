"""What the policy makes of the predictions: decisions, what each team gets from them, and which actions to expect."""

import polars as pl

from accord import paths
from accord.data import partitions, scored
from accord.evaluation import decisions
from accord.files import write_json
from accord.monitoring import expectation
from accord.schema.config import Config
from accord.stages import run


def decide(config: Config) -> str:
    rows = scored.rows(paths.SPLITS, config.data.derived)
    predictions = {split: pl.read_parquet(paths.PREDICTIONS / f"{split}.parquet") for split in rows}
    result = decisions.decide(config, rows, predictions, paths.TRAINED)
    partitions.write(paths.DECISIONS, result.decisions.items())
    undecided = expectation.load_undecided(paths.EVALUATED)
    expected = expectation.decided(config, undecided, rows, result.decisions, result.baselines)
    expectation.save(expected, paths.DECIDED)
    write_json(paths.TEAM_METRICS, result.metrics)
    write_json(paths.TEAMS, result.report)
    return result.summary


if __name__ == "__main__":
    run(decide)
