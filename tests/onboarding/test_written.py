"""What is proposed is read from its file as it was meant."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from accord.data.infer.guess import Guess
from accord.onboarding import written
from accord.onboarding.proposal import Member, Proposal

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
VALUES = st.one_of(
    TEXT, st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.lists(TEXT)
)


def read(text: str) -> Any:
    return OmegaConf.to_container(OmegaConf.create(yaml.safe_load(text)), resolve=True)


@given(VALUES)
@settings(max_examples=300, deadline=None)
def test_any_value_is_read_as_it_was(value: Any):
    assert read(f"key: {written.in_yaml(value)}") == {"key": value}


@pytest.mark.parametrize(
    "value",
    ["${a}", "\\${a}", "\\\\${a.b}", "a${", "no", "1e5", "???", "# a", "a: b", "- a", "'", '"', "\n", "~", "null", "2024-01-01", "1_000",
     "0x1F", "1:30", ".5", "{a}", "*a", "&a", "%a", "@a", "", " a ", "\x85", "\u2028", "é", "e\u0301", "=", "<<", 1e22, 1e-7, 5e-324],
)  # fmt: skip
def test_values_that_yaml_or_omegaconf_would_take_for_another_are_read_as_they_were(value: Any):
    assert read(f"key: {written.in_yaml(value)}") == {"key": value}


@settings(deadline=None)
@given(TEXT, TEXT, st.lists(TEXT, max_size=3))
def test_the_file_holds_the_proposal_whatever_its_texts(source: str, reason: str, nulls: list[str]):
    guesses = (Guess("type", "category", reason, reason), Guess("nulls", nulls, reason))
    proposal = Proposal(
        "rides", source, {"path": source, "nulls": nulls}, (Guess("separator", ";", reason),),
        (
            Member("a", source, {"type": "category", "source": source, "nulls": nulls}, guesses),
            Member("b", source, {"type": "number", "min": 0}, guesses, is_left_out=True),
        ),
        (
            Guess("key", ["a"], reason), Guess("targets.x.task", "binary", reason, reason), Guess("targets.x.sql", source or "a", reason),
            Guess("split.test", 0.2, reason),
        ),
    )  # fmt: skip
    assert read(written.text(proposal)) == proposal.values
