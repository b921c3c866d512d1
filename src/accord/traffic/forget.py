"""Forgetting a person: their rows are erased from the log, and from the batches that were made of it."""

import getpass
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from accord import jsonl
from accord.data.batch_list import relist
from accord.errors import AccordError
from accord.schema.data import Data
from accord.schema.serving import Traffic
from accord.traffic.compaction import DAMAGED, alone, compact_alone
from accord.traffic.days import erase_in
from accord.traffic.disk import FILE_MODE, placing
from accord.traffic.person import Person, person
from accord.traffic.pii import Pseudonyms
from accord.traffic.reading import places, scan_predictions
from accord.traffic.segments import complete_all

RECORD = "forgotten.jsonl"
COMPLETE_WITHIN_S = 30.0
COMPACTED_WITHIN_S = 600.0


@dataclass(frozen=True)
class Forgotten:
    """What was erased, when and by whom."""

    at: str
    by: str
    who: str | None
    """The person's pseudonym."""
    rows: dict[str, int]
    """How many rows of each place."""


def forget(
    folder: Path,
    batches: Path,
    settings: Traffic,
    data: Data,
    text: str,
    timeout_s: float = COMPLETE_WITHIN_S,
) -> Forgotten:
    """Erases a person's rows that were logged until now. The record says how many there were per place; forgotten.jsonl
    has it too.

    `text` is a value of `data.subject`, or a row's key if the config names no subject. If something ends this half-way,
    running it again finishes it. Raises AccordError for a place that can't be read or written.
    """
    pseudonyms = Pseudonyms(folder)
    whose = person(text, data, pseudonyms)
    with alone(folder, COMPACTED_WITHIN_S) as is_alone:
        if not is_alone:
            raise AccordError(
                f"Another process has been compacting the log in {folder} for {COMPACTED_WITHIN_S:g} s; end it, if it hangs, and run this again"
            )
        complete_all(folder, timeout_s)
        problem = compact_alone(folder, settings).problem  # then all of it is where rows can be erased
        if problem is not None:
            raise AccordError(f"Nothing is forgotten yet: {problem}. Remove the cause and run this again")
        whose = _with_predictions(whose, folder, settings)
        homes = places(folder, settings.postgres)
        counts = {home.name: home.erase("outcomes", whose) for home in homes}
        counts["damaged"] = sum(_erase_lines(file, whose) for file in (folder / DAMAGED).glob("*.jsonl"))
        counts["batches"] = sum(erase_in(file, whose) for file in sorted(batches.rglob("*.parquet")))
        relist(batches)
        for home in homes:  # last, because outcomes and rows of batches are found by the predictions
            counts[home.name] += home.erase("predictions", whose)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        record = Forgotten(at, getpass.getuser(), pseudonyms.of(text), counts)
        jsonl.append(folder / RECORD, record)
        (folder / RECORD).chmod(FILE_MODE)
    return record


def _with_predictions(whose: Person, folder: Path, settings: Traffic) -> Person:
    """The person with the ids and keys of their predictions, by which other rows are known."""
    predictions = scan_predictions(folder, postgres=settings.postgres)
    theirs = (
        predictions.filter(whose.expression(predictions.collect_schema()))
        .select("prediction_id", "key")
        .collect()
    )
    return replace(whose, ids=frozenset(theirs["prediction_id"]), keys=frozenset(theirs["key"].drop_nulls()))


def _erase_lines(file: Path, whose: Person) -> int:
    """Removes the lines that hold the person's text anywhere, since damaged lines can't be decoded."""
    lines = file.read_bytes().splitlines(keepends=True)
    texts = [json.dumps(text, ensure_ascii=False)[1:-1].encode() for text in whose.texts]
    others = [line for line in lines if not any(text in line for text in texts)]
    if len(others) < len(lines):
        with placing(file) as temporary:
            temporary.write_bytes(b"".join(others))
    return len(lines) - len(others)
