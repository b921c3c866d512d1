"""A reader never meets half a file."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shipped import shipped

from accord.errors import AccordError
from accord.files import read_as, read_json, replacing, sha256, write_json, write_text
from accord.schema.objective import Metric, Policy


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_its_place_when_the_block_ends(tmp_path: Path):
    path = tmp_path / "new/folder/file.txt"
    with replacing(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert names(path.parent) == ["file.txt"]


def test_a_folder_takes_the_place_of_a_folder(tmp_path: Path):
    path = tmp_path / "splits"
    path.mkdir()
    (path / "stale.parquet").touch()
    with replacing(path) as temporary:
        temporary.mkdir()
        (temporary / "fresh.parquet").touch()
        assert names(path) == ["stale.parquet"]
    assert names(path) == ["fresh.parquet"]
    assert names(tmp_path) == ["splits"]


def test_a_file_takes_the_place_of_a_file(tmp_path: Path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    write_text(path, "new")
    assert path.read_text() == "new"
    assert names(tmp_path) == ["file.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def write() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_a_failure_leaves_the_old_folder_and_nothing_else(tmp_path: Path):
    path = tmp_path / "splits"
    path.mkdir()
    (path / "old.parquet").touch()

    def write() -> None:
        with replacing(path) as temporary:
            temporary.mkdir()
            (temporary / "half.parquet").touch()
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write()
    assert names(path) == ["old.parquet"]
    assert names(tmp_path) == ["splits"]


def test_what_a_crash_left_behind_is_not_mixed_into_the_next_folder(tmp_path: Path):
    left = tmp_path / ".splits.tmp"
    left.mkdir()
    (left / "half.parquet").touch()
    with replacing(tmp_path / "splits") as temporary:
        temporary.mkdir()
        (temporary / "whole.parquet").touch()
    assert names(tmp_path) == ["splits"]
    assert names(tmp_path / "splits") == ["whole.parquet"]


def test_a_number_that_json_does_not_know_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "metrics.json"
    write_json(path, {"auc": 0.7})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"auc": float("nan")})
    assert read_json(path) == {"auc": 0.7}
    assert names(tmp_path) == ["metrics.json"]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(PLAIN)
def test_json_reads_back_what_was_written_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, value: object
):
    path = tmp_path_factory.mktemp("json") / "value.json"
    write_json(path, value)
    assert repr(read_json(path)) == repr(json.loads(json.dumps(value, sort_keys=True)))


def test_the_order_of_keys_does_not_change_the_bytes(tmp_path: Path):
    write_json(tmp_path / "a", {"x": 1, "y": [2]})
    write_json(tmp_path / "b", {"y": [2], "x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("change", ["content", "name", "one more"])
def test_a_folder_hashes_by_its_names_and_contents(tmp_path: Path, change: str):
    for place in ("one", "two"):
        (tmp_path / place / "src/inner").mkdir(parents=True)
        (tmp_path / place / "src/inner/a.txt").write_text("a")
    first = sha256(tmp_path / "one/src")
    assert sha256(tmp_path / "two/src") == first
    file = tmp_path / "two/src/inner/a.txt"
    if change == "content":
        file.write_text("b")
    elif change == "name":
        file.rename(file.with_name("b.txt"))
    else:
        file.with_name("b.txt").touch()
    assert sha256(tmp_path / "two/src") != first


def test_compiled_python_does_not_change_a_hash(tmp_path: Path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text("a = 1")
    first = sha256(tmp_path / "src")
    (tmp_path / "src/__pycache__").mkdir()
    (tmp_path / "src/__pycache__/a.pyc").write_bytes(b"bytes")
    assert sha256(tmp_path / "src") == first


@dataclass(frozen=True)
class Report:
    policy: Policy | None
    metrics: dict[str, Metric]


def test_sections_of_the_config_in_a_report_are_read_as_they_were_written(tmp_path: Path):
    metric = shipped(Metric, team="sales", builtin="auc", min=0.5)
    for policy in (None, shipped(Policy, score="late - w", weights={"w": 1})):
        write_json(path := tmp_path / "report.json", Report(policy, {"rank": metric}))
        assert read_as(path, Report) == Report(policy, {"rank": metric})


def test_a_section_that_the_config_would_refuse_is_refused_with_the_files_name(tmp_path: Path):
    write_json(path := tmp_path / "report.json", {"policy": {"weights": {"w": "much"}}, "metrics": {}})
    with pytest.raises(AccordError, match=r"report\.json can't be read: .*"):
        read_as(path, Report)
