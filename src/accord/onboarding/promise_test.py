"""The text of a test of a data set's contract: rows of the source keep it, and errors planted in them don't."""

from collections.abc import Iterator, Mapping
from typing import Any

from accord.onboarding.proposal import Proposal

MAX_CASES = 24
LINE = 110
TEXT = '''"""What the contract of {name} lets pass, and what it puts into quarantine. Written by `accord onboard`; yours to change."""

from pathlib import Path

import polars as pl
import pytest

from accord.config import compose, selection
from accord.data import contract
from accord.data.ingest import joins
from accord.paths import Paths
from accord.schema.config import Config
from accord.schema.data import Data

ROOT = Path(__file__).parents[2]
N_ROWS = 10_000


@pytest.fixture(scope="module")
def data() -> Data:
    paths = Paths(ROOT)
    words = ["data={name}", "objective={objective}"]
    chosen = selection.with_words(selection.read(paths), words, paths.conf)
    return Config.model_validate(compose.composed(chosen, paths.conf)).data


@pytest.fixture(scope="module")
def rows(data: Data) -> pl.DataFrame:
    return joins.ingest(data, ROOT).rows


def check(rows: pl.DataFrame, data: Data) -> contract.Checked:
    return contract.check(rows, data.columns, data.key, data.rules, data.time)


def test_honest_rows_pass(rows: pl.DataFrame, data: Data):
    checked = check(rows.sample(min(N_ROWS, rows.height), seed=1), data)
    assert checked.quarantine.height <= data.checks.max_quarantined_share * N_ROWS, checked.broken


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
{cases}    ],
)
def test_a_planted_error_goes_to_quarantine(
    column: str, value: str | None, reason: str, rows: pl.DataFrame, data: Data
):
    planted = rows.head(1).with_columns(pl.lit(value, dtype=pl.String).alias(column))
    assert reason in check(planted, data).broken
'''


def text(proposal: Proposal, objective: str) -> str:
    cases = list(_spread([(name, list(_planted(name, keys))) for name, keys in proposal.columns.items()]))
    lines = "".join(_case(*case) for case in cases)
    return TEXT.format(name=proposal.name, objective=objective, cases=lines)


def _spread(
    planted: list[tuple[str, list[tuple[str, str | None, str]]]],
) -> Iterator[tuple[str, str | None, str]]:
    """A few cases of each kind, in the order of the columns."""
    n_of: dict[str, int] = {}
    kinds = {reason.partition("|")[2] for _, cases in planted for *_, reason in cases}
    for _, cases in planted:
        for case in cases:
            kind = case[2].partition("|")[2]
            n_of[kind] = n_of.get(kind, 0) + 1
            if n_of[kind] <= MAX_CASES // len(kinds):
                yield case


def _planted(name: str, keys: Mapping[str, Any]) -> Iterator[tuple[str, str | None, str]]:
    """For each promise of the column, a value that breaks it, as its table would write it, and the reason for quarantine."""
    if keys["type"] != "category":
        yield name, "no such value", f"{name}|type"
    for bound, step in (("min", -1), ("max", 1)):
        if keys.get(bound) is not None:
            yield name, _number(keys[bound] + step * (1 + abs(keys[bound])), keys), f"{name}|{bound}"
    if keys.get("values"):
        yield name, "no such value", f"{name}|values"
    if not keys.get("nullable"):
        yield name, None, f"{name}|nullability"


def _number(value: float, keys: Mapping[str, Any]) -> str:
    """The number as the column's table writes it."""
    if keys.get("percent"):
        value *= 100
    text = str(int(value)) if value == int(value) else f"{value:f}"
    return f"{text.replace('.', keys.get('decimal', '.'))}{' %' if keys.get('percent') else ''}"


def _case(name: str, value: str | None, reason: str) -> str:
    """A line of the test as its formatter has it, or several where it is too long."""
    parts = [f'"{name}"', "None" if value is None else f'"{value}"', f'"{reason}"']
    line = f"        ({', '.join(parts)}),\n"
    if len(line) <= LINE + 1:
        return line
    return "        (\n" + "".join(f"            {part},\n" for part in parts) + "        ),\n"
