"""Records as lines of JSON: whole or not there, and what was there stays."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from accord import jsonl
from accord.errors import AccordError
from accord.files import read_as, write_json


@dataclass(frozen=True)
class Note:
    text: str
    n: int = 0


@pytest.mark.parametrize("append", [jsonl.append, jsonl.append_in_place])
def test_a_line_of_an_earlier_version_keeps_its_bytes(tmp_path: Path, append) -> None:
    file = tmp_path / "notes.jsonl"
    earlier = '{"text":  "first", "gone": [1.50]}'
    file.write_text(earlier, encoding="utf-8")  # its end of line is missing too
    append(file, Note("second", 2))
    assert file.read_text("utf-8") == earlier + '\n{"n": 2, "text": "second"}\n'
    assert jsonl.read(file, Note) == [Note("first"), Note("second", 2)]


def test_a_line_that_is_no_record_is_named_or_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "notes.jsonl"
    file.write_bytes(b'{"text": "first"}\n\n{"text": 7}\n\xff\n{"te\n')
    with pytest.raises(AccordError, match=r"notes.jsonl, line 3, .*Expected `str`, got `int`"):
        jsonl.read(file, Note)
    assert jsonl.readable(file, Note) == [Note("first")]


def test_no_file_has_no_records(tmp_path: Path) -> None:
    assert jsonl.read(tmp_path / "none.jsonl", Note) == jsonl.readable(tmp_path / "none.jsonl", Note) == []


def test_a_struct_that_was_written_is_read_back_and_another_version_s_file_too(tmp_path: Path) -> None:
    file = tmp_path / "note.json"
    write_json(file, {"notes": [Note("a", 1)]})
    assert read_as(file, dict[str, list[Note]]) == {"notes": [Note("a", 1)]}
    file.write_text('{"text": "b", "more": 1}', encoding="utf-8")
    assert read_as(file, Note) == Note("b")


def test_a_file_that_can_not_be_read_is_named_with_what_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "note.json"
    file.write_text('{"n": 1}', encoding="utf-8")
    with pytest.raises(AccordError, match=r"note.json can't be read: .*missing required field `text`"):
        read_as(file, Note)
