"""What the columns of an undescribed table are for: guessed with reasons, in whatever order they come."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shipped import shipped

from accord.data.infer.guess import Guess, Inferred
from accord.data.infer.profiled import profiled
from accord.data.infer.roles import Given, Roles, roles
from accord.errors import AccordError
from accord.report.profile import render
from accord.schema.data import LeakCheck

N = 1_000
RNG = np.random.default_rng(7)
SIGNAL = RNG.normal(size=N)
HAPPENS = RNG.random(N) < 1 / (1 + np.exp(1 - SIGNAL))
WORDS = np.array(["river", "stone", "lamp", "quick", "green", "paper", "wind", "open", "little", "under"])
DAYS = [datetime(2024, 1, 1) + timedelta(minutes=int(m)) for m in RNG.integers(0, 400_000, N)]
TYPES = {pl.String: "category", pl.Boolean: "boolean", pl.Int64: "integer", pl.Float64: "number"}


def inferred(columns: dict[str, Any]) -> list[Inferred]:
    """The columns as if they had been read, each in the type that its values have."""
    lists = {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in columns.items()}
    frame = pl.DataFrame(lists, strict=False)
    return [
        Inferred(c.name, c.name, (Guess("type", TYPES.get(type(c.dtype), "datetime"), "", ""),), c, {})
        for c in frame.iter_columns()
    ]


def guessed(table: dict[str, Any], target: str = "late", **given: Any) -> Roles:
    known = {"late": HAPPENS.astype(int), "distance": SIGNAL + RNG.normal(size=N)}
    return roles(inferred(known | table), target, shipped(LeakCheck), Given(**given))


def value(found: Roles, key: str) -> Any:
    return next((guess.value for guess in found.data_set if guess.key == key), None)


def test_a_suspect_of_a_class_says_which_class_it_tells():
    species = np.repeat(["adelie", "chinstrap", "gentoo"], [400, 300, 300])
    island = np.where(species == "adelie", np.where(RNG.random(N) < 0.4, "torgersen", "dream"), "dream")
    found = guessed({"species": species, "island": island}, "species")
    assert any("species being 'adelie' is 100.0% where it is torgersen" in note for note in found.notes)


@pytest.mark.parametrize(
    "column",
    [
        {"customer_no": RNG.permutation(N) + 10_000},
        {"x": [f"{i:032x}" for i in RNG.integers(0, 2**62, N)]},
        {"Unnamed: 0": np.arange(N)},
        {"x": np.arange(N) + 1},
        {"remarks": [" ".join(RNG.choice(WORDS, 9)) for _ in range(N)]},
        {"booking": RNG.integers(10**17, 10**18, N)},
    ],
)
def test_ids_row_numbers_and_texts_are_no_features(column: dict[str, Any]):
    assert guessed(column).role(next(iter(column))) == "info"


@pytest.mark.parametrize(
    "column",
    [
        {"income": RNG.lognormal(10, 1, N)},
        {"population": RNG.permutation(10 * N)[:N] + 10_000},
        {"code": RNG.integers(1, 9, N)},
        {"year": np.arange(N) + 1000},
        {"world_rank": np.arange(N) + 1},
        {"zip": [f"{i:05d}" for i in RNG.integers(0, 20, N)]},
        {"cabin": np.where(RNG.random(N) < 0.7, None, [f"C{i}" for i in range(N)])},
    ],
)
def test_what_a_model_learns_from_stays_a_feature(column: dict[str, Any]):
    assert guessed(column).role(next(iter(column))) == "feature"


def test_a_category_of_many_levels_stays_a_feature_and_its_levels_are_counted():
    found = guessed({"dest": [f"place {i}" for i in RNG.zipf(1.3, N) % 400]})
    (guess,) = found.columns["dest"]
    assert (guess.key, guess.value) == ("role", "feature")
    assert "different values" in guess.reason


def test_a_constant_and_what_another_column_says_already_are_left_out():
    distance = RNG.normal(size=N)
    place = RNG.choice(["north", "south", "west"], N)
    codes = [{"north": "N", "south": "S", "west": "W"}[word] for word in place]
    found = guessed({
        "km": distance, "km_again": distance, "metres": 1000 * distance + 3, "place": place, "place_code": codes, "all": ["x"] * N,
    })  # fmt: skip
    assert [name for name in found.columns if found.role(name) is None] == [
        "all",
        "km_again",
        "metres",
        "place_code",
    ]


def test_a_column_that_never_errs_about_the_target_is_proposed_as_an_outcome():
    found = guessed({"verdict": np.where(HAPPENS, "L", "P"), "closed": np.where(HAPPENS, 5.0, None)})
    assert found.role("verdict") == found.role("closed") == "outcome"
    found = guessed({"bill": 2.5 * SIGNAL, "log_amount": np.exp(SIGNAL), "amount": SIGNAL}, "amount")
    assert found.role("bill") == found.role("log_amount") == "outcome"


def test_parts_that_add_up_to_the_target_are_outcomes_and_other_numbers_are_not():
    casual, registered = RNG.integers(0, 90, N), RNG.integers(0, 900, N)
    found = guessed(
        {"casual": casual, "registered": registered, "temp": SIGNAL, "count": casual + registered}, "count"
    )
    assert [name for name in found.columns if found.role(name) == "outcome"] == [
        "casual",
        "count",
        "registered",
    ]


def test_a_number_that_is_cut_into_the_target_is_an_outcome():
    income = RNG.lognormal(10, 1, N)
    table = {"income": income, "late": (income > 30_000).astype(int)}
    assert guessed(table).role("income") == "outcome"
    few = slice(0, 150)
    easy = {"petal": income[few], "late": (income[few] > 30_000).astype(int)}
    assert roles(inferred(easy), "late", shipped(LeakCheck)).role("petal") == "feature"


def test_an_honest_strong_feature_stays_one():
    found = guessed({"strong": SIGNAL})
    assert found.role("strong") == "feature"


def test_the_event_the_decision_and_what_comes_later_are_told_apart_by_their_order():
    booked = [day - timedelta(days=float(d)) for day, d in zip(DAYS, RNG.exponential(20, N), strict=True)]
    closed = [
        day + timedelta(days=float(d)) if d < 9 else None
        for day, d in zip(DAYS, RNG.uniform(0, 10, N), strict=True)
    ]
    found = guessed({"arrival": DAYS, "booked_at": booked, "closed_at": closed})
    assert (value(found, "time.event"), value(found, "time.decision")) == ("arrival", "booked_at")
    assert (found.role("closed_at"), value(found, "time.label_delay")) == ("outcome", "9d")
    assert (
        value(guessed({"arrival": DAYS, "booked_at": booked}, time="booked_at"), "time.event") == "booked_at"
    )


def test_a_day_in_pieces_and_days_of_notice_are_said_as_sql_that_computes_them():
    table = {
        "arrival_year": [day.year for day in DAYS], "arrival_month": [f"{day:%B}" for day in DAYS], "arrival_day": [day.day for day in DAYS],
        "lead_time": RNG.integers(0, 90, N), "status_date": DAYS,
    }  # fmt: skip
    found = guessed(table)
    assert (value(found, "time.event"), found.role("status_date")) == (None, "info")
    day, notice = (note.split("SELECT *, ")[1].split(" FROM")[0] for note in found.notes[:2])
    rows = pl.DataFrame({name: list(values) for name, values in table.items()})
    made = pl.SQLContext(rows=rows).execute(f"SELECT {day}, {notice} FROM rows").collect()
    assert made["happened_at"].dt.date().to_list() == [moment.date() for moment in DAYS]
    assert (made["happened_at"] - made["decided_at"]).dt.total_days().to_list() == rows["lead_time"].to_list()


def test_rows_that_share_a_patient_are_split_by_patient():
    found = guessed({"patient_id": RNG.integers(0, 200, N)})
    assert (value(found, "subject"), found.role("patient_id")) == ("patient_id", "info")
    whose = RNG.integers(0, 150, N)
    found = guessed({"case_nr": whose, "late": (whose % 3 == 0).astype(int)})
    assert (value(found, "subject"), found.role("case_nr")) == ("case_nr", "info")


@pytest.mark.parametrize("name", ["account_length", "household", "user_rating", "client_count"])
def test_an_amount_that_is_called_like_somebody_is_no_subject(name: str):
    found = guessed({name: RNG.integers(0, 40, N)})
    assert (value(found, "subject"), found.role(name)) == (None, "feature")


@pytest.mark.parametrize(
    ("name", "values"),
    [("species_id", [f"s{i}" for i in range(15)]), ("subject", [f"topic {w}" for w in WORDS] * 2)],
)
def test_a_kind_of_thing_is_no_subject(name: str, values: list[str]):
    found = guessed({name: RNG.choice(values, N)})
    assert (value(found, "subject"), found.role(name)) == (None, "feature")


def test_columns_that_lack_a_value_where_the_target_does_are_said_and_stay_features():
    unknown = RNG.random(N) < 0.1
    table = {"late": np.where(unknown, None, HAPPENS), "air_time": np.where(unknown, None, SIGNAL)}
    found = guessed(table | {f"x{i}": RNG.normal(size=N) for i in range(4)})
    assert found.role("air_time") == "feature"
    assert any("missing just in" in note and "air_time" in note for note in found.notes)


@pytest.mark.parametrize(
    ("name", "values"),
    [("Geschlecht", ["m", "w"]), ("x7", ["Male", "Female"]), ("estado_civil", ["soltero", "casado"])],
)
def test_people_are_compared_across_groups_in_several_languages(name: str, values: list[str]):
    assert value(guessed({name: RNG.choice(values, N)}), "groups") == [name]


@pytest.mark.parametrize(
    ("name", "values", "task"),
    [
        ("late", RNG.choice(["yes", "no"], N), "binary"),
        ("rating", RNG.choice([1.0, 2.0, 3.0, 4.0, 5.0], N), "regression"),
        ("price", RNG.integers(1, 9_999, N), "regression"),
        ("class", RNG.integers(0, 3, N), "multiclass"),
        ("target", RNG.integers(0, 3, N), "multiclass"),
        ("visits", RNG.poisson(1.5, N), "regression"),
        ("y", RNG.poisson(1.5, N), "regression"),
        ("species", RNG.choice(["a", "b", "c"], N), "multiclass"),
    ],
)
def test_the_task_follows_the_targets_values_and_names_the_alternative(name: str, values: Any, task: str):
    found = roles(inferred({name: values, "distance": SIGNAL}), name, shipped(LeakCheck))
    guess = next(guess for guess in found.data_set if guess.key == f"targets.{name}.task")
    assert guess.value == task
    assert guess.reason
    assert guess.instead


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        (["yes", "no"], "late = 'yes'"),
        (["<=50K", ">50K"], "late = '>50K'"),
        (["not late", "late"], "late = 'late'"),
        (["good", "bad"], "late = 'bad'"),
        (["Nein", "Ja"], "late = 'Ja'"),
        ([1, 2], "late = 2"),
        (["low", "high"], "late = 'high'"),
        (["-", "+"], "late = '+'"),
        ([False, True], "late = true"),
        (["it's", "rare"], "late = 'rare'"),
    ],
)
def test_the_positive_value_is_the_one_that_people_watch_for(values: list[Any], positive: str):
    late = [values[0]] * 700 + [values[1]] * 300
    found = roles(inferred({"late": late, "distance": SIGNAL}), "late", shipped(LeakCheck))
    assert value(found, "targets.late.sql") == positive


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1] * N, "all 1,000 known rows have the value 1"),
        ([None] * N, "no row has a value"),
        ([f"text {i}" for i in range(N)], "too many for classes"),
        (DAYS, "a time, which no task predicts"),
        ([DAYS[0], DAYS[1]] * (N // 2), "a time, which no task predicts"),
    ],
)
def test_a_target_that_nothing_can_be_learned_of_is_refused(values: Any, said: str):
    with pytest.raises(AccordError, match=said):
        roles(inferred({"late": values, "distance": SIGNAL}), "late", shipped(LeakCheck))


def test_what_is_missing_or_infinite_in_the_target_is_counted_and_no_value_of_it():
    late = np.where(np.arange(N) % 10 == 0, np.inf, SIGNAL)
    late[1::10] = np.nan
    found = roles(inferred({"late": late, "distance": SIGNAL}), "late", shipped(LeakCheck))
    assert found.notes[0].startswith("200 of 1,000 rows have no late")
    assert int(np.isnan(found.outcomes).sum()) == 200
    late[np.isfinite(late)] = np.arange(800) % 2
    found = roles(inferred({"late": late, "distance": SIGNAL}), "late", shipped(LeakCheck))
    assert value(found, "targets.late.task") == "binary"
    assert int(np.isnan(found.outcomes).sum()) == 200


def test_what_the_user_says_holds():
    found = guessed(
        {"patient_id": RNG.integers(0, 200, N), "x": np.arange(N)},
        columns={"x": {"role": "feature"}}, subject="x", task="regression",
    )  # fmt: skip
    assert (found.role("x"), value(found, "subject"), value(found, "targets.late.task")) == (
        "feature",
        "x",
        "regression",
    )


@pytest.mark.parametrize(("said", "sql"), [("0", "late = 0"), ("0.0", "late = 0"), ("1", "late = 1")])
def test_the_positive_value_is_the_one_that_the_user_says(said: str, sql: str):
    assert value(guessed({}, positive=said), "targets.late.sql") == sql


def test_a_positive_value_that_the_target_lacks_is_refused():
    with pytest.raises(AccordError, match="--positive 7: the target has no such value"):
        guessed({}, positive="7")


def test_the_order_of_rows_and_columns_changes_no_guess():
    table = {
        "late": HAPPENS, "distance": SIGNAL, "arrival": DAYS, "id": np.arange(N), "sex": RNG.choice(["f", "m"], N),
        "customer": RNG.integers(0, 90, N), "verdict": np.where(HAPPENS, "L", "P"), "note": [" ".join(RNG.choice(WORDS, 9)) for _ in range(N)],
        "again": SIGNAL, "place": RNG.choice(["north", "south"], N),
    }  # fmt: skip
    frame = pl.DataFrame(table)
    expected = roles(inferred(table), "late", shipped(LeakCheck))
    for seed in range(3):
        shuffled = frame.sample(fraction=1, shuffle=True, seed=seed)
        shuffled = shuffled.select(np.random.default_rng(seed).permutation(shuffled.columns).tolist())
        assert roles(inferred(shuffled.to_dict(as_series=False)), "late", shipped(LeakCheck)) == expected


def test_a_table_of_a_target_alone_and_huge_numbers_are_looked_at_too():
    alone = roles(inferred({"late": HAPPENS}), "late", shipped(LeakCheck))
    assert alone.role("late") == "outcome"
    assert guessed({"huge": RNG.choice([1e308, -1e308], N)}, "distance").role("huge") == "feature"


def test_classes_that_are_numbers_are_counted_from_the_first():
    found = guessed({"class": RNG.choice([3, 5, 9], N, p=[0.2, 0.5, 0.3])}, "class")
    assert value(found, "targets.class.classes") == ["3", "5", "9"]
    assert set(found.outcomes.tolist()) == {0, 1, 2}


ODD = st.one_of(
    st.lists(st.sampled_from([0.0, 1.0, -1e308, 1e308, float("inf"), float("nan"), None]), min_size=30, max_size=30),
    st.lists(st.sampled_from([-3, 0, 2**62, None]), min_size=30, max_size=30),
    st.lists(st.sampled_from(["", " ", "a", "\x00", "é", "1e5", None]), min_size=30, max_size=30),
    st.lists(st.sampled_from([True, False, None]), min_size=30, max_size=30),
    st.lists(st.sampled_from([*DAYS[:12], None]), min_size=30, max_size=30),
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["late", "id", "closed_at", "result", "name", "x"]), ODD, min_size=1))
@settings(max_examples=60, deadline=None)
def test_odd_tables_are_looked_at_or_refused(table: dict[str, Any]):
    wanted = next(iter(table))
    try:
        found = roles(inferred(table), wanted, shipped(LeakCheck))
    except AccordError:
        return
    assert found.columns.keys() == table.keys()
    render(profiled("odd", inferred(table), found, wanted))
