"""What a raw table's columns are taken for, by the values of every row."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from accord.data.casting import cast
from accord.data.infer import inference, raw_table, types
from accord.data.infer.distinct import Words
from accord.data.infer.guess import Inferred
from accord.errors import AccordError
from accord.schema.data import Reading

KEYS = Reading.model_fields.keys()


def inferred(folder: Path, given: Any = {}, **values: Any) -> dict[str, Inferred]:  # noqa: B006
    """The columns of a table of these values, by their names in it."""
    path = folder / "t.csv"
    pl.DataFrame(values).write_csv(path)
    return {column.source: column for column in inference.columns(raw_table.read("t.csv", folder), given)}


def one(folder: Path, values: list[Any], name: str = "a", **given: Any) -> Inferred:
    """A column of these values beside another one."""
    return inferred(folder, {name: given} if given else {}, **{name: values, "beside": range(len(values))})[
        name
    ]


def reading(column: Inferred) -> dict[str, Any]:
    """How it is read, without what it has for missing values."""
    return {key: value for key, value in column.keys.items() if key in KEYS and key != "nulls"}


FORMS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "whole numbers": (["3", "-4", "12"], {"type": "integer"}),
    "a float in one row": (["3", "4", "5.5"], {"type": "number"}),
    "decimals without a fraction": (["1.0", "2.0", "5.0"], {"type": "number"}),
    "numbers as programs write them": (["1e-05", "2.5E+3", ".5"], {"type": "number"}),
    "grades of one to five": (["1", "2", "5"] * 100, {"type": "integer"}),
    "codes with a zero in front": (["01", "12", "13"], {"type": "category"}),
    "a zero in front in one of many": ([*map(str, range(1, 2000)), "01"], {"type": "category"}),
    "codes that could be exponents": (["1E5", "2E3", "9E9"], {"type": "category"}),
    "ids of 19 digits": (["9007199254740993001", "9007199254740993002"], {"type": "category"}),
    "telephone numbers": (["+34123456789", "+34123456780"], {"type": "category"}),
    "numbers and a code": (["123", "321", "V12"], {"type": "category"}),
    "numbers and words": (["0", "1", "2", "three", "four", "five", "six"], {"type": "category"}),
    "percent": (["12%", "7.5 %", "100%"], {"type": "number", "percent": True}),
    "thousands": (["1,234.5", "999.0", "12,000.1"], {"type": "number", "thousands": ","}),
    "whole thousands": (["1,234", "999", "1,234,567"], {"type": "integer", "thousands": ","}),
    "a decimal comma": (["1,5", "22,75", "3,0"], {"type": "number", "decimal": ",", "thousands": "."}),
    "a decimal comma without thousands": (["1,5", "1022,75", "3,0"], {"type": "number", "decimal": ","}),
    "a decimal comma and thousands": (["1.234,5", "12,25"], {"type": "number", "decimal": ",", "thousands": "."}),
    "dollars": (["$1,200.50", "$3.00", "-$4.10"], {"type": "number", "thousands": ",", "currency": "$"}),
    "euros behind": (["12,50 €", "3,99 €"], {"type": "number", "decimal": ",", "thousands": ".", "currency": "€"}),
    "a unit": (["12 kg", "7.5 kg", "80 kg"], {"type": "number", "thousands": ",", "currency": "kg"}),
    "yes and no": (["yes", "No", "yes"], {"type": "boolean", "true_words": ["yes"], "false_words": ["no"]}),
    "true and false": (["True", "False"], {"type": "boolean"}),
    "yes, no and a third": (["Yes", "No", "No phone service"], {"type": "category"}),
    "zeros and ones": (["0", "1", "1"], {"type": "integer"}),
    "years": (["1999", "2004", "2012"], {"type": "integer"}),
    "ISO days": (["2024-03-01", "2024-12-31"], {"type": "datetime"}),
    "ISO instants with a zone": (["2024-03-01T12:30:00+02:00", "2024-03-01T12:30:00Z"], {"type": "datetime"}),
    "American days": (["01/31/2024", "02/01/2024"], {"type": "datetime", "format": "%m/%d/%Y"}),
    "European days": (["31/01/2024", "02/01/2024"], {"type": "datetime", "format": "%d/%m/%Y"}),
    "days with a clock": (["31.01.2024 13:05", "02.01.2024 00:00"], {"type": "datetime", "format": "%d.%m.%Y %H:%M"}),
    "days with a clock of twelve hours": (["1/31/2024 1:05 PM", "2/1/2024 11:00 AM"], {"type": "datetime", "format": "%m/%d/%Y %I:%M %p"}),
    "months by name": (["03-Mar-2024", "14-Apr-2024"], {"type": "datetime", "format": "%d-%b-%Y"}),
    "days of digits alone": (["20170204", "20171231", "20180101"], {"type": "datetime", "format": "%Y%m%d"}),
    "digits that are no days": (["20170204", "20171331", "20180101"], {"type": "integer"}),
    "bands that look like dates": (["1-2", "3-5", "6-10", "11-20"], {"type": "category"}),
    "versions that look like dates": (["3.11.4", "3.10.2", "2.7.18"], {"type": "category"}),
    "nothing": ([None, None, None], {"type": "category"}),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_values_are_read_as_they_are_meant(tmp_path: Path, form: str):
    values, expected = FORMS[form]
    assert reading(one(tmp_path, values)) == expected


@pytest.mark.parametrize("form", FORMS)
def test_the_contract_reads_what_was_inferred(tmp_path: Path, form: str):
    column = one(tmp_path, FORMS[form][0])
    text = pl.Series([None if value is None else str(value) for value in FORMS[form][0]], dtype=pl.String)
    read, lost = cast(text, Reading(**{k: v for k, v in column.keys.items() if k in KEYS}))
    assert not lost.any()
    assert read.equals(column.values, null_equal=True)


@pytest.mark.parametrize(
    ("seen", "later", "value"),
    [
        (["12,50 €", "3,99 €"], "1.234,50 €", 1234.5),
        (["$3.00", "$14.10"], "$1,234.50", 1234.5),
        (["0,5", "7,25"], "12.000,25", 12000.25),
    ],
)
def test_a_larger_amount_than_any_before_is_read_in_groups(
    tmp_path: Path, seen: list[str], later: str, value: float
):
    read, lost = cast(pl.Series([later]), Reading(**reading(one(tmp_path, seen))))
    assert not lost.any()
    assert read[0] == value


def test_digits_under_the_name_of_a_code_are_a_category(tmp_path: Path):
    found = inferred(tmp_path, **{"Zip Code": ["94105", "10001"], "amount": ["94105", "10001"]})
    assert (found["Zip Code"].type, found["amount"].type) == ("category", "integer")


def test_days_that_both_orders_read_are_left_open_with_both_readings(tmp_path: Path):
    guess = one(tmp_path, ["01/02/2023", "04/07/2024"]).guesses[0]
    assert guess.is_open
    assert "1 February 2023" in guess.reason
    assert "2 January 2023" in guess.reason


def test_one_day_of_many_decides_their_order(tmp_path: Path):
    column = one(tmp_path, ["01/02/2023", "04/07/2024", "12/25/2023"])
    assert reading(column)["format"] == "%m/%d/%Y"
    assert not column.guesses[0].is_open


def test_an_order_that_somebody_gives_closes_the_question(tmp_path: Path):
    column = one(tmp_path, ["01/02/2023", "04/07/2024"], day_first=False)
    assert reading(column)["format"] == "%m/%d/%Y"
    assert not column.guesses[0].is_open


def test_a_comma_that_may_be_either_is_left_open(tmp_path: Path):
    guess = one(tmp_path, ["1,234", "5,678", "9,120"]).guesses[0]
    assert guess.is_open
    assert "1234" in guess.reason
    assert "1.234" in guess.reason


@pytest.mark.parametrize("type_", ["category", "number", "datetime", "boolean"])
def test_a_type_that_somebody_gives_wins(tmp_path: Path, type_: str):
    column = one(tmp_path, ["1", "2", "3"], type=type_)
    assert column.type == type_
    assert column.guesses[0].reason.startswith("as you said")


def test_a_type_for_a_column_that_is_not_there_names_the_nearest(tmp_path: Path):
    with pytest.raises(AccordError, match="no column 'besides'; did you mean 'beside'"):
        inferred(tmp_path, {"besides": {"type": "category"}}, beside=["1"])


def test_words_for_missing_values_are_counted_in_each_column(tmp_path: Path):
    found = inferred(tmp_path, a=["1", " ?", "3", None], b=["x", "NA", "y", "NA"])
    assert dict(found["a"].missing) == {"": 1, "?": 1}
    assert dict(found["b"].missing) == {"NA": 2}
    assert found["a"].type == "integer"
    assert found["a"].values.to_list() == [1, None, 3, None]


def test_a_number_that_stands_for_none_is_far_from_the_rest_and_frequent(tmp_path: Path):
    values = [str(20 + i % 15) for i in range(100)]
    assert one(tmp_path, [*values, *["-999"] * 5]).keys["nulls"] == ["-999"]
    assert "nulls" not in one(tmp_path, [*values, "-999"]).keys
    assert "nulls" not in one(tmp_path, [*map(str, range(-1200, 1200, 10)), *["-999"] * 5]).keys


def test_namibia_is_a_country(tmp_path: Path):
    from accord.data.infer.missing import COUNTRIES

    assert not one(tmp_path, sorted(COUNTRIES)).values.null_count()
    assert one(tmp_path, ["CA", "TX", "NA", "NY"]).values.null_count() == 1


def test_the_same_types_come_of_any_order_of_rows_and_columns(tmp_path: Path):
    table = pl.DataFrame({form: [str(v) for v in (values * 40)[:37]] for form, (values, _) in FORMS.items()})
    table.write_csv(tmp_path / "t.csv")
    expected = {c.source: c.keys for c in inference.columns(raw_table.read("t.csv", tmp_path))}
    for seed in range(5):
        shuffled = table.sample(fraction=1, shuffle=True, seed=seed)
        shuffled = shuffled.select(pl.Series(shuffled.columns).shuffle(seed=seed).to_list())
        shuffled.write_csv(tmp_path / "t.csv")
        assert {c.source: c.keys for c in inference.columns(raw_table.read("t.csv", tmp_path))} == expected


@pytest.mark.parametrize("form", FORMS)
def test_plain_numbers_are_told_the_same_with_and_without_counting(form: str):
    text = pl.Series("a", [None if v is None else str(v) for v in FORMS[form][0]], dtype=pl.String)
    plain = types.plainly_numeric(text)
    assert plain is None or plain == types.typed(Words.of(text), "a", {})


def test_what_somebody_says_of_a_form_says_the_type_too(tmp_path: Path):
    column = one(tmp_path, ["01/02/2023", "04/07/2024"], format="%m/%d/%Y")
    assert (column.type, column.guesses[0].is_open) == ("datetime", False)


def test_a_type_wins_where_the_form_stays_open(tmp_path: Path):
    column = one(tmp_path, ["1,234", "5,678"], type="number")
    assert (column.type, column.guesses[0].is_open) == ("number", True)


@pytest.mark.parametrize("name", ["n", "count", "text", "level", "literal", "len", "index"])
def test_a_column_may_have_any_name(tmp_path: Path, name: str):
    values = ["a", "b"] * 200
    assert one(tmp_path, values, name).keys["values"] == ["a", "b"]


def test_words_that_somebody_gives_for_missing_values_are_all(tmp_path: Path):
    assert one(tmp_path, ["1", "?", "3"], nulls=[]).values.to_list() == ["1", "?", "3"]
    assert one(tmp_path, ["1", "-1", "?", None], nulls=["-1", "?"]).values.to_list() == [1, None, None, None]
