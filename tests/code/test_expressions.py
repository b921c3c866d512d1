"""SQL expressions from the config: refused before any data is read, and the same for one row and for many."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.errors import AccordError
from accord.sql.rows import TYPES, NotComputedError, check, columns_of, evaluate, parse, with_derived

COLUMNS = {name: TYPES[kind] for name, kind in {
    "distance": "integer", "temp": "number", "carrier": "category", "late": "boolean", "at": "datetime",
}.items()}  # fmt: skip
FRAME = pl.DataFrame(
    {
        "distance": [200, 900, None],
        "temp": [50.5, None, 71.0],
        "carrier": ["AA", None, "UA"],
        "late": [True, False, None],
    },
    schema={name: COLUMNS[name] for name in ("distance", "temp", "carrier", "late")},
)


@pytest.mark.parametrize("index", [0, 1, 6, 12])
def test_a_row_that_has_no_value_is_named(index: int):
    days = [30 if i >= index else 1 + i for i in range(13)]
    frame = pl.DataFrame({"day": days, "more": days})
    derived = {"next": "more + 1", "at": "date(concat('2013-02-', day))"}
    with pytest.raises(NotComputedError, match=rf"data.derived.at: .* from row {index + 1}: ") as found:
        with_derived(frame, derived)
    assert found.value.index == index


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("distance", {"distance"}),
        ("distance * 2 + temp", {"distance", "temp"}),
        ("CASE WHEN carrier = 'temp' THEN distance ELSE 0 END", {"carrier", "distance"}),
        ("1 + 1", set()),
    ],
)
def test_the_columns_of_an_expression_are_those_it_reads(sql: str, names: set[str]):
    assert columns_of(sql, "data.derived.x") == names


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("distance > 500", pl.Boolean()),
        ("temp / 2", pl.Float64()),
        ("upper(carrier)", pl.String()),
        ("carrier IS NULL OR late", pl.Boolean()),
        ("CASE WHEN late THEN 150 ELSE 0 END", None),
        ("carrier IN ('AA', 'UA')", pl.Boolean()),
        ("extract(dow FROM at)", None),
        ("coalesce(temp, 0)", pl.Float64()),
        ("greatest(distance, temp)", pl.Float64()),
    ],
)
def test_an_expression_over_one_row_is_accepted_with_its_type(sql: str, kind: pl.DataType | None):
    found = check(sql, "data.derived.x", COLUMNS, {})
    assert found == kind if kind else found.is_numeric()


@pytest.mark.parametrize(
    "sql",
    ["distance >", "SELECT distance", "(distance", "distance; temp", "", "__import__('os').system('ls')"],
)
def test_bad_syntax_is_named_with_its_key(sql: str):
    with pytest.raises(AccordError, match=r"^data\.rules\.far: "):
        check(sql, "data.rules.far", COLUMNS, {})


def test_an_unknown_column_is_met_with_the_nearest_names():
    with pytest.raises(
        AccordError, match=r"data\.derived\.x.*unknown column 'distanse'; did you mean 'distance'"
    ):
        check("distanse * 2", "data.derived.x", COLUMNS, {})


def test_a_hidden_column_is_refused_with_the_reason():
    with pytest.raises(AccordError, match=r"uses 'late', an outcome"):
        check("CASE WHEN late THEN 1 ELSE 0 END", "data.derived.x", COLUMNS, {"late": "an outcome"})


def test_types_that_do_not_fit_are_refused():
    with pytest.raises(AccordError, match=r"data\.derived\.x: .* does not fit its columns"):
        check("carrier + at", "data.derived.x", COLUMNS, {})


@pytest.mark.parametrize(
    "sql",
    [
        "AVG(temp)",
        "COUNT(*)",
        "temp - AVG(temp)",
        "distance > MEDIAN(distance)",
        "distance / COUNT(*)",
        "SUM(distance) OVER (PARTITION BY carrier)",
        "ROW_NUMBER() OVER (ORDER BY temp)",
        "temp - LAG(temp) OVER (ORDER BY at)",
        "RANK() OVER (ORDER BY temp)",
        "temp > QUANTILE_CONT(temp, 0.5)",
        "temp IN (SELECT 1)",
    ],
)
def test_an_expression_whose_value_depends_on_other_rows_is_refused(sql: str):
    with pytest.raises(AccordError, match=r"data\.derived\.x"):
        check(sql, "data.derived.x", COLUMNS, {})


def test_a_condition_evaluates_to_ones_and_zeros():
    assert evaluate(FRAME, "late", "w").to_list() == [1.0, 0.0, None]
    assert evaluate(FRAME, "late", "w").dtype == pl.Float64


def test_a_literal_with_decimals_evaluates_to_a_float():
    values = evaluate(FRAME, "distance * 1.5", "w")
    assert values.dtype == pl.Float64
    assert values.to_list() == [300.0, 1350.0, None]


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("distance / 3.0", 200 / 3),
        ("(distance % 7) / 7.0", 4 / 7),
        ("distance * 0.001 / 7", 200 * 0.001 / 7),
        ("1.0 / 3 + temp", 1 / 3 + 50.5),
        ("CASE WHEN distance > 10 THEN 2.0 / 3 ELSE 0 END", 2 / 3),
        ("CASE WHEN carrier = '1.5' THEN 0 ELSE 2.5 END", 2.5),
        ("/* it's */ CASE WHEN length('1.5') = 3 THEN 2.5 END", 2.5),
        ("-- it's\nCASE WHEN length('1.5') = 3 THEN 2.5 END", 2.5),
        ("CASE WHEN length($$1.5$$) = 3 THEN 2.5 END", 2.5),
    ],
)
def test_a_literal_with_decimals_loses_no_digits(sql: str, value: float):
    assert evaluate(FRAME, sql, "w")[0] == pytest.approx(value, rel=1e-14)
    assert with_derived(FRAME, {"x": sql})["x"][0] == pytest.approx(value, rel=1e-14)


def test_a_constant_has_a_value_for_each_row():
    assert evaluate(FRAME, "2.5", "objective.targets.x.weight").to_list() == [2.5, 2.5, 2.5]


def test_evaluating_over_a_missing_column_names_the_key():
    with pytest.raises(AccordError, match=r"objective\.targets\.x\.sql.*nope"):
        evaluate(FRAME, "nope + 1", "objective.targets.x.sql")


def test_derived_features_stand_beside_the_columns():
    frame = with_derived(FRAME, {"far": "distance > 500", "ratio": "distance * 0.5"})
    assert frame.columns == [*FRAME.columns, "far", "ratio"]
    assert frame["far"].to_list() == [False, True, None]
    assert frame.schema["ratio"] == pl.Float64
    assert frame.select(FRAME.columns).equals(FRAME)


def test_nothing_derived_leaves_the_frame_as_it_is():
    assert with_derived(FRAME, {}) is FRAME


def test_a_constant_derived_feature_fills_every_row():
    assert with_derived(FRAME, {"one": "1"})["one"].to_list() == [1, 1, 1]


EXPRESSIONS = [
    "distance * 1.1 + temp / 3",
    "CASE WHEN temp IS NULL OR temp >= 60 THEN 150 WHEN distance > 10 THEN 50 ELSE 0 END",
    "carrier IS NULL OR carrier IN ('AA', 'B6')",
    "coalesce(temp, distance, -1)",
    "(distance % 7) / 7.0",
    "temp / 3",
    "temp / distance",
    "distance / (temp + 1)",
    "ln(abs(temp) + 1) / 7 - sqrt(abs(distance))",
]
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(10**6), 10**6),
        st.none() | st.floats(-1e6, 1e6),
        st.none() | st.sampled_from(["AA", "B6", "x'"]),
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("sql", EXPRESSIONS)
@settings(max_examples=12, deadline=None)
@given(rows=ROWS)
def test_a_row_alone_has_the_value_it_has_among_others(sql: str, rows: list[tuple]):
    schema = {name: COLUMNS[name] for name in ("distance", "temp", "carrier")}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    together = evaluate(frame, sql, "w")
    alone = pl.concat(evaluate(frame.slice(i, 1), sql, "w") for i in range(frame.height))
    assert alone.equals(together)
    derived = with_derived(frame, {"x": sql})["x"]
    assert pl.concat(with_derived(frame.slice(i, 1), {"x": sql})["x"] for i in range(frame.height)).equals(
        derived
    )


def test_a_row_has_its_value_however_the_frame_was_put_together():
    whole = pl.DataFrame({"temp": [653275.0, 163.0, 653275.0]})
    pieces = pl.concat([whole.slice(i, 1) for i in range(3)])
    filled = whole.with_columns(temp=pl.lit(653275.0))
    expected = evaluate(whole, "temp / 3", "w").to_list()
    assert evaluate(pieces, "temp / 3", "w").to_list() == expected
    assert set(evaluate(filled, "temp / 3", "w")) == {expected[0]}
    assert evaluate(whole.head(1), "temp / 3", "w").to_list() == expected[:1]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_an_expression_or_one_clear_error(text: str):
    message = ""
    try:
        expression = parse(text, "data.rules.x")
    except AccordError as error:
        expression, message = None, str(error)
    assert isinstance(expression, pl.Expr) or message.startswith("data.rules.x: not a SQL expression")


@pytest.mark.parametrize(
    "sql",
    [
        "extract(dow FROM date(concat('2013-02-', distance)))",
        "CASE WHEN carrier IS NULL THEN distance / 7 ELSE distance * 1.5 END",
        "late OR carrier = 'AA'",
        "distance / temp",
        "3",
    ],
)
def test_rows_that_are_alike_over_and_over_have_the_values_of_each_row(sql: str):
    n = 6_000
    frame = pl.DataFrame({
        "distance": pl.Series([i % 3 + 1 for i in range(n)], dtype=pl.Int64),
        "carrier": [("AA", None, "UA")[i % 7 % 3] for i in range(n)],
        "late": [(True, False, None)[i // 1000 % 3] for i in range(n)],
        "temp": [(0.0, -0.0, 2.5)[i % 3] for i in range(n)],
    })  # fmt: skip
    found = with_derived(frame, {"value": sql, "again": "carrier"})
    assert found.columns == [*frame.columns, "value", "again"]
    parts = [with_derived(frame.slice(i, 1000), {"value": sql}) for i in range(0, n, 1000)]
    assert found["value"].equals(pl.concat(parts)["value"])
    assert found["value"].dtype == parts[0]["value"].dtype
    assert found["again"].equals(frame["carrier"].alias("again"))


def test_a_row_among_alike_ones_that_has_no_value_is_named():
    frame = pl.DataFrame({"day": [1 + i % 28 for i in range(9_000)] + [30] * 1000})
    with pytest.raises(NotComputedError, match="from row 9001: "):
        with_derived(frame, {"at": "date(concat('2013-02-', day))"})
