"""The bundle: all that serving needs as plain data in one folder, named by the hash of what decides its answers.

contract.json    the columns that a row brings, the rules that it keeps, the targets that it is answered with, and its outcomes
transform.json   from those columns to numbers
policy.json      from predictions to a score and an action; null without a policy
compiled.json    the SQL expressions of the above in a form that is fast for one row, proven equal to Polars
models/          one file per target
example.json     a real row, for the documentation of the service
manifest.json    what it was made from
monitoring/      what its traffic is expected to look like; see accord.expectation.expectation
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from accord.bundle.interface import Answered, Contract
from accord.errors import AccordError
from accord.features.transform import Transform
from accord.files import read_as, read_json, sha256
from accord.models import Fitted, Vector, loading
from accord.objective.policy import decide
from accord.schema.data import Column
from accord.schema.objective import Policy
from accord.sql.compiled import Tree
from accord.tasks import registry
from accord.tasks.task import Predicted

FORMAT = 2
ANSWERS = ("contract.json", "transform.json", "policy.json", "compiled.json", "models")
"""What decides an answer, and so the model's id."""


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle: the one way from rows to predictions, in batch and online."""

    manifest: dict[str, Any]
    columns: dict[str, Column]
    """As the contract has them; so are all up to the targets."""
    context: dict[str, Column]
    outcomes: dict[str, Column]
    key: list[str]
    rules: dict[str, str]
    targets: dict[str, Answered]
    transform: Transform
    policy: Policy | None
    compiled: dict[str, Tree | None]
    """The SQL expressions by their config keys, each compiled to a form that is fast for one row. None if that form
    isn't proven."""
    models: dict[str, Fitted]
    example: dict[str, Any]

    @cached_property
    def model_id(self) -> str:
        return str(self.manifest["model_id"])

    @cached_property
    def config_id(self) -> str:
        """The hash of the config that made the model, short."""
        return str(self.manifest["config_sha256"])[:16]

    @cached_property
    def types(self) -> dict[str, str]:
        return {name: column.type for name, column in self.columns.items()}

    @cached_property
    def predicted(self) -> dict[str, Predicted]:
        """What is predicted of each target, and the names that the columns of this have."""
        return {name: registry.predicted(name, target) for name, target in self.targets.items()}

    @cached_property
    def predictions(self) -> list[str]:
        """The columns of all targets' predictions."""
        return [column for target in self.predicted.values() for column in target.columns]

    def predict(self, rows: pl.DataFrame) -> dict[str, Vector]:
        """Each column (n,) of the targets' predictions for rows (n) that keep the contract."""
        X = self.transform.matrix(rows)
        return {
            column: values
            for name, target in self.predicted.items()
            for column, values in target.by_column(target.of_raw(self.models[name].raw(X))).items()
        }

    def answer(self, rows: pl.DataFrame) -> dict[str, NDArray[Any]]:
        """Each column (n,) of the targets' predictions and, where there is a policy, its score and action."""
        predictions = self.predict(rows)
        if self.policy is None:
            return dict(predictions)
        score, action = decide(self.policy, rows, predictions)
        return {**predictions, "score": score, "action": action}

    def explain(self, rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """For each raw score, called like its target where the target has one alone, what each feature adds to it in each
        row, and the constant: they add up to it."""
        X = self.transform.matrix(rows)
        features = [feature.name for feature in self.transform.features]
        names = [*features, constant_beside(features)]
        parts = {name: model.contributions(X) for name, model in self.models.items()}
        return {
            column: pl.DataFrame(np.ascontiguousarray(parts[name][:, r]), schema=names)
            for name, target in self.predicted.items()
            for r, column in enumerate(target.raw_columns)
        }

    def warnings(self, rows: pl.DataFrame) -> list[list[str]]:
        """For each row (n) why its predictions deserve less trust: levels that training hardly saw."""
        levels = self.transform.unseen(rows)
        warnings: list[list[str]] = [[] for _ in range(rows.height)]
        for name in levels.columns:
            for i in levels[name].arg_true():
                warnings[i].append(unseen(name, rows[name][i]))
        return warnings


def constant_beside(features: Collection[str]) -> str:
    """What the constant is called beside the contributions of features, one of which may have the name."""
    return "constant" if "constant" not in features else "|constant"


def unseen(name: str, level: str) -> str:
    return f"{name}: {level!r} was hardly or never seen in training"


def load_bundle(folder: Path) -> Bundle:
    """The bundle in the folder. Raises AccordError if there is none, or if it isn't what its manifest says."""
    if not (folder / "manifest.json").is_file():
        raise AccordError(f"No model in {folder}; expected a bundle. Make one: `accord run` (or `dvc repro`)")
    manifest = read_json(folder / "manifest.json")
    if manifest["format"] != FORMAT:
        raise AccordError(
            f"The bundle in {folder} has format {manifest['format']}; this code reads format {FORMAT}. Make it again: `dvc repro`"
        )
    actual = model_id(folder)
    if actual != manifest["model_id"]:
        raise AccordError(
            f"The bundle in {folder} has the hash {actual}, but its manifest says {manifest['model_id']}; make it again: `dvc repro`"
        )
    contract = read_as(folder / "contract.json", Contract)
    kind = loading.model_class(manifest["model"]["_target_"])
    policy = read_json(folder / "policy.json")
    return Bundle(
        manifest=manifest,
        **vars(contract),
        transform=Transform.load(folder),
        policy=None if policy is None else Policy.model_validate(policy),
        compiled=read_json(folder / "compiled.json"),
        models={name: kind.load(folder / "models" / name) for name in contract.targets},
        example=read_json(folder / "example.json"),
    )


def model_id(folder: Path) -> str:
    return sha256(*(folder / name for name in ANSWERS))[:16]


def as_json_row(rows: pl.DataFrame, index: int) -> dict[str, Any]:
    """One row as a request carries it: instants as ISO text, missing values as null."""
    row = rows.row(index, named=True)
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else _plain(value)
        for name, value in row.items()
    }


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
