"""Records as lines of JSON, plain text for git: the file is renamed into place, whole."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from accord.files import write_text


def read(path: Path) -> list[dict[str, Any]]:
    """All records, the oldest first; none where there is no file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.strip()]


def write(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    write_text(path, "".join(json.dumps(record, sort_keys=True) + "\n" for record in records))
