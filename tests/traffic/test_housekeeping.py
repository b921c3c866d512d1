"""Complete segments move on into files by day: every row once, whatever ends the compaction and when."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from shipped import shipped
from traffic_records import NOON, SETTINGS, predicted, refused

from accord.files import read_json
from accord.schema.serving import Serving, Traffic
from accord.traffic import compaction, days
from accord.traffic.compaction import Kept, alone, compact
from accord.traffic.log import TrafficLog
from accord.traffic.reading import scan_predictions, scan_refusals
from accord.traffic.records import encode

Write = Callable[..., list[str]]
ROOT = Path(__file__).parents[2]


def ids(folder: Path) -> list[str]:
    return sorted(scan_predictions(folder).collect()["prediction_id"])


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet"))


def kept_now(folder: Path, settings: Traffic = SETTINGS) -> Kept:
    kept = compact(folder, settings)
    assert kept is not None
    return kept


def test_a_segment_moves_into_a_file_for_each_of_its_days(folder: Path, write: Write):
    found = write(predicted(), predicted(at=NOON + timedelta(days=1)), refused(), predicted())
    [segment] = (folder / "segments").iterdir()
    kept = kept_now(folder)
    assert (kept.n_segments, kept.n_predictions, kept.n_refusals, kept.problem) == (1, 3, 1, None)
    assert files(folder) == [
        f"predictions/day=2024-05-31/{segment.stem}.parquet",
        f"predictions/day=2024-06-01/{segment.stem}.parquet",
        f"refusals/day=2024-05-31/{segment.stem}.parquet",
    ]
    assert not segment.exists()
    assert ids(folder) == sorted(found)
    assert read_json(folder / "housekeeping.json")["n_predictions"] == 3


class KilledError(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.mark.parametrize("n_done", range(6))
def test_a_kill_between_any_two_steps_leaves_each_row_once(
    folder: Path, write: Write, monkeypatch: pytest.MonkeyPatch, n_done: int
):
    found = write(predicted(), predicted(at=NOON + timedelta(days=1)), refused()) + write(predicted())
    steps = 0

    def killed_after(step: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object, **more: object) -> object:
            nonlocal steps
            steps += 1
            if steps > n_done:
                raise KilledError
            return step(*arguments, **more)

        return counted

    with monkeypatch.context() as patch:
        patch.setattr(compaction, "remove", killed_after(compaction.remove))
        patch.setattr(days, "placing", killed_after(days.placing))
        with pytest.raises(KilledError):
            compact(folder, SETTINGS)
    assert ids(folder) == sorted(found)
    assert scan_refusals(folder).collect().height == 1
    kept_now(folder)
    assert ids(folder) == sorted(found)
    assert scan_refusals(folder).collect().height == 1
    assert not list((folder / "segments").iterdir())


def test_what_a_kill_left_half_written_is_removed(folder: Path, write: Write):
    write(predicted())
    left = folder / "predictions/day=2024-05-31/.half.parquet.tmp"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"PAR1")
    begun = folder / "segments/begun.tmp"
    begun.touch()
    kept_now(folder)
    assert not left.exists()
    assert begun.exists(), "a worker may be about to name it"
    os.utime(begun, (0, 0))
    kept_now(folder)
    assert not begun.exists()


def test_a_torn_last_line_is_dropped_and_counted(folder: Path, write: Write):
    found = write(predicted())
    [segment] = (folder / "segments").iterdir()
    with segment.open("ab") as file:
        file.write(encode(predicted())[:40])
    assert ids(folder) == found
    assert kept_now(folder).n_torn == 1
    assert ids(folder) == found


def test_a_line_that_is_no_record_stops_nothing_and_is_put_aside(folder: Path, write: Write):
    found = write(predicted())
    [segment] = (folder / "segments").iterdir()
    damage = b'{"kind":"predicted"}\n\0\0\0\n\xff\xfe\n'
    segment.write_bytes(damage + segment.read_bytes())
    assert ids(folder) == found
    kept = kept_now(folder)
    assert (kept.n_damaged, kept.problem) == (3, None)
    assert ids(folder) == found
    assert (folder / "damaged" / segment.name).read_bytes() == damage


def test_small_files_of_a_day_that_has_ended_become_one(folder: Path, write: Write):
    found = [
        row for i in range(4) for row in write(predicted({"a": i}), predicted({"b": "x"}, model="second"))
    ]
    kept = kept_now(folder)
    assert kept.n_merged == 4
    assert len(files(folder)) == 5, "those that were replaced stay for readers"
    assert ids(folder) == sorted(found)
    assert kept_now(folder).n_merged == 0
    late = write(predicted())
    assert kept_now(folder).n_merged == 2
    assert ids(folder) == sorted(found + late)
    for file in folder.rglob("*.parquet"):
        os.utime(file, (0, 0))
    kept_now(folder)
    assert len(files(folder)) == 1
    assert ids(folder) == sorted(found + late)


def test_a_kill_while_files_are_merged_leaves_each_row_once(
    folder: Path, write: Write, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(days, "GRACE", timedelta())
    found = [row for _ in range(4) for row in write(predicted())]
    with monkeypatch.context() as patch:
        patch.setattr(days, "_merge", lambda *_: None)
        kept_now(folder)
    assert len(files(folder)) == 4
    unlink, left = Path.unlink, 2

    def killed_after(path: Path, missing_ok: bool = False) -> None:
        nonlocal left
        if path.suffix == ".parquet" and (left := left - 1) < 0:
            raise KilledError
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed_after)
        kept_now(folder)
        with pytest.raises(KilledError):
            compact(folder, SETTINGS)
    assert len(files(folder)) == 3
    found += write(predicted())
    assert ids(folder) == sorted(found)
    kept_now(folder)
    kept_now(folder)
    assert len(files(folder)) == 1
    assert ids(folder) == sorted(found)


def test_the_running_day_is_merged_only_when_it_has_many_files(
    folder: Path, write: Write, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(days, "DAY_FILES", 3)
    now = datetime.now(UTC)
    found = write(predicted(at=now)) + write(predicted(at=now))
    assert kept_now(folder).n_merged == 0
    found += write(predicted(at=now))
    assert kept_now(folder).n_merged == 3
    assert ids(folder) == sorted(found)


def test_days_older_than_their_retention_are_deleted(folder: Path, write: Write):
    now = datetime.now(UTC)
    found = write(*(predicted(at=now - timedelta(days=days)) for days in (0, 2, 3, 4)))
    write(refused(at=now - timedelta(days=4)))
    settings = SETTINGS.model_copy(update={"retention_days": 3})
    kept_now(folder, settings)
    assert kept_now(folder, settings).n_deleted == 2
    assert ids(folder) == sorted(found[:3])
    assert scan_refusals(folder).collect().height == 0


def test_one_process_compacts_the_log_at_a_time(folder: Path, write: Write):
    write(predicted())
    with alone(folder, 0) as is_alone:
        assert is_alone
        assert compact(folder, SETTINGS) is None
    assert kept_now(folder).n_segments == 1


def test_it_runs_as_a_program(folder: Path, write: Write):
    write(predicted())
    serving = shipped(Serving, traffic=SETTINGS).model_dump_json()
    subprocess.run(
        [sys.executable, "-m", "accord.traffic.compaction", str(folder)],
        env={**os.environ, "ACCORD_SERVING": serving, "PYTHONPATH": str(ROOT / "src")},
        check=True,
    )
    assert json.loads((folder / "housekeeping.json").read_text())["n_predictions"] == 1


def test_a_full_disk_loses_nothing_and_the_next_run_goes_on(tmp_path: Path):
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", tmp_path]).returncode
    ):
        pytest.skip("only root can mount a small disk")
    try:
        folder, ballast = tmp_path / "traffic", tmp_path / "ballast"
        log = TrafficLog(folder, SETTINGS)
        records = [predicted({"text": os.urandom(500).hex(), "i": i}) for i in range(150)]
        for record in records:
            log.append(encode(record))
        log.close()
        found = sorted(record.rows[0].prediction_id for record in records)
        free = os.statvfs(tmp_path).f_bavail * 4096
        ballast.write_bytes(b"x" * (free - 50_000))
        for _ in range(2):
            assert "No space left" in (kept_now(folder).problem or "")
            assert ids(folder) == found
        ballast.unlink()
        kept = kept_now(folder)
        assert (kept.problem, kept.n_predictions) == (None, 150)
        assert ids(folder) == found
        assert pl.read_parquet(folder / files(folder)[0]).height == 150
    finally:
        subprocess.run(["umount", tmp_path], check=True)
