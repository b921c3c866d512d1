"""Stage split: the splits, their account and what is suspected of them are the same in however many chunks rows come."""

import random
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from shipped import shipped

from accord.data import buckets, partitions
from accord.data.accounting import Accounting
from accord.data.division import divide
from accord.data.validated import Validated
from accord.errors import AccordError
from accord.files import read_as, sha256, write_json
from accord.paths import Paths
from accord.schema.data import Data

N_ROWS = 900
VISITS: dict[str, Any] = {
    "name": "visits",
    "sources": {"visits": {"path": "visits.csv"}},
    "columns": {
        "visit": {"type": "integer", "role": "info"},
        "at": {"type": "datetime", "role": "info"},
        "patient": {"type": "category", "role": "info", "nullable": True},
        "weight": {"type": "number"},
        "ward": {"type": "category", "nullable": True},
        "stay": {"type": "integer", "role": "outcome", "nullable": True},
    },
    "key": ["visit"],
    "targets": {"long": {"task": "binary", "sql": "stay > 3"}},
}
TIME = {"event": "at", "label_delay": "2d", "zone": "America/New_York"}
WAYS: dict[str, dict[str, Any]] = {
    "stretches": {"time": TIME, "split": {"cutoff": date(2024, 4, 1), "test": "2w", "tune": "2w", "train": "3w", "holdout": 0.1}},
    "shares": {"time": TIME, "split": {"test": 0.2, "tune": 0.15, "holdout": 0.1}},
    "no time": {"split": {"test": 0.2, "tune": 0.2, "holdout": 0.1}},
    "a subject": {"subject": "patient", "split": {"test": 0.3, "tune": 0.2, "holdout": 0.1}},
}  # fmt: skip


def visits() -> pl.DataFrame:
    """In the order of time, as they are after validation. Every third row stands there again, far or near, under another number."""
    draw = random.Random(3)
    rows = [
        {
            "patient": draw.choice([None, *(f"p{j}" for j in range(60))]), "weight": round(draw.gauss(70, 12), 2),
            "ward": draw.choice(["a", "b", None]), "stay": draw.choice([None, *range(12)]),
        }
        for _ in range(N_ROWS * 2 // 3)
    ]  # fmt: skip
    rows += draw.sample(rows, N_ROWS - len(rows))
    draw.shuffle(rows)
    hours = sorted(draw.randrange(24 * 120) for _ in rows)
    return pl.DataFrame([
        {"visit": i, "at": datetime(2024, 1, 1) + timedelta(hours=hours[i]), **row} for i, row in enumerate(rows)
    ]).cast({"at": pl.Datetime("us")})  # fmt: skip


def ran(root: Path, way: str, most: int, rows: pl.DataFrame, **changes: Any) -> Paths:
    """A project whose valid rows stage split has seen in chunks of so many."""
    paths, data = Paths(root / f"in-{most}"), shipped(Data, **VISITS | WAYS[way] | changes)
    partitions.write(paths.valid, rows, data.time)
    write_json(paths.validation, Validated(rows.height + 5, rows.height, 5, {}))
    (root / f"scratch-{most}").mkdir()
    divide(data, paths, most, root / f"scratch-{most}")
    return paths


@pytest.mark.parametrize("most", [20, 100, N_ROWS - 1])
@pytest.mark.parametrize("way", WAYS)
def test_all_outputs_are_the_same_however_many_rows_are_in_memory(
    tmp_path: Path, way: str, most: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(buckets, "WAITING_ROWS", 50)
    whole, cut = (ran(tmp_path, way, n, visits()) for n in (N_ROWS, most))
    account = read_as(whole.accounting, Accounting)
    assert [leak.feature for leak in account.leaks] == ([] if way == "a subject" else ["duplicates"])
    assert min(account.splits[name] for name in ("train", "tune", "test", "holdout")) > 10
    assert sha256(whole.accounting) == sha256(cut.accounting)
    assert sha256(whole.splits) == sha256(cut.splits)


def test_no_split_is_written_where_what_is_suspected_ends_the_run(tmp_path: Path):
    failing = {"leaks": {"action": "fail"}}
    for most in (100, N_ROWS):
        with pytest.raises(AccordError, match="Possible leak"):
            ran(tmp_path, "shares", most, visits(), checks=failing)
        assert list(Paths(tmp_path / f"in-{most}").splits.iterdir()) == []


def test_data_that_leave_a_split_empty_are_refused_in_the_same_words(tmp_path: Path):
    said = set()
    for most in (7, N_ROWS):
        with pytest.raises(AccordError) as error:
            ran(
                tmp_path,
                "stretches",
                most,
                visits(),
                split={"cutoff": date(2030, 1, 1), "test": "1mo", "tune": "1mo"},
            )
        said.add(str(error.value))
    assert len(said) == 1
    assert "leaves no row in test, of 900" in said.pop()


def test_a_subject_has_all_rows_in_one_split_although_they_come_in_chunks(tmp_path: Path):
    paths = ran(tmp_path, "a subject", 11, visits())
    rows = pl.concat(
        partitions.read(folder, ["patient"]).with_columns(split=pl.lit(folder.name))
        for folder in paths.splits.iterdir()
    )
    assert rows.group_by("patient").agg(pl.col("split").n_unique())["split"].unique().to_list() == [1]
