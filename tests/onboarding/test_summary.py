"""What is said of a raw file fits the terminal, can be typed again, and gives nobody away."""

import shlex
from pathlib import Path

import polars as pl
import pytest
import yaml
from projects import ROOT

from accord.errors import AccordError
from accord.onboarding import onboard, raw_file, summary, written
from accord.onboarding.proposal import Proposal
from accord.paths import Paths

N_ROWS = 2000  # enough for columns without a missing value to promise one

FOLDERS = ("conf/data", "conf/objective", "tests/data_sets")


@pytest.fixture(scope="module")
def proposal(tmp_path_factory: pytest.TempPathFactory) -> Proposal:
    path = tmp_path_factory.mktemp("raw") / "parcels.csv"
    rows = range(N_ROWS)
    pl.DataFrame({
        "parcel id": [f"P-{7 * i}" for i in rows],
        "e-mail": [f"customer{i}@example.org" for i in rows],
        "phone": [f"+49 171 {2000000 + 7919 * i}" for i in rows],
        "weight kg": [f"{1 + i * 37 % 90 / 7:.2f}".replace(".", ",") for i in rows],
        "carrier": [("Nordpost", "Blitz")[i % 2] for i in rows],
        "late": ["yes" if i % 5 == 0 else "no" for i in rows],
    }).write_csv(path, separator=";")  # fmt: skip
    paths = Paths(ROOT)
    asked = onboard.Asked(str(path), "late")
    return onboard.proposed(asked, "parcels", raw_file.located(str(path), "parcels", paths), paths)


@pytest.fixture
def said(proposal: Proposal, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "100")
    return summary.as_text(
        onboard.Onboarded(
            proposal, tuple(Path(f"{folder}/parcels_of_the_shop.yaml") for folder in FOLDERS), "go on", ()
        )
    )


def test_no_line_is_wider_than_the_terminal_and_no_reason_is_cut(said: str, proposal: Proposal):
    assert max(map(len, said.splitlines())) <= 100
    assert "..." not in said
    assert "targets.late.task" in said
    words = " ".join(said.split())
    assert all(text in words for text in ("parcel id", "weight kg", "pii: hash"))


def test_an_option_that_changes_a_guess_can_be_typed_as_it_stands(proposal: Proposal):
    options = [g.instead for m in proposal.members for g in m.guesses if g.instead.startswith("--type")]
    assert "--type 'weight kg=category'" in options
    assert {len(shlex.split(option)) for option in options} == {2}


def test_each_way_to_read_dates_is_said_as_it_can_be_typed(tmp_path: Path):
    path = tmp_path / "customers.csv"
    lines = [f"01/{1 + i % 12:02}/2020,{i % 7},{'yes' if i % 3 else 'no'}" for i in range(100)]
    path.write_text("\n".join(["customer's since,n,late", *lines]))
    paths = Paths(ROOT)
    with pytest.raises(AccordError) as refused:
        onboard.proposed(
            onboard.Asked(str(path), "late"),
            "customers",
            raw_file.located(str(path), "customers", paths),
            paths,
        )
    words = shlex.split(str(refused.value).rpartition("choose: ")[2])
    assert words == ["--type", "customer's since=%d/%m/%Y", "or", "--type", "customer's since=%m/%d/%Y"]


def test_words_that_are_no_numbers_are_not_said_to_be_numbers_else(said: str):
    assert "carrier=number" not in said


def test_no_value_that_may_identify_a_person_is_written(said: str, proposal: Proposal):
    assert "pii" in written.text(proposal)
    for text in (said, written.text(proposal)):
        assert "@example" not in text
        assert "+49" not in text


def test_labelled_traffic_without_personal_columns_keeps_the_contract(proposal: Proposal):
    columns = yaml.safe_load(written.text(proposal))["columns"]
    assert {name for name, column in columns.items() if column.get("pii")} == {"e_mail", "phone"}
    assert all(column["nullable"] for column in columns.values() if column.get("pii"))
