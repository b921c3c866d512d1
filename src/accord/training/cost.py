"""What training cost: noted beside the pipeline, since processor time is no output that could be the same twice."""

import hashlib
from pathlib import Path

from accord.files import read_json, write_json

NOTES = Path(".accord/training_cpu_s.json")


def note(models: list[Path], cpu_s: float) -> None:
    """Keeps the processor seconds that these model files cost to train, under the hash of what is in them."""
    known = read_json(NOTES) if NOTES.exists() else {}
    write_json(NOTES, {**known, _key(models): round(cpu_s, 3)})


def training_cpu_s(folder: Path) -> float | None:
    """Processor seconds that the models in a bundle's folder cost; None if they were not trained on this machine."""
    known = read_json(NOTES) if NOTES.exists() else {}
    value = known.get(_key([file for file in folder.iterdir() if file.is_file()]))
    return None if value is None else float(value)


def _key(models: list[Path]) -> str:
    return hashlib.sha256(
        "".join(sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in models)).encode()
    ).hexdigest()
