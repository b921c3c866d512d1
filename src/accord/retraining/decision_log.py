"""The decision log, models/retraining.jsonl: a line for each time that retraining was decided on, plain text for git."""

from datetime import date
from pathlib import Path
from typing import Any

from accord import jsonl
from accord.retraining.rules import Training

KEPT, PROMOTED, REFUSED, FAILED = "kept", "promoted", "refused", "failed"
"""No training was due; its model became the champion; it did not; it could not be made."""


def append(log: Path, record: dict[str, Any]) -> None:
    """Adds the record, unless one of its id is there."""
    records = jsonl.read(log)
    if any(one["id"] == record["id"] for one in records):
        return
    jsonl.write(log, [*records, record])


def trainings(records: list[dict[str, Any]]) -> list[Training]:
    """The trainings among the decisions."""
    return [
        Training(date.fromisoformat(record["cutoff"]), record["cpu_s"] or 0.0)
        for record in records
        if record["action"] in (PROMOTED, REFUSED)
    ]
