"""Bundling: what the stages before it have made, laid out as a bundle, and the manifest of what it was made from."""

import hashlib
import json
import shutil
from importlib.metadata import version
from pathlib import Path
from platform import python_version_tuple
from typing import Any

from pydantic import TypeAdapter

from accord import __version__, code
from accord.bundle.bundle import FORMAT, model_id
from accord.bundle.example import example
from accord.bundle.interface import contract
from accord.data import batch_list, partitions
from accord.features.transform import Transform
from accord.files import read_json, sha256, write_json
from accord.models import loading
from accord.models.trained import MODEL_FILE, settings_of
from accord.paths import Paths
from accord.schema.config import Config

LIBRARIES = ("lightgbm", "numpy", "polars", "scikit-learn", "scipy")
"""Those that an answer depends on."""
SECTIONS = ("seed", "data", "features", "model", "objective")


def write(folder: Path, config: Config, paths: Paths) -> str:
    """Writes the bundle into the folder, which is made; the model's id."""
    objective = config.objective
    shutil.copytree(paths.decided, folder / "monitoring")
    (folder / "models").mkdir()
    for name in objective.targets:
        shutil.copyfile(paths.trained / name / MODEL_FILE, folder / "models" / name)
    for file in (paths.features / "transform.json", paths.evaluated / "compiled.json"):
        shutil.copyfile(file, folder / file.name)
    transform = Transform.load(folder)
    asked = contract(config.data, transform, objective)
    write_json(folder / "contract.json", asked)
    write_json(folder / "policy.json", None if objective.policy is None else objective.policy.model_dump())
    row = partitions.scan(paths.splits / "test").select(*asked.columns).head(1).collect()
    write_json(folder / "example.json", example(row, config.data))
    manifest = _manifest(folder, config, paths)
    write_json(folder / "manifest.json", manifest)
    return str(manifest["model_id"])


def _manifest(folder: Path, config: Config, paths: Paths) -> dict[str, Any]:
    """What the bundle in the folder was made from: data, config, code and libraries, each by hash or version."""
    plain = {name: TypeAdapter(Any).dump_python(getattr(config, name), mode="json") for name in SECTIONS}
    metrics = {**read_json(paths.metrics), "teams": read_json(paths.team_metrics)}
    return {
        "format": FORMAT,
        "model_id": model_id(folder),
        "data": {
            "name": config.data.name,
            "sha256": sha256(paths.splits),
            "accounting": read_json(paths.accounting),
            "split": config.data.split.model_dump(mode="json"),
            **({"dealt_by": config.data.dealt_by} if config.data.time is None else {}),
            "batches": [batch._asdict() for batch in batch_list.listed(paths.batch_list, config.data.name)],
        },
        "model": config.model,
        "trained": {name: settings_of(paths.trained, name) for name in config.objective.targets},
        "objective": config.objective.name,
        "seed": config.seed,
        "config_sha256": hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest(),
        "code_sha256": code.hash_of_answering(),
        "expressions": read_json(paths.evaluated / "proofs.json"),
        "versions": _versions(config),
        "metrics": {name: table.get("test", {}) for name, table in metrics.items()},
    }


def _versions(config: Config) -> dict[str, str]:
    """Without Python's last part, on which no bit depends, so that the same bundle is made beside it."""
    python = ".".join(python_version_tuple()[:2])
    names = (*LIBRARIES, *loading.model_class(config.model["_target_"]).libraries)
    return {"accord": __version__, "python": python, **{name: version(name) for name in names}}
