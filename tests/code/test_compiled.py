"""Compiled expressions: what Polars gives, to the bit, or refused by the proof."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from row_expressions import EXPRESSIONS, ROWS, condition_sql, numeric_sql
from shipped import shipped

from accord.errors import AccordError
from accord.schema.config import Config
from accord.schema.data import Column
from accord.sql.compiled import compile_sql, function, proof
from accord.sql.rows import TYPES, evaluate, with_derived

ROOT = Path(__file__).parents[2]
COLUMNS = {
    "x": shipped(Column, type="number", nullable=True),
    "y": shipped(Column, type="number", nullable=True),
    "i": shipped(Column, type="integer", nullable=True),
    "j": shipped(Column, type="integer"),
    "small": shipped(Column, type="integer", min=-20, max=20),
    "level": shipped(
        Column, type="category", values=["A", "b", "Bc", "2013-1-1", "2024-02-29"], nullable=True
    ),
    "text": shipped(Column, type="category", nullable=True),
    "b": shipped(Column, type="boolean", nullable=True),
    "c": shipped(Column, type="boolean", nullable=True),
    "at": shipped(Column, type="datetime", nullable=True),
    "until": shipped(Column, type="datetime"),
    "year": shipped(Column, type="integer", min=1900, max=2100),
    "month": shipped(Column, type="integer", min=1, max=12),
    "day": shipped(Column, type="integer", min=1, max=31),
}
KINDS = {name: column.type for name, column in COLUMNS.items()} | {"p": "number", "q": "number"}
SCHEMA = {name: TYPES[kind] for name, kind in KINDS.items()}
NO_ROWS = pl.DataFrame(schema=SCHEMA)


@pytest.mark.parametrize("sql", EXPRESSIONS)
def test_a_compiled_expression_gives_what_polars_gives(sql: str):
    tree = compile_sql(sql, "w", KINDS)
    assert tree is not None
    proven = proof(sql, tree, "w", NO_ROWS, COLUMNS, seed=0, n_random=3000)
    assert proven.difference is None
    assert proven.n_rows > 1000


@pytest.mark.parametrize("sql", ["CASE WHEN b THEN 1 ELSE 0 END", "i * 2", "x > y", "x / 3", "2"])
def test_as_a_number_it_gives_the_float_of_evaluate(sql: str):
    tree = compile_sql(sql, "w", KINDS, as_number=True)
    assert tree is not None
    assert proof(sql, tree, "w", NO_ROWS, COLUMNS, seed=1, n_random=1000, as_number=True).holds
    assert type(function(tree)({"b": True, "i": 2, "x": 3.0, "y": 1.0})) is float


@pytest.mark.parametrize(
    "sql",
    [
        "x // 3",
        "i & 3",
        "CAST(x AS VARCHAR)",
        "CAST(text AS DOUBLE)",
        "CAST(i AS REAL)",
        "concat(x, 'a')",
        "text LIKE 'a%b'",
        "trim(text)",
        "log(x, y)",
        "at + INTERVAL '1 month'",
        "i * INTERVAL '1 minute'",
        "strftime(at, '%H')",
        "x > 0 AND text LIKE '_a'",
    ],
)
def test_a_construct_without_a_compiled_form_gives_none(sql: str):
    assert compile_sql(sql, "w", KINDS) is None


def test_a_wrong_expression_is_named_with_its_key():
    with pytest.raises(AccordError, match=r"^data\.derived\.z: .*unknown column 'distanse'"):
        compile_sql("distanse + 1", "data.derived.z", KINDS)


X, Y, I, J, B, C = (["column", name] for name in ("x", "y", "i", "j", "b", "c"))  # noqa: E741
P, Q = ["column", "p"], ["column", "q"]


@pytest.mark.parametrize(
    ("sql", "wrong"),
    [
        ("x / 3", ["/", X, ["literal", 3.0]]),
        ("x + 0", ["+", X, ["literal", 0.0]]),
        ("-x", ["-", ["literal", 0.0], X]),
        ("x * 0.1", ["*", X, ["literal", 0.10000000000000002]]),
        ("x > 60", [">=", X, ["literal", 60.0]]),
        ("x > 60", [">", X, ["literal", 60.00000000000001]]),
        ("x > 60 AND y < 2", [">", X, ["literal", 60.0]]),
        ("coalesce(x, 0)", X),
        ("coalesce(x, 0)", ["coalesce", X, ["literal", 0]]),
        ("i + j", ["+", I, J]),
        ("i % j", ["-", I, ["*", J, ["floor quotient", I, J]]]),
        ("i / j", ["float", ["floor quotient", I, J]]),
        ("b AND c", ["case", B, C, ["literal", False]]),
        ("b AND c", ["*", B, C]),
        ("CASE WHEN b THEN 1 ELSE 0 END", ["case", B, ["literal", 1.0], ["literal", 0.0]]),
        ("CASE WHEN b THEN 1 ELSE 0 END", ["int", B]),
        ("p = q", ["-", P, Q]),
        ("p > q", ["<", ["-", Q, P], ["literal", 0.0]]),
        ("greatest(p, q)", ["case", [">", P, Q], P, Q]),
        ("power(x, 4)", ["power", X, ["literal", 4.0]]),
        ("round(x, 1)", ["*", ["round", 0, ["*", X, ["literal", 10.0]]], ["literal", 0.1]]),
        ("text = 'Zoo'", ["=", ["column", "text"], ["literal", "zoo"]]),
        ("text IN ('a', 'b')", ["in", ["a"], ["column", "text"]]),
        ("extract(dow FROM at)", ["weekday", ["column", "at"]]),
        ("extract(day FROM at)", ["month", ["column", "at"]]),
        ("x", ["column", "z"]),
        ("x", ["ln", ["literal", None]]),
        ("1", ["literal", True]),
        ("1", ["literal", 1.0]),
    ],
)
def test_a_wrong_compiled_form_is_refused(sql: str, wrong: list[Any]):
    assert json.dumps(compile_sql(sql, "w", KINDS)) != json.dumps(wrong)
    proven = proof(sql, wrong, "w", NO_ROWS, COLUMNS, seed=2)
    assert not proven.holds
    assert "Polars gives" in str(proven.difference)


def test_case_beyond_ascii_is_left_to_polars():
    tree = compile_sql("upper(text)", "w", KINDS)
    assert tree is not None
    assert not proof("upper(text)", tree, "w", NO_ROWS, COLUMNS, seed=0).holds
    assert function(tree)({"text": "Zoo"}) == "ZOO"
    with pytest.raises(ValueError, match="expected ASCII"):
        function(tree)({"text": "Zürich"})


def test_the_rows_given_are_compared_too():
    unusual = pl.DataFrame({"x": [123.456, None]})
    wrong = ["case", ["=", X, ["+", ["literal", 123.0], ["literal", 0.456]]], ["literal", 0.0], X]
    assert proof("x", wrong, "w", pl.DataFrame({"x": [1.0]}), COLUMNS, seed=0).holds
    proven = proof("x", wrong, "w", unusual, COLUMNS, seed=0)
    assert proven.difference == "for {'x': 123.456} Polars gives 123.456, the compiled form 0.0"


def test_rows_that_polars_refuses_do_not_count():
    sql = "extract(dow FROM date(concat(year, '-', month, '-', day)))"
    tree = compile_sql(sql, "w", KINDS)
    assert tree is not None
    proven = proof(sql, tree, "w", NO_ROWS, COLUMNS, seed=0, n_random=500)
    assert proven.holds
    assert proven.n_rows < 500
    with pytest.raises(ValueError, match="day is out of range"):
        function(tree)({"year": 2013, "month": 2, "day": 30})


def test_nothing_is_proven_where_polars_refuses_all_rows():
    column = {"text": shipped(Column, type="category", values=["nonsense"])}
    tree = compile_sql("date(text)", "w", {"text": "category"})
    assert tree is not None
    assert not proof("date(text)", tree, "w", pl.DataFrame({"text": ["nonsense"]}), column, 0, 50).holds


def test_random_rows_keep_to_the_contract():
    months = {"month": shipped(Column, type="integer", min=1, max=12)}
    wrong = ["case", ["in", list(range(1, 13)), ["column", "month"]], ["column", "month"], ["literal", -1]]
    assert proof("month", wrong, "w", pl.DataFrame({"month": [3]}), months, seed=0).holds
    assert not proof("month", wrong, "w", pl.DataFrame({"month": [3]}), {"month": COLUMNS["i"]}, seed=0).holds


def same(x: Any, y: Any) -> bool:
    if isinstance(x, float) and isinstance(y, float):
        return (math.isnan(x) and math.isnan(y)) or x.hex() == y.hex()
    return type(x) is type(y) and x == y


@settings(max_examples=80, deadline=None)
@given(sql=numeric_sql() | condition_sql(2), rows=ROWS)
def test_what_proves_is_equal_on_rows_it_has_not_seen(sql: str, rows: list[tuple[Any, ...]]):
    names = ("x", "y", "i", "text", "b", "at")
    frame = pl.DataFrame(rows, schema={name: SCHEMA[name] for name in names}, orient="row")
    try:
        expected = with_derived(frame, {"value": sql})["value"].to_list()
        tree = compile_sql(sql, "w", {name: KINDS[name] for name in names})
        proven = tree and proof(sql, tree, "w", frame.head(0), COLUMNS, seed=0, n_random=300)
    except (AccordError, pl.exceptions.PolarsError):  # not an expression of one type
        return
    if tree and proven and proven.holds:
        found = [function(tree)(row) for row in frame.iter_rows(named=True)]
        assert all(map(same, expected, found)), (sql, expected, found)


def test_a_form_that_differs_where_all_rows_have_one_value_is_not_proven():
    sql = "CASE WHEN b THEN x ELSE 2.5 END / 3"
    tree = compile_sql(sql, "w", KINDS)
    assert tree is not None
    assert not proof(sql, tree, "w", NO_ROWS, COLUMNS, seed=0).holds


def test_a_tree_is_the_same_after_a_stay_in_json():
    sql = "CASE WHEN level IN ('A', 'b') AND at > TIMESTAMP '2013-01-01' THEN x / 3 ELSE -0.1 END"
    tree = compile_sql(sql, "w", KINDS)
    assert tree is not None
    assert json.loads(json.dumps(tree, allow_nan=False)) == tree


SHIPPED = [
    (f"data={data}", f"objective={objective}")
    for data in (file.stem for file in sorted((ROOT / "conf/data").glob("*.yaml")))
    for objective in (file.stem for file in sorted((ROOT / "conf/objective").glob("*.yaml")))
    if data == "flights" or objective == "quality"
]


@pytest.mark.parametrize("words", SHIPPED, ids=str)
def test_all_that_ships_compiles_and_proves(composed, words: tuple[str, ...]):
    config = Config.model_validate(composed(*words))
    columns, policy = config.data.columns, config.objective.policy
    names: dict[str, str] = {name: column.type for name, column in columns.items()}
    names |= dict.fromkeys(
        [*config.objective.targets, *(policy.weights if policy else ()), "score"], "number"
    )
    frame = pl.DataFrame(schema={name: TYPES[kind] for name, kind in names.items()})
    expressions = {**config.data.derived, **config.data.rules}
    scores = {"score": policy.score, "action": policy.action} if policy else {}
    for sql, as_number in [
        *((sql, False) for sql in expressions.values()),
        *((sql, True) for sql in scores.values()),
    ]:
        tree = compile_sql(sql, "w", names, as_number)
        assert tree is not None
        assert proof(sql, tree, "w", frame, columns, 0, 2000, as_number).difference is None


def test_a_policy_scores_one_row_as_it_scores_many():
    sql = "(1 - w) * (fee - payout) + w * relief * disruption"
    row = {"w": 0.3, "fee": 12.0, "payout": 7.1, "relief": 60.0, "disruption": 0.23}
    tree = compile_sql(sql, "w", dict.fromkeys(row, "number"), as_number=True)
    assert tree is not None
    assert [function(tree)(row)] == evaluate(pl.DataFrame([row]), sql, "w").to_list()


def test_the_service_loads_trees_without_polars():
    code = "import sys, accord.sql.compiled; print({'polars', 'numpy', 'pydantic'} & sys.modules.keys())"
    found = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True
    )
    assert found.stdout == "set()\n"
