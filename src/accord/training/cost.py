"""What training cost: noted beside the pipeline, since processor time is no output that could be the same twice."""

import hashlib
from pathlib import Path

from accord.files import read_json, write_json
from accord.paths import Paths


def note(models: list[Path], cpu_s: float, paths: Paths) -> None:
    """Keeps the processor seconds that these model files cost to train, under the hash of what is in them."""
    write_json(paths.training_cost, {**_known(paths), _key(models): round(cpu_s, 3)})


def training_cpu_s(folder: Path, paths: Paths) -> float | None:
    """Processor seconds that the models in a bundle's folder cost; None if they were not trained on this machine."""
    return _known(paths).get(_key([file for file in folder.iterdir() if file.is_file()]))


def _known(paths: Paths) -> dict[str, float]:
    known: dict[str, float] = read_json(paths.training_cost) if paths.training_cost.exists() else {}
    return known


def _key(models: list[Path]) -> str:
    return hashlib.sha256(
        "".join(sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in models)).encode()
    ).hexdigest()
