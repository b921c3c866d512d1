"""Other users can't read the log, whatever the umask of the processes that write it."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from shipped import shipped
from traffic_records import SETTINGS, predicted, refused, reported

from accord.schema.data import Column, Data
from accord.serving.weights import Changes
from accord.traffic import days
from accord.traffic.compaction import compact
from accord.traffic.forget import forget
from accord.traffic.log import SEGMENTS

Write = Callable[..., list[str]]
DATA = shipped(
    Data,
    name="rides",
    sources={"rides": {"path": "rides.csv"}},
    key=["a"],
    columns={"a": shipped(Column, type="integer")},
    targets={"late": {"task": "regression", "sql": "a"}},
)


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=["000", "022", "077"])
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
def test_files_are_for_the_user_and_the_group_whatever_the_umask(
    folder: Path, tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(days, "DAY_FILES", 2)
    now = datetime.now(UTC)
    for at in (now, now - timedelta(days=2), now - timedelta(days=2)):
        write(predicted({"a": 1}, at=at, key="k"), refused(at=at), reported("an id", at=at, late=1.0))
    damaged = next((folder / SEGMENTS).glob("*.jsonl"))
    damaged.write_bytes(damaged.read_bytes() + b"no record\n")
    compact(folder, SETTINGS)
    write(predicted({"a": 2}, at=now, key="other"))
    changes = Changes(folder, tmp_path / "champion.json")
    with changes.lock():
        changes.record("model", {}, {"w": 1.0}, reason="why", client="127.0.0.1")
    forget(folder, tmp_path / "batches", SETTINGS, DATA, "k")
    write(predicted({"a": 3}, at=now, key="more"))

    found = {path.relative_to(folder): path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    names = {path.parts[0] for path in found}
    assert {"segments", "predictions", "refusals", "outcomes", "damaged", "policy.jsonl"} <= names
    assert {"forgotten.jsonl", "housekeeping.json"} <= names
    assert folder.stat().st_mode & 0o777 == 0o750
    for path, mode in found.items():
        if (folder / path).is_dir():
            assert mode == 0o750, path
        elif path.name in (".housekeeping", "pii.key"):  # hold nothing of the log, or are the user's alone
            assert mode & 0o137 == 0, path
        else:
            assert mode == 0o640, path
