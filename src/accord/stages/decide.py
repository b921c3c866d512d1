"""What the policy makes of the predictions: decisions, what each team gets from them, and which actions to expect."""

import polars as pl

from accord.data import partitions, scored
from accord.expectation import expectation
from accord.files import write_json
from accord.objective import decisions
from accord.paths import Paths
from accord.schema.config import Config
from accord.stages import run


def decide(config: Config, paths: Paths) -> str:
    rows = {split: one.all() for split, one in scored.rows(config, paths).items()}
    predictions = {split: pl.read_parquet(paths.predictions / f"{split}.parquet") for split in rows}
    result = decisions.decide(config, rows, predictions, paths.trained)
    partitions.write_named(paths.decisions, result.decisions.items())
    undecided = expectation.load_undecided(paths.evaluated)
    expected = expectation.decided(config, undecided, rows, result.decisions, result.baselines)
    expectation.save(expected, paths.decided)
    write_json(paths.team_metrics, result.metrics)
    write_json(paths.teams, result.report)
    return result.summary


if __name__ == "__main__":
    run(decide)
