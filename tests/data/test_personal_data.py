"""Columns that identify people are found by their values and their names, and honest lookalikes are not."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from personal_worlds import HONEST, PLANTED, Maker

from accord.data.infer.facts import Facts
from accord.data.infer.guess import Inferred
from accord.data.infer.personal import personal


def guessed(name: str, values: list[Any]) -> dict[str, Any]:
    column = Inferred(name, name, (), pl.Series(name, values), {})
    return {guess.key: guess.value for guess in personal(Facts(column))}


@pytest.mark.parametrize(
    ("seed", "n"), [(1, 100), *(pytest.param(seed, 400, marks=pytest.mark.slow) for seed in (2, 3))]
)
def test_nine_of_ten_planted_columns_are_found_and_eight_of_ten_that_are_found_are_planted(seed: int, n: int):
    found = {what for what, (name, make) in PLANTED.items() if guessed(name, make(Maker(seed, n)))}
    accused = {what for what, (name, make) in HONEST.items() if guessed(name, make(Maker(seed, n)))}
    assert len(PLANTED) >= 50
    assert len(HONEST) >= 50
    assert len(found) >= 0.9 * len(PLANTED), PLANTED.keys() - found
    assert len(found) >= 0.8 * len(found | accused), accused


@pytest.mark.parametrize(
    ("what", "keys"),
    [
        ("full names", {"pii": "hash", "role": "info"}),
        ("births", {"pii": "hash"}),
        ("homes", {"pii": "hash"}),
        ("texts with mails", {"pii": "drop", "role": "info"}),
    ],
)
def test_what_names_a_person_is_no_feature_and_what_people_have_in_common_stays_one(
    what: str, keys: dict[str, str]
):
    name, make = PLANTED[what]
    assert guessed(name, make(Maker(1))) == keys


@pytest.mark.parametrize("what", ["full names", "mail", "IBAN", "telephones"])
def test_missing_values_and_repeats_hide_nobody(what: str):
    name, make = PLANTED[what]
    values = make(Maker(1, 40))
    assert guessed(name, [None if i % 3 else values[i % 40] for i in range(900)])["pii"] == "hash"


def test_a_few_people_in_a_column_of_something_else_are_not_enough():
    cities, names = HONEST["cities of two words"][1](Maker(1)), PLANTED["full names"][1](Maker(1))
    assert guessed("x", [*cities, *names[:3]]) == {}


ANY = st.one_of(
    st.text(max_size=30),
    st.from_regex(r"[0-9A-Z .\-/+]{8,19}", fullmatch=True),
    st.sampled_from(["", " ", "0" * 18, "9" * 18, "1.2.3.4", "@", "a@b.c"]),
)


@given(st.lists(ANY, min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_no_text_stops_the_search(values: list[str]):
    guessed("id number", values)


@given(st.text(max_size=20))
def test_any_name_of_a_column_can_be_read(name: str):
    guessed(name, ["anna", "otto"])


@pytest.mark.parametrize("name", ["color", "city", "brand"])
def test_a_column_of_things_is_not_accused_for_names_that_people_have_too(name: str):
    _, make = PLANTED["given names"]
    assert guessed(name, make(Maker(1))) == {}
