"""What `accord traffic` says."""

from collections.abc import Callable
from pathlib import Path

from traffic_records import SETTINGS, predicted, refused

from accord.commands.traffic import as_text
from accord.schema.serving import Postgres
from accord.traffic.compaction import compact

Write = Callable[..., list[str]]


def test_it_counts_rows_by_day_and_model_and_refusals_by_status(folder: Path, write: Write):
    write(predicted({"a": 1}, {"a": 2}), predicted(model="second"), refused())
    kept = compact(folder, SETTINGS)
    assert kept is not None
    lines = [line.split() for line in as_text(folder, SETTINGS, kept).splitlines()]
    assert ["2024-05-31", "first", "2"] in lines
    assert ["2024-05-31", "second", "1"] in lines
    assert ["2024-05-31", "400", "1"] in lines


def test_it_names_the_problem_and_what_waits_on_this_machine(folder: Path, write: Write):
    write(predicted())
    settings = SETTINGS.model_copy(
        update={"postgres": Postgres(url="postgresql://me@127.0.0.1:1/nowhere", table="t")}
    )
    kept = compact(folder, settings)
    assert kept is not None
    text = as_text(folder, settings, kept)
    assert "1 segments not yet moved on" in text
    assert "Problem: Postgres can't be used" in text
    assert ["2024-05-31", "first", "1"] in [line.split() for line in text.splitlines()]
