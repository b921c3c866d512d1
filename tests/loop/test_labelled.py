"""The latest outcome stands beside its prediction, whenever and however often outcomes come."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traffic_records import NOON, SETTINGS, predicted, reported

from accord.commands.traffic import as_text
from accord.traffic import outcomes
from accord.traffic.compaction import compact
from accord.traffic.outcomes import coverage, labelled
from accord.traffic.records import Predicted, encode

Write = Callable[..., None]


def id_of(record: Predicted) -> str:
    return record.rows[0].prediction_id


def delays(folder: Path) -> dict[str, tuple[Any, bool]]:
    """Each prediction's delay, and whether an outcome is known."""
    rows = labelled(folder).collect()
    assert rows["prediction_id"].is_unique().all()
    values = rows["outcome|delay"] if "outcome|delay" in rows.columns else [None] * rows.height
    return {
        i: (v, at is not None)
        for i, v, at in zip(rows["prediction_id"], values, rows["outcome_at"], strict=True)
    }


def test_outcomes_find_their_predictions_by_id_and_by_key(folder: Path, write: Write):
    first, second, third = predicted(), predicted(key="7|x"), predicted(key="8|x")
    write(first, second, third, reported(id_of(first), delay=1.5), reported(key="7|x", delay=None))
    expected = {id_of(first): (1.5, True), id_of(second): (None, True), id_of(third): (None, False)}
    assert delays(folder) == expected
    compact(folder, SETTINGS)
    assert delays(folder) == expected


def test_without_any_outcome_none_is_known(folder: Path, write: Write):
    assert labelled(folder).collect().height == 0
    record = predicted()
    write(record)
    assert delays(folder) == {id_of(record): (None, False)}
    assert coverage(folder).rows() == [(NOON.date(), 1, 0, 0)]


def test_an_outcome_may_be_there_before_its_prediction(folder: Path, write: Write):
    record = predicted(key="7|x")
    write(reported(key="7|x", delay=3), reported(id_of(record), delay=4), reported(key="9|x", delay=5))
    assert coverage(folder).rows() == [(NOON.date(), 0, 0, 3)]
    compact(folder, SETTINGS)
    write(record)
    assert delays(folder) == {id_of(record): (4, True)}
    assert coverage(folder).rows() == [(NOON.date(), 1, 1, 1)]


def test_the_last_received_wins_and_history_is_kept(folder: Path, write: Write):
    record = predicted(key="7|x")
    write(record, reported(id_of(record), delay=1))
    compact(folder, SETTINGS)
    write(reported(key="7|x", delay=2.5))
    assert delays(folder) == {id_of(record): (2.5, True)}, "whichever way it names the row"
    write(reported(id_of(record), delay=None))
    assert delays(folder) == {id_of(record): (None, True)}
    write(reported(id_of(record), "7|x", delay=4), reported(key="7|y", delay=9))
    compact(folder, SETTINGS)
    assert delays(folder) == {id_of(record): (4, True)}
    assert outcomes.scan_outcomes(folder).collect().height == 5


def test_the_same_outcome_again_changes_nothing(folder: Path, write: Write):
    record = predicted(key="7|x")
    write(record, *(reported(key="7|x", delay=1) for _ in range(3)))
    assert delays(folder) == {id_of(record): (1, True)}
    assert coverage(folder).rows() == [(NOON.date(), 1, 1, 0)]


def test_predictions_of_one_row_share_its_outcome(folder: Path, write: Write):
    first, again = predicted(key="7|x"), predicted(key="7|x")
    write(first, again, reported(key="7|x", delay=1), reported(id_of(again), delay=2))
    assert delays(folder) == {id_of(first): (1, True), id_of(again): (2, True)}


def test_a_stretch_has_its_predictions_with_outcomes_of_any_time(folder: Path, write: Write):
    early, late = predicted(key="1"), predicted(key="2", at=NOON + timedelta(days=3))
    write(early, late, reported(key="1", at=NOON + timedelta(days=40), delay=1), reported(key="2", delay=2))
    rows = labelled(folder, end=NOON + timedelta(days=1)).collect()
    assert rows.select("key", "outcome|delay").rows() == [("1", 1)]
    days = coverage(folder).rows()
    assert days == [(NOON.date(), 1, 1, 0), ((NOON + timedelta(days=3)).date(), 1, 1, 0)]


def test_the_outcome_of_one_prediction_is_the_one_of_the_table(folder: Path, write: Write):
    record = predicted(key="7|x")
    write(
        record,
        reported(key="7|x", delay=1),
        reported(id_of(record), delay=2, late=True),
        reported(key="8", delay=3),
    )
    [row] = labelled(folder).collect().to_dicts()
    assert outcomes.of(folder, row) == {"outcome_at": NOON, "outcome|delay": 2, "outcome|late": True}
    assert outcomes.of(folder, {"prediction_id": "none", "key": None}) == {}


def test_accord_traffic_counts_the_outcomes_that_the_log_holds(folder: Path, write: Write):
    now = datetime.now(UTC)
    write(
        predicted(key="7|x", at=now),
        reported(key="7|x", delay=1, at=now),
        reported(key="8|x", delay=1, at=now),
    )
    kept = compact(folder, SETTINGS)
    assert kept is not None
    assert kept.n_outcomes == 2
    told = as_text(folder, SETTINGS, kept).splitlines()
    assert told[-1].split() == [str(now.date()), "1", "1", "1"]
    assert "2 outcomes" in told[1]


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["predict", "by id", "by key", "compact"]),
        st.none() | st.integers(0, 9),
    ),
    max_size=20,
)


@settings(max_examples=25, deadline=None)
@given(events=EVENTS)
def test_any_order_of_events_gives_what_a_dictionary_would(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[int, str, int | None]]
):
    from accord.traffic.log import TrafficLog

    folder = tmp_path_factory.mktemp("log")
    records = [predicted(key=f"k{i}") for i in range(4)]
    seen, latest = set(), {}
    for i, what, value in events:
        log = TrafficLog(folder, SETTINGS)
        if what == "compact":
            compact(folder, SETTINGS)
        elif what == "predict":
            if i not in seen:
                log.append(encode(records[i]))
            seen.add(i)
        else:
            latest[i] = value
            by_id = what == "by id"
            log.append(
                encode(
                    reported(id_of(records[i]) if by_id else None, None if by_id else f"k{i}", delay=value)
                )
            )
        log.close()
    assert delays(folder) == {id_of(records[i]): (latest.get(i), i in latest) for i in seen}
