"""Tables that can't be what they are said to be, and such as need care: what is proposed, or one line that says why not."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from projects import ROOT

from accord.errors import AccordError
from accord.onboarding import raw_file
from accord.onboarding.onboard import Asked, called, proposed
from accord.onboarding.proposal import Proposal
from accord.paths import Paths

N = 600
RNG = np.random.default_rng(4)
X = RNG.normal(size=N)
LATE = (RNG.normal(size=N) + X > 0).astype(int)


def propose(folder: Path, columns: dict[str, Any], target: str = "late", **asked: Any) -> Proposal:
    path = folder / "rides.csv"
    pl.DataFrame(columns).write_csv(path)
    return proposed(
        Asked(str(path), target, **asked), "rides", raw_file.Raw("data/raw/rides.csv", str(path)), Paths(ROOT)
    )


@pytest.mark.parametrize(
    ("columns", "asked", "why"),
    [
        ({"late": LATE}, {}, "has no column but late"),
        ({"x": X, "late": [1] * N}, {}, "expected two different values or more"),
        ({"x": X, "late": LATE, "at": ["2024-01-01"] * N}, {"time": "at"}, "--time at: the rows can't be split by it"),
        ({"x": X, "late": LATE, "at": [f"day {i}" for i in range(N)]}, {"time": "at"}, "it was read as category, such as 'day 0'"),
        ({"x": X, "late": LATE, "at": ["2024-01-01", ""] * (N // 2)}, {"time": "at"}, "300 of 600 rows have no time in it"),
        (
            {"x": X, "late": LATE, "at": [f"{1 + i % 12:02}/{1 + i % 7:02}/2024" for i in range(N)]}, {},
            "choose: --type at=%d/%m/%Y or --type at=%m/%d/%Y",
        ),
    ],
)  # fmt: skip
def test_a_table_that_can_not_be_used_is_refused_in_one_line(
    tmp_path: Path, columns: dict, asked: dict, why: str
):
    with pytest.raises(AccordError) as error:
        propose(tmp_path, columns, **asked)
    assert why in str(error.value)
    assert "\n" not in str(error.value)


def test_a_format_that_is_chosen_is_taken(tmp_path: Path):
    columns = {"x": X, "late": LATE, "at": [f"{1 + i % 12:02}/{1 + i % 7:02}/2024" for i in range(N)]}
    found = propose(tmp_path, columns, readings={"at": {"type": "datetime", "format": "%m/%d/%Y"}})
    assert found.columns["at"]["format"] == "%m/%d/%Y"


def test_rows_without_an_outcome_are_counted_and_kept(tmp_path: Path):
    amount = [f"{x:.3f}" for x in X]
    amount[0], amount[1], amount[2:40] = "", "NaN", ["?"] * 38
    found = propose(tmp_path, {"x": X, "y": RNG.normal(size=N), "amount": amount}, target="amount")
    assert found.columns["amount"]["nullable"]
    assert any("40 of 600 rows have no amount" in remark for remark in found.remarks)


@pytest.mark.parametrize("word", ["it's", "${data.name}", 'a "b"', "nothing", "1e5x", "back\\slash", "é"])
def test_any_word_may_be_the_outcome(tmp_path: Path, word: str):
    columns = {"x": X, "late": np.where(LATE, word, "other"), "order": X}
    found = propose(tmp_path, columns, positive=word)
    [sql] = [guess.value for guess in found.guesses if guess.key == "targets.late.sql"]
    assert pl.DataFrame({"late": columns["late"]}).select(pl.sql_expr(sql)).to_series().sum() == LATE.sum()


def test_each_side_has_both_outcomes_even_of_few_rows(tmp_path: Path):
    late = [int(i % 20 == 0) for i in range(150)]
    found = propose(tmp_path, {"x": X[:150], "late": late})
    [reason] = [guess.reason for guess in found.guesses if guess.key == "split.test"]
    assert "each side has rows with every outcome" in reason


def test_a_rare_outcome_and_groups_call_for_an_objective(tmp_path: Path):
    rare = (np.arange(N) % 40 == 0).astype(int)
    plain = propose(tmp_path, {"x": X, "late": LATE})
    assert plain.objective is None
    found = propose(tmp_path, {"x": X, "late": rare, "sex": RNG.choice(["male", "female"], N)})
    assert "builtin: average_precision" in str(found.objective)
    assert "group: sex" in str(found.objective)


@pytest.mark.parametrize(
    ("source", "name"),
    [("a/Rides 2024.csv.gz", "rides_2024"), ("sklearn://wine", "wine"), ("rides/*.csv", "rides"), ("2024.csv", "data_2024"), ("nan.csv", "data_nan")],
)  # fmt: skip
def test_a_data_set_is_called_like_its_file(source: str, name: str):
    assert called(source, None) == name
