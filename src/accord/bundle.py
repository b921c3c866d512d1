"""The bundle: all that serving needs as plain data in one folder, named by the hash of what decides its answers.

contract.json    the columns that a row brings, and the targets that it is answered with
transform.json   from those columns to numbers
models/          one file a target
example.json     a real row, for the documentation of the service
manifest.json    what it was made from
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import TypeAdapter

from accord import __version__, models, paths
from accord.config.schema import Column, Config, Policy, Target
from accord.errors import AccordError
from accord.features import Transform
from accord.files import read_json, sha256
from accord.models import Fitted, Vector
from accord.models.tasks import prediction
from accord.objective.policy import decide

FORMAT = 1
LIBRARIES = ("bentoml", "dvc", "hydra-core", "lightgbm", "numpy", "polars", "scikit-learn")
ANSWERS = ("contract.json", "transform.json", "policy.json", "models")
"""What decides an answer, and so the model's id."""


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle: the one way from rows to predictions, in batch and online."""

    manifest: dict[str, Any]
    columns: dict[str, Column]
    """The columns that a row brings, as the contract has them."""
    targets: dict[str, dict[str, Any]]
    transform: Transform
    policy: Policy | None
    models: dict[str, Fitted]
    example: dict[str, Any]

    @property
    def model_id(self) -> str:
        return str(self.manifest["model_id"])

    @cached_property
    def types(self) -> dict[str, str]:
        return {name: column.type for name, column in self.columns.items()}

    def predict(self, rows: pl.DataFrame) -> dict[str, Vector]:
        """Predictions (n,) of each target for rows (n) that keep the contract."""
        X = self.transform.matrix(rows)
        return {
            name: prediction(model.raw(X), self.targets[name]["loss"]) for name, model in self.models.items()
        }

    def answer(self, rows: pl.DataFrame) -> dict[str, NDArray[Any]]:
        """Predictions (n,) of each target and, where there is a policy, its score and action."""
        predictions = self.predict(rows)
        if self.policy is None:
            return dict(predictions)
        score, action = decide(self.policy, rows, predictions)
        return {**predictions, "score": score, "action": action}

    def explain(self, rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """For each target what each feature adds to the raw score of each row, and the constant: they add up to it."""
        X = self.transform.matrix(rows)
        names = [*(feature.name for feature in self.transform.features), "constant"]
        return {
            target: pl.DataFrame(model.contributions(X), schema=names)
            for target, model in self.models.items()
        }

    def warnings(self, rows: pl.DataFrame) -> list[list[str]]:
        """For each row (n) what its reader should know: levels that training hardly saw."""
        unseen = self.transform.unseen(rows)
        found: list[list[str]] = [[] for _ in range(rows.height)]
        for name in unseen.columns:
            for i in unseen[name].arg_true():
                found[i].append(f"{name}: {rows[name][i]!r} was hardly or never seen in training")
        return found


def load(folder: Path) -> Bundle:
    """The bundle in the folder. Raises AccordError if there is none, or if it isn't what its manifest says."""
    if not (folder / "manifest.json").is_file():
        raise AccordError(f"No model in {folder}; expected a bundle. Make one: `accord run` (or `dvc repro`)")
    manifest = read_json(folder / "manifest.json")
    found = model_id(folder)
    if found != manifest["model_id"]:
        raise AccordError(
            f"The bundle in {folder} has the hash {found}, but its manifest says {manifest['model_id']}; make it again: `dvc repro`"
        )
    contract = read_json(folder / "contract.json")
    kind = models.model_class(manifest["model"]["_target_"])
    return Bundle(
        manifest,
        {name: Column.model_validate(column) for name, column in contract["columns"].items()},
        contract["targets"],
        Transform.from_dict(read_json(folder / "transform.json")),
        None if (policy := read_json(folder / "policy.json")) is None else Policy.model_validate(policy),
        {name: kind.load(folder / "models" / name) for name in contract["targets"]},
        read_json(folder / "example.json"),
    )


def contract(
    columns: Mapping[str, Column], inputs: Sequence[str], targets: Mapping[str, Target]
) -> dict[str, Any]:
    """The part of the data contract that a request must keep, and what it is answered with."""
    return {
        "columns": {name: columns[name].model_dump() for name in inputs},
        "targets": {
            name: target.model_dump(include={"task", "loss", "owner", "unit", "description"})
            for name, target in targets.items()
        },
    }


def model_id(folder: Path) -> str:
    return sha256(*(folder / name for name in ANSWERS))[:16]


def manifest(
    folder: Path, config: Config, accounting: Mapping[str, Any], metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """What the bundle in the folder was made from: data, config, code and libraries, each by hash or version."""
    sections = ("seed", "data", "features", "model", "objective", "serving")
    plain = {name: TypeAdapter(Any).dump_python(getattr(config, name), mode="json") for name in sections}
    return {
        "format": FORMAT,
        "model_id": model_id(folder),
        "data": {
            "name": config.data.name,
            "sha256": sha256(paths.SPLITS),
            "accounting": accounting,
            "split": config.data.split.model_dump(mode="json"),
        },
        "model": config.model,
        "objective": config.objective.name,
        "seed": config.seed,
        "serving": config.serving.model_dump(include={"max_rows"}),
        "config_sha256": hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest(),
        "code_sha256": sha256(Path(__file__).parent),
        "versions": versions(),
        "metrics": {name: table.get("test", {}) for name, table in metrics.items()},
    }


def versions() -> dict[str, str]:
    return {"accord": __version__, "python": python_version(), **{name: version(name) for name in LIBRARIES}}


def as_json_row(rows: pl.DataFrame, index: int) -> dict[str, Any]:
    """One row as a request carries it: instants as ISO text, missing values as null."""
    row = rows.row(index, named=True)
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else _plain(value)
        for name, value in row.items()
    }


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
