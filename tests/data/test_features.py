"""The transform from a row's columns to numbers: fitted on train, plain data, the same row by row."""

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shipped import shipped

from accord.errors import AccordError
from accord.features.transform import Transform, fit, fit_chunks, load_matrix, save_chunks, save_matrix
from accord.files import read_json, write_json
from accord.models import Feature
from accord.schema.config import Features
from accord.schema.data import Column

COLUMNS = {
    "id": shipped(Column, type="integer", role="info"),
    "colour": shipped(Column, type="category", nullable=True),
    "size": shipped(Column, type="integer", nullable=True),
    "weight": shipped(Column, type="number", nullable=True),
    "new": shipped(Column, type="boolean", nullable=True),
    "made": shipped(Column, type="datetime", nullable=True),
    "sold": shipped(Column, type="number", role="outcome"),
}
SCHEMA = {
    "id": pl.Int64, "colour": pl.String, "size": pl.Int64, "weight": pl.Float64, "new": pl.Boolean, "made": pl.Datetime("us"), "sold": pl.Float64,
}  # fmt: skip
DERIVED = {"density": "weight / size", "is_red": "colour = 'red'", "shade": "concat(colour, '-', size)"}
TRAIN = pl.DataFrame(
    {
        "id": range(8),
        "colour": ["red"] * 3 + ["blue"] * 3 + ["green", None],
        "size": [1, 2, 3, 4, 5, 6, None, 8],
        "weight": [0.5, None, 1.5, 2.0, float("nan"), 3.0, 3.5, 4.0],
        "new": [True, False, None, True, False, True, False, True],
        "made": [datetime(2024, 1, 1)] * 7 + [None],
        "sold": [1.0] * 8,
    },
    schema=SCHEMA,
)


def fitted(rare: int = 3, drop: tuple[str, ...] = (), derived: dict[str, str] | None = None) -> Transform:
    return fit(
        TRAIN,
        COLUMNS,
        DERIVED if derived is None else derived,
        shipped(Features, rare_level_rows=rare, drop=list(drop)),
    )


def column(transform: Transform, rows: pl.DataFrame, name: str) -> list[float]:
    place = [feature.name for feature in transform.features].index(name)
    return transform.matrix(rows)[:, place].tolist()


def test_features_are_the_columns_of_that_role_and_the_derived_ones():
    names = [feature.name for feature in fitted().features]
    assert names == ["colour", "size", "weight", "new", "made", "density", "is_red", "shade"]
    assert fitted().matrix(TRAIN).shape == (8, 8)


def test_a_category_has_a_code_a_level_and_two_more():
    assert fitted(derived={}).features[0] == Feature("colour", n_codes=4)
    assert column(fitted(), TRAIN, "colour")[:6] == [1, 1, 1, 0, 0, 0]  # blue before red


def test_a_level_seen_rarely_counts_as_unseen():
    rows = TRAIN.head(2).with_columns(colour=pl.Series(["green", "never seen"]))
    assert column(fitted(rare=3), rows, "colour") == [2, 2]
    assert column(fitted(rare=1), rows, "colour") == [1, 3]


def test_a_missing_level_has_a_code_of_its_own():
    assert column(fitted(), TRAIN, "colour")[-1] == 3


def test_a_category_without_any_common_level_still_distinguishes_missing_from_unseen():
    transform = fitted(rare=100)
    assert transform.features[0] == Feature("colour", n_codes=2)
    assert column(transform, TRAIN, "colour") == [0] * 7 + [1]


@pytest.mark.parametrize("name", ["size", "weight", "new", "made"])
def test_a_number_is_itself_and_nan_where_it_is_missing(name: str):
    found = column(fitted(), TRAIN, name)
    values = TRAIN[name].to_physical().cast(pl.Float64).fill_null(float("nan"))
    np.testing.assert_array_equal(found, values.to_numpy())


def test_a_derived_feature_is_computed_from_the_columns_of_its_row():
    assert column(fitted(), TRAIN, "density")[2] == 0.5
    assert np.isnan(column(fitted(), TRAIN, "density")[1])
    assert column(fitted(), TRAIN, "is_red")[:4] == [1, 1, 1, 0]


def test_a_derived_category_has_codes_too():
    transform = fitted(rare=1)
    assert transform.features[-1].n_codes is not None
    assert column(transform, TRAIN.head(1).with_columns(size=pl.lit(99)), "shade") == [
        transform.features[-1].n_codes - 2
    ]


def test_a_dropped_feature_is_not_asked_for():
    transform = fitted(drop=("colour", "is_red", "shade", "made"))
    assert [feature.name for feature in transform.features] == ["size", "weight", "new", "density"]
    assert list(transform.inputs) == ["size", "weight", "new"]
    assert transform.matrix(TRAIN.select("size", "weight", "new")).shape == (8, 4)


def test_a_dropped_column_that_a_derived_feature_reads_stays_an_input():
    transform = fitted(drop=("size", "shade"))
    assert "size" in transform.inputs
    assert "size" not in [feature.name for feature in transform.features]
    assert column(transform, TRAIN, "density")[2] == 0.5


def test_a_dropped_derived_feature_brings_no_input():
    derived = {"late": "weight * 2"}
    transform = fitted(drop=("weight", "late"), derived=derived)
    assert "weight" not in transform.inputs
    assert transform.derived == {}


def test_outcomes_are_no_input():
    assert "sold" not in fitted().inputs
    assert "id" not in fitted().inputs


def test_no_feature_at_all_is_one_error():
    with pytest.raises(AccordError, match=r"no feature.*features\.drop"):
        fit(TRAIN, {"sold": COLUMNS["sold"]}, {}, shipped(Features))


def test_the_transform_is_fitted_on_the_rows_it_is_given_alone():
    more = pl.concat([TRAIN, TRAIN.with_columns(colour=pl.lit("violet"))])
    transform = fitted()
    before = transform.as_dict()
    transform.matrix(more)
    assert transform.as_dict() == before
    assert "violet" not in json.dumps(before)


def test_the_order_of_training_rows_does_not_matter():
    again = fit(TRAIN.reverse(), COLUMNS, DERIVED, shipped(Features, rare_level_rows=1))
    assert again == fitted(rare=1)


def test_inputs_are_left_as_they_are():
    before = TRAIN.clone()
    fitted().matrix(TRAIN)
    assert TRAIN.equals(before)


@pytest.mark.parametrize("rare", [1, 3, 100])
def test_a_transform_read_from_json_makes_the_same_matrix(tmp_path: Path, rare: int):
    transform = fitted(rare)
    write_json(tmp_path / "transform.json", transform.as_dict())
    again = Transform.from_dict(read_json(tmp_path / "transform.json"))
    assert again == transform
    assert again.features == transform.features
    assert again.matrix(TRAIN).tobytes() == transform.matrix(TRAIN).tobytes()


def test_a_matrix_mapped_from_disk_is_the_one_saved(tmp_path: Path):
    X = fitted().matrix(TRAIN)
    save_matrix(tmp_path / "train.npy", X)
    found = load_matrix(tmp_path / "train.npy")
    assert isinstance(found, np.memmap)
    assert found.tobytes() == X.tobytes()


def test_unseen_levels_are_distinguished_from_missing_ones():
    rows = TRAIN.head(3).with_columns(colour=pl.Series(["red", "green", None]))
    assert fitted(derived={}).unseen(rows)["colour"].to_list() == [False, True, False]


@pytest.mark.parametrize("kind", ["text", "numbers"])
def test_columns_of_another_type_are_cast_to_the_declared_one(kind: str):
    rows = TRAIN.with_columns(pl.col("size").cast(pl.String if kind == "text" else pl.Float64))
    assert fitted().matrix(rows).tobytes() == fitted().matrix(TRAIN).tobytes()


ROWS = st.lists(
    st.fixed_dictionaries({
        "colour": st.none() | st.sampled_from(["red", "blue", "green", "ünïcode", ""]) | st.text(max_size=3),
        "size": st.none() | st.integers(-(2**40), 2**40),
        "weight": st.none() | st.floats(-1e9, 1e9, allow_nan=False),
        "new": st.none() | st.booleans(),
        "made": st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)),
    }),
    min_size=1,
    max_size=8,
)  # fmt: skip
INPUTS = {name: SCHEMA[name] for name in ("colour", "size", "weight", "new", "made")}


@settings(max_examples=40, deadline=None)
@given(values=ROWS)
def test_a_row_alone_becomes_the_same_numbers_as_among_others(values: list[dict]):
    rows = pl.DataFrame(values, schema=INPUTS)
    transform = fitted(rare=1)
    together = transform.matrix(rows)
    alone = np.vstack([transform.matrix(rows.slice(i, 1)) for i in range(rows.height)])
    assert alone.tobytes() == together.tobytes()


@settings(max_examples=30, deadline=None)
@given(values=ROWS, order=st.permutations(list(INPUTS)))
def test_the_order_of_columns_does_not_matter(values: list[dict], order: list[str]):
    rows = pl.DataFrame(values, schema=INPUTS)
    transform = fitted(rare=1)
    shuffled = rows.select(order).with_columns(another=pl.lit("column"))
    assert transform.matrix(shuffled).tobytes() == transform.matrix(rows).tobytes()


@settings(max_examples=30, deadline=None)
@given(values=ROWS)
def test_codes_stay_within_what_the_feature_says(values: list[dict]):
    transform = fitted(rare=1)
    X = transform.matrix(pl.DataFrame(values, schema=INPUTS))
    for j, feature in enumerate(transform.features):
        if feature.n_codes is not None:
            assert np.isin(X[:, j], np.arange(feature.n_codes)).all()


def test_no_rows_make_an_empty_matrix():
    assert fitted().matrix(TRAIN.head(0)).shape == (0, 8)


@pytest.mark.parametrize(("cautious", "n_rows", "is_known"), [(False, 10, True), (False, 9, False), (True, 19, False), (True, 20, True)])  # fmt: skip
def test_how_rare_a_level_may_be_follows_from_how_cautious_training_is(
    cautious: bool, n_rows: int, is_known: bool
):
    rows = pl.DataFrame({"colour": ["red"] * 50 + ["blue"] * n_rows})
    found = fit(rows, {"colour": shipped(Column, type="category")}, {}, shipped(Features), cautious)
    assert ("blue" in (found.encodings[0].levels or ())) == is_known


@pytest.mark.parametrize("n", [1, 3, 5, 8])
def test_chunks_of_rows_make_the_same_transform_and_the_same_file(tmp_path: Path, n: int):
    chunks = [TRAIN.slice(start, n) for start in range(0, TRAIN.height, n)]
    for rare in (1, 3, 100):
        settings = shipped(Features, rare_level_rows=rare)
        assert fit_chunks(iter(chunks), COLUMNS, DERIVED, settings) == fitted(rare)
    save_matrix(tmp_path / "whole.npy", fitted().matrix(TRAIN))
    save_chunks(tmp_path / "parts.npy", fitted().matrices(iter(chunks)), (TRAIN.height, 8))
    assert (tmp_path / "parts.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_a_row_without_a_value_is_counted_from_the_first_chunk_on():
    rows = pl.DataFrame({"code": ["1", "2", "3", "4", "none"]})
    columns = {"code": shipped(Column, type="category")}
    derived = {"number": "CAST(code AS INTEGER)"}
    chunks = [rows.head(2), rows.slice(2, 2), rows.tail(1)]
    with pytest.raises(AccordError, match="row 5"):
        fit_chunks(iter(chunks), columns, derived, shipped(Features))
    transform = fit(rows.head(4), columns, derived, shipped(Features))
    with pytest.raises(AccordError, match="row 5"):
        list(transform.matrices(iter(chunks)))
