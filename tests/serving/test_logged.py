"""What the service answers is in its log, once, before the client has it; what it refuses is there with the reason."""

import math
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from projects import Project
from services import TOKEN, Running, home_with, json_rows, running

from accord import code
from accord.bundle.bundle import Bundle, load_bundle

AUTHORISED = {"authorization": f"Bearer {TOKEN}"}
ANSWERED = ("prediction_id", "predictions", "score", "action", "warnings")


@pytest.fixture(scope="module")
def bundle(released: dict[str, Path]) -> Bundle:
    return load_bundle(released["lightgbm"])


@pytest.fixture(scope="module")
def rows(packaged: Project, bundle: Bundle) -> list[dict[str, Any]]:
    return json_rows(packaged, bundle)


@pytest.fixture(scope="module")
def exploring(
    packaged: Project, released: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A service of two workers that explores."""
    home = home_with(released, tmp_path_factory.mktemp("exploring") / "home")
    with running(packaged, home, {"workers": 2, "explore": 0.3}) as service:
        yield service


def logged(service: Running, prediction_id: str) -> dict[str, Any]:
    """The one line of the log about a prediction."""
    [found] = service.home.predicted()[prediction_id]
    return found


def test_each_answer_is_in_the_log_once_as_it_was_given(live: Running, rows: list[dict[str, Any]]) -> None:
    asked = [rows[:1], rows[1:40], rows]  # by the quick path, and by a thread
    before = datetime.now(UTC)
    answers = [live.ask(*part) for part in asked]
    after = datetime.now(UTC)
    log = live.home.predicted()
    for answer in answers:
        for row in answer["rows"]:
            [found] = log[row["prediction_id"]]
            given = {name: found.get(name, [] if name == "warnings" else None) for name in ANSWERED}
            assert given == row
            assert found["model"] == answer["model"]
            assert before <= datetime.fromisoformat(found["at"]) <= after
            assert found["latency_us"] > 0


def test_the_log_names_the_code_that_answered(
    live: Running, rows: list[dict[str, Any]], packaged: Project
) -> None:
    [answered] = live.ask(rows[0])["rows"]
    [found] = live.home.predicted()[answered["prediction_id"]]
    assert found["code"] == code.hash_of_all()[:16], "the Bento has the project's code"


def test_requests_at_once_are_all_logged_once(exploring: Running, rows: list[dict[str, Any]]) -> None:
    segments = exploring.home.traffic / "segments"

    def both_answer() -> bool:
        exploring.ask(rows[0], connection="close")
        return len(list(segments.glob("*.jsonl"))) == 2

    exploring.until(both_answer, "both workers answer")
    with ThreadPoolExecutor(8) as pool:
        asked = (rows[i % 50 : i % 50 + 1 + i % 3] for i in range(200))
        answers = list(pool.map(lambda part: exploring.ask(*part, connection="close"), asked))
    ids = [row["prediction_id"] for answer in answers for row in answer["rows"]]
    log = exploring.home.predicted()
    assert len(ids) == len(set(ids))
    assert {len(log[i]) for i in ids} == {1}
    per_segment = [path.read_bytes().count(b"\n") for path in segments.glob("*.jsonl")]
    assert min(per_segment) > 1  # both workers took part


def test_the_record_is_there_when_the_first_byte_of_the_answer_arrives(
    live: Running, rows: list[dict[str, Any]]
) -> None:
    for row in rows[:20]:
        request = live.client.build_request("POST", "/predict", json={"rows": [row]})
        with socket.create_connection(("127.0.0.1", live.port)) as connection:
            n_before = len(live.home.records())
            head = f"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(request.content)}\r\n\r\n"
            connection.sendall(head.encode() + request.content)
            assert connection.recv(1)
            assert len(live.home.records()) == n_before + 1


def test_the_key_is_logged_where_the_request_brought_it(live: Running, rows: list[dict[str, Any]]) -> None:
    with_key, without = rows[0], {name: value for name, value in rows[0].items() if name != "ride"}
    first, second = live.ask(with_key, without)["rows"]
    assert logged(live, first["prediction_id"])["key"] == str(with_key["ride"])
    assert "key" not in logged(live, second["prediction_id"])
    assert first["predictions"] == second["predictions"]


def test_columns_that_identify_are_hashed_or_dropped_and_the_others_kept(
    live: Running, rows: list[dict[str, Any]]
) -> None:
    row = next(row for row in rows if None not in row.values())
    same, other = row | {"distance": 1.25}, row | {"bike": "bike of a stranger"}
    kept = [logged(live, a["prediction_id"])["row"] for a in live.ask(row, same, other)["rows"]]
    for found, given in zip(kept, (row, same, other), strict=True):
        assert set(found) == set(given) - {"booked_at"}
        names = set(given) - {"booked_at", "bike"}
        assert {name: found[name] for name in names} == {name: given[name] for name in names}
    hashes = [found["bike"] for found in kept]
    assert hashes[0] == hashes[1] != hashes[2]
    assert len(bytes.fromhex(hashes[0])) == 16


@pytest.mark.parametrize("size", [1, 200], ids=["quick", "by a thread"])
def test_no_byte_of_the_log_shows_what_the_config_calls_personal(
    live: Running, rows: list[dict[str, Any]], size: int
) -> None:
    """Neither the row nor the warning of a level that training never saw, nor the reason of a refusal."""
    stranger = rows[0] | {"bike": "Ingeborg Müller", "booked_at": "1987-06-05T04:03:02.123456"}
    answer = live.ask(*[stranger] * size)
    assert "Ingeborg Müller" in answer["rows"][0]["warnings"][0]  # the client, who sent it, may know
    found = logged(live, answer["rows"][0]["prediction_id"])
    assert any("bike" in warning for warning in found["warnings"])
    live.client.post("/predict", json={"rows": [rows[0] | {"booked_at": "0001-01-01T00:00:00+14:00"}]})
    live.client.post("/predict", json={"rows": [rows[0] | {"bike": ["Ingeborg Müller"]}]})
    bytes_kept = b"".join(path.read_bytes() for path in live.home.traffic.rglob("*") if path.is_file())
    for trace in ("Ingeborg", "Müller", "1987-06-05", "0001-01-01"):
        assert trace.encode() not in bytes_kept
    assert b"rows[0].booked_at" in bytes_kept


def test_refusals_are_logged_with_status_and_reason(live: Running, rows: list[dict[str, Any]]) -> None:
    n_before = len(live.home.refused())
    requests: list[tuple[int, dict[str, Any]]] = [
        (422, {"json": {"rows": [rows[0] | {"distance": -1}]}}),
        (422, {"json": {"rows": [rows[0] | {"member": True, "distance": 95.0}]}}),
        (422, {"content": b"{", "headers": {"content-type": "application/json"}}),
        (415, {"content": b"x", "headers": {"content-type": "text/csv"}}),
        (413, {"content": b" " * 1_000_001, "headers": {"content-type": "application/json"}}),
    ]
    answers = [live.client.post("/predict", **request) for _, request in requests]
    found = live.home.refused()[n_before:]
    assert [answer.status_code for answer in answers] == [status for status, _ in requests]
    assert [record["status"] for record in found] == [status for status, _ in requests]
    assert [record["reason"] for record in found] == [answer.json()["error"] for answer in answers]
    assert [record.get("n_bytes", 0) for record in found][2:4] == [1, 1]


def test_explanations_are_not_logged(live: Running, rows: list[dict[str, Any]]) -> None:
    before = live.home.records()
    explained = live.client.post("/explain", json={"rows": rows[:2]})
    assert explained.status_code == 200
    live.client.post("/explain", json={"rows": []})
    assert live.home.records() == before


def test_explored_actions_are_logged_with_their_probability_and_change_nothing_else(
    live: Running, exploring: Running, rows: list[dict[str, Any]]
) -> None:
    """Both actions of a row occur, each within five standard deviations of its share."""
    share, n = 0.3, 2000
    [usual] = live.ask(rows[0])["rows"]
    answers = [row for _ in range(4) for row in exploring.ask(*[rows[0]] * (n // 4))["rows"]]
    log = exploring.home.predicted()
    others = [row for row in answers if row["action"] != usual["action"]]
    assert abs(len(others) - n * share / 2) < 5 * math.sqrt(n * share / 2)
    for row in answers:
        assert (row["predictions"], row["score"]) == (usual["predictions"], usual["score"])
        assert "probability" not in row  # the client need not know
        [found] = log[row["prediction_id"]]
        assert found["action"] == row["action"]
        expected = share / 2 if row["action"] != usual["action"] else 1 - share / 2
        assert found["probability"] == expected
    assert "probability" not in logged(live, usual["prediction_id"])


def test_the_log_says_under_which_weights_a_row_was_scored(live: Running, rows: list[dict[str, Any]]) -> None:
    [before] = live.ask(rows[0])["rows"]
    changed = live.client.post("/policy", json={"weights": {"fee": 40.0}}, headers=AUTHORISED)
    assert changed.status_code == 200, changed.text
    [after] = live.ask(rows[0])["rows"]
    live.client.post("/policy", json={"weights": {"fee": 4.0}}, headers=AUTHORISED)
    assert "weights" not in logged(live, before["prediction_id"])
    assert logged(live, after["prediction_id"])["weights"] == {"fee": 40.0}
    assert after["score"] == pytest.approx(before["score"] + 36)
    assert after["predictions"] == before["predictions"]
