"""What the policy makes of the predictions: decisions, what each team gets from them, and which actions to expect."""

from accord.data import scored
from accord.data.scored import Columns
from accord.expectation import expectation
from accord.files import write_json
from accord.objective import decisions
from accord.paths import Paths
from accord.schema.config import Config
from accord.stages import run


def decide(config: Config, paths: Paths) -> str:
    rows = scored.rows(config, paths)
    predictions = {
        split: Columns.read(paths.predictions / f"{split}.parquet", one.scratch)
        for split, one in rows.items()
    }
    result = decisions.decide(config, rows, predictions, paths.trained)
    scored.write(paths.decisions, result.decisions)
    undecided = expectation.load_undecided(paths.evaluated)
    expected = expectation.decided(config, undecided, rows, result.decisions, result.baselines)
    expectation.save(expected, paths.decided)
    write_json(paths.team_metrics, result.metrics)
    write_json(paths.teams, result.report)
    return result.summary


if __name__ == "__main__":
    run(decide)
