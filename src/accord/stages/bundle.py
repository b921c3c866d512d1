"""Everything that serving needs, as plain data, in models/bundle."""

import math
import shutil
from collections.abc import Sequence
from typing import Any

import polars as pl

from accord import bundle as bundles
from accord import paths
from accord.config.schema import Column, Config, Data
from accord.data import batch_list, splitting, tables
from accord.features import Transform
from accord.files import read_json, replacing, write_json
from accord.models.trained import MODEL_FILE, baseline_predictions
from accord.monitoring import expectation
from accord.objective.policy import inputs as policy_inputs
from accord.stages import run

NOBODYS: dict[str, Any] = {"category": "someone", "boolean": False, "datetime": "2000-01-01T00:00:00"}


def bundle(config: Config) -> str:
    transform = Transform.from_dict(read_json(paths.FEATURES / "transform.json"))
    targets = config.objective.targets
    with replacing(paths.BUNDLE) as folder:
        (folder / "models").mkdir(parents=True)
        for name in targets:
            shutil.copyfile(paths.TRAINED / name / MODEL_FILE, folder / "models" / name)
        write_json(folder / "transform.json", transform.as_dict())
        policy = config.objective.policy
        inputs = [
            name for name in config.data.columns if name in transform.inputs or name in policy_inputs(policy)
        ]
        write_json(folder / "policy.json", None if policy is None else policy.model_dump())
        contract = bundles.contract(config.data, inputs, targets)
        write_json(folder / "contract.json", contract)
        train = (
            tables.scan(paths.SPLITS / "train").select(*contract["columns"], *contract["context"]).collect()
        )
        trees, proofs = bundles.compiled(train, contract, transform, policy, config.seed)
        write_json(folder / "compiled.json", trees)
        write_json(folder / "example.json", _example(config.data, inputs))
        splits = {name: part for name in splitting.SCORED if (part := _predicted(name, list(targets))).height}
        baselines = {name: _baseline(name, str(target.loss)) for name, target in targets.items()}
        expected = expectation.build(config, contract, splits, baselines)
        expectation.save(expected, folder / expectation.FOLDER)
        manifest = bundles.manifest(
            folder,
            config,
            read_json(paths.ACCOUNTING),
            read_json(paths.METRICS),
            proofs,
            [batch._asdict() for batch in batch_list.listed(config.data.name)],
        )
        write_json(folder / "manifest.json", manifest)
    return f"model {manifest['model_id']} in {paths.BUNDLE}"


def _example(data: Data, inputs: Sequence[str]) -> dict[str, Any]:
    """A row of test as a request carries it. What identifies a person is left out, since everyone may see it."""
    row = bundles.as_json_row(tables.scan(paths.SPLITS / "test").select(inputs).head(1).collect(), 0)
    personal = data.personal
    return {n: _nobodys(data.columns[n]) if n in personal else value for n, value in row.items()}


def _nobodys(column: Column) -> Any:
    """A value that the contract allows."""
    if column.nullable:
        return None
    if column.type in ("integer", "number"):
        value = 0.0 if column.max is None else min(column.max, 0.0)
        value = value if column.min is None else max(column.min, value)
        return value if column.type == "number" else math.ceil(value) if value > 0 else math.floor(value)
    return column.values[0] if column.values else NOBODYS[column.type]


def _predicted(split: str, targets: list[str]) -> pl.DataFrame:
    """The split's rows beside what was predicted and decided for them."""
    file = paths.PREDICTIONS / f"{split}.parquet"
    if not file.exists():
        return pl.DataFrame()
    predictions = pl.read_parquet(file).rename({name: f"{expectation.PREDICTED}{name}" for name in targets})
    return pl.concat([tables.read(paths.SPLITS / split), predictions], how="horizontal")


def _baseline(target: str, loss: str) -> float:
    """What is predicted for every row without a model."""
    return float(baseline_predictions(paths.TRAINED / target, loss, 1)[0])


if __name__ == "__main__":
    run(bundle)
