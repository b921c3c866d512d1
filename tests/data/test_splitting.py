"""Splits that account for every row, and in which nothing from after a boundary trains."""

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shipped import shipped

from accord.data.splitting import (
    SPLITS,
    Account,
    Counts,
    blocks,
    boundaries,
    by_key,
    by_time,
    held_out,
    parts,
    row_hash,
)
from accord.errors import AccordError
from accord.schema.data import ROW_ID, Data, Split, Time

ONE_DAY = shipped(Time, event="at", label_delay="1d")


def split(
    rows: pl.DataFrame, data: Data, n_read: int, n_quarantined: int
) -> tuple[dict[str, pl.DataFrame], Account]:
    """The rows of each split, and the account of all rows read."""
    between = by_time(rows, data.time, data.split)[1] if data.time else None
    found, counts = parts(rows, data, between), Counts()
    counts.add(found, data.time)
    return found, counts.account(data, n_read, n_quarantined, between)


def days_of(rows: pl.DataFrame, assigned: pl.Series, name: str) -> list[date]:
    return rows.filter(assigned == name)["at"].dt.date().unique().sort().to_list()


def test_splits_follow_each_other_in_time(days: pl.DataFrame):
    assigned, boundaries = by_time(
        days, ONE_DAY, shipped(Split, cutoff=date(2024, 4, 1), test="1mo", tune="1mo", holdout=0)
    )
    assert (boundaries.tune, boundaries.test, boundaries.future) == tuple(
        datetime(2024, month, 1) for month in (2, 3, 4)
    )
    expected = {
        "train": ("2024-01-01", "2024-01-30"),
        "tune": ("2024-02-01", "2024-02-28"),
        "test": ("2024-03-01", "2024-03-30"),
        "future": ("2024-04-01", "2024-04-29"),
    }
    for name, (first, last) in expected.items():
        found = days_of(days, assigned, name)
        assert (str(found[0]), str(found[-1])) == (first, last), name


def test_rows_whose_outcome_was_unknown_at_the_next_boundary_are_purged(days: pl.DataFrame):
    assigned, _ = by_time(
        days, ONE_DAY, shipped(Split, cutoff=date(2024, 4, 1), test="1mo", tune="1mo", holdout=0)
    )
    assert [str(day) for day in days_of(days, assigned, "purged")] == [
        "2024-01-31",
        "2024-02-29",
        "2024-03-31",
    ]


@pytest.mark.parametrize(
    ("at", "name"),
    [
        (datetime(2024, 2, 29, 0), "tune"),  # known at the boundary itself
        (datetime(2024, 2, 29, 0, 0, 0, 1), "purged"),
        (datetime(2024, 2, 29, 23, 59, 59), "purged"),
        (datetime(2024, 3, 1, 0), "test"),
        (datetime(2024, 1, 31, 0), "train"),
        (datetime(2024, 1, 31, 0, 0, 1), "purged"),
        (datetime(2024, 2, 1, 0), "tune"),
        (datetime(2024, 3, 31, 0), "test"),
        (datetime(2024, 3, 31, 0, 0, 1), "purged"),
        (datetime(2024, 4, 1, 0), "future"),
    ],
)
def test_a_row_at_a_boundary_falls_on_the_right_side(days: pl.DataFrame, at: datetime, name: str):
    rows = pl.concat([days, days.head(1).with_columns(at=pl.lit(at).cast(pl.Datetime("us")))])
    assigned, _ = by_time(
        rows, ONE_DAY, shipped(Split, cutoff=date(2024, 4, 1), test="1mo", tune="1mo", holdout=0)
    )
    assert assigned[-1] == name


def test_a_delay_longer_than_a_stretch_lets_nothing_unknown_train(days: pl.DataFrame):
    time = shipped(Time, event="at", label_delay="40d")
    assigned, boundaries = by_time(
        days, time, shipped(Split, cutoff=date(2024, 4, 1), test="1mo", tune="1mo", holdout=0)
    )
    known = days["at"].dt.offset_by("40d")
    for name, boundary in (
        ("train", boundaries.tune),
        ("tune", boundaries.test),
        ("test", boundaries.future),
    ):
        assert (known.filter(assigned == name) <= boundary).all(), name


def test_a_day_begins_where_the_zone_says(days: pl.DataFrame):
    time = shipped(Time, event="at", zone="America/New_York")
    rows = days.head(1).with_columns(
        at=pl.lit(datetime(2024, 4, 1, 3)).cast(pl.Datetime("us"))
    )  # 23:00 of March there
    rows = pl.concat([days.filter(pl.col("at") < datetime(2024, 3, 20)), rows])
    settings = shipped(Split, cutoff=date(2024, 4, 1), test="1mo", tune="1mo", holdout=0)
    assert by_time(rows, time, settings)[0][-1] == "test"
    assert by_time(rows, shipped(Time, event="at"), settings)[0][-1] == "future"


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "UTC", "Pacific/Honolulu"])
def test_instants_that_no_calendar_has_are_split_like_its_ends(days: pl.DataFrame, zone: str):
    far = [
        -900_000_000_000_000_000,
        -62_135_596_800_000_000,
        253_402_300_799_000_000,
        900_000_000_000_000_000,
    ]
    ends = pl.DataFrame({"at": pl.Series(far, dtype=pl.Int64).cast(pl.Datetime("us"))})
    rows = pl.concat([days.select("at"), ends])
    time = shipped(Time, event="at", label_delay="1d", zone=zone)
    assigned, _ = by_time(
        rows, time, shipped(Split, cutoff=date(2024, 4, 1), test="1mo", tune="1mo", holdout=0)
    )
    assert assigned[-4:].to_list() == ["train", "train", "future", "future"]
    assert blocks(rows, [], time).n_unique() == blocks(days, [], time).n_unique() + 2


def test_shares_are_of_the_past_rows(days: pl.DataFrame):
    assigned, _ = by_time(days, shipped(Time, event="at"), shipped(Split, test=0.2, tune=0.1, holdout=0))
    counts = dict(assigned.value_counts().rows())
    assert counts["test"] == pytest.approx(96, abs=2)
    assert counts["tune"] == pytest.approx(48, abs=2)
    assert counts["train"] == 480 - counts["test"] - counts["tune"]
    assert "future" not in counts


def test_a_share_with_a_cutoff_counts_rows_before_it(days: pl.DataFrame):
    assigned, _ = by_time(
        days,
        shipped(Time, event="at"),
        shipped(Split, cutoff=date(2024, 4, 1), test=0.25, tune=0.25, holdout=0),
    )
    counts = dict(assigned.value_counts().rows())
    past = (days["at"] < datetime(2024, 4, 1)).sum()
    assert counts["test"] == pytest.approx(past / 4, abs=2)
    assert counts["tune"] == pytest.approx(past / 4, abs=2)
    assert counts["future"] == 480 - past


def test_the_holdout_is_whole_days_near_the_share(days: pl.DataFrame):
    assigned, _ = by_time(
        days, ONE_DAY, shipped(Split, cutoff=date(2024, 4, 1), test="1mo", tune="1mo", holdout=0.3)
    )
    held = set(days_of(days, assigned, "holdout"))
    assert 15 <= len(held) <= 40  # of 91 days
    for name in ("train", "tune", "test"):
        assert not held & set(days_of(days, assigned, name))


def test_a_held_out_day_depends_on_its_date_alone(days: pl.DataFrame):
    some = days.filter(pl.col("id") % 3 == 0).reverse()
    early = shipped(Split, cutoff=date(2024, 3, 15), test="2w", tune="2w", holdout=0.3)
    late = shipped(Split, cutoff=date(2024, 4, 15), test="1mo", tune="2w", holdout=0.3)
    first, second = by_time(days, ONE_DAY, early)[0], by_time(some, ONE_DAY, late)[0]
    before = date(2024, 3, 13)
    assert [day for day in days_of(days, first, "holdout") if day < before] == [
        day for day in days_of(some, second, "holdout") if day < before
    ]


@settings(max_examples=30, deadline=None)
@given(
    st.sets(st.dates(date(2000, 1, 1), date(2040, 1, 1)), max_size=40), st.floats(0, 0.9), st.floats(0, 0.09)
)
def test_a_larger_holdout_holds_the_days_of_a_smaller_one(days: set[date], share: float, more: float):
    chosen = sorted(days)
    held = held_out(chosen, share)
    assert held == [day for day in chosen if held_out([day], share)]
    assert set(held) <= set(held_out(chosen, share + more))


ROWS = st.lists(st.datetimes(datetime(2024, 1, 1), datetime(2024, 6, 30)), min_size=1, max_size=40)
STRETCH = st.sampled_from(["3d", "2w", "1mo", 0.1, 0.3])


@settings(max_examples=60, deadline=None)
@given(
    times=ROWS, test=STRETCH, tune=STRETCH, holdout=st.sampled_from([0.0, 0.1, 0.5]),
    cutoff=st.none() | st.dates(date(2024, 1, 1), date(2024, 7, 1)), delay=st.sampled_from(["0d", "1d", "20d"]),
)  # fmt: skip
def test_the_account_adds_up_for_any_rows(times: list[datetime], **given: Any):
    data = shipped(
        Data,
        name="days",
        sources={"days": {"path": "days.csv"}},
        time={"event": "at", "label_delay": given["delay"]},
        columns={"at": {"type": "datetime", "role": "info"}},
        split={name: given[name] for name in ("cutoff", "test", "tune", "holdout")},
        targets={"y": {"task": "regression", "sql": "y"}},
    )
    rows = pl.DataFrame({ROW_ID: range(len(times)), "at": times}, schema_overrides={"at": pl.Datetime("us")})
    try:
        parted, account = split(rows, data, len(times) + 5, 5)
    except AccordError:  # nothing to train or test on: a mistake in the config, and never another exception
        return
    assert tuple(parted) == SPLITS
    assert sorted(pl.concat(parted.values())[ROW_ID]) == list(range(len(times)))
    assert sum(account.splits.values()) + account.quarantine == account.n_rows
    assert account.splits == {name: part.height for name, part in parted.items()}
    boundary = vars(account.boundaries)
    known = pl.col("at").dt.offset_by(given["delay"])
    assert parted["train"].filter(known > boundary["tune"]).is_empty()
    assert parted["tune"].filter((pl.col("at") < boundary["tune"]) | (known > boundary["test"])).is_empty()
    assert parted["test"].filter(pl.col("at") < boundary["test"]).is_empty()
    if boundary["future"]:
        scored = pl.concat(parted[name] for name in ("train", "tune", "test", "holdout"))
        assert scored.filter(known > boundary["future"]).is_empty()
        assert parted["future"].filter(pl.col("at") < boundary["future"]).is_empty()


@settings(max_examples=100, deadline=None)
@given(
    times=st.lists(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)), min_size=1, max_size=30) | ROWS,
    test=st.floats(0.01, 0.6), tune=st.floats(0.01, 0.6), n=st.integers(1, 40), ties=st.integers(1, 5),
)  # fmt: skip
def test_shares_end_where_they_would_if_rows_stood_in_order(
    times: list[datetime], test: float, tune: float, n: int, ties: int
):
    events = pl.Series(times * ties, dtype=pl.Datetime("us"))
    try:
        found = boundaries(
            lambda: [events.slice(i, n) for i in range(0, len(events), n)],
            shipped(Split, test=test, tune=tune),
        )
    except AccordError:
        return
    for share, end, begin in ((test, max(times), found.test), (tune, found.test, found.tune)):
        before = sorted(events.filter(events <= end))
        n_rows = min(round(share * len(events)), len(before))
        assert begin == (before[-n_rows] if n_rows else end)


@pytest.mark.parametrize(
    ("split_by", "said"),
    [
        (shipped(Split, cutoff=date(2023, 1, 1), test="1mo", tune="1mo"), "no row happened before it"),
        (shipped(Split, cutoff=date(2024, 1, 1), test="1mo", tune="1mo"), "no row happened before it"),
        (shipped(Split, cutoff=date(2024, 1, 20), test="1mo", tune="1mo"), "nothing to train on"),
        (shipped(Split, test="1y", tune="1mo"), "nothing to train on"),
        (shipped(Split, test=0.9, tune=0.9), "nothing to train on"),
    ],
)  # fmt: skip
def test_a_split_that_leaves_nothing_is_one_error(days: pl.DataFrame, split_by: Split, said: str):
    with pytest.raises(AccordError, match=said):
        by_time(days, ONE_DAY, split_by)


def test_a_cutoff_after_the_last_row_but_one_stretch_leaves_no_test(days: pl.DataFrame, data_with):
    data = data_with(time={"event": "at"}, split={"cutoff": date(2025, 1, 1), "test": "1mo", "tune": "1mo"})
    with pytest.raises(AccordError, match="leaves no row in test"):
        split(days, data, 480, 0)


def test_a_missing_row_stops_the_account(days: pl.DataFrame, data_with):
    data = data_with(time={"event": "at"}, split={"test": 0.2, "tune": 0.2})
    with pytest.raises(AssertionError, match="rows got lost"):
        split(days, data, 481, 0)


def test_a_row_lands_in_one_split_by_its_key_whatever_the_others_are(days: pl.DataFrame):
    shares = shipped(Split, test=0.2, tune=0.1, holdout=0.1)
    whole = dict(zip(days["id"], by_key(days, ["id"], shares), strict=True))
    some = days.filter(pl.col("id") % 2 == 0).sample(fraction=1, shuffle=True, seed=3)
    assert {i: whole[i] for i in some["id"]} == dict(
        zip(some["id"], by_key(some, ["id"], shares), strict=True)
    )


def test_the_number_of_a_key_never_changes():
    rows = pl.DataFrame({"a": ["x", None, "x", "ä"], "b": [1.5, 2.0, 1.5, -0.0]})
    numbers = [0.4749642362315498, 0.4759600103668724, 0.4749642362315498, 0.96151142466476]
    assert row_hash(rows, ["a", "b"], salt="split").tolist() == numbers
    days = [date(2024, 1, day) for day in range(1, 32)]
    assert held_out(days, 0.1) == [date(2024, 1, day) for day in (10, 13, 19)]


def test_shares_by_key_are_near_what_was_asked_for():
    rows = pl.DataFrame({"id": range(4000)})
    counts = dict(
        by_key(rows, ["id"], shipped(Split, test=0.2, tune=0.1, holdout=0.05)).value_counts().rows()
    )
    for name, share in (("train", 0.65), ("test", 0.2), ("tune", 0.1), ("holdout", 0.05)):
        assert counts[name] / 4000 == pytest.approx(share, abs=0.025), name


def test_the_holdout_by_key_does_not_move_with_the_other_shares():
    rows = pl.DataFrame({"id": range(500)})
    few, many = (
        by_key(rows, ["id"], shipped(Split, test=test, tune=0.1, holdout=0.1)) == "holdout"
        for test in (0.1, 0.6)
    )
    assert few.equals(many)


def test_keys_of_several_columns_do_not_run_together():
    rows = pl.DataFrame({"a": ["1", "11"] * 500, "b": [f"{i}" for i in range(1000)]})
    swapped = rows.select(a="b", b="a")
    shares = shipped(Split, test=0.4, tune=0.1, holdout=0.1)
    assert not by_key(rows, ["a", "b"], shares).equals(by_key(swapped, ["a", "b"], shares))


@pytest.mark.parametrize(
    ("parts", "said"),
    [({"test": "1mo", "tune": "1mo"}, "takes shares"), ({"test": 0.6, "tune": 0.4}, "expected less than 1")],
)
def test_a_split_by_key_that_can_not_be_is_one_error(days: pl.DataFrame, parts: dict, said: str):
    with pytest.raises(AccordError, match=said):
        by_key(days, ["id"], shipped(Split, **parts))


def test_rows_of_a_day_are_one_block(days: pl.DataFrame):
    found = blocks(days, ["id"], ONE_DAY)
    assert found.n_unique() == 120
    assert days.with_columns(block=found).group_by("block").agg(pl.col("at").dt.date().n_unique())[
        "at"
    ].unique().to_list() == [1]


def test_rows_without_time_are_their_own_blocks_up_to_a_thousand():
    few, many = pl.DataFrame({"id": range(300)}), pl.DataFrame({"id": range(3000)})
    assert blocks(few, ["id"], None).n_unique() == 300
    found = blocks(many, ["id"], None)
    assert 800 < found.n_unique() <= 1000
    assert found.reverse().equals(blocks(many.reverse(), ["id"], None))


def test_a_sliding_window_leaves_older_rows_out_of_train_and_keeps_their_holdout(days: pl.DataFrame):
    expanding = shipped(Split, cutoff=date(2024, 4, 1), test="1mo", tune="2w", holdout=0.2)
    sliding = expanding.model_copy(update={"train": "3w"})
    assigned, boundaries = by_time(days, ONE_DAY, sliding)
    assert boundaries.train == datetime(2024, 1, 26)
    assert min(days_of(days, assigned, "train")) >= date(2024, 1, 26)
    assert max(days_of(days, assigned, "older")) < date(2024, 1, 26)
    before, _ = by_time(days, ONE_DAY, expanding)
    for name in ("tune", "test", "holdout", "future"):
        assert ((assigned == name) == (before == name)).all(), name


def test_data_without_time_has_no_stretch_to_train_on():
    with pytest.raises(AccordError, match=r"data\.split\.train is 3w"):
        by_key(pl.DataFrame({"row": [1, 2]}), ["row"], shipped(Split, train="3w"))


@pytest.mark.parametrize("n", [90, 9000])
def test_all_rows_of_a_subject_are_on_one_side_and_in_one_block_without_time(n: int):
    rows = pl.DataFrame({"visit": range(n), "patient": [f"p{i // 3}" for i in range(n)]})
    columns = {"visit": {"type": "integer", "role": "info"}, "patient": {"type": "category", "role": "info"}}
    data = visits(columns, key=["visit"], subject="patient")
    parts, _ = split(rows, data, n, 0)
    patients = [set(part["patient"]) for part in parts.values()]
    assert sum(map(len, patients)) == len(set().union(*patients)) == n // 3
    both = rows.with_columns(block=blocks(rows, data.dealt_by, None))
    assert both.group_by("patient").agg(pl.col("block").n_unique())["block"].unique().to_list() == [1]
    assert both["block"].n_unique() == n // 3 or n > 1000
    by_row, _ = split(rows, visits(columns, key=["visit"]), n, 0)
    assert sum(part["patient"].n_unique() for part in by_row.values()) > n // 3


def visits(columns: dict, **keys: object) -> Data:
    targets = {"late": {"task": "binary", "sql": "true"}}
    return shipped(
        Data, name="visits", sources={"visits": {"path": "-"}}, columns=columns, targets=targets, **keys
    )
