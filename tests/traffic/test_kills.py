"""Workers and the compaction, killed for real and again and again: every record that was acknowledged is there once."""

import os
import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import pytest
from shipped import shipped
from traffic_records import SETTINGS

from accord.schema.serving import Postgres, Serving, Traffic
from accord.traffic.compaction import compact
from accord.traffic.reading import scan_predictions, scan_refusals

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
N_KILLS = 30


class Program:
    """A Python program that is killed and started again."""

    def __init__(self, *words: str, settings: Traffic, output: IO[bytes] | int = subprocess.DEVNULL) -> None:
        self._words, self._output = words, output
        self._environment = {
            **os.environ,
            "ACCORD_SERVING": shipped(Serving, traffic=settings).model_dump_json(),
            "PYTHONPATH": str(ROOT / "src"),
        }
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *self._words], env=self._environment, stdout=self._output
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def killed_again_and_again(folder: Path, settings: Traffic) -> tuple[list[str], list[str]]:
    """Ids of rows, and reasons of refusals, that two workers logged while they and the compaction were killed."""
    dice = random.Random(1)
    settings = settings.model_copy(update={"segment_seconds": 0.2})
    with TemporaryFile("a+b") as acknowledged:
        writer = [str(Path(__file__).with_name("writer.py")), str(folder), settings.model_dump_json()]
        workers = [Program(*writer, settings=settings, output=acknowledged) for _ in range(2)]
        keeper = Program("-m", "accord.traffic.compaction", str(folder), settings=settings)
        for i in range(N_KILLS):
            if keeper.process.poll() is None or i % 3:  # a third of them may end
                time.sleep(dice.uniform(0.5, 1.3))
                keeper.kill()
            keeper.start()
            if i % 5 == 4:
                worker = dice.choice(workers)
                worker.kill()
                worker.start()
        for program in (*workers, keeper):
            program.kill()
        acknowledged.seek(0)
        lines = [line.split() for line in acknowledged.read().decode().splitlines()]
    return (
        [found for kind, *found_ids in lines if kind == "predicted" for found in found_ids],
        [found for kind, *found_ids in lines if kind == "refused" for found in found_ids],
    )


def check(folder: Path, ids: list[str], reasons: list[str], postgres: Postgres | None = None) -> None:
    """At most the record that a worker was killed over, before it could acknowledge it, may be there besides."""
    logged = scan_predictions(folder, postgres=postgres).collect()["prediction_id"]
    assert logged.is_unique().all()
    assert set(ids) <= set(logged)
    assert len(logged) - len(ids) <= 3 * (2 + N_KILLS // 5)
    refused = scan_refusals(folder, postgres=postgres).collect()["reason"]
    assert refused.is_unique().all()
    assert set(reasons) <= set(refused)


def test_every_acknowledged_record_is_there_once(folder: Path):
    ids, reasons = killed_again_and_again(folder, SETTINGS)
    assert len(ids) > 1000
    check(folder, ids, reasons)
    kept = compact(folder, SETTINGS)
    assert kept is not None
    assert (kept.problem, kept.n_damaged) == (None, 0)
    assert not list((folder / "segments").glob("*.jsonl"))
    check(folder, ids, reasons)


def test_every_acknowledged_record_is_in_postgres_once(folder: Path, postgres: Postgres):
    settings = SETTINGS.model_copy(update={"postgres": postgres})
    ids, reasons = killed_again_and_again(folder, settings)
    assert len(ids) > 1000
    check(folder, ids, reasons, postgres)
    kept = compact(folder, settings)
    assert kept is not None
    assert (kept.problem, kept.n_damaged) == (None, 0)
    check(folder, ids, reasons, postgres)
    begin = datetime(2000, 1, 1, tzinfo=UTC)
    assert scan_predictions(folder, begin).collect().height == 0, "nothing is left on this machine"
